"""CVUSA, the subset of CVPR 2017: 35,532 training and 8,884 test pairs of a panorama and an aerial image.

``splits/train-19zl.csv`` and ``splits/val-19zl.csv`` list aerial image, panorama and annotation, without a header. Published
results are on the second list, so it is the test split here. The publication has no validation split; here it is a tenth of
the training places, chosen by a hash of their names. If ``split_locations/all.csv`` exists, coordinates come from it; its
row i - 1, counted from 0, is taken to be image i.
"""

import numpy as np
import pandas as pd

from cvig.datasets.files import HELD_OUT, FileViews, pair_files, pairs_of_split
from cvig.datasets.paths import expect

SOURCE = "https://mvrl.cse.wustl.edu/datasets/cvusa"
LISTS = {"train": "splits/train-19zl.csv", "val": "splits/train-19zl.csv", "test": "splits/val-19zl.csv"}
LOCATIONS = "split_locations/all.csv"


def read_list(path) -> pd.DataFrame:
    """One row a pair: columns aerial and ground, names of files below the data set's folder."""
    try:
        pairs = pd.read_csv(path, header=None, usecols=[0, 1], names=["aerial", "ground"], dtype=str)
    except ValueError as error:
        raise ValueError(f"'{path}' is no list of aerial image and panorama: {str(error).splitlines()[0]}") from error
    if pairs.isna().any(axis=None):
        line = int(pairs.isna().any(axis=1).argmax()) + 1
        raise ValueError(f"'{path}', line {line}: expected an aerial image and a panorama, separated by a comma")
    return pairs


def read_locations(path, aerial: pd.Series) -> pd.DataFrame:
    """The panorama's latitude x and longitude y, in degrees, for each of the `aerial` images."""
    table = pd.read_csv(path, header=None)
    number = aerial.str.extract(r"(\d+)\.\w+$", expand=False)
    if number.isna().any() or table.shape[1] < 4:
        what = f"'{aerial[number.isna()].iloc[0]}' has no number" if number.isna().any() else "expected at least 4 columns"
        raise ValueError(f"'{path}': {what}; row i - 1 is taken to be image i, with the panorama in columns 3 and 4")
    row = number.astype(np.int64) - 1
    if not row.between(0, len(table) - 1).all():
        raise ValueError(
            f"'{path}' has {len(table)} rows, none for image '{aerial[~row.between(0, len(table) - 1)].iloc[0]}'"
        )
    return pd.DataFrame(table.iloc[row, [2, 3]].to_numpy(np.float64), columns=["x", "y"], index=aerial.index)


def load(root: str, split: str, *, size: int = 64, skip_missing: bool = False) -> FileViews:
    """Open one split.

    Parameters
    ----------
    root : str
        Folder that holds ``bingmap``, ``streetview`` and ``splits``.
    split : {"train", "val", "test"}
    size : int or (height, width)
    skip_missing : bool
        Leave out pairs of which a file is missing. Without it, `cvig check` or the first use of the file finds it missing.

    Raises
    ------
    FileNotFoundError
        The list or a folder of images is missing; the message says where to request the data.
    ValueError
        A broken list, or a name in it that leads out of `root`.
    """
    folder = expect(root, "CVUSA", SOURCE, ["bingmap", "streetview", LISTS[split]])
    pairs = read_list(folder / LISTS[split])
    if split != "test":
        pairs = pairs_of_split(pairs, HELD_OUT, split)
    if (folder / LOCATIONS).is_file():
        pairs = pairs.join(read_locations(folder / LOCATIONS, pairs["aerial"]))
    return pair_files(f"cvusa/{split}", folder, pairs, size=size, skip_missing=skip_missing)
