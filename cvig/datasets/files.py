"""Paired views that lie in files: safe paths, checked decoding, one gallery row an aerial image."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from cvig.datasets.base import PairedViews
from cvig.results import digest

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
PIXEL_LIMIT = 64_000_000  # a small file can hold a huge image


def existing_folder(root: str | Path, what: str) -> Path:
    """`root` as a path; FileNotFoundError where it is no folder."""
    folder = Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(f"{what}: no folder '{root}'")
    return folder


def inside(root: Path, name: str) -> Path:
    """The file `name` below `root`; ValueError where the name, or a link, leads out of it."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"'{name}' leads out of the data set's folder '{root}'")
    return path


def expect(root: str | Path, what: str, source: str, names: Sequence[str]) -> Path:
    """`root` as a path, if all `names` are below it; else FileNotFoundError: what is missing, where to ask for the data."""
    folder = Path(root)
    found = [name for name in names if (folder / name).exists()]
    if len(found) < len(names):
        lacking = ", ".join(name for name in names if name not in found)
        raise FileNotFoundError(
            f"{what}: '{root}' lacks {lacking}; expected {', '.join(names)}; found {', '.join(found) or 'none of them'}; "
            f"the data are requested at {source}"
        )
    return folder


class Paths(Sequence):
    """Files `names` below `root`, each a `Path` only when it is asked for: lists of a million names stay small.

    A name that leads out of `root` raises ValueError at once. Names are judged by their text and folders by where they lead,
    once each, so that no file is touched.
    """

    def __init__(self, root: Path, names: Sequence[str]):
        self.root, self.names = root, list(names)
        for name in self.names:
            if not os.path.basename(name):
                raise ValueError(f"'{name}' names no file below '{root}'")
            if ".." in name or os.path.isabs(name):
                inside(root, name)
        for folder in {os.path.dirname(name) for name in self.names}:
            inside(root, folder)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self.root / name for name in self.names[index]]
        return self.root / self.names[index]

    def exist(self) -> np.ndarray:
        """Which of the files are there: bool [N], by listing each folder once."""
        folders = {}
        for folder in {os.path.dirname(name) for name in self.names}:
            path = self.root / folder
            folders[folder] = set(os.listdir(path)) if path.is_dir() else set()
        return np.array([os.path.basename(name) in folders[os.path.dirname(name)] for name in self.names], dtype=bool)


def of_split(places: Sequence[str], shares: dict[str, float], split: str) -> np.ndarray:
    """Which views are in `split`: bool [N], every view of a place on the same side.

    Places are ordered by a hash of their names, so that the cut depends on no order of files and no random state. "train"
    takes what the `shares` of the others leave; none of those is empty.
    """
    order = sorted(set(places), key=lambda name: hashlib.sha256(name.encode()).digest())
    if len(order) < len(shares):
        raise ValueError(f"{len(order)} places cannot be split into {', '.join(shares)}: expected more")
    bounds, stop = {}, len(order)
    for name, share in shares.items():
        if name != "train":
            size = max(1, round(share * len(order)))
            bounds[name], stop = (stop - size, stop), stop - size
    bounds["train"] = (0, stop)
    chosen = set(order[slice(*bounds[split])])
    return np.array([place in chosen for place in places], dtype=bool)


