"""CVACT: panoramas of Canberra and satellite images, with positions in UTM metres.

``ACT_data.mat`` holds the panoramas' names, their positions and the lists of the splits, as indices that count from 1.
Training and validation images lie in ``ANU_data_small``, those of the large test in ``ANU_data_test``. In the large test
every aerial image within 5 m of the query is a right answer. The publication speaks of 35,532, 8,884 and 92,802 panoramas
for training, validation and large test; `cvig check` tells whether any of the 8,884 are also among the 92,802.
"""

import numpy as np
import pandas as pd
from scipy.io import loadmat
from scipy.spatial import KDTree

from cvig.datasets.files import HELD_OUT, FileViews, of_split, pair_files
from cvig.datasets.paths import expect

SOURCE = "https://github.com/Liumouliu/OriCNN"
INDEX = "ACT_data.mat"
SETS = {"train": ("trainSet", "trainInd"), "val": ("valSet", "valInd"), "test": ("valSetAll", "valInd")}
RADIUS = 5.0  # metres


def read_index(path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Names of the split's panoramas, str [N], and their positions, float64 [N, 2], in metres east and north."""
    try:
        content = loadmat(path, simplify_cells=True)
    except Exception as error:  # a broken file raises whatever its bytes lead to
        raise ValueError(f"'{path}' cannot be read: {(str(error) or repr(error)).splitlines()[0]}") from error
    part, field = SETS[split]
    try:
        names, utm, chosen = content["panoIds"], content["utm"], content[part][field]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(
            f"'{path}': expected panoIds, utm and {part}.{field}, found {', '.join(sorted(content))}"
        ) from error
    names = np.char.strip(np.atleast_1d(names).astype(str))
    utm, chosen = np.asarray(utm, dtype=np.float64), np.atleast_1d(chosen).ravel().astype(np.int64)
    if utm.shape != (len(names), 2):
        raise ValueError(f"'{path}': utm is {utm.shape}, expected ({len(names)}, 2), one row a panorama")
    if len(chosen) == 0 or chosen.min() < 1 or chosen.max() > len(names):
        raise ValueError(f"'{path}': {part}.{field} should hold indices from 1 to {len(names)}")
    return names[chosen - 1], utm[chosen - 1]


def within(views: FileViews, radius: float) -> list[np.ndarray]:
    """For each ground view the gallery rows within `radius` metres: Q int64 arrays, each with its own aerial image first."""
    rows, first = np.unique(views.positives, return_index=True)
    near = KDTree(views.coordinates[first]).query_ball_point(views.coordinates, radius, return_sorted=True)
    return [
        np.array([own, *(row for row in rows[close] if row != own)], dtype=np.int64)
        for own, close in zip(views.positives, near, strict=True)
    ]


def load(root: str, split: str, *, size: int = 64, test: str = "large", skip_missing: bool = False) -> FileViews:
    """Open one split.

    Parameters
    ----------
    root : str
        Folder that holds ``ACT_data.mat`` and the images.
    split : {"train", "val", "test"}
    size : int or (height, width)
    test : {"large", "small"}
        Which set is the test split. ``"large"``: ``valSetAll`` in ``ANU_data_test``, where everything within 5 m is right
        (published as CVACT_test); ``valSet`` is then the validation split. ``"small"``: ``valSet``, with one right answer a
        query (published as CVACT_val). The validation split is then a tenth of the training places, chosen by a hash of
        their names, so that no model is selected on the test.
    skip_missing : bool
        Leave out pairs of which a file is missing. Without it, `cvig check` or the first use of the file finds it missing.

    Raises
    ------
    FileNotFoundError
        The index or a folder of images is missing; the message says where to request the data.
    ValueError
        An unknown `test`, a broken index, or a name in it that leads out of `root`.
    """
    if test not in ("large", "small"):
        raise ValueError(f"unknown test '{test}' of CVACT: expected 'large' or 'small'")
    listed, cut = split, False
    if test == "small":
        listed, cut = {"train": "train", "val": "train", "test": "val"}[split], split != "test"
    images = "ANU_data_test" if listed == "test" else "ANU_data_small"
    folder = expect(root, "CVACT", SOURCE, [INDEX, f"{images}/streetview", f"{images}/satview_polish"])
    names, utm = read_index(folder / INDEX, listed)
    if cut:
        keep = of_split(names.tolist(), HELD_OUT, split)
        names, utm = names[keep], utm[keep]
    pairs = pd.DataFrame(
        {
            "ground": [f"{images}/streetview/{name}_grdView.jpg" for name in names],
            "aerial": [f"{images}/satview_polish/{name}_satView_polish.jpg" for name in names],
            "x": utm[:, 0],
            "y": utm[:, 1],
        }
    )
    views = pair_files(f"cvact/{split}", folder, pairs, size=size, skip_missing=skip_missing, coordinate_unit="metres")
    if listed == "test":
        views.positives = within(views, RADIUS)
    return views
