"""Paired views that lie in files: safe paths, checked decoding, one gallery row an aerial image."""

import hashlib
import os
import struct
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import ExifTags, Image, ImageOps

from cvig.datasets.base import PairedViews
from cvig.files import digest, digest_file

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
OTHER_IMAGES = (".heic", ".heif", ".avif", ".gif", ".bmp", ".jp2", ".dng", ".cr2", ".nef", ".arw")  # and cannot be read here
DECODING = "2"  # changes with what is made of a file: 2 has images upright, and 16 bits scaled
PIXEL_LIMIT = 64_000_000  # a small file can hold a huge image


def inside(root: Path, name: str) -> Path:
    """The file `name` below `root`; ValueError where the name, or a link, leads out of it."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"'{name}' leads out of the data set's folder '{root}', by its name or by a link")
    return path


def expect(root: str | Path, what: str, source: str, names: Sequence[str]) -> Path:
    """`root` as a path, if it has all of `names`.

    Raises
    ------
    FileNotFoundError
        One line: what is lacking, what is expected, what was found, and at which address `source` the data are requested.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{what}: no folder '{root}'; expected one with {', '.join(names)}; the data are requested at {source}"
        )
    found = [name for name in names if (folder / name).exists()]
    if len(found) < len(names):
        lacking = next(name for name in names if name not in found)
        kind = "file" if Path(lacking).suffix else "folder"
        if not found:
            there = sorted(entry.name for entry in os.scandir(folder))
            found = ["none of them" + (f", but {', '.join(there[:5])}{', ...' * (len(there) > 5)}" if there else "")]
        raise FileNotFoundError(
            f"{what}: no {kind} '{folder / lacking}'; expected in '{root}': {', '.join(names)}; found {', '.join(found)}; "
            f"the data are requested at {source}"
        )
    return folder


