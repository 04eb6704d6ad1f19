"""University-1652: buildings seen by drones, satellites and from the street; a building has several right answers.

``train/{drone,street,satellite,google}/{id}/*`` and ``test/{query,gallery}_{drone,street,satellite}/{id}/*``. The test's
gallery also has buildings that no query shows (250 as published). The publication has no validation split: a tenth of the
training buildings, chosen by a hash of their numbers. The noisy photographs in ``train/google`` are not read.
"""

import os
from pathlib import Path

import numpy as np

from cvig.datasets.files import HELD_OUT, FileViews, of_split
from cvig.datasets.images import images_among
from cvig.datasets.paths import Paths, expect

SOURCE = "https://github.com/layumi/University1652-Baseline"
TASKS = ("drone-satellite", "satellite-drone", "street-satellite")


def list_images(root: Path, folder: str) -> tuple[list[str], list[str]]:
    """Names of the images in ``folder/{id}/`` below `root`, sorted, and the id of each image's building."""
    names, ids = [], []
    for building in sorted(entry.name for entry in os.scandir(root / folder) if entry.is_dir()):
        images = images_among(sorted(os.listdir(root / folder / building)), root / folder / building)
        names += [f"{folder}/{building}/{name}" for name in images]
        ids += [building] * len(images)
    return names, ids


def load(root: str, split: str, *, size: int = 64, task: str = "drone-satellite") -> FileViews:
    """Open one split.

    Parameters
    ----------
    root : str
        Folder that holds ``train`` and ``test``.
    split : {"train", "val", "test"}
    size : int or (height, width)
    task : {"drone-satellite", "satellite-drone", "street-satellite"}
        The view of the queries, then that of the gallery. In ``"satellite-drone"`` the satellite images are the `ground`
        views; the right answers of each are the 54 drone images of its building, and training pairs it with the first.

    Raises
    ------
    FileNotFoundError
        A folder of images is missing; the message says where to request the data.
    ValueError
        An unknown task, or a test query whose building is not in the gallery.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task '{task}' of University-1652: expected one of {', '.join(TASKS)}")
    query, gallery = task.split("-")
    sides = [f"test/query_{query}", f"test/gallery_{gallery}"] if split == "test" else [f"train/{query}", f"train/{gallery}"]
    folder = expect(root, "University-1652", SOURCE, sides)
    (ground, places), (aerial, answers) = (list_images(folder, side) for side in sides)
    lacking = sorted(set(places) - set(answers))
    if split == "test":
        if lacking:
            raise ValueError(f"University-1652: building '{lacking[0]}' of '{sides[0]}' is not in '{sides[1]}'")
    else:
        # some buildings have no photograph from the street; training takes those that both sides show
        both = sorted(set(places) & set(answers))
        chosen = set(np.array(both)[of_split(both, HELD_OUT, split)].tolist())
        ground, places = _of(chosen, ground, places)
        aerial, answers = _of(chosen, aerial, answers)
    rows = {}
    for row, building in enumerate(answers):
        rows.setdefault(building, []).append(row)
    rows = {building: np.array(its, dtype=np.int64) for building, its in rows.items()}
    return FileViews(
        f"university/{task}/{split}",
        Paths(folder, ground),
        Paths(folder, aerial),
        [rows[building] for building in places],
        size=size,
        places=np.unique(places, return_inverse=True)[1],
    )


def _of(chosen: set[str], names: list[str], ids: list[str]) -> tuple[list[str], list[str]]:
    kept = [(name, building) for name, building in zip(names, ids, strict=True) if building in chosen]
    return [name for name, _ in kept], [building for _, building in kept]
