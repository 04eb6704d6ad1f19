"""The photographs that a filter looks at: named, read one by one, some of them labelled."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import torch

from cvig.datasets import load
from cvig.datasets.files import FileViews
from cvig.datasets.flat import place_of
from cvig.datasets.images import DECODING, images_among, read_image
from cvig.datasets.paths import Paths
from cvig.datasets.world.views import REACH
from cvig.datasets.wrappers import KeptViews
from cvig.files import digest_file
from cvig.filtering import read_labels

WORLD = {"useless": 0.3, "spacing": 96}  # enough views that face a wall to learn from, and room to find walls in


@dataclass(frozen=True)
class Photographs:
    """Ground photographs of a data set or a folder.

    Attributes
    ----------
    title : str
        What a reader calls them.
    names : sequence of str
        Files below the root, or numbers that the world's views are given.
    image : callable
        Index to uint8 [3, H, W].
    groups : int array [N]
        Photographs of one place share a number.
    keys : list of str
        One a photograph, of its content: changes when the photograph does.
    labels : Series of bool
        Viable or not, by index of the photograph.
    truth : bool array [N] or None
        The label of all of them, where it is known: in the world.
    """

    title: str
    names: Sequence[str]
    image: Callable[[int], torch.Tensor]
    groups: np.ndarray
    keys: list[str]
    labels: pd.Series
    truth: np.ndarray | None = None


def list_folder(root: Path | str) -> list[str]:
    """Names of all images below `root`, with ``/`` between folders, sorted; FileNotFoundError where there is none."""
    folder = Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(f"photographs: no folder '{root}'")
    names = []
    for path, _, files in os.walk(folder):
        below = Path(path).relative_to(folder)
        names += [(below / file).as_posix() for file in images_among(files, path)]
    if not names:
        raise FileNotFoundError(f"photographs: no .jpg, .png, .webp or .tif image in '{root}'")
    return sorted(names)


def match_labels(labels: pd.Series, names: Sequence[str], source: str) -> pd.Series:
    """Labels by index of the photograph; ValueError names the first label that fits none.

    A label's name is that of the file below the root, or its end from some folder on, if only one file ends so: labels made
    in a folder of images also fit the data set that the folder belongs to.
    """
    row = {name: i for i, name in enumerate(names)}
    if any(name not in row for name in labels.index):
        ends, wanted = {}, set(labels.index)
        for i, name in enumerate(names):
            for start in (at + 1 for at, letter in enumerate(name) if letter == "/"):
                if name[start:] in wanted:
                    ends.setdefault(name[start:], []).append(i)
        row = {end: rows[0] for end, rows in ends.items() if len(rows) == 1} | row
    unknown = [name for name in labels.index if name not in row]
    if unknown:
        raise ValueError(f"labels '{source}': '{unknown[0]}' is none, or several, of the photographs ({len(unknown)} such)")
    return pd.Series(labels.to_numpy(), index=[row[name] for name in labels.index]).sort_index()


def _world(split: str, size: int, options: Mapping, count: int, labelled: int) -> Photographs:
    views = load("world", None, split, **{**WORLD, "size": size, "count": count, **options})
    names = [f"{i + 1:07d}.jpg" for i in range(views.ground_count)]
    # views of one square see the same walls
    _, groups = np.unique(np.floor(views.coordinates / REACH), axis=0, return_inverse=True)
    truth = views.viable.numpy()
    keys = [f"{views.digest} {name}" for name in names]
    return Photographs(views.name, names, views.ground_image, groups, keys, pd.Series(truth[:labelled]), truth)


def _files(title: str, files: Paths, groups: np.ndarray, labels: str, size) -> Photographs:
    def key(path: Path) -> str:
        # what is not there or cannot be read may be so another time
        try:
            return f"{DECODING} {digest_file(path)} {size}"
        except OSError as error:
            return f"{path} {error}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        keys = list(pool.map(key, files))
    matched = match_labels(read_labels(labels), files.names, labels)
    return Photographs(title, files.names, lambda i: read_image(files[i], size), groups, keys, matched)


def open_photographs(
    data: str,
    root: str = "",
    *,
    split: str = "train",
    size: int,
    options: Mapping = MappingProxyType({}),
    labels: str = "",
    count: int = 0,
    labelled: int = 0,
) -> Photographs:
    """The photographs of a data set, of a folder, or of the procedural world.

    Parameters
    ----------
    data : str
        A key of `cvig.datasets.DATASETS`, or ``"folder"`` for all images below `root`.
    root : str
        Folder of the data; none for ``"world"``.
    split : {"train", "val", "test"}
        Of a data set.
    size : int
        Side of the images in pixels.
    options : mapping
        Further options of the data set.
    labels : str
        CSV file of name and viable, as ``cvig label`` makes; none for ``"world"``, which knows its labels.
    count, labelled : int
        Of the world: how many views, and how many of them have a label.

    Raises
    ------
    ValueError, FileNotFoundError
        One line that names what is wrong and where.
    """
    if data == "world":
        return _world(split, size, options, count, labelled)
    if data == "folder":
        if options:
            raise ValueError(f"option '{next(iter(options))}': a folder of photographs has none")
        names = list_folder(root)
        places = place_of([os.path.splitext(name)[0] for name in names])
        _, groups = np.unique([places[os.path.splitext(name)[0]] for name in names], return_inverse=True)
        return _files(f"folder {root}", Paths(Path(root), names), groups, labels, size)
    views = load(data, root, split, **{"size": size, **options})
    if not isinstance(views, FileViews | KeptViews):
        raise ValueError(
            f"{views.name}: views cut from panoramas are no files to keep or drop; name files, or data 'folder'"
        )
    _, groups = np.unique(views.places, return_inverse=True)
    return _files(views.name, views.ground, groups, labels, views.size)
