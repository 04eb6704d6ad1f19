"""Ground truth in one form: which gallery rows answer each query, whatever it was read from."""

from dataclasses import dataclass

import numpy as np

from cvig.reading.parts import as_array
from cvig.reading.text import composed

ORDER = "the order of the rows"


@dataclass(frozen=True)
class Truth:
    """Which gallery rows answer each query.

    Attributes
    ----------
    pairs : int64 array [P, 2]
        Query and gallery row, each pair once, by query; the rows of a query in the order given.
    queries, gallery : int
    origin : str
        What they were read from, in words.
    """

    pairs: np.ndarray
    queries: int
    gallery: int
    origin: str

    @property
    def counts(self) -> np.ndarray:
        """How many rows answer each query: int64 [Q]."""
        return np.bincount(self.pairs[:, 0], minlength=self.queries)

    def rows(self) -> np.ndarray | list[np.ndarray]:
        """Int64 [Q] where each query has one answer, else a list of Q arrays."""
        counts = self.counts
        if (counts == 1).all():
            return self.pairs[:, 1]
        return self.listed()

    def listed(self) -> list[np.ndarray]:
        """An array a query, which may be empty."""
        return np.split(self.pairs[:, 1], np.cumsum(self.counts)[:-1])

    def of(self, queries: np.ndarray) -> "Truth":
        """The truth of these queries alone, int64 [q] ascending, numbered anew."""
        place = np.full(self.queries, -1)
        place[queries] = np.arange(len(queries))
        kept = self.pairs[place[self.pairs[:, 0]] >= 0]
        return Truth(np.column_stack([place[kept[:, 0]], kept[:, 1]]), len(queries), self.gallery, self.origin)

    def parted(self) -> tuple["Truth", "Truth"]:
        """The first row of each query, and the others."""
        first = np.diff(self.pairs[:, 0], prepend=-1) > 0
        return tuple(Truth(self.pairs[part], self.queries, self.gallery, self.origin) for part in (first, ~first))

    def without(self, pairs: np.ndarray) -> "Truth":
        """Less these pairs, int64 [P, 2]."""
        key, gone = (x[:, 0] * self.gallery + x[:, 1] for x in (self.pairs, pairs))
        return Truth(self.pairs[~np.isin(key, gone)], self.queries, self.gallery, self.origin)

    def said(self, what: str = "positives") -> str:
        """One line on what was understood."""
        if self.origin == ORDER:
            return f"{what}: row i answers query i"
        counts = self.counts[self.counts > 0]
        some = (
            "no" if len(counts) == 0 else f"{counts.min()}" if np.ptp(counts) == 0 else f"{counts.min()} to {counts.max()}"
        )
        rows = "row" if some == "1" else "rows"
        return f"{what}: {some} gallery {rows} for each of {len(counts)} queries, from {self.origin}"


def ordered_pairs(query: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Distinct pairs by query, the rows of a query in the order given."""
    pairs = np.stack([query, row], axis=1).astype(np.int64)
    first = np.unique(pairs, axis=0, return_index=True)[1]
    pairs = pairs[np.sort(first)]
    return pairs[np.argsort(pairs[:, 0], kind="stable")]


def tidy(words: object) -> list[str]:
    """Numbers and names as text; whole numbers without a fraction."""
    return [str(int(x)) if isinstance(x, (float, np.floating)) and x == int(x) else str(x) for x in words]


def from_labels(query: object, gallery: object, queries: int, rows: int) -> Truth:
    """Gallery rows of a query's label, or of any of its labels [Q, m]; -1 is none.

    Raises
    ------
    ValueError
        Not a label for each query and each gallery row.
    """
    query, gallery = (np.asarray(as_array(x)) for x in (query, gallery))
    query = query.reshape(queries, -1) if query.size and query.size % queries == 0 and query.ndim > 1 else query
    gallery = np.ravel(gallery)
    if query.dtype.kind in "OUS" or gallery.dtype.kind in "OUS":
        query, gallery = (np.array(tidy(x.ravel()), dtype=object).reshape(x.shape).astype(str) for x in (query, gallery))
        query, gallery = (np.array([composed(x) for x in y.ravel()]).reshape(y.shape) for y in (query, gallery))
    if len(query) != queries or len(gallery) != rows:
        raise ValueError(f"{len(query)} labels of queries and {len(gallery)} of the gallery: expected {queries} and {rows}")
    known, which = np.unique(gallery, return_inverse=True)
    order = np.argsort(which, kind="stable")
    start = np.searchsorted(which[order], np.arange(len(known) + 1))
    wanted = np.ravel(query)
    at = np.searchsorted(known, wanted).clip(max=len(known) - 1)
    found = (known[at] == wanted) & ((wanted != -1) if wanted.dtype.kind in "if" else (wanted != "-1"))
    length = np.where(found, start[at + 1] - start[at], 0)
    asked = np.repeat(np.repeat(np.arange(queries), len(wanted) // queries), length)
    offset = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return Truth(ordered_pairs(asked, order[np.repeat(start[at], length) + offset]), queries, rows, "labels")


def from_diagonal(queries: int, rows: int) -> Truth:
    """Row i answers query i.

    Raises
    ------
    ValueError
        Different numbers of queries and gallery rows.
    """
    if queries != rows:
        raise ValueError(f"{queries} queries and {rows} gallery rows: without positives, row i answers query i")
    return Truth(np.repeat(np.arange(queries), 2).reshape(-1, 2), queries, rows, ORDER)
