"""Squares of ground in place of places: what ``cvig score --block-side`` resamples."""

import numpy as np

from cvig.metrics.ground import FEWEST, grouped, measured_side, spread_by_side
from cvig.metrics.values import per_query_pssr
from cvig.ranking import Ranks
from cvig.scoring.case import Case

MEASURED = "measured"


def read_side(text: str) -> float | None:
    """Metres, or None for "measured"; ValueError for anything else."""
    if text == MEASURED:
        return None
    try:
        side = float(text)
    except ValueError:
        side = -1.0
    if not 0 < side < float("inf"):
        raise ValueError(f"--block-side '{text}': expected metres, above 0, or '{MEASURED}'")
    return side


def in_squares(case: Case, ranks: Ranks, places: np.ndarray | None, text: str) -> tuple[np.ndarray, float, str]:
    """The square of ground of each query, int64 [Q], its side in metres, and a line that says so.

    A side that is measured is that of the largest standard error of PSSR (`cvig.metrics.ground.measured_side`).

    Raises
    ------
    ValueError
        No side can be measured, or all queries lie in one square.
    """
    where = case.where if case.lost else case.where[case.kept]
    side, doubt = read_side(text), ""
    if side is None:
        try:
            found = measured_side(spread_by_side(per_query_pssr(ranks, ties="pessimistic"), where))
        except ValueError as error:
            raise ValueError(f"--block-side {MEASURED}: {error}; name a side in metres") from error
        side = found.side
        if not found.settled:
            doubt = "; the standard error still grows with the side, so that intervals are too narrow"
    group = grouped(places, len(ranks), where, side)
    count = int(group.max()) + 1
    if count == 1:
        raise ValueError(f"--block-side {text}: all queries lie in one square of ground, which leaves no spread to see")
    if count < FEWEST and not doubt:
        doubt = f"; fewer than {FEWEST} squares show their spread poorly"
    return group, side, f"intervals and tests: over {count} squares of ground, {side:.3g} m wide{doubt}"
