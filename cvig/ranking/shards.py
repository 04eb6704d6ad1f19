"""Galleries past one machine's memory: ranks shard by shard from files, or a shard a process.

Each shard adds two whole numbers a query, rows closer and rows as far, so the sums are those of the whole gallery, bit for
bit. Memory holds the queries, their positives, and one part of a shard at a time.
"""

import hashlib
import os
from collections.abc import Sequence

import numpy as np

from cvig.ranking.answers import Answers
from cvig.ranking.arithmetic import gradual_underflow
from cvig.ranking.counted import Ranks
from cvig.ranking.counting import count_closer
from cvig.ranking.ranks import as_rows, best_positives, similar


def _opened(shard: object, number: int) -> np.ndarray:
    """A shard, whose rows are not read yet."""
    if isinstance(shard, (str, os.PathLike)):
        shard = np.load(shard, mmap_mode="r", allow_pickle=False)
    shard = np.asanyarray(shard)
    if shard.ndim != 2 or 0 in shard.shape:
        raise ValueError(f"gallery shard {number} of shape {shard.shape}: expected [rows, dimensions], neither of them 0")
    return shard


def _alike(query: np.ndarray, kinds: list[tuple[int, np.dtype]]) -> None:
    """ValueError where shards, given by dimensions and type, do not fit the queries or one another."""
    for number, (dimensions, dtype) in enumerate(kinds):
        if dimensions != query.shape[1]:
            raise ValueError(
                f"query has {query.shape[1]} dimensions, gallery shard {number} {dimensions}: expected the same number"
            )
        if dtype != kinds[0][1]:
            raise ValueError(f"gallery shard {number} of type {dtype}, shard 0 of {kinds[0][1]}: expected one type")


def sharded_ranks(
    query: np.ndarray,
    shards: Sequence,
    positives: np.ndarray | Sequence | None = None,
    *,
    similarity: str = "euclidean",
    ignored: np.ndarray | Sequence | None = None,
    device: str = "cpu",
    block: int | None = None,
    progress: bool = True,
) -> Ranks:
    """Rank every query's positive in a gallery that is given in parts, exactly and in bounded memory.

    Parameters
    ----------
    query : array [Q, D]
    shards : sequence of arrays [., D] or of paths to .npy files
        One after another they are the gallery; files are memory-mapped and read a part at a time. One type for all.
    positives, ignored, similarity, device, block, progress : as of `cvig.ranking.exact_ranks`
        Rows are numbered through all shards.

    Returns
    -------
    Ranks
        Those of `cvig.ranking.exact_ranks` on the concatenated shards.

    Raises
    ------
    ValueError
        As `cvig.ranking.exact_ranks` does, and where shards differ in type or dimensions.
    """
    similar(similarity)
    query = as_rows(query, "query")
    parts = [_opened(shard, number) for number, shard in enumerate(shards)]
    if not parts:
        raise ValueError("a gallery of no shard: expected at least one")
    _alike(query, [(part.shape[1], part.dtype) for part in parts])
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    answers = Answers.read(positives, ignored, len(query), int(offsets[-1]))
    wanted, number = np.unique(answers.pairs[:, 1], return_inverse=True)
    cut = np.searchsorted(wanted, offsets)
    held = (part[wanted[a:b] - at] for part, a, b, at in zip(parts, cut, cut[1:], offsets, strict=False))
    rows = as_rows(np.concatenate(list(held)), "positives")
    checked = (as_rows(part, f"gallery shard {i}") for i, part in enumerate(parts))
    euclidean = similarity == "euclidean"
    with gradual_underflow():
        chosen, best = best_positives(query, answers, rows, number, euclidean)
        closer, tied = count_closer(
            query,
            rows[chosen],
            answers.left_out,
            checked,
            int(offsets[-1]),
            euclidean=euclidean,
            device=device,
            block=block,
            progress=progress,
        )
    return answers.ranks(closer, tied, best)


def distributed_ranks(
    query: np.ndarray,
    shard: np.ndarray | str | os.PathLike,
    positives: np.ndarray | Sequence | None = None,
    *,
    similarity: str = "euclidean",
    ignored: np.ndarray | Sequence | None = None,
    device: str = "cpu",
    block: int | None = None,
    group: object = None,
) -> Ranks:
    """Rank every query's positive in a gallery of which each process of torch.distributed holds one shard, exactly.

    Parameters
    ----------
    query, positives, ignored : as of `sharded_ranks`
        The same in every process; rows are numbered through the shards in the order of the processes.
    shard : array [., D] or path to a .npy file
        This process's part of the gallery.
    group : torch.distributed.ProcessGroup, optional
        The processes that take part; None: all.

    Returns
    -------
    Ranks
        Those of `cvig.ranking.exact_ranks` on the concatenated shards, in every process.

    Raises
    ------
    ValueError
        In all processes, where one was given what cannot be ranked, or other queries than the first.
    """
    import torch
    from torch import distributed

    def gather(value: object) -> list:
        values = [None] * distributed.get_world_size(group)
        distributed.all_gather_object(values, value, group=group)
        return values

    rank, problem, kind = distributed.get_rank(group), None, None
    try:
        similar(similarity)
        query = as_rows(query, "query")
        shard = as_rows(_opened(shard, rank), f"gallery shard {rank}")
        kind = shard.shape[1], shard.dtype, len(shard), hashlib.sha256(np.ascontiguousarray(query)).hexdigest()
    except (ValueError, OSError) as error:
        problem = str(error)
    given = gather((problem, kind))
    problem = next((problem for problem, _ in given if problem), None)
    if problem:
        raise ValueError(problem)
    kinds = [kind for _, kind in given]
    _alike(query, [kind[:2] for kind in kinds])
    other = next((i for i, kind in enumerate(kinds) if kind[3] != kinds[0][3]), None)
    if other is not None:
        raise ValueError(f"process {other} has other queries than process 0: expected the same everywhere")
    offsets = np.cumsum([0, *(kind[2] for kind in kinds)])
    start, stop = int(offsets[rank]), int(offsets[rank + 1])
    answers = Answers.read(positives, ignored, len(query), int(offsets[-1]))
    wanted, number = np.unique(answers.pairs[:, 1], return_inverse=True)
    rows = np.concatenate(gather(shard[wanted[(wanted >= start) & (wanted < stop)] - start]))
    euclidean = similarity == "euclidean"
    with gradual_underflow():
        chosen, best = best_positives(query, answers, rows, number, euclidean)
        counts = count_closer(
            query,
            rows[chosen],
            answers.left_out,
            [shard],
            len(shard),
            offset=start,
            euclidean=euclidean,
            device=device,
            block=block,
            progress=False,
        )
    total = torch.from_numpy(np.stack(counts)).to("cuda" if distributed.get_backend(group) == "nccl" else "cpu")
    distributed.all_reduce(total, group=group)
    closer, tied = total.cpu().numpy()
    return answers.ranks(closer, tied, best)
