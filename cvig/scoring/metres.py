"""How many metres off the first place of each query is, where coordinates are given."""

from typing import Any

import numpy as np

from cvig.metrics.intervals import median_interval
from cvig.reading.coordinates import metres_between
from cvig.reading.truth import Truth
from cvig.scoring.case import Case
from cvig.scoring.queries import first_rows
from cvig.scoring.ranked import rank_rows

RULES = {"optimistic": np.min, "expected": np.mean, "pessimistic": np.max}


def metres_off(case: Case, *, similarity: str, closer: str | None) -> dict[str, np.ndarray]:
    """Metres from each query to the place of its closest gallery row, by tie rule: float64 [Q] each.

    Of rows that tie for the closest, the farthest place counts under the pessimistic rule, the nearest under the optimistic,
    their mean in expectation.
    """
    query, gallery, unit = case.coordinates
    first = first_rows(case, similarity=similarity, closer=closer, count=1)[:, 0]
    alone = metres_between(query, gallery[first], unit)
    metres = {rule: alone.copy() for rule in RULES}
    truth = Truth(np.column_stack([np.arange(len(first)), first]), len(first), case.truth.gallery, "the closest rows")
    tied = rank_rows(case, truth.rows(), similarity=similarity, closer=closer).tied
    for count in np.unique(tied[tied > 0]):
        some = np.flatnonzero(tied == count)
        rows = first_rows(case, similarity=similarity, closer=closer, count=int(count) + 1)[some]
        for i, equals in zip(some, rows, strict=True):
            each = metres_between(np.repeat(query[i : i + 1], len(equals), axis=0), gallery[equals], unit)
            for rule, combine in RULES.items():
                metres[rule][i] = combine(each)
    return metres


def first_place(case: Case, *, similarity: str, closer: str | None, ties: str, places: np.ndarray | None) -> dict[str, Any]:
    """The median of `metres_off` with its interval, and what it would be by the other tie rules."""
    by_rule = metres_off(case, similarity=similarity, closer=closer)
    chosen = by_rule[ties]
    shown = None if places is None else np.asarray(places)
    low, high = median_interval(chosen, shown if shown is None or len(shown) == len(chosen) else None, last=chosen.max())
    low = chosen.min() if low == 1 else low  # too few queries bound nothing
    return {
        "median_metres": float(np.median(chosen)),
        "low": float(low),
        "high": float(high),
        **{rule: float(np.median(values)) for rule, values in by_rule.items()},
    }
