"""The paper's flat layout: a ground view and its aerial image have one file name, in two folders.

The answer of ``clean_ground/X.jpg`` is ``clean_aerial/X.jpg``. If the folders of the paper's code exist, they are the
splits: ``gnd_train`` with ``sat_train``, ``gnd_test`` with ``sat_test``; a tenth of the training places is then the
validation split. Otherwise places are divided among the splits by a hash of their names.

Four crops of one panorama are named ``{id}_1`` to ``{id}_4``, and the paper's code saves their aerial image four times under
those names. Here files with the same bytes are one gallery row, and the four views are one place; a single ``{id}.jpg`` may
also be the aerial image of all four. Names that count beyond 4, or from 0, are not taken for crops. Crops that are named by
where they were cut, ``{id}.x2500.y1000.a90`` as in Dayton's data set (Vo and Hays 2016), also share a place. For any other
scheme of names give the pattern ``group``.
"""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from cvig.datasets.files import HELD_OUT, FileViews, of_split
from cvig.datasets.images import images_among
from cvig.datasets.paths import Paths, expect, unique_files

SOURCE = "https://mvrl.cse.wustl.edu/datasets/cvusa"
CLEAN = ("clean_ground", "clean_aerial")
SPLIT_FOLDERS = {"train": ("gnd_train", "sat_train"), "test": ("gnd_test", "sat_test")}
CROPPED = "sat_test_cropped"
SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
CUT_AT = re.compile(r"(.+)\.x-?[\d.]+\.y-?[\d.]+\.a-?[\d.]+")  # the position of a crop, and its angle
VERIFY_UP_TO = 2000  # images that are all decoded at every start; for a larger set there is `cvig check`


def list_images(root: Path, folder: str) -> dict[str, str]:
    """Images of one folder below `root`, as a dict of stem to name, sorted; ValueError if two images have one stem."""
    images = {}
    for file in images_among(sorted(os.listdir(root / folder)), root / folder):
        stem, _ = os.path.splitext(file)
        if stem in images:
            raise ValueError(f"flat data set: '{images[stem]}' and '{folder}/{file}' have one name, and are one pair's")
        images[stem] = f"{folder}/{file}"
    return images


def place_of(stems: list[str], group: str = "") -> dict[str, str]:
    """The place of each file, as its name tells.

    Parameters
    ----------
    stems : list of str
        File names without their suffixes.
    group : str
        A regular expression with one group, which matches the name of the place. A file whose name it does not match is a
        place of its own. Empty: the naming schemes that the module's docstring describes.

    Raises
    ------
    ValueError
        `group` is no regular expression, or does not have exactly one group.

    Examples
    --------
    >>> place_of(["a_1", "a_2", "b_4", "b_5"])
    {'a_1': 'a', 'a_2': 'a', 'b_4': 'b_4', 'b_5': 'b_5'}
    >>> place_of(["a.x10.y20.a0", "a.x10.y20.a90"])
    {'a.x10.y20.a0': 'a', 'a.x10.y20.a90': 'a'}
    >>> place_of(["roof-7-night", "roof-7-day"], r"(roof-\\d+)-")
    {'roof-7-night': 'roof-7', 'roof-7-day': 'roof-7'}
    """
    if group:
        try:
            pattern = re.compile(group)
        except re.error as error:
            raise ValueError(f"option group '{group}': no regular expression ({error})") from error
        if pattern.groups != 1:
            raise ValueError(f"option group '{group}': {pattern.groups} groups; expected one, such as (.+)_view")
        return {stem: found[1] if (found := pattern.match(stem)) and found[1] else stem for stem in stems}
    numbered = {stem: stem.rsplit("_", 1) for stem in stems if re.search(r"._\d+$", stem)}
    counted_on = {base for base, number in numbered.values() if number not in ("1", "2", "3", "4")}
    places = {}
    for stem in stems:
        if cut := CUT_AT.fullmatch(stem):
            places[stem] = cut[1]
        else:
            places[stem] = numbered[stem][0] if stem in numbered and numbered[stem][0] not in counted_on else stem
    return places


