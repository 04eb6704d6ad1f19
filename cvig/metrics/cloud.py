"""Rows seen from their mean, in the precision that their differences need."""

from collections.abc import Iterator

import numpy as np

from cvig.ranking.arithmetic import cached_rows

LEAST, MOST = 1e-10, 1e15  # largest entries of float32 rows whose squares are summed in float32
KEPT = 1 << 26  # numbers that are kept in memory less the mean


class Cloud:
    """Rows [N, D] about their mean, read in blocks.

    Differences from the first row are taken in float32 where the rows have no more digits than that: they are exact where
    rows are close to each other, so that a narrow cloud far from 0 keeps its form, and equal rows have no spread at all.

    Attributes
    ----------
    rows : finite array [N, D]
    center : float64 array [D]
        Their mean.
    squares : float
        Sum of squared distances from it.
    kept : float32 array [N, D], optional
        The rows less the mean, where float32 holds them and memory does.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        wide = rows.dtype.kind != "f" or rows.dtype.itemsize == 8
        self._type = np.float64 if wide or not LEAST <= max(float(rows.max()), -float(rows.min())) <= MOST else np.float32
        self.kept = None
        self._first, self._shift = rows[0].astype(self._type), np.zeros(rows.shape[1], self._type)
        shift = sum((block.sum(axis=0) for _, block in self.blocks()), np.zeros(rows.shape[1])) / len(rows)
        self._shift = shift.astype(self._type)
        self.center = self._first + shift
        self.kept = self.centered(rows) if self._type is np.float32 and rows.size <= KEPT else None
        self.squares = float(sum(np.einsum("nd,nd->n", block, block).sum(dtype=np.float64) for _, block in self.blocks()))

    def centered(self, rows: np.ndarray) -> np.ndarray:
        """These rows, or others, less the mean: float32 or float64 [n, D]."""
        block = rows.astype(self._type)
        block -= self._first
        block -= self._shift
        return block

    def blocks(self, step: int | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """All rows less the mean, `step` at a time, or as many as a core's cache holds."""
        step = step or cached_rows(self.rows.shape[1])
        for at in range(0, len(self.rows), step):
            part = slice(at, at + step)
            yield part, self.centered(self.rows[part]) if self.kept is None else self.kept[part]

    @property
    def relative_spread(self) -> float:
        """Root mean square distance from the mean, over the root mean square norm, in [0, 1]."""
        norm = self.squares + len(self.rows) * float(self.center @ self.center)
        return float(np.sqrt(self.squares / norm)) if norm > 0 else 0.0
