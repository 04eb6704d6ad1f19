"""The photographs that a filter works on, some of which have labels."""

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

WORLD = {"useless": 0.3, "spacing": 96}  # enough views of walls to learn from, in squares large enough to have a wall


@dataclass(frozen=True)
class Photographs:
    """Ground photographs of a data set or a folder.

    Attributes
    ----------
    title : str
        A title for readers.
    names : sequence of str
        Files below the root; views of the world have numbers as names.
    image : callable
        Maps an index to an image, uint8 [3, H, W].
    groups : int array [N]
        Photographs of one place share a number.
    keys : list of str
        For each photograph a digest that changes when its content does.
    labels : Series of bool
        True for viable; the index is the photograph's.
    truth : bool array [N] or None
        The right labels of all photographs, which are known in the procedural world alone.
    """

    title: str
    names: Sequence[str]
    image: Callable[[int], torch.Tensor]
    groups: np.ndarray
    keys: list[str]
    labels: pd.Series
    truth: np.ndarray | None = None


def list_folder(root: Path | str) -> list[str]:
    """Names of all images below `root`, with ``/`` between folders, sorted; FileNotFoundError if there is none."""
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
    """Labels by the index of the photograph; ValueError names the first label that belongs to no photograph, or to several.

    The name of a label is a file's path below the root, or the last parts of this path if no other file has the same. Labels
    that were made in one folder of images can therefore be used for the data set that contains the folder.

    Parameters
    ----------
    labels : Series of bool
        By name, as `read_labels` gives them.
    names : sequence of str
        The photographs' names.
    source : str
        The labels' file, for the error.
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
    # views from one square of ground show the same walls
    _, groups = np.unique(np.floor(views.coordinates / REACH), axis=0, return_inverse=True)
    truth = views.viable.numpy()
    keys = [f"{views.digest} {name}" for name in names]
    return Photographs(views.name, names, views.ground_image, groups, keys, pd.Series(truth[:labelled]), truth)


def _files(title: str, files: Paths, groups: np.ndarray, labels: str, size) -> Photographs:
    def key(path: Path) -> str:
        # a file that cannot be read now may be readable in another run
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
        Folder of the data; not used for ``"world"``.
    split : {"train", "val", "test"}
        Split of a data set; not used for ``"folder"``.
    size : int
        Side of the images in pixels.
    options : mapping
        Further options of the data set.
    labels : str
        CSV file with the columns name and viable, as ``cvig label`` writes it; not used for ``"world"``.
    count, labelled : int
        For ``"world"``: the number of views, and how many of them have a label.

    Raises
    ------
    ValueError, FileNotFoundError
        The data set, the folder, the labels or an option is wrong; one line says which and how.
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
