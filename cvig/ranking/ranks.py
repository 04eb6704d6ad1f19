"""Exact ranks: for each query, how many gallery rows are closer than its answer, and how many are exactly as far.

Everything this package says about recall, PSSR and ties derives from these two integers, so they are decided as rational
arithmetic on the stored numbers would decide them, at the cost of a matrix product (see `cvig.ranking.certified`).
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cvig.ranking.answers import Answers
from cvig.ranking.arithmetic import gradual_underflow
from cvig.ranking.counted import Ranks
from cvig.ranking.counting import count_closer
from cvig.ranking.every import rank_every
from cvig.ranking.pairs import Pairs

if TYPE_CHECKING:
    import torch


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
    if np.ma.is_masked(array):
        raise ValueError(
            f"{name}: {np.ma.getmaskarray(array).any(axis=-1).sum()} rows are masked; leave them out or fill them"
        )
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} of shape {array.shape}: expected [rows, dimensions], neither of them 0")
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
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


def similar(similarity: str) -> None:
    """ValueError where the name of a similarity is unknown."""
    if similarity not in ("euclidean", "dot"):
        raise ValueError(f"unknown similarity '{similarity}': expected 'euclidean' or 'dot'")


def best_positives(
    query: np.ndarray, answers: Answers, rows: np.ndarray, number: np.ndarray, euclidean: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Which of `rows` is each query's best placed positive, and how many of its positives are as far: int64 [Q] each.

    `number` says which row is the positive of each of the `answers.pairs`.
    """
    count = len(query)
    if len(number) == count:
        return number, np.ones(count, np.int64)
    pairs = Pairs(query, [rows], euclidean)
    chosen = pairs.best_of(np.column_stack([answers.pairs[:, 0], number]), rows)
    several = answers.counts[answers.pairs[:, 0]] > 1
    asked = answers.pairs[several, 0]
    abreast = pairs.signs(asked, (rows, chosen[asked]), (rows, number[several])) == 0
    return chosen, np.bincount(asked[abreast], minlength=count) + (answers.counts == 1)


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
    every: bool = False,
) -> Ranks:
    """Rank every query's positive in the gallery, exactly.

    Parameters
    ----------
    query, gallery : arrays or tensors [Q, D], [N, D]
        Floating-point or integer embeddings, memory-mapped ones too; ranks are those of the numbers as stored.
    positives : int array [Q] or [Q, K], boolean array [Q, N], or a sequence of Q int arrays, optional
        Gallery rows that answer each query (-1 fills up, True marks); None: row i answers query i. Of several, the best
        placed is ranked. `reverse_positives` gives those of the search from gallery to query.
    similarity : {"euclidean", "dot"}
        Closer means a smaller distance, or a larger inner product.
    ignored : as `positives`, optional
        Gallery rows left out for each query, unless they answer it.
    device : str or torch.device, optional
        Where the matrix products run; None: where a tensor `query` lies, else the CPU.
    block : int, optional
        Queries at a time, at most; None: as many as the device does best with.
    progress : bool
        Show a progress bar where ranking takes more than a few seconds.
    every : bool
        Rank all positives, for average precision, at the cost of a search for each.

    Returns
    -------
    Ranks
        The same for every device, block and number of threads, and for every form of the same positives.

    Raises
    ------
    ValueError
        NaN or infinities (how many, where), wrong shapes, an index out of range, no positive.

    Examples
    --------
    >>> exact_ranks([[0.0, 0.0]], [[3.0, 4.0], [5.0, 0.0], [1.0, 0.0]], positives=[0])
    Ranks(closer=array([1]), tied=array([1]), gallery_size=3, positives=1, best=1)
    """
    similar(similarity)
    if block is not None and block < 1:
        raise ValueError(f"block of {block} queries: expected at least one")
    if device is None:
        device = query.device if _is_tensor(query) else "cpu"
    query, gallery = as_rows(query, "query"), as_rows(gallery, "gallery")
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(f"query has {query.shape[1]} dimensions, gallery {gallery.shape[1]}: expected the same number")
    answers = Answers.read(positives, ignored, len(query), len(gallery))
    options = {"euclidean": similarity == "euclidean", "device": device, "block": block, "progress": progress}
    with gradual_underflow():
        chosen, best = best_positives(query, answers, gallery, answers.pairs[:, 1], options["euclidean"])
        closer, tied = count_closer(query, gallery[chosen], answers.left_out, [gallery], len(gallery), **options)
        each = rank_every(query, gallery, answers, **options) if every else None
    return answers.ranks(closer, tied, best, each)