def pair_names(root: Path, folders: tuple[str, str], group: str = "") -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The pairs of two folders, and the files that have no partner.

    Returns
    -------
    pairs : data frame
        One row a pair: columns ground, aerial (names below `root`) and place.
    missing : list of (str, str)
        The folder and stem of a file that is missing, and the name of the file whose partner it would be.
    """
    ground, aerial = (list_images(root, folder) for folder in folders)
    place = place_of([*ground, *aerial], group)
    rows, missing = [], []
    for stem, name in ground.items():
        partner = aerial.get(stem) or aerial.get(place[stem])
        if partner:
            rows.append((name, partner, place[stem]))
        else:
            missing.append((f"{folders[1]}/{stem}", name))
    # where a crop was dropped, its copy of the aerial image has no ground view; one ground view a place is enough
    seen = {place[stem] for stem in ground}
    missing += [(f"{folders[0]}/{stem}", name) for stem, name in aerial.items() if place[stem] not in seen]
    return pd.DataFrame(rows, columns=["ground", "aerial", "place"], dtype=object), sorted(missing)


def load(
    root: str,
    split: str,
    *,
    size: int = 64,
    cropped: bool = False,
    group: str = "",
    skip_missing: bool = False,
    verify: bool = True,
) -> FileViews:
    """Open one split.

    Parameters
    ----------
    root : str
        Folder that holds the two folders of images, or the four folders of the paper's code.
    split : {"train", "val", "test"}
    size : int or (height, width)
    cropped : bool
        Take the test's gallery from ``sat_test_cropped``, the paper's second test set. There, four crops of one panorama
        have four random crops of one aerial image, and each of these is a right answer for all four. Training and
        validation do not change.
    group : str
        Regular expression whose one group is the name of a view's place (`place_of`).
    skip_missing : bool
        Leave out pairs of which a file is missing.
    verify : bool
        Decode every image once at the start, in sets of up to 2000 images.

    Raises
    ------
    FileNotFoundError
        No such folder, no image, or a pair of which a file is missing; the message says where to request the data.
    ValueError
        Too few places to split, two images of one name, or an image that cannot be read.
    """
    of_code = any((Path(root) / folder).is_dir() for pair in SPLIT_FOLDERS.values() for folder in pair)
    folders = SPLIT_FOLDERS["test" if split == "test" else "train"] if of_code or cropped else CLEAN
    if cropped and split == "test":
        folders = (folders[0], CROPPED)
    folder = expect(root, "flat data set", SOURCE, folders)
    pairs, missing = pair_names(folder, folders, group)
    if missing and not skip_missing:
        name, half = missing[0]
        raise FileNotFoundError(
            f"flat data set: '{folder / half}' has no partner '{Path(name).name}' in '{folder / Path(name).parent}' "
            f"({len(missing)} pairs lack a side)"
        )
    if pairs.empty and not missing:
        raise FileNotFoundError(
            f"flat data set: no .jpg, .png, .webp or .tif image in '{folder / folders[0]}' and '{folder / folders[1]}'"
        )
    if len(pairs) and folders == CLEAN:
        pairs = pairs[of_split(pairs["place"], SHARES, split)]
    elif len(pairs) and split != "test":
        pairs = pairs[of_split(pairs["place"], HELD_OUT, split)]
    rows, names = pd.factorize(pairs["aerial"])
    first = unique_files(Paths(folder, names))
    kept, row_of_file = np.unique(first, return_inverse=True)
    positives = row_of_file[rows].astype(np.int64)
    place_of_file = pairs.groupby("aerial", sort=False)["place"].first().reindex(names).to_numpy()
    copies = [(names[i], names[j]) for i, j in enumerate(first) if place_of_file[i] != place_of_file[j]]
    places = pd.factorize(pairs["place"], sort=True)[0]
    if cropped and split == "test":
        of_place = pd.Series(positives).groupby(places).agg(lambda its: its.unique())
        positives = [np.array([own, *of_place[p][of_place[p] != own]]) for own, p in zip(positives, places, strict=True)]
    views = FileViews(
        f"flat{'-cropped' * (cropped and split == 'test')}/{split}",
        Paths(folder, pairs["ground"]),
        Paths(folder, names[kept]),
        positives,
        size=size,
        places=places,
        missing=[name for name, _ in missing],
        copies=copies,
        place_names=pairs["place"].tolist(),
    )
    if verify and len(views.ground) + len(views.aerial) <= VERIFY_UP_TO:
        views.verify()
    return views
