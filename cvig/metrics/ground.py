"""Squares of ground: queries that are near each other are not independent, so intervals and tests resample the ground.

Two places that share hedges, roofs or most of a tile tend to be found or missed together. An interval that resamples them
one by one is then too narrow. One that resamples squares of ground is right where the squares are so wide that little
dependence crosses their borders, and so many that their spread can be seen. Both are measured here (Hall 1985, Resampling
a coverage pattern; Lahiri 2003, Resampling Methods for Dependent Data, chapter 12).
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from cvig.metrics.intervals import number_places

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 30  # squares that a spread is estimated from
SHIFTS = ((0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5))  # of the grid, in sides: where it lies should not decide
SETTLED = 1.1  # the standard error may grow by so much over the last doubling of the side


def check_coordinates(coordinates: np.ndarray, queries: int) -> np.ndarray:
    """Finite metres, float64 [Q, 2]; ValueError otherwise."""
    found = np.asarray(coordinates, dtype=np.float64)
    if found.shape != (queries, 2):
        raise ValueError(f"coordinates of shape {found.shape}: expected two, in metres, for each of {queries} queries")
    wrong = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(wrong):
        raise ValueError(f"coordinates: {len(wrong)} of {queries} are not finite, the first of query {wrong[0]}")
    return found


def squares(coordinates: np.ndarray, side: float, *, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Number the squares of ground that points lie in: int64 [Q], from 0.

    Parameters
    ----------
    coordinates : float array [Q, 2]
        Easting and northing in metres.
    side : float
        Of a square, in metres, above 0.
    shift : (float, float)
        Of the grid, in sides. Unshifted it starts at the least easting and northing.

    Examples
    --------
    >>> squares(np.array([[0, 0], [90, 10], [110, 10], [110, 250]]), 100).tolist()
    [0, 0, 1, 2]
    """
    points = check_coordinates(coordinates, len(coordinates))
    if not 0 < side < float("inf"):
        raise ValueError(f"side {side}: expected the side of a square of ground in metres, above 0")
    cell = np.floor((points - points.min(axis=0)) / side + np.asarray(shift)).astype(np.int64)
    return np.unique(cell, axis=0, return_inverse=True)[1].ravel()


def grouped(places: np.ndarray | None, queries: int, coordinates: np.ndarray | None, side: float | None) -> np.ndarray:
    """What is resampled: places, or the squares of ground that they lie in: int64 [Q], from 0.

    A place with several views lies where their mean does, so that no square parts it.

    Raises
    ------
    ValueError
        Coordinates without a side, or a side without coordinates.
    """
    group = number_places(places, queries)
    if (coordinates is None) != (side is None):
        raise ValueError("coordinates and the side of a square of ground belong together: one is missing")
    if coordinates is None:
        return group
    points = check_coordinates(coordinates, queries)
    middle = np.stack([np.bincount(group, axis) for axis in points.T], axis=1) / np.bincount(group)[:, None]
    return squares(middle, side)[group]


def _inflation(rest: np.ndarray, group: np.ndarray) -> float:
    """The variance of a mean that whole groups show, over that of independent queries; `rest` is less the mean."""
    count = int(group.max()) + 1
    few = (special.stdtrit(count - 1, 0.975) / special.ndtri(0.975)) ** 2 * count / (count - 1)
    return float(np.square(np.bincount(group, rest)).sum() / np.square(rest).sum() * few)


def spread_by_side(values: np.ndarray, coordinates: np.ndarray, *, fewest: int = FEWEST) -> "pd.DataFrame":
    """How the standard error of a mean grows with the side of the squares that it is estimated from.

    Parameters
    ----------
    values : float array [Q]
        One of a query, such as its PSSR or whether it was found.
    coordinates : float array [Q, 2]
        In metres.
    fewest : int
        Squares that the largest side leaves, at least 2.

    Returns
    -------
    DataFrame
        A row a side, each √2 times the one before, from the median distance between neighbours on. ``side``, ``squares``
        (the fewest over four positions of the grid) and ``inflation``: the standard error over that of independent
        queries, the mean over the positions, with the quantile of t for so many squares in place of the normal one.

    Raises
    ------
    ValueError
        All values agree, or no side leaves so many squares.
    """
    import pandas as pd
    from scipy.spatial import cKDTree

    points, rest = check_coordinates(coordinates, len(values)), np.asarray(values, float) - np.mean(values)
    if np.ptp(rest) == 0:
        raise ValueError("all values agree: there is no spread to measure")
    where = np.unique(points, axis=0)
    if len(where) < max(2, fewest):
        raise ValueError(f"{len(where)} different places: expected at least {max(2, fewest)} to measure a side from")
    side, rows = float(np.median(cKDTree(where).query(where, 2)[0][:, 1])), []
    while True:
        grids = [squares(points, side, shift=shift) for shift in SHIFTS]
        count = min(int(grid.max()) + 1 for grid in grids)
        if count < max(2, fewest):
            break
        rows.append((side, count, float(np.sqrt(np.mean([_inflation(rest, grid) for grid in grids])))))
        side *= 2**0.5
    if not rows:
        raise ValueError(f"squares as wide as neighbours are apart are fewer than {fewest}: too few to measure a side from")
    return pd.DataFrame(rows, columns=["side", "squares", "inflation"])


class MeasuredSide(NamedTuple):
    """The side of squares of ground that was chosen, and whether it is wide enough.

    Attributes
    ----------
    side : float
        In metres.
    settled : bool
        False: the standard error still grows at the widest squares that the ground has enough of, and an interval from
        them is too narrow.
    """

    side: float
    settled: bool


def measured_side(spread: "pd.DataFrame") -> MeasuredSide:
    """Choose a side from `spread_by_side`: that of the largest standard error.

    Too small squares cut dependence and understate it; how large ones must be shows where it grows no more. The largest
    errs on the safe side: without any dependence it is some hundredths too wide. It is settled unless it is the last
    row's and a tenth above that of half the side.
    """
    best = int(spread.inflation.argmax())
    half = max(0, len(spread) - 3)  # two rows before the last: half its side
    growing = best == len(spread) - 1 and spread.inflation.iloc[-1] > SETTLED * spread.inflation.iloc[half]
    return MeasuredSide(float(spread.side.iloc[best]), not growing)
