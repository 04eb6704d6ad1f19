"""Exact ranks by the cosine of the angle: a float64 product first, whole numbers where that is in doubt."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from cvig.ranking.answers import Answers
from cvig.ranking.arithmetic import cached_rows
from cvig.ranking.counted import Ranks
from cvig.ranking.ranks import as_rows

QUERIES, COLUMNS = 1024, 2048  # queries and gallery rows at a time
UNIT = 2.0**-53


def _units(rows: np.ndarray) -> np.ndarray:
    """Float64 rows of length one; a power of two first, which turns no direction, brings the largest number near one."""
    rows = np.asarray(rows, dtype=np.float64)
    rows = np.ldexp(rows, -np.frexp(np.abs(rows).max(axis=1))[1][:, None])
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    return rows


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
    roundings = query.shape[1] + 16
    gamma = roundings * UNIT / (1 - roundings * UNIT)
    directions = _Directions(gallery)
    closer, tied, abreast = np.zeros((3, count), dtype=np.int64)
    for start in range(0, count, QUERIES):
        stop = min(start + QUERIES, count)
        rows = _units(query[start:stop])
        own, out = (
            pairs[slice(*np.searchsorted(pairs[:, 0], [start, stop]))] - [start, 0]
            for pairs in (answers.pairs, answers.left_out)
        )
        scores = _of_pairs(rows, gallery, own)
        best, target = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
        ends = np.searchsorted(own[:, 0], np.arange(len(rows) + 1))
        for i, (a, b) in enumerate(pairwise(ends)):
            top, abreast[start + i] = _best(own[a:b, 1], scores[a:b], query[start + i], directions, 2 * gamma)
            best[i], target[i] = own[a + top, 1], scores[a + top]
        alike = directions.numbers(best)
        by_row = out[np.argsort(out[:, 1], kind="stable")]
        for left in range(0, len(gallery), COLUMNS):
            gap = rows @ _units(gallery[left : left + COLUMNS]).T
            gap -= target[:, None]
            struck = by_row[slice(*np.searchsorted(by_row[:, 1], [left, left + COLUMNS]))]
            gap[struck[:, 0], struck[:, 1] - left] = -np.inf
            closer[start:stop] += np.count_nonzero(gap > 4 * gamma, axis=1)
            at, other = np.nonzero(np.abs(gap) <= 4 * gamma)
            other += left
            same = directions.numbers(other) == alike[at]
            tied[start:stop] += np.bincount(at[same], minlength=len(rows))
            for i, row in zip(at[~same].tolist(), other[~same].tolist(), strict=True):
                sign = _sign(_whole(query[start + i]), directions[row], directions[int(best[i])])
                closer[start + i] += sign > 0
                tied[start + i] += sign == 0
    return answers.ranks(closer, tied, abreast)


def _of_pairs(rows: np.ndarray, gallery: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Products of pairs [P, 2] of one of `rows`, of length one, and a gallery row brought to it: float64 [P]."""
    scores, step = np.empty(len(pairs)), cached_rows(rows.shape[1])
    for at in range(0, len(pairs), step):
        i, row = pairs[at : at + step].T
        scores[at : at + step] = np.einsum("nd,nd->n", rows[i], _units(gallery[row]))
    return scores


def _best(
    rows: np.ndarray, scores: np.ndarray, query: np.ndarray, directions: _Directions, margin: float
) -> tuple[int, int]:
    """Which of a query's positives makes the smallest angle, as an index into `rows`, and how many make the same."""
    top, abreast = int(np.argmax(scores)), 1
    first = top
    for rival in np.flatnonzero(scores >= scores[first] - 2 * margin).tolist():
        if rival == first:
            continue
        sign = _sign(_whole(query), directions[int(rows[rival])], directions[int(rows[top])])
        if sign > 0:
            top, abreast = rival, 1
        abreast += sign == 0
    return top, abreast
