"""The paper's flat layout: a ground view and its aerial image have one file name, in two folders.

``clean_ground/X.jpg`` is answered by ``clean_aerial/X.jpg``. Where the folders of the paper's code are there, they are the
splits: ``gnd_train`` with ``sat_train``, ``gnd_test`` with ``sat_test``; validation is then a tenth of the training places.
Four crops of one panorama are named ``{id}_1`` to ``{id}_4``; their code saves the aerial image four times under those
names. Here such copies are one gallery row, and the four views one place.
"""

import hashlib
import re
from pathlib import Path

import numpy as np

from cvig.datasets.files import IMAGE_SUFFIXES, FileViews, existing_folder

CLEAN = ("clean_ground", "clean_aerial")
SPLIT_FOLDERS = {"train": ("gnd_train", "sat_train"), "test": ("gnd_test", "sat_test")}
SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
VERIFY_UP_TO = 2000  # images; a larger set is checked by `cvig check`, not at every start


def _images(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES}


def _place(stem: str) -> str:
    """The place a file belongs to: crops of one panorama share it."""
    return re.sub(r"_[1-4]$", "", stem)


def _pairs(root: Path, folders: tuple[str, str]) -> list[tuple[str, Path, Path]]:
    """Name, ground file and aerial file of every pair; FileNotFoundError names the first half that is missing."""
    ground, aerial = (_images(existing_folder(root / name, "flat data set")) for name in folders)
    if not ground and not aerial:
        raise FileNotFoundError(f"flat data set: no .jpg or .png image in '{root / folders[0]}' and '{root / folders[1]}'")
    pairs = []
    missing = [(stem, folders[0], path) for stem, path in aerial.items() if stem not in ground and _place(stem) == stem]
    for stem, path in ground.items():
        partner = aerial.get(stem) or aerial.get(_place(stem))
        if partner is None:
            missing.append((stem, folders[1], path))
        else:
            pairs.append((stem, path, partner))
    if missing:
        stem, folder, path = sorted(missing)[0]
        raise FileNotFoundError(
            f"flat data set: '{path}' has no partner '{stem}' in '{root / folder}' ({len(missing)} pairs lack a side)"
        )
    return pairs


def _split(pairs: list, shares: dict[str, float], split: str) -> list:
    """The pairs of one split: places are shuffled by a hash of their names, so that a place is in one split only."""
    order = sorted({_place(stem) for stem, _, _ in pairs}, key=lambda name: hashlib.sha256(name.encode()).digest())
    if len(order) < len(shares):
        raise ValueError(f"flat data set: {len(order)} places cannot be split into {', '.join(shares)}; expected more")
    # the smaller splits get their share, rounded, but never nothing; training gets the rest
    sizes = {name: max(1, round(share * len(order))) for name, share in shares.items() if name != "train"}
    bounds, stop = {}, len(order)
    for name, size in sizes.items():
        bounds[name], stop = (stop - size, stop), stop - size
    bounds["train"] = (0, stop)
    chosen = set(order[slice(*bounds[split])])
    return [pair for pair in pairs if _place(pair[0]) in chosen]


def load(root: str, split: str, *, size: int = 64) -> FileViews:
    """Open one split.

    Parameters
    ----------
    root : str
        Folder that holds the two folders of images.
    split : {"train", "val", "test"}
    size : int or (height, width)

    Raises
    ------
    FileNotFoundError
        No such folder, no image, or a pair with one side missing.
    ValueError
        Too few places to split; an image that cannot be read (sets of up to 2000 images are decoded once at the start).
    """
    folder = existing_folder(root, "flat data set")
    if (folder / SPLIT_FOLDERS["test"][0]).is_dir():
        pairs = _pairs(folder, SPLIT_FOLDERS["test" if split == "test" else "train"])
        if split != "test":
            pairs = _split(pairs, {"train": 0.9, "val": 0.1}, split)
    else:
        pairs = _split(_pairs(folder, CLEAN), SHARES, split)
    rows: dict[bytes, int] = {}
    gallery, positives = [], []
    for _, _, aerial in pairs:
        content = hashlib.sha256(aerial.read_bytes()).digest()
        if content not in rows:
            rows[content] = len(gallery)
            gallery.append(aerial)
        positives.append(rows[content])
    _, places = np.unique([_place(stem) for stem, _, _ in pairs], return_inverse=True)
    ground = [path for _, path, _ in pairs]
    views = FileViews(f"flat/{split}", ground, gallery, np.asarray(positives), size=size, places=places)
    if len(ground) + len(gallery) <= VERIFY_UP_TO:
        views.verify()
    return views
