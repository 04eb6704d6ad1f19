"""A gallery in parts: what is closer than each answer is counted part by part, and the sums are those of one whole."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from tqdm import tqdm

from cvig.ranking.certified import Search
from cvig.ranking.threads import threads
from cvig.ranking.tiles import HostTiles

PART = 1 << 26  # numbers of a gallery that are prepared at a time, 256 MB
FEWEST = 1 << 13  # rows, however wide


@contextmanager
def tiles_on(device: object) -> Iterator[Any]:
    """Tiles on the processor, for a device that is called so, or on a device of PyTorch's, in full precision."""
    if str(device).split(":")[0] == "cpu":
        yield HostTiles()
        return
    from cvig.ranking.device import DeviceTiles, full_precision

    with full_precision():
        yield DeviceTiles(device)


def count_closer(
    query: np.ndarray,
    answers: np.ndarray,
    left_out: np.ndarray,
    shards: Iterable[np.ndarray],
    size: int,
    *,
    offset: int = 0,
    euclidean: bool,
    device: object,
    block: int | None,
    progress: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Gallery rows closer to each query than its answer, and rows exactly as far: int64 [Q] each.

    Parameters
    ----------
    query, answers : finite arrays [Q, D]
    left_out : int64 array [P, 2]
        Distinct pairs of a query and a gallery row that count as neither, sorted by query; the answers among them.
    shards : iterable of finite arrays [., D]
        One after another they are the gallery's rows from number `offset` on, `size` in all.
    """
    closer, tied = np.zeros((2, len(query)), np.int64)
    step = max(FEWEST, PART // query.shape[1])
    bar = tqdm(
        total=len(query) * size, disable=not progress, delay=3, unit="pair", unit_scale=True, desc="ranking", leave=False
    )
    with bar, threads(query.size * size) as workers, tiles_on(device) as tiles:
        for shard in shards:
            for at in range(0, len(shard), step):
                part = shard[at : at + step]
                inside = (left_out[:, 1] >= offset) & (left_out[:, 1] < offset + len(part))
                search = Search(query, answers, part, euclidean, tiles, workers)
                for counts in search.count(left_out[inside] - [0, offset], block):
                    closer[counts.queries] += counts.closer
                    tied[counts.queries] += counts.tied
                    bar.update(len(counts.closer) * counts.rows)
                offset += len(part)
    return closer, tied
