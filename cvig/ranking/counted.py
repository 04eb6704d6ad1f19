"""What a gallery search makes of each query, as whole numbers."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class PositiveRanks:
    """Where each positive of each query is placed among the rows that are none.

    Attributes
    ----------
    query : int64 array [P]
        Whose positive it is, sorted.
    closer, tied : int64 arrays [P]
        Rows that are no positives and strictly closer, and exactly as far. By these two numbers the positives of a query
        are in the order of their distance, but for those with no other row between them.
    """

    query: np.ndarray
    closer: np.ndarray
    tied: np.ndarray


@dataclass(frozen=True)
class Ranks:
    """What a gallery search makes of each query.

    The rank of a query is that of its best placed positive: with every other row that ties with it counted against the query
    it is closer + tied + 1, for no tie between positives can move it. In a random order of the tied rows the first of the
    `best` positives among them decides.

    Attributes
    ----------
    closer : int64 array [Q]
        Gallery rows strictly closer to the query than its best placed positive; no positive is among them.
    tied : int64 array [Q]
        Other rows that are no positives and exactly as far as that positive.
    gallery_size : int or int64 array [Q]
        Rows that compete, n: all but the ignored ones, and all positives among them.
    positives : int or int64 array [Q]
        How many of these rows answer the query, m.
    best : int or int64 array [Q]
        How many positives are exactly as far as the best placed one, itself among them: 1 to m.
    places : int64 array [Q], optional
        Queries that show one place share a number (see `cvig.ranking.answers.shared_places`); None: each its own.
    every : PositiveRanks, optional
        Of all positives, for average precision.

    Examples
    --------
    >>> Ranks(closer=[0, 4], tied=[1, 0], gallery_size=10)  # the first is found, beside a row as far; the second fifth
    Ranks(closer=array([0, 4]), tied=array([1, 0]), gallery_size=10, positives=1, best=1)
    """

    closer: np.ndarray
    tied: np.ndarray
    gallery_size: int | np.ndarray
    positives: int | np.ndarray = 1
    best: int | np.ndarray = 1
    places: np.ndarray | None = field(default=None, repr=False)
    every: PositiveRanks | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("closer", "tied"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.int64))
        if self.closer.ndim != 1 or self.closer.shape != self.tied.shape:
            raise ValueError(f"closer {self.closer.shape} and tied {self.tied.shape}: expected two equal shapes [Q]")
        if len(self.closer) == 0:
            raise ValueError("ranks of no query: expected at least one")
        for name in ("gallery_size", "positives", "best", "places"):
            shape = np.shape(getattr(self, name))
            if shape not in ((), self.closer.shape):
                raise ValueError(f"{name} of shape {shape}: expected one for each of {len(self.closer)} queries")
        sizes, m, best = self.sizes, self.each("positives"), self.each("best")
        wrong = (self.closer < 0) | (self.tied < 0) | (best < 1) | (best > m) | (self.closer + self.tied + m > sizes)
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{wrong.sum()} impossible ranks, the first of query {i}: {self.closer[i]} closer and {self.tied[i]} tied "
                f"in a gallery of {sizes[i]} with {m[i]} positives, {best[i]} of them the best"
            )

    def each(self, name: str) -> np.ndarray:
        """An attribute that may be one number for all queries as an array [Q]."""
        return np.broadcast_to(np.asarray(getattr(self, name), dtype=np.int64), self.closer.shape)

    @property
    def sizes(self) -> np.ndarray:
        """`gallery_size` of each query: int64 [Q]."""
        return self.each("gallery_size")

    def __len__(self) -> int:
        return len(self.closer)