def read_image(path: Path, size: int | tuple[int, int] | None = None) -> torch.Tensor:
    """Decode an image file as uint8 RGB [3, H, W], scaled to `size` if given.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Not a readable image, or one that ends too early; the message names the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image '{path}'")
    target = (size, size) if isinstance(size, int) else size
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as picture:
            if picture.width * picture.height > PIXEL_LIMIT:
                raise ValueError(f"{picture.width} × {picture.height} pixels, more than {PIXEL_LIMIT}")
            if target:
                # a JPEG can be decoded at a half, a quarter or an eighth of its size for a fraction of the cost
                picture.draft("RGB", (2 * target[1], 2 * target[0]))
            picture = picture.convert("RGB")
            if target:
                picture = picture.resize((target[1], target[0]), Image.Resampling.BILINEAR)
            return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).contiguous()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"image '{path}' cannot be read: {str(error).splitlines()[0]}") from error


class FileViews(PairedViews):
    """Ground and aerial image files.

    Parameters
    ----------
    name : str
        What a reader calls the data, with its split.
    ground, aerial : sequence of Path
        The queries, and the gallery: each aerial image once.
    positives : int array [Q], or Q int arrays
    size : int or (height, width)
        Pixels that every image is scaled to.
    places : int array [Q], optional
        None: a view's place is its first positive.
    coordinates : float array [Q, 2], optional
    ignored : Q int arrays, optional
    coordinate_unit : {"degrees", "metres"}
        What `coordinates` are: latitude and longitude, or metres east and north.
    """

    def __init__(
        self,
        name: str,
        ground: Sequence[Path],
        aerial: Sequence[Path],
        positives: np.ndarray | Sequence[np.ndarray],
        *,
        size: int | tuple[int, int] = 64,
        places: np.ndarray | None = None,
        coordinates: np.ndarray | None = None,
        ignored: Sequence[np.ndarray] | None = None,
        coordinate_unit: str = "degrees",
    ):
        if len(ground) == 0 or len(aerial) == 0:
            raise FileNotFoundError(
                f"{name}: {len(ground)} ground and {len(aerial)} aerial images, expected at least one each"
            )
        self.name, self.ground, self.aerial, self.size = name, ground, aerial, size
        self.coordinate_unit = coordinate_unit
        self.positives, self.ignored, self.coordinates = positives, ignored, coordinates
        self.gallery_count = len(self.aerial)
        first = [int(np.atleast_1d(rows)[0]) for rows in positives]
        self.places = np.asarray(first if places is None else places)

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, W]."""
        return read_image(self.ground[index], self.size)

    def aerial_image(self, row: int) -> torch.Tensor:
        """Gallery row `row`: uint8 [3, H, W]."""
        return read_image(self.aerial[row], self.size)

    def verify(self) -> None:
        """Decode every image once; the first that cannot be read raises, and is named."""
        for path in (*self.ground, *self.aerial):
            read_image(path)

    @property
    def digest(self) -> str:
        """Digest of the files' names and sizes, in order, and of the size they are scaled to."""
        files = [f"{path.name}:{path.stat().st_size}" for path in (*self.ground, *self.aerial)]
        return digest(self.name, str(self.size), *files)


def pair_files(
    name: str,
    root: Path,
    pairs: pd.DataFrame,
    *,
    size: int | tuple[int, int],
    skip_missing: bool = False,
    coordinate_unit: str = "degrees",
) -> FileViews:
    """Views of listed pairs; an aerial image that answers several ground views is one gallery row.

    Parameters
    ----------
    name : str
    root : Path
        Folder that the names are relative to.
    pairs : data frame
        Columns ground and aerial: names of files. Columns x and y, if there: coordinates of the ground view.
    size : int or (height, width)
    skip_missing : bool
        Leave out pairs with a side that is not there; folders are listed for it. Else the files are not looked for.
    coordinate_unit : {"degrees", "metres"}

    Raises
    ------
    FileNotFoundError
        No pair is left.
    ValueError
        A name that leads out of `root`.
    """
    if skip_missing:
        there = Paths(root, pairs["ground"]).exist() & Paths(root, pairs["aerial"]).exist()
        pairs = pairs[there]
    rows, gallery = pd.factorize(pairs["aerial"])
    coordinates = pairs[["x", "y"]].to_numpy(np.float64) if "x" in pairs else None
    return FileViews(
        name,
        Paths(root, pairs["ground"]),
        Paths(root, gallery),
        rows.astype(np.int64),
        size=size,
        coordinates=coordinates,
        coordinate_unit=coordinate_unit,
    )
