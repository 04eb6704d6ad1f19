"""WITW, Where in the World (IQT Labs): photographs of eleven cities and satellite tiles 225 m a side.

``train.csv`` and ``test.csv`` (Paris) have a header and one row a pair. Columns 15 and 16, counted from 0 as in the data
set's own reader, name the surface image and the overhead image, in the reverse of CVUSA's order. The program that wrote the
lists calls these columns ``surface_path`` and ``overhead_path``. Coordinates are read from ``lat`` and ``lon`` if the list
has these columns. The publication has no validation split; here it is a tenth of the training places, chosen by a hash of
their names.
"""

import pandas as pd

from cvig.datasets.files import HELD_OUT, FileViews, pair_files, pairs_of_split
from cvig.datasets.images import IMAGE_SUFFIXES
from cvig.datasets.paths import expect

SOURCE = "https://github.com/IQTLabs/WITW"
LISTS = {"train": "train.csv", "val": "train.csv", "test": "test.csv"}
SURFACE, OVERHEAD = 15, 16  # columns, the first is 0


def read_list(path) -> pd.DataFrame:
    """One row a pair: columns ground and aerial, and latitude x and longitude y in degrees if the list has them."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise ValueError(f"'{path}' cannot be read: {str(error).splitlines()[0]}") from error
    if table.shape[1] <= OVERHEAD:
        raise ValueError(
            f"'{path}' has {table.shape[1]} columns: expected at least {OVERHEAD + 1}, columns {SURFACE} and {OVERHEAD} "
            "from 0 the surface and the overhead image"
        )
    pairs = table.iloc[:, [SURFACE, OVERHEAD]].set_axis(["ground", "aerial"], axis=1)
    for side, column in (("ground", SURFACE), ("aerial", OVERHEAD)):
        wrong = ~pairs[side].str.lower().str.endswith(IMAGE_SUFFIXES)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"'{path}', row {row + 1}: '{pairs[side].iloc[row]}' in column {column} from 0 names no image")
    if {"lat", "lon"} <= set(table):
        pairs[["x", "y"]] = table[["lat", "lon"]].apply(pd.to_numeric, errors="coerce")
    return pairs


def load(root: str, split: str, *, size: int = 64, skip_missing: bool = False) -> FileViews:
    """Open one split.

    Parameters
    ----------
    root : str
        Folder that holds ``train.csv``, ``test.csv``, ``surface`` and ``overhead``.
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
    folder = expect(root, "WITW", SOURCE, [LISTS[split], "surface", "overhead"])
    pairs = read_list(folder / LISTS[split])
    if split != "test":
        pairs = pairs_of_split(pairs, HELD_OUT, split)
    return pair_files(f"witw/{split}", folder, pairs, size=size, skip_missing=skip_missing)
