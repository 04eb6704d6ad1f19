"""The report of ``cvig score``: everything that it says, as plain values that `schema.json` describes."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cvig.metrics import compare, search_share, summary
from cvig.metrics.collapse import diagnose
from cvig.metrics.inference import RECALL_AT
from cvig.metrics.values import check_top
from cvig.ranking import Ranks
from cvig.scoring.case import Case
from cvig.scoring.metres import first_place
from cvig.scoring.options import Options
from cvig.scoring.published import published
from cvig.scoring.ranked import places_of, rank_case

COVERAGES = (0.5, 0.8, 0.9, 0.95)  # of the search share
SCHEMA = Path(__file__).with_name("schema.json")


@dataclasses.dataclass
class Scored:
    """A case with its ranks, and what follows from them.

    Attributes
    ----------
    ranks : Ranks
    places : array [Q], optional
    table : DataFrame
        As of `cvig.metrics.summary`, and a row for the hit rate where there are semi-positives.
    report : dict
        Plain values, as JSON has them.
    """

    case: Case
    ranks: Ranks
    places: np.ndarray | None
    table: pd.DataFrame
    report: dict[str, Any]


def score_case(case: Case, options: Options, *, conventions: bool, collapse: bool = True) -> Scored:
    """Rank a case and report on it."""
    if options.average_precision and case.lost:
        raise ValueError("--average-precision with --unanswered wrong: a query without an answer has no precision")
    ranks = rank_case(case, similarity=options.compared, closer=options.closer, every=options.average_precision)
    places = places_of(case, ranks)
    said, side = list(case.said), None
    if options.block_side is not None:
        from cvig.scoring.squares import in_squares

        places, side, line = in_squares(case, ranks, places, options.block_side)
        said.append(line)
    table = summary(ranks, ties=options.ties, top=tops(options.k, ranks), places=places)
    if case.semi is not None:
        hit = rank_case(case, similarity=options.compared, closer=options.closer, semi=True)
        table.loc["hit rate"] = summary(hit, ties=options.ties, places=places).loc["R@1"]
    metres = None
    if case.coordinates is not None:
        ways = {"similarity": options.compared, "closer": options.closer, "ties": options.ties}
        metres = first_place(case, **ways, places=places)
    diagnosis = None
    if collapse and case.matrix is None:
        diagnosis = diagnose(case.query, case.gallery, progress=True)
    shown, notes = None, list(case.notes)
    if conventions:
        if options.similarity == "hamming":
            notes.append("Published evaluators are not shown: they compare numbers, not bits.")
        else:
            shown, more = published(case, list(table.index))
            notes += more
    comparison = None
    if options.compare:
        from cvig.scoring.other import ranks_of_other

        comparison = compare(ranks, ranks_of_other(case, options), ties=options.ties, places=places)
    counts = case.truth.counts
    report = {
        "query": _side(options.query, case.query, case.given),
        "gallery": _side(options.gallery, case.gallery, case.truth.gallery),
        "matrix": options.matrix,
        "positives": options.positives,
        "truth": {
            "origin": case.truth.origin,
            "queries": case.given,
            "answered": len(case.kept),
            "lost": case.lost,
            "fewest_answers": int(counts.min()),
            "most_answers": int(counts.max()),
            "places": len(np.unique(places)) if places is not None else len(ranks),
            "block_side": side,
        },
        "understood": said,
        "similarity": options.similarity if case.matrix is None else f"{options.closer} is closer",
        "ties": options.ties,
        "tied_queries": int((ranks.tied > 0).sum()),
        "most_ties": int(ranks.tied.max()),
        "summary": table.to_dict(orient="index"),
        "search_share": {f"{c:g}": search_share(ranks, c, places=places)._asdict() for c in COVERAGES},
        "first_place": metres,
        "comparison": None if comparison is None else comparison.to_dict(orient="index"),
        "collapse": None if diagnosis is None else {"verdict": diagnosis.verdict, **dataclasses.asdict(diagnosis)},
        "conventions": shown,
        "notes": notes,
    }
    return Scored(case, ranks, places, table, plain(report))


def tops(asked: Sequence[str], ranks: Ranks) -> list[int | str]:
    """Where recall is taken: the usual cut-offs and those asked for, counts first.

    Raises
    ------
    ValueError
        Neither a count within the gallery nor a percentage.
    """
    smallest = int(ranks.sizes.min())
    wanted = [int(k) if k.isdecimal() else k for k in asked]
    for k in wanted:
        check_top(k, smallest)
    every = dict.fromkeys([*RECALL_AT, *wanted])
    return sorted(every, key=lambda k: (isinstance(k, str), float(str(k).removesuffix("%"))))


def _side(place: str | None, rows: np.ndarray | None, count: int) -> dict[str, Any]:
    return {"file": place, "rows": count, "dimensions": None if rows is None else rows.shape[1]}


def plain(value: Any) -> Any:
    """What JSON can say: Python's own types, with null for NaN and infinity."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def schema() -> dict[str, Any]:
    """The JSON schema of the report."""
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def tidy(scored: Scored) -> pd.DataFrame:
    """A row an evaluator and metric; a published evaluator has a value alone."""
    ours = scored.table.rename_axis("metric").reset_index()
    ours.insert(0, "evaluator", "cvig")
    theirs = [
        {"evaluator": name, "metric": metric, "value": value}
        for name, convention in (scored.report["conventions"] or {}).items()
        for metric, value in convention["values"].items()
    ]
    return pd.concat([ours, pd.DataFrame(theirs, columns=["evaluator", "metric", "value"])], ignore_index=True)
