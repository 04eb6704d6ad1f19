"""Exact ranks by the cosine of the angle: a float64 product first, whole numbers where that is in doubt."""

import math
from collections.abc import Sequence

import numpy as np

from cvig.ranking.answers import Answers
from cvig.ranking.counted import Ranks
from cvig.ranking.ranks import as_rows

BLOCK = 512  # queries at a time
UNIT = 2.0**-53


def _scaled(rows: np.ndarray) -> np.ndarray:
    """Float64 rows, each divided by a power of two so that its largest number is near one: that turns no direction."""
    rows = np.asarray(rows, dtype=np.float64)
    return np.ldexp(rows, -np.frexp(np.abs(rows).max(axis=1))[1][:, None])


def _whole(row: np.ndarray) -> tuple[int, ...]:
    """Coprime whole numbers in the direction of a row, exactly."""
    parts = [float(x).as_integer_ratio() if row.dtype.kind == "f" else (int(x), 1) for x in row.tolist()]
    common = max(denominator for _, denominator in parts)  # powers of two
    numbers = [numerator * (common // denominator) for numerator, denominator in parts]
    divisor = math.gcd(*numbers)
    return tuple(x // divisor for x in numbers)


def _sign(query: tuple, other: tuple, positive: tuple) -> int:
    """1 where `other` makes the smaller angle with the query, 0 where the same, else -1."""
    a, b = (sum(x * y for x, y in zip(query, row, strict=True)) for row in (other, positive))
    if (a > 0) != (b > 0) or a == 0 or b == 0:
        return (a > b) - (a < b)
    # squares lose the sign, which both share
    left, right = (x * x * sum(y * y for y in row) for x, row in ((a, positive), (b, other)))
    return ((left > right) - (left < right)) * (1 if a > 0 else -1)


class _Directions:
    """The directions of rows in whole numbers, numbered so that equal ones need no comparison."""

    def __init__(self, rows: np.ndarray):
        self.rows, self.known = rows, {}
        self.number = np.full(len(rows), -1)

    def __getitem__(self, row: int) -> tuple:
        return _whole(self.rows[row])

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """The numbers of the directions of these rows: int64, of their shape."""
        for row in np.unique(rows[self.number[rows] < 0]).tolist():
            self.number[row] = self.known.setdefault(self[row], len(self.known))
        return self.number[rows]


def cosine_ranks(
    query: np.ndarray,
    gallery: np.ndarray,
    positives: np.ndarray | Sequence | None = None,
    *,
    ignored: Sequence | None = None,
) -> Ranks:
    """Rank every query's positive by the angle between embeddings, exactly: collinear rows tie, whatever their lengths.

    Parameters
    ----------
    query, gallery, positives, ignored : as of `cvig.ranking.exact_ranks`

    Raises
    ------
    ValueError
        As `cvig.ranking.exact_ranks` does, and where a row is zero, which has no direction.

    Notes
    -----
    The product of a query and a gallery row over that row's length errs by at most γ(D + 16) |q| in float64, whatever the
    order of summation (Higham, section 3.1). What lies farther than twice that from the positive's is certain; the rest is
    compared in whole numbers.
    """
    query, gallery = as_rows(query, "query"), as_rows(gallery, "gallery")
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(f"query has {query.shape[1]} dimensions, gallery {gallery.shape[1]}: expected the same number")
    for name, rows in (("query", query), ("gallery", gallery)):
        zero = np.flatnonzero(~np.asarray(rows).any(axis=1))
        if len(zero):
            raise ValueError(f"{name}: {len(zero)} rows are zero and make no angle, the first is row {zero[0]}")
    count = len(query)
    answers = Answers.read(positives, ignored, count, len(gallery))
    units = _scaled(gallery)
    units /= np.linalg.norm(units, axis=1)[:, None]
    roundings = query.shape[1] + 16
    gamma = roundings * UNIT / (1 - roundings * UNIT)
    directions = _Directions(gallery)
    closer, tied, abreast = np.zeros((3, count), dtype=np.int64)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        rows = _scaled(query[start:stop])
        rows /= np.linalg.norm(rows, axis=1)[:, None]
        scores = rows @ units.T
        own, out = (
            pairs[slice(*np.searchsorted(pairs[:, 0], [start, stop]))] for pairs in (answers.pairs, answers.left_out)
        )
        best = np.empty(stop - start, dtype=np.int64)
        for i, mine in enumerate(
            np.split(own[:, 1], np.cumsum(np.bincount(own[:, 0] - start, minlength=stop - start))[:-1])
        ):
            best[i], abreast[start + i] = _best(mine, scores[i], query[start + i], directions, 2 * gamma)
        scores[out[:, 0] - start, out[:, 1]] = -np.inf
        gap = scores - (rows * units[best]).sum(axis=1)[:, None]
        closer[start:stop] = np.count_nonzero(gap > 4 * gamma, axis=1)
        at, other = np.nonzero(np.abs(gap) <= 4 * gamma)
        same = directions.numbers(other) == directions.numbers(best)[at]
        tied[start:stop] = np.bincount(at[same], minlength=stop - start)
        for i, row in zip(at[~same].tolist(), other[~same].tolist(), strict=True):
            sign = _sign(_whole(query[start + i]), directions[row], directions[int(best[i])])
            closer[start + i] += sign > 0
            tied[start + i] += sign == 0
    return answers.ranks(closer, tied, abreast)


def _best(
    rows: np.ndarray, scores: np.ndarray, query: np.ndarray, directions: _Directions, margin: float
) -> tuple[int, int]:
    """Which of a query's positives makes the smallest angle, and how many make the same."""
    top, abreast = rows[np.argmax(scores[rows])], 1
    for rival in rows[(scores[rows] >= scores[top] - 2 * margin) & (rows != top)].tolist():
        sign = _sign(_whole(query), directions[rival], directions[int(top)])
        if sign > 0:
            top, abreast = rival, 1
        abreast += sign == 0
    return int(top), abreast
