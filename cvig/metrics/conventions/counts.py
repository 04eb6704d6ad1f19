"""What the arithmetic of an evaluator makes of each query, as whole numbers."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Counts:
    """What one arithmetic makes of each query: integer arrays [n].

    Attributes
    ----------
    closer : gallery rows strictly closer than the answer; none where the distance to the answer is NaN.
    tied, before : other rows exactly as close; those of them above the answer in the gallery (not counted by differences).
    nan, nan_before : rows at a distance of NaN, the answer included; those of them above the answer.
    lost : 1 where the distance to the answer itself is NaN, else 0.
    open, open_closer, open_tied : rows that another order of the same sum may find closer, as close, or farther; how many of
        them are among `closer` and among `tied` (of differences alone).
    """

    closer: np.ndarray
    tied: np.ndarray
    before: np.ndarray
    nan: np.ndarray
    nan_before: np.ndarray
    lost: np.ndarray
    open: np.ndarray
    open_closer: np.ndarray
    open_tied: np.ndarray

    def __len__(self) -> int:
        return len(self.closer)

    @classmethod
    def of(cls, queries: int) -> "Counts":
        """Nothing counted yet."""
        return cls(*np.zeros((len(fields(cls)), queries), dtype=np.int64))

    def part(self, which: slice) -> "Counts":
        """Views of the counts of some queries."""
        return Counts(*(getattr(self, field.name)[which] for field in fields(self)))
