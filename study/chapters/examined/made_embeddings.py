"""Embeddings that print what the published tables print: a collapsed gallery on a line, and queries that nearly agree.

Each construction shows that a collapse suffices to print a row. None shows that only a collapse can.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cvig.metrics import pssr
from cvig.metrics.conventions import pssr_as_coded
from cvig.printed.chance import chi_square
from cvig.ranking import exact_ranks

PSSR_RULES = {
    "equation 2: ties count against the query": "pessimistic",
    "ties count for the query": "optimistic",
    "ties count half": "expected",
}


@dataclass(frozen=True)
class Line:
    """One-dimensional embeddings with a collapsed gallery, and how many images and queries each of its parts holds.

    Attributes
    ----------
    query, gallery : float64 arrays [n, 1]
        Row i answers query i. Gallery rows come in the order nearer, modal, beyond.
    nearer : int
        Distinct gallery rows on the queries' side of the modal point.
    modal : int
        Gallery rows on the modal point.
    beyond : int
        Distinct gallery rows on the other side.
    wrong_side : int
        Queries just on the other side of the modal point, where nothing is closer to them than it.
    between : int
        Queries of modal rows to which one of the nearer rows is not closer than the modal point.
    """

    query: np.ndarray
    gallery: np.ndarray
    nearer: int
    modal: int
    beyond: int
    wrong_side: int
    between: int


def _spread(low: float, high: float, count: int) -> np.ndarray:
    """Distinct numbers strictly between two."""
    return low + (high - low) * np.arange(1, count + 1) / (count + 1)


def _closer_of_nearer(found: np.ndarray, top: np.ndarray, nearer: int) -> np.ndarray:
    """How many rows are closer than the positive, for the queries of the nearer rows, in descending order: int [nearer].

    `found` of them are to have fewer than `top` rows closer, column by column; the rest fewer than `nearer`.
    """
    closer = []
    for low, high, count in zip([0, *top], [*top, nearer], np.diff([0, *found, nearer]), strict=True):
        closer += [low + i % (high - low) for i in range(count)]
    return np.sort(closer)[::-1]


def on_a_line(counts: np.ndarray, top: np.ndarray, n: int) -> Line:
    """Put n queries and n gallery rows on a line so that `counts` of them are found within the first `top` rows.

    Parameters
    ----------
    counts : int array [C]
        Queries with fewer than ``top`` rows strictly closer than their positive: non-decreasing, the last two equal (the
        plateau of a collapsed gallery) and below n.
    top : int array [C]
        Rows each column looks at, ascending; ties count for the query (`cvig.printed.chance.tops_under`).
    n : int
        Queries, and gallery rows.

    Raises
    ------
    ValueError
        The counts fall, have no plateau, or leave too few rows for the modal point.

    Notes
    -----
    Let column e be the last below the plateau. A query of a modal row misses column e if ``top[e]`` rows are closer than
    the modal point, so as many must lie nearer; that is the fewest. The queries beyond the plateau answer the rows beyond.
    If all queries were on one side they would share one ranking of the nearer rows, and ``top[0]`` of them would be found in
    the first column; what was found in excess is put on the wrong side.
    """
    counts, top = np.asarray(counts), np.asarray(top)
    if counts.shape != top.shape or counts.ndim != 1 or (np.diff(counts) < 0).any() or (np.diff(top) <= 0).any():
        raise ValueError(f"counts {counts.tolist()} at tops {top.tolist()}: expected both ascending, of one length")
    plateau = int(np.flatnonzero(counts == counts[-1])[0])
    if not 0 < plateau < len(counts) - 1 or counts[-1] >= n:
        raise ValueError(f"counts {counts.tolist()} of {n}: expected the last two equal, fewer than {n}, and a smaller one")
    nearer, beyond = int(top[plateau - 1]), int(n - counts[-1])
    modal = n - nearer - beyond
    wrong_side = int(counts[0] - top[0]) if plateau > 1 else 0
    between = int(counts[plateau - 1]) - wrong_side - nearer
    found = counts[: plateau - 1] - wrong_side
    if min(wrong_side, between, modal - wrong_side - between, nearer + modal - top[-1]) < 0 or (found > nearer).any():
        raise ValueError(f"counts {counts.tolist()} of {n}: no modal point of {modal} with {nearer} nearer gives them")

    row = np.arange(1, nearer + 1)
    place = 2.0 * nearer + row  # so far out that none of their queries is as close to the modal point
    room = np.maximum(nearer - row, row - 1)  # rows on one side: as many can be closer to a query than this row
    closer = np.empty(nearer, dtype=int)
    closer[np.argsort(-room, kind="stable")] = _closer_of_nearer(found, top[: plateau - 1], nearer)
    if (closer > room).any():
        raise ValueError(f"counts {counts.tolist()} of {n}: the {nearer} nearer rows cannot be ranked so on a line")
    outward = np.where(row + closer <= nearer, 1, -1)
    # half the stretch of the closer rows and less than half a step more, a different part for each query
    of_nearer = place + outward * (closer / 2 + 0.25 + 0.2 * row / (nearer + 1))
    first_out = place[-1] / 2  # from here on, all nearer rows are closer to a query than the modal point
    outside = _spread(first_out, place[-1], modal - wrong_side - between + beyond)
    of_modal = [_spread(-0.5, 0, wrong_side), _spread(place[-2] / 2, first_out, between), outside[beyond:]]
    gallery = np.concatenate([place, np.zeros(modal), -np.arange(1.0, beyond + 1)])
    query = np.concatenate([of_nearer, *of_modal, outside[:beyond]])
    return Line(query[:, None], gallery[:, None], nearer, modal, beyond, wrong_side, between)


def agreeing_queries(
    n: int, spread: float, *, offset: float = 0, dimensions: int = 8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Random embeddings without any skill, whose queries rank the gallery more or less alike.

    They agree where they differ little from each other, by the measure of what gallery rows differ by, or where they lie
    far from the gallery: then how far out a row lies on their side decides, for all of them.

    Parameters
    ----------
    n : int
        Queries, and gallery rows.
    spread : float
        Standard deviation of the queries, where the gallery's is 1. At 0 all queries rank the gallery alike; a large one
        gives each a ranking of its own.
    offset : float
        Distance between the mean of the queries and that of the gallery.
    dimensions, seed : int

    Returns
    -------
    tuple of float64 arrays [n, dimensions]
        Query and gallery.
    """
    rng = np.random.default_rng(seed)
    gallery = rng.normal(size=(n, dimensions))
    query = spread * rng.normal(size=(n, dimensions))
    query[:, 0] += offset
    return query, gallery


def agreement(
    spreads: Sequence[float], top: pd.Series, n: int, *, offset: float = 0, repetitions: int = 3
) -> dict[float, list[float]]:
    """Chi-square about chance of `agreeing_queries`, for each spread and seed 0 … repetitions - 1.

    Parameters
    ----------
    spreads : sequence of float
    top : Series of int
        Rows that each column of a table looks at (`cvig.printed.chance.tops_under`).
    n, offset, repetitions
    """
    tops = top.to_numpy()
    found = {}
    for spread in spreads:
        runs = [exact_ranks(*agreeing_queries(n, spread, offset=offset, seed=seed)).closer for seed in range(repetitions)]
        found[spread] = [chi_square((closer[:, None] < tops).sum(0), tops, n) for closer in runs]
    return found


def pssr_by_rule(line: Line) -> pd.Series:
    """PSSR of a line's embeddings under each tie rule, and as the paper's code has it."""
    ranks = exact_ranks(line.query, line.gallery)
    values = {name: pssr(ranks, ties=ties) for name, ties in PSSR_RULES.items()}
    return pd.Series({**values, "as coded: along columns, k / n": pssr_as_coded(line.query, line.gallery).mean()})
