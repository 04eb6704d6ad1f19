"""What a verdict of the examination is worth: tables of known size, published and simulated (study/plans/examination.md)."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cvig.metrics import share_interval
from cvig.printed import chance
from cvig.printed.scan import LEVEL, scan
from cvig.printed.tables import digits, impossible_orderings
from cvig.ranking import exact_ranks
from study.chapters.examined.made_embeddings import agreeing_queries, on_a_line

SIZES = range(100, 40_001)
SIMULATED_SIZES = range(100, 20_001)
COLUMNS = {"R@1": 1, "R@5": 5, "R@10": 10, "R@1%": "1%"}
PAPER = {"R@1": 1, "R@5": 5, "R@10": 10, "R@1%": "1%", "R@5%": "5%", "R@10%": "10%"}
SPREADS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)


def published_tables() -> list[dict]:
    """The tables of ``published_tables.json``: cells as printed, with their source, and the size with its own."""
    return json.loads(Path(__file__).with_name("published_tables.json").read_text(encoding="utf-8"))["tables"]


def cells_of(table: dict) -> pd.DataFrame:
    """The cells of a published table as `cvig.printed` wants them."""
    return pd.DataFrame(table["rows"], index=table["columns"]).T


def bound(cells: pd.DataFrame) -> float:
    """The size from on which any size prints any cell: no cell rules anything out (of the most decimals printed)."""
    decimals = max(digits(cell)[1] for cell in cells.to_numpy().ravel() if cell)
    return 100 * 10**decimals / 1.5


def judge(cells: pd.DataFrame, n: int, sizes: range) -> dict:
    """Which size stands out, and whether it is the known one."""
    found = scan(cells, sizes)
    named = found.best if found.adjusted < LEVEL else None
    kind = "none"
    if named is not None:
        kin = named % n == 0 or n % named == 0
        kind = "recovered" if named == n else "kin" if kin else "wrong"
    return {"named": named, "verdict": kind, "adjusted": found.adjusted, "explained": found.at(n), "cells": len(found.cells)}


def published() -> Iterator[dict]:
    """A row a published table."""
    for table in published_tables():
        cells, n = cells_of(table), table["n"]
        wrong = impossible_orderings(cells, n)
        yield {
            "name": table["name"],
            "n": n,
            "mean_of": table.get("mean_of", 1),
            "rows": len(cells),
            "bound": bound(cells),
            **judge(cells, n, SIZES),
            "impossible": [[*map(str, pair)] for pair in wrong.itertuples(index=False)],
        }


def skilled_counts(n: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Recalled queries [rows, 4] of models of different skill: ranks n · u^a, u uniform, a between 1.5 and 6."""
    tops = chance.tops_under(COLUMNS, n, "plain").to_numpy()
    ranks = 1 + np.floor(n * rng.random((rows, n)) ** rng.uniform(1.5, 6, (rows, 1)))
    return (ranks[..., None] <= tops).sum(1)


def printed(counts: np.ndarray, n: int, decimals: int) -> pd.DataFrame:
    """Counts as a table of percentages, rounded."""
    rows = [[f"{100 * count / n:.{decimals}f}" for count in row] for row in counts]
    columns = list(COLUMNS if counts.shape[1] == len(COLUMNS) else PAPER)
    return pd.DataFrame(rows, columns=columns, index=[f"model {i}" for i in range(len(rows))])


def simulated(draws: int = 30) -> Iterator[dict]:
    """How often tables of skilled models give their size away, by size, decimals and rows of four cells."""
    for n in (315, 701, 2331, 6194, 8884):
        for decimals in (1, 2, 3):
            for rows in (1, 3, 9):
                verdicts = []
                for seed in range(draws):
                    rng = np.random.default_rng([n, decimals, rows, seed])
                    table = printed(skilled_counts(n, rows, rng), n, decimals)
                    verdicts.append(judge(table, n, SIMULATED_SIZES)["verdict"])
                row = {"n": n, "decimals": decimals, "cells": 4 * rows, "draws": draws}
                yield row | {kind: verdicts.count(kind) for kind in ("recovered", "kin", "wrong", "none")}


def without_skill(draws: int = 300, n: int = 6194) -> dict:
    """Of tables of independent random rankings, four rows of six columns: in how many does either test speak?"""
    top = chance.tops_under(PAPER, n, "as-coded")
    cells, closer, farther = 0, 0, 0
    for seed in range(draws):
        ranks = np.random.default_rng(seed).integers(n, size=(4, n))
        counts = pd.DataFrame((ranks[..., None] < top.to_numpy()).sum(1), columns=top.index).astype("Int64")
        cells += chance.against_chance(counts, top, n).holm.min() < chance.DIFFERS
        rows = chance.scatter(counts, top, n, draws=20_000)
        spoke = rows[rows.holm < chance.DIFFERS]
        closer += bool((spoke.closer < spoke.farther).any())
        farther += bool((spoke.closer > spoke.farther).any())
    return {"tables": draws, "cells": int(cells), "closer": int(closer), "farther": int(farther)}


def near_collapse(draws: int = 40, n: int = 1000) -> Iterator[dict]:
    """How often a row of queries that nearly agree is called closer to chance than chance, by their spread."""
    top = chance.tops_under(PAPER, n, "as-coded")
    for spread in SPREADS:
        closer = 0
        for seed in range(draws):
            found = exact_ranks(*agreeing_queries(n, spread, seed=seed), progress=False).closer
            counts = pd.DataFrame([(found[:, None] < top.to_numpy()).sum(0)], columns=top.index).astype("Int64")
            row = chance.scatter(counts, top, n, draws=20_000).iloc[0]
            closer += bool(row.p_value < chance.DIFFERS and row.closer < row.farther)
        yield {"spread": spread, "tables": draws, "closer": closer}


def lines(draws: int = 2000, n: int = 6194) -> dict:
    """Of random rows with a plateau, how many can be put on a line whose scores give them back (`on_a_line`)?

    A row: R@1 at least what one shared ranking gives, R@1% beyond it, R@5% equal to R@10%; between them at random.
    """
    top = chance.tops_under(PAPER, n, "as-coded").to_numpy()
    built, checked = 0, 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        plateau = int(rng.integers(3000, n - 1))
        first = int(rng.integers(top[0], top[0] + 40))
        few = np.sort(rng.integers(first, first + top[3] - top[0], 2))
        middle = int(rng.integers(few[-1] + top[3], plateau))
        row = np.array([first, *few, middle, plateau, plateau])
        try:
            line = on_a_line(row, top, n)
        except ValueError:
            continue
        built += 1
        if seed < 20:
            closer = exact_ranks(line.query, line.gallery, progress=False).closer
            checked += bool(((closer[:, None] < top).sum(0) == row).all())
    return {"rows": draws, "built": built, "checked": checked, "of": min(20, built)}


def plateaus(draws: int = 500, n: int = 6194) -> dict:
    """Of rows of honest skilled models, how many have R@5% equal to R@10%, below all?"""
    tops = chance.tops_under(PAPER, n, "as-coded").to_numpy()
    flat = 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        ranks = np.floor(n * rng.random(n) ** rng.uniform(1, 6))
        counts = (ranks[:, None] < tops).sum(0)
        flat += bool(counts[-1] == counts[-2] < n)
    return {"rows": draws, "flat": flat}


def share(hits: int, of: int) -> str:
    """A share in words, with its exact 95% interval."""
    low, high = share_interval(np.arange(of) < hits)
    return f"{hits} of {of} (95% interval {100 * low:.1f}% to {100 * high:.1f}%)"
