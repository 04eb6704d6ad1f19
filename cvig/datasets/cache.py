"""Images decoded once and kept in files as a network is fed them.

A cache is a folder of two plain files of bytes, ``ground.u8`` and ``aerial.u8``, image after image, and ``index.json``,
which lists the chunks that are whole with the SHA-256 of each. An image is read from the mapped file, so a cache can be
larger than memory, and processes that read it share what the system holds of it.

The folder's name ends in a key: a digest of everything the images depend on, that is the data set's digest (names and
sizes of the files, size and geometry of the views), the files' times of change, and the version of the decoder. Changed
data have another key and another folder; a folder that no data have the key of can be deleted. A file whose content is
exchanged while its name, size and time stay is not noticed: to read all files at every start would cost more than the
cache saves. What was decoded is known by content all the same, so that `CachedViews.verify` finds a damaged cache.

A build that is killed goes on where it stopped: the index is replaced after each chunk, by renaming, and chunks that are
not in it, or whose digest is another, are written anew. A second process that wants the same cache waits for the first.
"""

import fcntl
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import PIL
import torch
from tqdm import tqdm

from cvig.datasets.base import PairedViews
from cvig.datasets.wrappers import Wrapper
from cvig.files import digest, write_json

FORMAT = "1"
CHUNK = 512  # images between two entries of the index
INDEX = "index.json"


def key(source: PairedViews) -> str:
    """Digest of all that the decoded images of `source` depend on."""
    changed = [str(path.stat().st_mtime_ns) for files in (source.ground, source.aerial) for path in files]
    return digest(FORMAT, PIL.__version__, source.digest, *changed)


class CachedViews(Wrapper):
    """The images of a data set of files, from a cache that is built where it is not there or not whole.

    Parameters
    ----------
    source : PairedViews
        A data set of files, `ground` and `aerial`, all whose ground views have one size, and all whose aerial images have.
    folder : path
        Holds the caches of any number of data sets, each in a folder of its own.
    threads : int, optional
        That decode; by default as many as torch uses.

    Raises
    ------
    ValueError
        An image that cannot be read, named; images of several sizes; too little room on the disk.
    """

    def __init__(self, source: PairedViews, folder: str | Path, threads: int | None = None):
        if not isinstance(getattr(source, "ground", None), Sequence):
            raise ValueError(f"{source.name} has no image files to cache: leave cache empty")
        super().__init__(source)
        self.folder = Path(folder) / f"{source.name.replace('/', '-')}-{key(source)}"
        counts = {"ground": source.ground_count, "aerial": source.gallery_count}
        if not _whole(self.folder, counts):
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(self.folder / "lock"):
                if not _whole(self.folder, counts):  # another process may have built it in the meantime
                    _build(self.folder, source, counts, threads or torch.get_num_threads())
        index = _read_index(self.folder)
        self.shapes = {side: (count, *index[side]["shape"]) for side, count in counts.items()}

    def __getstate__(self) -> dict:
        # a mapped file would be sent to another process byte for byte
        return {name: value for name, value in vars(self).items() if name not in ("_ground", "_aerial")}

    def _mapped(self, side: str) -> np.ndarray:
        return np.asarray(np.memmap(self.folder / f"{side}.u8", np.uint8, "r", shape=self.shapes[side]))

    @cached_property
    def _ground(self) -> np.ndarray:
        return self._mapped("ground")

    @cached_property
    def _aerial(self) -> np.ndarray:
        return self._mapped("aerial")

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, W]."""
        return torch.from_numpy(self._ground[index].copy())

    def aerial_image(self, row: int) -> torch.Tensor:
        """Gallery row `row`: uint8 [3, H, W]."""
        return torch.from_numpy(self._aerial[row].copy())

    def cropped_aerial(self, row: int, box: torch.Tensor) -> torch.Tensor:
        """Gallery row `row` cropped to `box`; a polar image cannot be cropped and is made from its file."""
        return self.source.cropped_aerial(row, box) if self.polar else PairedViews.cropped_aerial(self, row, box)

    def verify(self) -> None:
        """Read every byte; ValueError names a file that is not what was written."""
        index = _read_index(self.folder)
        for side, (count, *shape) in self.shapes.items():
            with (self.folder / f"{side}.u8").open("rb") as stream:
                if _good_chunks(stream, index[side]["chunks"], count, math.prod(shape)) < len(index[side]["chunks"]):
                    raise ValueError(f"cache '{stream.name}' is damaged: delete its folder, and it is built anew")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on `path`; the system lets go of it when the process ends, however it does."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _read_index(folder: Path) -> dict:
    """The index: for each side the shape of an image and the digests of the chunks that are whole; {} before the first."""
    path = folder / INDEX
    return json.loads(path.read_text()) if path.exists() else {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _whole(folder: Path, counts: dict[str, int]) -> bool:
    index = _read_index(folder)
    return all(
        side in index
        and len(index[side]["chunks"]) == -(-count // CHUNK)
        and _size(folder / f"{side}.u8") == count * math.prod(index[side]["shape"])
        for side, count in counts.items()
    )


def _good_chunks(stream, digests: list[str], count: int, image_bytes: int) -> int:
    """How many chunks from the first on have the digests listed."""
    for number, expected in enumerate(digests):
        size = min(CHUNK, count - number * CHUNK) * image_bytes
        if hashlib.sha256(stream.read(size)).hexdigest() != expected:
            return number
    return len(digests)


def _build(folder: Path, source: PairedViews, counts: dict[str, int], threads: int) -> None:
    """Decode what the index does not list yet."""
    index, images = _read_index(folder), {"ground": source.ground_image, "aerial": source.aerial_image}
    shapes = {side: tuple(image(0).shape) for side, image in images.items()}
    files = {side: folder / f"{side}.u8" for side in images}
    needed = sum(count * math.prod(shapes[side]) - _size(files[side]) for side, count in counts.items())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(f"cache '{folder}' needs {needed / 1e9:.1f} GB more, and the disk has {free / 1e9:.1f} GB free")
    progress = tqdm(total=sum(counts.values()), desc=f"caching {source.name}", unit="image")
    with ThreadPoolExecutor(threads) as pool, progress:
        for side, count in counts.items():
            files[side].touch()
            with files[side].open("r+b") as stream:
                digests = index.get(side, {}).get("chunks", [])
                digests = digests[: _good_chunks(stream, digests, count, math.prod(shapes[side]))]
                done = min(len(digests) * CHUNK, count)
                stream.truncate(stream.seek(done * math.prod(shapes[side])))
                progress.update(done)
                for first in range(done, count, CHUNK):
                    rows = range(first, min(first + CHUNK, count))
                    content = _decode(images[side], rows, shapes[side], source.name, pool, progress)
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())  # the index may not be on the disk before what it lists
                    digests.append(hashlib.sha256(content).hexdigest())
                    index[side] = {"shape": list(shapes[side]), "chunks": digests}
                    write_json(folder / INDEX, index)


def _decode(
    image: Callable[[int], torch.Tensor],
    rows: range,
    shape: tuple[int, ...],
    name: str,
    pool: ThreadPoolExecutor,
    progress: tqdm,
) -> bytes:
    """The bytes of some images, one after another."""
    content = np.empty((len(rows), *shape), np.uint8)
    for place, (row, one) in enumerate(zip(rows, pool.map(image, rows), strict=True)):
        if tuple(one.shape) != shape:
            raise ValueError(f"{name}: image {row} is {tuple(one.shape)}, the first {shape}; give one size for all")
        content[place] = one.numpy()
        progress.update()
    return content.tobytes()
