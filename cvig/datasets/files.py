"""Data sets whose views are image files: `FileViews`, and what the loaders of the layouts make it with."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cvig.datasets.base import PairedViews
from cvig.datasets.images import read_image
from cvig.datasets.paths import Paths
from cvig.files import digest, digest_file

HELD_OUT = {"train": 0.9, "val": 0.1}  # shares of the training places, where a publication has no validation split


class FileViews(PairedViews):
    """Ground and aerial image files.

    Parameters
    ----------
    name : str
        The data set and its split, for readers.
    ground, aerial : Paths
        The queries, and the gallery: each aerial image once.
    positives : int array [Q], or Q int arrays
    size : int or (height, width)
        Every image is scaled to so many pixels.
    places : int array [Q], optional
        By default the views that have one first positive share a place.
    coordinates : float array [Q, 2], optional
    ignored : Q int arrays, optional
    coordinate_unit : {"degrees", "metres"}
        ``"degrees"``: coordinates are latitude and longitude. ``"metres"``: metres east and north.
    missing : sequence of str
        Files that do not exist and whose pairs were left out; `cvig check` reports them.
    copies : sequence of (str, str)
        An aerial file that was left out of the gallery because it is a copy of another place's file, and that file.
    place_names : sequence of str, optional
        For each ground view the name of its place, by which `cvig check` compares splits.

    Raises
    ------
    FileNotFoundError
        There is no ground or no aerial image.
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
        """Decode every image once; ValueError or FileNotFoundError names the first that cannot be read."""
        for path in (*self.ground, *self.aerial):
            read_image(path)

    @cached_property
    def digest(self) -> str:
        """Digest of the files' names and contents, in order, and of the size they are scaled to.

        It reads every byte of every file, once for each object. Files that the system still holds in memory take about two
        seconds a gigabyte on two cores, a twentieth of what decoding them takes; others take as long as the disk needs.
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
    """A data set of listed pairs; an aerial image that is listed with several ground views is one gallery row.

    Parameters
    ----------
    name : str
    root : Path
        The folder below which the files lie.
    pairs : data frame
        One row a pair. Columns ground and aerial hold names of files below `root`. Columns x and y are optional and hold
        the coordinates of the ground view.
    size : int or (height, width)
    skip_missing : bool
        Leave out pairs of which a file does not exist. Without it, nobody looks whether the files exist.
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


def of_split(places: Sequence[str], shares: dict[str, float], split: str) -> np.ndarray:
    """Which views are in `split`, bool [N]; all views of a place are in the same split.

    Places are ordered by a hash of their names and then cut, so that the result depends neither on the order of the files
    nor on a random state.

    Parameters
    ----------
    places : sequence of str, N of them
        The name of each view's place.
    shares : dict of split to float
        Each split's share of the places. Every split but "train" gets its share, and at least one place; "train" gets the
        rest.
    split : str
        A key of `shares`.

    Raises
    ------
    ValueError
        Fewer places than splits.
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


def pairs_of_split(pairs: pd.DataFrame, shares: dict[str, float], split: str) -> pd.DataFrame:
    """Those of listed `pairs` (see `pair_files`) that `of_split` puts in `split`.

    The name of a place is that of its aerial image without folder and ending.
    """
    places = pairs["aerial"].str.extract(r"([^/]+)\.\w+$", expand=False)
    return pairs[of_split(places.tolist(), shares, split)]
