"""Ranks of a matrix of distances or similarities that is given, exactly as its numbers are stored."""

from collections.abc import Sequence

import numpy as np

from cvig.ranking.answers import Answers
from cvig.ranking.counted import Ranks

BLOCK = 256  # queries at a time


def matrix_ranks(
    matrix: np.ndarray,
    positives: np.ndarray | Sequence | None = None,
    *,
    closer: str,
    ignored: Sequence | None = None,
) -> Ranks:
    """Rank every query's positive by the numbers of its row.

    Parameters
    ----------
    matrix : array [Q, N]
        Distances or similarities, a memory-mapped one too: it is read a block of rows at a time, and never rounded.
    positives, ignored : as of `cvig.ranking.exact_ranks`
    closer : {"smaller", "larger"}
        Which numbers are closer: smaller for distances, larger for similarities.

    Raises
    ------
    ValueError
        NaN (how many, where), a matrix of another form, an index out of range, no positive.

    Examples
    --------
    >>> matrix_ranks(np.array([[0.5, 0.25, 0.5], [1.0, 2.0, 3.0]]), [0, 0], closer="smaller").closer
    array([1, 0])
    """
    if closer not in ("smaller", "larger"):
        raise ValueError(f"unknown order '{closer}': expected 'smaller' or 'larger'")
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiu":
        raise ValueError(f"matrix of shape {matrix.shape} and type {matrix.dtype}: expected numbers [queries, gallery rows]")
    count, n = matrix.shape
    answers = Answers.read(positives, ignored, count, n)
    beats, best_of = (np.less, np.minimum) if closer == "smaller" else (np.greater, np.maximum)
    ahead, tied, abreast = np.zeros((3, count), dtype=np.int64)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        block = np.asarray(matrix[start:stop])
        if np.isnan(block).any():
            bad = np.isnan(block).any(axis=1)
            raise ValueError(
                f"matrix: {bad.sum()} of rows {start} to {stop - 1} hold NaN, the first is row {start + bad.argmax()}"
            )
        own, out = (
            pairs[slice(*np.searchsorted(pairs[:, 0], [start, stop]))] - np.array([start, 0])
            for pairs in (answers.pairs, answers.left_out)
        )
        first = np.flatnonzero(np.diff(own[:, 0], prepend=-1))
        best = best_of.reduceat(block[own[:, 0], own[:, 1]], first)
        abreast[start:stop] = np.add.reduceat((block[own[:, 0], own[:, 1]] == best[own[:, 0]]).astype(np.int64), first)
        out_values = block[out[:, 0], out[:, 1]]
        for total, compared in ((ahead, beats), (tied, np.equal)):
            total[start:stop] = np.count_nonzero(compared(block, best[:, None]), axis=1)
            total[start:stop] -= np.bincount(out[:, 0], compared(out_values, best[out[:, 0]]), stop - start).astype(np.int64)
    return answers.ranks(ahead, tied, abreast)
