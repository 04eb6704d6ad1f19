"""Pairs of gallery rows: which of two is closer to a query, decided without error."""

import math

import numpy as np

from cvig.ranking.arithmetic import cached_rows, common_factor, exact_sign

UNIT32, UNIT = 2.0**-24, 2.0**-53  # unit roundoffs of float32 and float64
CERTAIN = 1 + 2.0**-10  # in units of the bound
FLOOR32, FLOOR = 2.0**-90, 2.0**-900  # smallest bounds, see underflow in `cvig.ranking.certified`


def gamma(roundings: int, unit: float) -> float:
    """The share by which so many roundings change a number at most."""
    return roundings * unit / (1 - roundings * unit)


class Pairs:
    """Queries, and the scale on which their neighbors are compared.

    Parameters
    ----------
    query : finite array [Q, D]
    rows : sequence of finite arrays [., D]
        All gallery rows that will be compared.
    euclidean : bool
        Distances, else inner products.

    Attributes
    ----------
    factor : float
        What all numbers are divided by.
    whole, small : bool
        Whether they are then whole numbers whose scores are exact in float64, in float32.
    slack : float
        What reading 64-bit integers as float64 adds to every bound.
    """

    def __init__(self, query: np.ndarray, rows: list[np.ndarray], euclidean: bool):
        self.query, self.euclidean = query, euclidean
        self.dimensions, self.slack = query.shape[1], 0.0
        common = common_factor(query, *rows)
        size = self.dimensions * common[1] ** 2 if common else math.inf
        # partial sums of s(u) - s(p) stay below 6 D m², and m is twice as large where a center was subtracted
        self.whole, self.small = 24 * size <= 2**53, 6 * size <= 2**24
        if self.whole:
            self.factor = float(common[0])
            return
        largest = max(_largest(part) for part in (query, *rows))
        self.factor = 2.0 ** min(int(np.frexp(largest)[1]), 1023)
        if any(part.dtype.kind in "iu" for part in (query, *rows)) and largest > 2.0**53:
            self.slack = 32 * UNIT * self.dimensions * (largest / self.factor) ** 2

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Rows in units of the factor, float64."""
        rows = np.asarray(rows)
        scaled = np.divide(rows, self.factor, dtype=np.float64)
        if self.whole and rows.dtype.kind in "iu" and rows.dtype.itemsize == 8:
            np.rint(scaled, out=scaled)  # beyond 2⁵³ such integers were rounded on the way to float64
        return scaled

    def signs(
        self, query: np.ndarray, first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """1 where `second` is closer to the query than `first`, 0 where exactly as far, else -1: int64 [P].

        Queries are given by number, int64 [P]; gallery rows by an array and numbers in it.
        """
        signs = np.empty(len(query), np.int64)
        share = CERTAIN * gamma(self.dimensions + 8, UNIT)
        step = cached_rows(self.dimensions)
        for at in range(0, len(query), step):
            part = slice(at, at + step)
            rows = self.query[query[part]], *(array[index[part]] for array, index in (first, second))
            q, p, o = (self.scaled(x) for x in rows)
            difference = o - p
            near, far = (q - p, q - o) if self.euclidean else (q, np.zeros_like(q))
            total = np.einsum("nd,nd->n", difference, near + far)
            sign = np.sign(total).astype(np.int64)
            if not self.whole:
                size = np.einsum("nd,nd->n", np.abs(difference), np.abs(near) + np.abs(far))
                doubt = np.flatnonzero(np.abs(total) <= share * size + FLOOR + self.slack)
                same = (rows[1][doubt] == rows[2][doubt]).all(axis=1)
                sign[doubt] = 0
                for i in doubt[~same]:
                    sign[i] = exact_sign(*(np.asarray(x[i]) for x in rows), self.euclidean)
            signs[part] = sign
        return signs

    def best_of(self, pairs: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The best placed row of each query, int64 [Q], among (query, row) `pairs` sorted by query; each has one."""
        start = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
        count = np.diff(start, append=len(pairs))
        best = pairs[start, 1].copy()
        for turn in range(1, int(count.max())):
            queries = np.flatnonzero(count > turn)
            rival = pairs[start[queries] + turn, 1]
            wins = self.signs(queries, (rows, best[queries]), (rows, rival)) > 0
            best[queries[wins]] = rival[wins]
        return best


def _largest(rows: np.ndarray) -> float:
    """The largest magnitude."""
    step = cached_rows(rows.shape[1])
    return max(
        max(float(part.max()), -float(part.min())) for part in (rows[at : at + step] for at in range(0, len(rows), step))
    )
