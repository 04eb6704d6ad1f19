"""A gallery of tiles: embedded once, kept by content, searched in exact order."""

import functools
import os
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cvig.files import digest, set_aside, write
from cvig.locate.model import Model
from cvig.locate.sources import Tiles, open_tiles
from cvig.ranking.pairs import Pairs

BLOCK = 1024  # tiles embedded and kept together: what an interruption costs
BATCH = 128
SUM = 4  # bytes behind a kept block


@dataclass
class Found:
    """One photograph's search.

    Attributes
    ----------
    distance : float64 array [N]
        From the photograph's embedding to each tile's.
    order : int64 array [N]
        Tiles, nearest first, decided exactly; those exactly as far stand in the gallery's order.
    rank : int64 array [N]
        Of each tile, how many are as near or nearer, itself included: ties count against it.
    """

    distance: np.ndarray
    order: np.ndarray
    rank: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """How much farther each tile is than the nearest: float64 [N]."""
        return self.distance - self.distance[self.order[0]]

    def without(self, rows: np.ndarray) -> "Found":
        """The same search in a gallery that lacks some tiles."""
        kept = np.delete(np.arange(len(self.order)), rows)
        number = np.full(len(self.order), -1)
        number[kept] = np.arange(len(kept))
        order = number[self.order]
        order = order[order >= 0]
        return Found(self.distance[kept], order, np.searchsorted(np.sort(self.rank[kept]), self.rank[kept], side="right"))

    @property
    def stands_out(self) -> float:
        """How much nearer the nearest tile is than the median one, in standard deviations of all distances."""
        spread = float(self.distance.std())
        return float(np.median(self.distance) - self.distance[self.order[0]]) / spread if spread > 0 else 0.0

    @property
    def share(self) -> np.ndarray:
        """The share of the gallery that is as near or nearer: float64 [N]."""
        return self.rank / len(self.rank)


@dataclass
class Gallery:
    """Tiles, and their embeddings once `embed` was called.

    Examples
    --------
    ``Gallery.open("tiles/").embed(Model.read("out/run"), "out/cache").search(embedding)``
    """

    tiles: Tiles
    blocks: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def open(cls, path: str | Path, **options) -> "Gallery":
        """Open a gallery; `options` are those of `cvig.locate.sources.open_tiles`."""
        return cls(open_tiles(path, **options))

    def __len__(self) -> int:
        return len(self.tiles)

    def embed(self, model: Model, cache: str | Path, *, progress: bool = True) -> "Gallery":
        """Embed all tiles, block by block; blocks that `cache` holds, of these pictures and this network, are read.

        Blocks lie in files that are mapped: of a gallery of any size, one block's pictures are in memory.
        """
        folder, size, blocks = Path(cache) / f"gallery-{model.digest}", model.network.size, []
        with tqdm(total=len(self), desc="embedding tiles", unit="tile", delay=2, disable=not progress) as bar:
            for first in range(0, len(self), BLOCK):
                rows = range(first, min(first + BLOCK, len(self)))
                path = folder / f"{digest(str(size), *(self.tiles.key(row) for row in rows))}.npy"
                block = _read(path, (len(rows), model.network.embedding_dim))
                if block is None:
                    parts = []
                    for at in range(0, len(rows), BATCH):
                        pictures = [self.tiles.picture(row, size) for row in rows[at : at + BATCH]]
                        parts.append(model.aerial(np.stack(pictures)))
                        bar.update(len(pictures))
                    content = BytesIO()
                    np.save(content, np.concatenate(parts))
                    write(path, content.getvalue() + _sum(content.getvalue()))
                    block = np.lib.format.open_memmap(path, mode="r")
                else:
                    bar.update(len(rows))
                blocks.append(block)
        self.blocks = blocks
        return self

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Embeddings of some tiles: float32 [n, D]."""
        ends = np.cumsum([len(block) for block in self.blocks])
        of = np.searchsorted(ends, index, side="right")
        return np.stack([self.blocks[k][i - ends[k]] for k, i in zip(of.tolist(), index.tolist(), strict=True)])

    def search(self, query: np.ndarray) -> Found:
        """Order all tiles by their distance to an embedding [D], as rational arithmetic on the stored numbers would.

        Distances are sums in float64; where two are so close that rounding could turn them round, or exactly equal, the
        certified comparison of `cvig.ranking` decides.
        """
        q = np.asarray(query, dtype=np.float64)
        distance = np.sqrt(np.concatenate([np.square(block - q).sum(axis=1) for block in self.blocks]))
        order = np.argsort(distance, kind="stable")
        d = distance[order]
        # a sum of D squares is rounded by D + 3 units at most, its root by half as many, and there are two of them
        near = 2 * (len(q) + 8) * 2.0**-53
        apart = np.diff(d) > near * d[1:] + 1e-300
        ends = np.append(np.flatnonzero(apart) + 1, len(d))
        last = np.repeat(ends, np.diff(ends, prepend=0))  # of the run of close ones, how many stand up to its end
        for end in ends[np.diff(ends, prepend=0) > 1].tolist():
            start = int(np.searchsorted(last, end))
            order[start:end], last[start:end] = self._settle(query, order[start:end], start)
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = last
        # a tie is one distance, whatever the last bits of two sums say
        first = np.searchsorted(last, last)
        distance[order] = distance[order][first]
        return Found(distance, order, rank)

    def _settle(self, query: np.ndarray, index: np.ndarray, before: int) -> tuple[np.ndarray, np.ndarray]:
        """Exact order of some tiles, and of each how many stand up to the end of those exactly as far."""
        rows, group = np.unique(self.rows(index), axis=0, return_inverse=True)
        pairs = Pairs(np.asarray(query)[None], [rows], True)

        def compare(one: int, other: int) -> int:
            at = (np.array([i]) for i in (0, one, other))
            asked, first, second = at
            return int(pairs.signs(asked, (rows, first), (rows, second))[0])

        kinds = sorted(range(len(rows)), key=functools.cmp_to_key(compare))
        level, levels = 0, np.empty(len(rows), dtype=np.int64)
        for place, kind in enumerate(kinds):
            level += bool(place and compare(kinds[place - 1], kind) != 0)
            levels[kind] = level
        of_tile = levels[group.ravel()]
        inner = np.lexsort([index, of_tile])
        sizes = np.cumsum(np.bincount(of_tile))
        return index[inner], before + sizes[of_tile[inner]]


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """A kept block, mapped; None where there is none, or one that is not whole."""
    if not path.is_file():
        return None
    try:
        block = np.lib.format.open_memmap(path, mode="r")
        content = np.memmap(path, mode="r")
    except ValueError:
        block = None
    whole = block is not None and block.shape == shape and block.dtype == np.float32
    if whole and content[-SUM:].tobytes() == _sum(content[:-SUM]):
        return block
    aside = set_aside(path)
    print(f"embeddings '{path}' are damaged: they are '{aside.name}' now, and are made anew", file=sys.stderr)
    return None


def _sum(content: bytes | np.ndarray) -> bytes:
    """What stands behind a kept block: the CRC-32 of all before it."""
    return zlib.crc32(content).to_bytes(SUM, "little")


def default_cache() -> Path:
    """Where embeddings are kept unless another folder is named: the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cvig"


def stack(photographs: Sequence, model: Model) -> np.ndarray:
    """Embeddings of photographs, framed as the model was trained: float32 [P, D]."""
    images = [photograph.framed(model.network.size, model.fov) for photograph in photographs]
    return np.concatenate([model.ground(np.stack(images[at : at + BATCH])) for at in range(0, len(images), BATCH)])
