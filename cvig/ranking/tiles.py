"""Tiles of scores: one matrix product of some queries and some gallery rows, and what is counted in it.

`cvig.ranking.device` offers the same for PyTorch's devices: `put` an array there, and `tally` a product of two.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

BYTES = 8  # truth values that are looked at together


def _ones(words: np.ndarray) -> np.ndarray:
    """How many bytes of each row, all of them 0 or 1 and read eight at a time, are 1: int64 [b]."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return words.view(np.uint8).sum(axis=1, dtype=np.int64)  # NumPy 1


class Tally(NamedTuple):
    """What a tile holds: scores above the margin, and scores within it, int64 [b] each.

    `find` gives rows and columns of the latter, int64 [P] each, until the next tile is made.
    """

    above: np.ndarray
    doubt: np.ndarray
    find: Callable[[], tuple[np.ndarray, np.ndarray]]


def _nowhere() -> tuple[np.ndarray, np.ndarray]:
    return np.empty(0, np.int64), np.empty(0, np.int64)


class HostTiles:
    """Products by NumPy, in memory that is used again: small enough for a core's cache, large enough for speed."""

    rows, columns = 512, 1024

    def __init__(self) -> None:
        self._space = threading.local()

    @staticmethod
    def put(array: np.ndarray) -> np.ndarray:
        """The array itself."""
        return array

    def _take(self, name: str, rows: int, columns: int, dtype: Any) -> np.ndarray:
        """An array [rows, columns] whose contents are left from earlier use."""
        spaces = vars(self._space)
        if len(spaces.get((name, dtype), ())) < rows * columns:
            spaces[name, dtype] = np.empty(rows * columns, dtype)
        return spaces[name, dtype][: rows * columns].reshape(rows, columns)

    def _compare(self, compare: np.ufunc, scores: np.ndarray, bound: float) -> np.ndarray:
        """Truth values of a comparison, bool [b, columns], False up to a whole number of words."""
        rows, columns = scores.shape
        truth = self._take(compare.__name__, rows, -(-columns // BYTES) * BYTES, np.bool_)
        compare(scores, scores.dtype.type(bound), out=truth[:, :columns])
        truth[:, columns:] = False
        return truth

    def tally(self, rows: np.ndarray, columns: np.ndarray, struck: tuple[np.ndarray, np.ndarray], margin: float) -> Tally:
        """Count scores of rows [b, K] and columns [c, K] above `margin` and within it; `struck` pairs are neither."""
        scores = self._take("scores", len(rows), len(columns), rows.dtype)
        np.matmul(rows, columns.T, out=scores)
        scores[struck] = -np.inf
        above, doubt = np.zeros((2, len(rows)), np.int64)
        inside = self._compare(np.greater_equal, scores, -margin)
        # most queries of a good model have no row in a tile that could matter
        matter = np.flatnonzero(inside.view(np.uint64).max(axis=1))
        if len(matter) == 0:
            return Tally(above, doubt, _nowhere)
        if 2 * len(matter) < len(rows):
            scores, inside = scores[matter], inside[matter]
        else:
            matter = np.arange(len(rows))
        beyond = self._compare(np.greater, scores, margin).view(np.uint64)
        inside = inside.view(np.uint64)
        inside ^= beyond
        above[matter], doubt[matter] = map(_ones, (beyond, inside))

        def find() -> tuple[np.ndarray, np.ndarray]:
            row, word = np.nonzero(inside)
            which, byte = np.nonzero(inside[row, word].view(np.bool_).reshape(-1, BYTES))
            return matter[row[which]], BYTES * word[which] + byte

        return Tally(above, doubt, find)
