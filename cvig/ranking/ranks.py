"""Exact ranks: for each query, how many gallery rows are closer than its answer, and how many are exactly as far.

Everything this package says about recall, PSSR and ties derives from these two integers, so they are decided as rational
arithmetic on the stored numbers would decide them, at the cost of a matrix product (see `cvig.ranking.certified`).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cvig.ranking.arithmetic import gradual_underflow
from cvig.ranking.pairs import Pairs
from cvig.ranking.shards import count_closer

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Ranks:
    """What a gallery search makes of each query.

    Attributes
    ----------
    closer : int64 array [Q]
        Gallery rows strictly closer to the query than its best-placed positive.
    tied : int64 array [Q]
        Other gallery rows exactly as far as that positive.
    gallery_size : int or int64 array [Q]
        Rows that compete, the positive among them; one number a query where further positives or ignored rows are left out.

    Examples
    --------
    >>> Ranks(closer=[0, 4], tied=[1, 0], gallery_size=10)  # the first is found, beside a row as far; the second fifth
    Ranks(closer=array([0, 4]), tied=array([1, 0]), gallery_size=10)
    """

    closer: np.ndarray
    tied: np.ndarray
    gallery_size: int | np.ndarray

    def __post_init__(self) -> None:
        for name in ("closer", "tied"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.int64))
        if self.closer.ndim != 1 or self.closer.shape != self.tied.shape:
            raise ValueError(f"closer {self.closer.shape} and tied {self.tied.shape}: expected two equal shapes [Q]")
        if len(self.closer) == 0:
            raise ValueError("ranks of no query: expected at least one")
        wrong = (self.closer < 0) | (self.tied < 0) | (self.closer + self.tied + 1 > self.gallery_size)
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{wrong.sum()} impossible ranks, the first of query {i}: {self.closer[i]} closer and {self.tied[i]} tied "
                f"in a gallery of {np.broadcast_to(self.gallery_size, self.closer.shape)[i]}"
            )

    def __len__(self) -> int:
        return len(self.closer)


def _is_tensor(array: object) -> bool:
    """Whether it is a tensor of PyTorch's, which is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def as_rows(array: "np.ndarray | torch.Tensor", name: str) -> np.ndarray:
    """Embeddings as a finite two-dimensional NumPy array; ValueError says how many numbers are not finite, and where."""
    if _is_tensor(array):
        array = array.detach().cpu()
        array = (array.float() if str(array.dtype) == "torch.bfloat16" else array).numpy()
    array = np.asanyarray(array)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} of shape {array.shape}: expected [rows, dimensions], neither of them 0")
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise ValueError(f"{name} of type {array.dtype}: expected floating-point or integer numbers of at most 64 bits")
    bad = 0
    first = None
    for start in range(0, len(array), 4096):
        rows = np.flatnonzero(~np.isfinite(array[start : start + 4096]).all(axis=1))
        if len(rows) and first is None:
            first = start + int(rows[0])
        bad += len(rows)
    if bad:
        raise ValueError(f"{name}: {bad} of {len(array)} rows hold NaN or infinity, the first is row {first}")
    return array


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


def _pairs(rows: np.ndarray | Sequence, queries: int, gallery: int, name: str) -> np.ndarray:
    """Rows given per query as distinct (query, gallery row) pairs, int64 [P, 2], sorted by query."""
    if len(rows) != queries:
        raise ValueError(f"{name} of {len(rows)} queries: expected one entry for each of {queries}")
    if isinstance(rows, np.ndarray) and rows.dtype != object and rows.ndim == 1:
        flat, query = rows, np.arange(queries)
    else:
        entries = [np.atleast_1d(np.asarray(entry)) for entry in rows]
        entries = [entry if len(entry) else entry.astype(np.int64) for entry in entries]
        flat = np.concatenate(entries)
        query = np.repeat(np.arange(queries), [len(entry) for entry in entries])
    _check_rows(flat, query, gallery, name)
    return np.unique(np.stack([query, flat.astype(np.int64)], axis=1), axis=0)


