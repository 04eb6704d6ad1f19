"""The study of places apart on the page of the world study: its plan beside its outcome, by the rule that the plan gave."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

from cvig import metrics
from cvig.metrics.comparison import holm
from cvig.metrics.conventions import CONVENTIONS, PAPER_CODE, TOP_OF_PERCENT
from cvig.printed.tables import cutoffs
from cvig.words import count, say_p
from study.chapters.examined.calibration import published_tables
from study.ground import in_words, measured
from study.plans import TEXTS, Study, read
from study.runs import TITLES, Run
from study.tables import METRICS
from study.words import code, seeds_of, with_interval

SEEDS = 3  # that the plan asks for
NEAREST, SEEN = 10, 4096  # neighbours, and queries and tiles at most, that `cvig.metrics.collapse.diagnose` looks at


def plan_in_markdown(path: Path | str) -> str:
    """What a plan said before its runs: question, hypothesis, measure and decision, a paragraph each."""
    study = read(path)
    return "\n\n".join(f"**{text.capitalize()}.** {' '.join(study[text].split())}" for text in TEXTS)


def _above_chance(run: Run) -> bool:
    row = run.metrics["uncropped"].loc["PSSR"]
    return bool(row.low > row.chance)


def counts_by_code(run: Run) -> dict[str, tuple[int, int]]:
    """For each recall the queries that the paper's code counts as found in the uncropped test, and k + 1."""
    facts = run.facts["uncropped"]
    shares = {name: facts["as_coded"][name] for name in METRICS if name in facts["as_coded"] and name != "PSSR"}
    ks, queries = cutoffs(pd.DataFrame(columns=list(shares))), facts["queries"]
    percent = TOP_OF_PERCENT[CONVENTIONS[PAPER_CODE].percent]
    top = {name: percent(float(k[:-1]), queries) if isinstance(k, str) else k for name, k in ks.items()}
    return {name: (round(share * queries), top[name] + 1) for name, share in shares.items()}


def has_published_pattern(run: Run) -> bool:
    """Whether all six counts by the paper's code lie within 1 of k + 1."""
    return all(abs(found - expected) <= 1 for found, expected in counts_by_code(run).values())


def progress(study: Study) -> str:
    """Say in Markdown how many runs were made, and which of them are lacking."""
    lacking = [name for name in study.planned if name not in study.runs and name not in study.diverged]
    text = f"**{len(study.runs)} of {len(study.planned)} planned runs are finished"
    text += f", {len(study.diverged)} ended without a finite loss" if study.diverged else ""
    return f"{text}.**" + (f" What the budget did not bear: {code(lacking)}." if lacking else "")


def outcome(study: Study) -> pd.DataFrame:
    """A row for each architecture and recipe: PSSR of each seed, and what the plan's decision rule says of them."""
    rows: dict[tuple[str, str], dict] = {}
    of_cell: dict[tuple[str, str], list[Run]] = {}
    for name, settings in study.planned.items():
        of_cell.setdefault((settings["arch"], settings["recipe"]), []).extend(filter(None, [study.runs.get(name)]))
    for cell, runs in of_cell.items():
        above, pattern = [sum(map(test, runs)) for test in (_above_chance, has_published_pattern)]
        said = "no run yet" if not runs else "yes" if above == len(runs) else "not shown" if not above else "open"
        scores = [run.metrics["uncropped"].loc["PSSR", ["value", "low", "high"]] for run in runs]
        rows[cell] = {
            "seeds": f"{len(runs)} of {SEEDS}",
            "each": seeds_of(run.label for run in runs) if runs else "",
            "PSSR of each": ", ".join(with_interval(*score) for score in scores),
            "beats chance": said,
            "published pattern": f"{pattern} of {len(runs)}" if runs else "",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["architecture", "recipe"])


def by_the_code(study: Study) -> pd.DataFrame:
    """A row a run: the queries that the paper's code counts as found in the uncropped test; the last row is k + 1."""
    rows, expected = {}, {}
    for run in study.runs.values():
        found = counts_by_code(run)
        rows[run.label] = {recall: str(of[0]) for recall, of in found.items()}
        expected = {recall: str(of[1]) for recall, of in found.items()}
    return pd.DataFrame.from_dict(rows | {"k + 1": expected}, orient="index")


def crops(study: Study) -> pd.DataFrame:
    """A row a run: PSSR of the cropped test less that of the uncropped one, query by query, over squares of ground.

    p is two-sided, adjusted by Holm's method for all rows.
    """
    rows, p_values = {}, []
    for run in study.runs.values():
        cropped, uncropped = run.ranks("cropped"), run.ranks("uncropped")
        each = [metrics.per_query_pssr(ranks, ties="pessimistic") for ranks in (cropped, uncropped)]
        squares = measured(each[0] - each[1], run.coordinates)
        where = {} if squares is None else {"coordinates": run.coordinates, "side": squares.side}
        row = metrics.compare(cropped, uncropped, places=np.arange(len(cropped)), **where).loc["PSSR"]
        rows[run.label] = {
            "cropped less uncropped": with_interval(row.difference, row.low, row.high, "{:+.4f}".format),
            "over": in_words(squares),
        }
        p_values.append(row.p_value)
    adjusted = holm(np.array(p_values))
    for row, p_value in zip(rows.values(), adjusted, strict=True):
        row["p by Holm"] = say_p(p_value)
    return pd.DataFrame.from_dict(rows, orient="index")


def more_invariant_to_crops(table: pd.DataFrame) -> str:
    """Say of `crops` in how many runs cropped tiles rank otherwise than whole ones."""
    better = sum(cell.startswith("+") for cell in table["cropped less uncropped"])
    return f"In {better} of {count(len(table), 'run')} the cropped tiles rank better, in the others not."


def best(sources: dict[str, dict[str, Run]]) -> Run:
    """The run of the study of places apart with the highest PSSR on the uncropped test."""
    return max(sources[TITLES["apart"]].values(), key=lambda run: run.metrics["uncropped"].loc["PSSR", "value"])


def hubs(runs: dict[str, Run]) -> pd.DataFrame:
    """A row a run: of which share of the queries of the uncropped test one and the same tile is among the ten nearest.

    By chance is the median of the largest such share over random orders of the gallery, in which tiles are independent.
    """
    rows = {}
    for name, run in runs.items():
        facts = run.facts["uncropped"]
        seen = min(SEEN, facts["gallery"])
        largest = binom.ppf(0.5 ** (1 / seen), seen, NEAREST / seen) / seen
        rows[name] = {
            "queries that share a tile": f"{100 * facts['largest_hub']:.1f}%",
            "by chance": f"{100 * largest:.1f}%",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def published_first_hits(data: str = "CVUSA") -> pd.DataFrame:
    """R@1 of published tables on a data set: a row a table, with the queries, and the least and the greatest as printed."""
    rows = {}
    for table in published_tables():
        column = table["columns"].index("R@1") if "R@1" in table["columns"] else None
        if data not in table["name"] or column is None:
            continue
        printed = sorted((row[column] for row in table["rows"].values() if row[column]), key=float)
        if printed:
            rows[table["name"], table["source"]] = {
                "queries": table["n"],
                "least R@1": printed[0],
                "greatest R@1": printed[-1],
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["table", "source"])
