"""A cache on disk of decoded and scaled images, so that each image file is decoded once and not once an epoch.

A cache is a folder of two NumPy arrays (`cvig.datasets.folders`), ``ground.npy`` and ``aerial.npy`` (uint8 [N, 3, H, W]).
The arrays are memory-mapped: a cache may be larger than memory, and processes that read the same cache share one copy in
memory. A build that is killed begins anew; this costs no more than one epoch without a cache does.

The folder's name ends in a key, a digest of all that the images depend on: the data set's digest (names and contents of the
files, size and geometry of the views) and the versions of the decoder and of this format. If the data change, the key
changes and another folder is used; the old one can be deleted. To compute the key, all image files are read at every start;
this takes a twentieth of the time that decoding them takes.
"""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import PIL
import torch
from numpy.lib.format import open_memmap
from tqdm import tqdm

from cvig.datasets.base import PairedViews
from cvig.datasets.folders import check_room, make_whole
from cvig.datasets.images import DECODING
from cvig.datasets.wrappers import Wrapper
from cvig.files import digest

FORMAT = "2"


def key(source: PairedViews) -> str:
    """The key of a cache: a digest of all that the decoded images of `source` depend on."""
    return digest(FORMAT, DECODING, PIL.__version__, source.digest)


class CachedViews(Wrapper):
    """A data set of files that reads its images from a cache, and builds the cache first if there is none or it is damaged.

    Parameters
    ----------
    source : PairedViews
        A data set of files. All its ground views have one size, and all its aerial images have one size.
    folder : path
        May hold the caches of several data sets, each in a folder of its own.
    threads : int, optional
        Number of threads that decode; by default as many as torch uses.

    Raises
    ------
    ValueError
        A data set without files, an image that cannot be read (the message names it), images of several sizes, or too
        little room on the disk.
    """

    def __init__(self, source: PairedViews, folder: str | Path, threads: int | None = None):
        if not isinstance(getattr(source, "ground", None), Sequence):
            raise ValueError(f"{source.name} has no image files to cache: leave cache empty")
        super().__init__(source)
        self.folder = Path(folder) / f"{source.name.replace('/', '-')}-{key(source)}"
        make_whole(self.folder, lambda building: _build(building, self.folder, source, threads or torch.get_num_threads()))

    def __getstate__(self) -> dict:
        # pickling a memory-mapped array would copy all its bytes to the other process
        return {name: value for name, value in vars(self).items() if name not in ("_ground", "_aerial")}

    @cached_property
    def _ground(self) -> np.ndarray:
        return np.asarray(np.load(self.folder / "ground.npy", mmap_mode="r"))

    @cached_property
    def _aerial(self) -> np.ndarray:
        return np.asarray(np.load(self.folder / "aerial.npy", mmap_mode="r"))

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, W]."""
        return torch.from_numpy(self._ground[index].copy())

    def aerial_image(self, row: int) -> torch.Tensor:
        """Gallery row `row`: uint8 [3, H, W]."""
        return torch.from_numpy(self._aerial[row].copy())

    def cropped_aerial(self, row: int, box: torch.Tensor) -> torch.Tensor:
        """Gallery row `row` cropped to `box`: uint8 [3, H, W]. A polar image is made anew from its file, cropped first."""
        return self.source.cropped_aerial(row, box) if self.polar else PairedViews.cropped_aerial(self, row, box)


def _build(building: Path, folder: Path, source: PairedViews, threads: int) -> None:
    """Decode all images into the folder `building`, which is going to be `folder`."""
    images = {
        "ground": (source.ground_image, source.ground_count),
        "aerial": (source.aerial_image, source.gallery_count),
    }
    shapes = {side: (count, *image(0).shape) for side, (image, count) in images.items()}
    check_room(folder, sum(map(math.prod, shapes.values())))
    progress = tqdm(total=sum(shape[0] for shape in shapes.values()), desc=f"caching {source.name}", unit="image")
    with ThreadPoolExecutor(threads) as pool, progress:
        for side, (image, count) in images.items():
            array = _reserved(building / f"{side}.npy", shapes[side])
            for _ in pool.map(partial(_put, array, image, source.name), range(count)):
                progress.update()
            array.flush()


def _reserved(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new memory-mapped array whose room on the disk is reserved: writing to one on a full disk would kill the process."""
    try:
        array = open_memmap(path, "w+", np.uint8, shape)
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    except OSError as error:
        raise ValueError(f"cache '{path}', {math.prod(shape) / 1e9:.1f} GB: {error.strerror}") from error
    return array


def _put(array: np.ndarray, image: Callable[[int], torch.Tensor], name: str, row: int) -> None:
    one = image(row).numpy()
    if one.shape != array.shape[1:]:
        raise ValueError(f"{name}: image {row} is {one.shape}, the first {array.shape[1:]}; give one size for all")
    array[row] = one