class Paths(Sequence):
    """Files `names` below `root`, each a `Path` only when it is asked for: lists of a million names stay small.

    A name that leads out of `root` raises ValueError at once. Names are judged by their text and folders by where they lead,
    once each, so that no file is touched; a file that is a link out of `root` raises when it is asked for.
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
            return [self[i] for i in range(len(self))[index]]
        path = self.root / self.names[index]
        return inside(self.root, self.names[index]) if path.is_symlink() else path

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
    order = sorted(set(places), key=lambda name: hashlib.sha256(os.fsencode(name)).digest())
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


_said: set[str] = set()


def images_among(names: Sequence[str], where: Path | str) -> list[str]:
    """The names of images that can be read here, whatever the case of their ends; of other images stderr has a line."""
    other = [name for name in names if name.lower().endswith(OTHER_IMAGES)]
    if other and str(where) not in _said:
        _said.add(str(where))  # once for all splits
        kinds = ", ".join(sorted({os.path.splitext(name)[1] for name in other}))
        print(
            f"'{where}': {len(other)} images are left out, for {kinds} cannot be read here; convert them to JPEG or PNG",
            file=sys.stderr,
        )
    return [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]


def unique_files(paths: Sequence[Path]) -> np.ndarray:
    """For each file the index of the first one with the same bytes: int64 [N].

    Only files of one size and with the same last bytes are read whole.
    """
    first = np.arange(len(paths))
    alike = {}
    for i, path in enumerate(paths):
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 4096))
            alike.setdefault((size, stream.read()), []).append(i)
    for group in alike.values():
        seen = {}
        for i in group if len(group) > 1 else ():
            first[i] = seen.setdefault(hashlib.sha256(paths[i].read_bytes()).digest(), i)
    return first


def _in_bytes(picture: Image.Image) -> Image.Image:
    """An image of 16 bits a value as one of 8: 65535 becomes 255. Pillow's own conversion cuts off what is above 255."""
    if not picture.mode.startswith(("I;16", "I")):
        return picture
    values = np.asarray(picture).astype(np.int64)
    return Image.fromarray(((values.clip(0, 65535) + 128) // 257).astype(np.uint8))


def decode(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """Decode an image file whole, upright, as RGB, scaled to `size` (height, width) if given.

    The orientation that a camera noted (EXIF) is obeyed, and grey values of 16 bits are scaled to 8.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Not a readable JPEG, PNG, WebP or TIFF, one that ends too early, one of floating point numbers, or one of more than
        `PIXEL_LIMIT` pixels; the file is named.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image '{path}'")
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > PIXEL_LIMIT:
                raise ValueError(f"{picture.width} × {picture.height} pixels, more than {PIXEL_LIMIT}")
            if picture.mode == "F":
                raise ValueError("its values are floating point numbers: expected 8 or 16 bits")
            if size:
                # a JPEG can be decoded at a half, a quarter or an eighth of its size for a fraction of the cost
                picture.draft("RGB", (2 * size[1], 2 * size[0]))
            picture = ImageOps.exif_transpose(_in_bytes(picture)).convert("RGB")
            return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR) if size else picture
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"image '{path}' cannot be read: {(str(error) or repr(error)).splitlines()[0]}") from error


def peculiarity(path: Path) -> str:
    """What a reader that takes an image's bytes as they are gets wrong: a turned picture, 16 bits; else ``""``."""
    with Image.open(path, formats=FORMATS) as picture:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        found = [f"EXIF orientation {orientation}"] * (orientation not in (0, 1))
        return ", ".join([*found, *["16 bits a value"] * picture.mode.startswith("I")])


def read_image(path: Path, size: int | tuple[int, int] | None = None) -> torch.Tensor:
    """Read an image file as uint8 RGB [3, H, W], scaled to `size` (a side, or height and width) if given.

    Raises
    ------
    FileNotFoundError, ValueError
        As `decode` does; the message names the file.
    """
    picture = decode(path, (size, size) if isinstance(size, int) else size)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


class FileViews(PairedViews):
    """Ground and aerial image files.

    Parameters
    ----------
    name : str
        What a reader calls the data, with its split.
    ground, aerial : Paths
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
    missing : sequence of str
        Files that are not there, whose pairs were left out.
    copies : sequence of (str, str)
        Aerial files left out of the gallery for the one, of another place, that they are a copy of.
    place_names : sequence of str, optional
        What the files of one place share in their names, of each ground view: comparable between splits.
    """

    def __init__(
        self,
        name: str,
        ground: Paths,
        aerial: Paths,
        positives: np.ndarray | Sequence[np.ndarray],
        *,
        size: int | tuple[int, int] = 64,
        places: np.ndarray | None = None,
        coordinates: np.ndarray | None = None,
        ignored: Sequence[np.ndarray] | None = None,
        coordinate_unit: str = "degrees",
        missing: Sequence[str] = (),
        copies: Sequence[tuple[str, str]] = (),
        place_names: Sequence[str] | None = None,
    ):
        if len(ground) == 0 or len(aerial) == 0:
            lost = f"; '{missing[0]}' is not there, nor are {len(missing) - 1} others" if missing else ""
            raise FileNotFoundError(
                f"{name}: {len(ground)} ground and {len(aerial)} aerial images, expected at least one each{lost}"
            )
        self.name, self.ground, self.aerial, self.size = name, ground, aerial, size
        self.coordinate_unit, self.missing, self.copies = coordinate_unit, missing, copies
        self.place_names = place_names
        self.positives, self.ignored, self.coordinates = positives, ignored, coordinates
        self.gallery_count = len(self.aerial)
        if places is None:
            places = positives if isinstance(positives, np.ndarray) else [rows[0] for rows in positives]
        self.places = np.asarray(places)

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

    @cached_property
    def digest(self) -> str:
        """Digest of the files' names and contents, in order, and of the size they are scaled to.

        Every byte is read, once an object: files that the system holds in memory take about two seconds a gigabyte on two
        cores, a twentieth of the time to decode them; others take as long as the disk needs.
        """
        paths = [*self.ground, *self.aerial]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            contents = pool.map(digest_file, paths)
            files = (f"{path.name}:{content}" for path, content in zip(paths, contents, strict=True))
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
    missing = []
    if skip_missing:
        there = {side: Paths(root, pairs[side]).exist() for side in ("ground", "aerial")}
        missing = [name for side, exists in there.items() for name in pairs[side][~exists].unique()]
        pairs = pairs[there["ground"] & there["aerial"]]
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
        missing=missing,
    )