def reverse_positives(positives: np.ndarray | Sequence, gallery_size: int) -> list[np.ndarray]:
    """For each gallery row the queries it answers: the positives of the search in the other direction.

    Rows that answer no query get an empty array; leave them out of the search.
    """
    pairs = _pairs(positives, len(positives), gallery_size, "positives")
    order = np.argsort(pairs[:, 1], kind="stable")
    return np.split(pairs[order, 0], np.searchsorted(pairs[order, 1], np.arange(1, gallery_size)))


def exact_ranks(
    query: "np.ndarray | torch.Tensor",
    gallery: "np.ndarray | torch.Tensor",
    positives: np.ndarray | Sequence | None = None,
    *,
    similarity: str = "euclidean",
    ignored: Sequence | None = None,
    device: "str | torch.device | None" = None,
    block: int | None = None,
    progress: bool = True,
) -> Ranks:
    """Rank every query's positive in the gallery, exactly.

    Parameters
    ----------
    query, gallery : arrays or tensors [Q, D], [N, D]
        Floating-point or integer embeddings, memory-mapped ones too; ranks are those of the numbers as stored.
    positives : int array [Q], or a sequence of Q int arrays, optional
        Gallery rows that answer each query; None: row i answers query i. Of several, the best placed counts and the others
        are left out. `reverse_positives` gives those of the search from gallery to query.
    similarity : {"euclidean", "dot"}
        Closer means a smaller distance, or a larger inner product.
    ignored : sequence of Q int arrays, optional
        Gallery rows left out for each query.
    device : str or torch.device, optional
        Where the matrix products run; None: where a tensor `query` lies, else the CPU.
    block : int, optional
        Queries at a time, at most; None: as many as the device does best with.
    progress : bool
        Show a progress bar where ranking takes more than a few seconds.

    Returns
    -------
    Ranks
        The same for every device, block and number of threads.

    Raises
    ------
    ValueError
        NaN or infinities (how many, where), wrong shapes, an index out of range, no positive.

    Examples
    --------
    >>> exact_ranks([[0.0, 0.0]], [[3.0, 4.0], [5.0, 0.0], [1.0, 0.0]], positives=[0])
    Ranks(closer=array([1]), tied=array([1]), gallery_size=3)
    """
    if similarity not in ("euclidean", "dot"):
        raise ValueError(f"unknown similarity '{similarity}': expected 'euclidean' or 'dot'")
    if block is not None and block < 1:
        raise ValueError(f"block of {block} queries: expected at least one")
    if device is None:
        device = query.device if _is_tensor(query) else "cpu"
    query, gallery = as_rows(query, "query"), as_rows(gallery, "gallery")
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(f"query has {query.shape[1]} dimensions, gallery {gallery.shape[1]}: expected the same number")
    n, count = len(gallery), len(query)
    if positives is None:
        if count != n:
            raise ValueError(f"{count} queries and {n} gallery rows: without positives, row i answers query i")
        positives = np.arange(n)
    right = _pairs(positives, count, n, "positives")
    answers = np.bincount(right[:, 0], minlength=count)
    if (answers == 0).any():
        raise ValueError(f"{(answers == 0).sum()} queries have no positive, the first is query {answers.argmin()}")
    left_out = right if ignored is None else np.unique(np.concatenate([right, _pairs(ignored, count, n, "ignored")]), axis=0)
    euclidean = similarity == "euclidean"
    with gradual_underflow():
        best = right[:, 1] if len(right) == count else Pairs(query, [gallery], euclidean).best_of(right, gallery)
        closer, tied = count_closer(
            query,
            gallery[best],
            left_out,
            [gallery],
            n,
            euclidean=euclidean,
            device=device,
            block=block,
            progress=progress,
        )
    sizes = n - np.bincount(left_out[:, 0], minlength=count) + 1
    return Ranks(closer, tied, n if (sizes == n).all() else sizes)
