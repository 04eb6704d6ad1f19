"""The gallery rows that answer each query, whatever they are given as, and which queries share a place because of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cvig.ranking.counted import PositiveRanks, Ranks

LINKED_PAIRS = 2**24  # pairs of answer sets that are looked at together


def _check_rows(rows: np.ndarray, query: np.ndarray, gallery: int, name: str) -> None:
    """ValueError where an entry is not the number of a gallery row."""
    if len(rows) == 0:
        return
    if rows.dtype.kind not in "iu":
        raise ValueError(f"{name} of type {rows.dtype}: expected whole numbers of gallery rows")
    wrong = np.flatnonzero((rows < 0) | (rows >= gallery))
    if len(wrong):
        raise ValueError(
            f"{name} of query {query[wrong[0]]}: {rows[wrong[0]]} is not within the {gallery} gallery rows "
            f"({len(wrong)} such entries)"
        )


def as_pairs(rows: np.ndarray | Sequence, queries: int, gallery: int, name: str) -> np.ndarray:
    """Rows given per query as distinct (query, gallery row) pairs, int64 [P, 2], sorted.

    An array [Q] holds a row a query, an integer array [Q, K] several, filled up with -1, a boolean array [Q, N] marks them,
    any other sequence has an array a query, and a dictionary has one under each query's number. What is given as, changes
    nothing.
    """
    if isinstance(rows, Mapping):
        if set(rows) != set(range(queries)):
            raise ValueError(f"{name}, a dictionary of {len(rows)} queries: expected the keys 0 to {queries - 1}")
        rows = [rows[query] for query in range(queries)]
    if len(rows) != queries:
        raise ValueError(f"{name} of {len(rows)} queries: expected one entry for each of {queries}")
    array = rows if isinstance(rows, np.ndarray) and rows.dtype != object else None
    if array is not None and array.ndim == 2 and array.dtype == bool:
        if array.shape[1] != gallery:
            raise ValueError(f"{name}: marks of shape {array.shape}, expected one for each of {gallery} gallery rows")
        query, flat = array.nonzero()
    elif array is not None and array.ndim == 2 and array.dtype.kind in "iu":
        query, column = (array != -1).nonzero()
        flat = array[query, column]
    elif array is not None and array.ndim == 1:
        flat, query = array, np.arange(queries)
    else:
        entries = [np.atleast_1d(np.asarray(entry)) for entry in rows]
        entries = [entry if len(entry) else entry.astype(np.int64) for entry in entries]
        flat = np.concatenate(entries)
        query = np.repeat(np.arange(queries), [len(entry) for entry in entries])
    _check_rows(flat, query, gallery, name)
    pairs = np.unique(query * gallery + flat.astype(np.int64))
    return np.stack(np.divmod(pairs, gallery), axis=1)


@dataclass(frozen=True)
class Answers:
    """What answers each query, and what is left out of its search.

    Attributes
    ----------
    pairs, left_out : int64 arrays [P, 2], [L, 2]
        Query and gallery row, sorted: the positives, and these with the ignored rows.
    counts : int64 array [Q]
        Positives of each query.
    gallery : int
        Gallery rows.
    """

    pairs: np.ndarray
    left_out: np.ndarray
    counts: np.ndarray
    gallery: int

    @classmethod
    def read(
        cls, positives: np.ndarray | Sequence | None, ignored: np.ndarray | Sequence | None, queries: int, gallery: int
    ) -> "Answers":
        """Normalise what is given; ValueError where rows are out of range or a query has no positive."""
        if positives is None:
            if queries != gallery:
                raise ValueError(f"{queries} queries and {gallery} gallery rows: without positives, row i answers query i")
            positives = np.arange(gallery)
        pairs = as_pairs(positives, queries, gallery, "positives")
        counts = np.bincount(pairs[:, 0], minlength=queries)
        if (counts == 0).any():
            raise ValueError(f"{(counts == 0).sum()} queries have no positive, the first is query {counts.argmin()}")
        left_out = pairs
        if ignored is not None:
            left_out = np.unique(np.concatenate([pairs, as_pairs(ignored, queries, gallery, "ignored")]), axis=0)
        return cls(pairs, left_out, counts, gallery)

    def ranks(self, closer: np.ndarray, tied: np.ndarray, best: np.ndarray, every: PositiveRanks | None = None) -> Ranks:
        """`Ranks` of these counts [Q] each."""
        sizes = self.gallery - np.bincount(self.left_out[:, 0], minlength=len(self.counts)) + self.counts
        places = shared_places(self.pairs, len(self.counts))
        return Ranks(closer, tied, *(_one(numbers) for numbers in (sizes, self.counts, best)), places, every)


def _one(numbers: np.ndarray) -> int | np.ndarray:
    """One number where all are equal."""
    return int(numbers[0]) if (numbers == numbers[0]).all() else numbers


def reverse_positives(positives: np.ndarray | Sequence, gallery_size: int) -> list[np.ndarray]:
    """For each gallery row the queries it answers: the positives of the search in the other direction.

    Rows that answer no query get an empty array; leave them out of the search.
    """
    pairs = as_pairs(positives, len(positives), gallery_size, "positives")
    order = np.argsort(pairs[:, 1], kind="stable")
    return np.split(pairs[order, 0], np.searchsorted(pairs[order, 1], np.arange(1, gallery_size)))


def _equal_answers(pairs: np.ndarray, queries: int) -> np.ndarray:
    """Number the distinct sets of answers: int64 [Q]."""
    start = np.searchsorted(pairs[:, 0], np.arange(queries + 1))
    if len(pairs) == queries:
        return np.unique(pairs[:, 1], return_inverse=True)[1]
    rows = np.ascontiguousarray(pairs[:, 1])
    number: dict[bytes, int] = {}
    return np.array([number.setdefault(rows[a:b].tobytes(), len(number)) for a, b in pairwise(start)])


def _links(pairs: np.ndarray, sets: int):
    """Which answer sets share at least half of the answers of either one: a sparse boolean matrix [sets, sets]."""
    from scipy import sparse

    table = sparse.csr_array((np.ones(len(pairs), np.int32), (pairs[:, 0], pairs[:, 1])))
    size = np.bincount(pairs[:, 0], minlength=sets)
    # how many sets hold each row tells how many pairs a block of sets makes
    work = np.cumsum(table @ table.sum(axis=0))
    parts, left = [], 0
    while left < sets:
        done = work[left - 1] if left else 0
        right = max(left + 1, int(np.searchsorted(work, done + LINKED_PAIRS)))
        shared = (table[left:right] @ table.T).tocoo()
        a, b = shared.coords[0] + left, shared.coords[1]
        kept = 2 * shared.data >= np.maximum(size[a], size[b])
        parts.append(np.stack([a[kept], b[kept]]))
        left = right
    a, b = np.concatenate(parts, axis=1)
    return sparse.csr_array((np.ones(len(a), np.int32), (a, b)), shape=(sets, sets))


def shared_places(pairs: np.ndarray, queries: int) -> np.ndarray | None:
    """Which queries show one place, as their answers tell: int64 [Q], or None where each is a place of its own.

    Queries of equal answers show one place. So do those linked by overlapping answers, where each shares at least half of
    its answers with the other; but along a street every view is linked to the next, and the whole street would be one place.
    A place is therefore what lies within two links of one query, that of most links first (of as many, that whose answers
    come first in the gallery): a block of ground, as in a block bootstrap.

    Parameters
    ----------
    pairs : int64 array [P, 2]
        Query and gallery row, sorted, as `as_pairs` gives them.
    """
    kind = _equal_answers(pairs, queries)
    sets, first = np.unique(kind, return_index=True)
    if len(pairs) > queries:
        chosen = np.zeros(queries, bool)
        chosen[first] = True
        named = pairs[chosen[pairs[:, 0]]]
        links = _links(np.column_stack([kind[named[:, 0]], named[:, 1]]), len(sets))
        if links.nnz > len(sets):
            kind = _blocks(links, named[np.searchsorted(named[:, 0], first), 1])[kind]
    return None if len(np.unique(kind)) == queries else kind


def _blocks(links, earliest: np.ndarray) -> np.ndarray:
    """Blocks of sets within two links of one: int64 [sets]."""
    count = len(earliest)
    block = np.full(count, -1)
    degree = np.diff(links.indptr)
    for center in np.lexsort([earliest, -degree]).tolist():
        if block[center] < 0:
            near = links.indices[links.indptr[center] : links.indptr[center + 1]]
            near = near[block[near] < 0]
            further = [links.indices[links.indptr[i] : links.indptr[i + 1]] for i in near.tolist()]
            reached = np.concatenate(further)
            block[reached[block[reached] < 0]] = center
    return block
