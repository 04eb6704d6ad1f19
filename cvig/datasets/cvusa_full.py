"""CVUSA in full: photographs from Flickr or cut-outs of Street View, and aerial images at three zooms.

``flickr_images.txt`` lists ``flickr/39/-100/USER_PHOTO_LAT_LON.jpg``, ``streetview_images.txt`` lists
``.../LAT_LON_HEADING.jpg``; the aerial image lies in
``{flickr,streetview}_aerial/{14,16,18}/int(LAT)/int(LON)/LAT_LON.jpg``. The lists have no splits: a hash
of the places' names puts 70, 15 and 15 percent of them into training, validation and test. Two cut-outs of one panorama are
views of one place. The paper's code skips pairs of which a file is missing, and so does ``skip_missing`` here.
"""

import pandas as pd

from cvig.datasets.cvusa import SOURCE
from cvig.datasets.files import FileViews, pair_files, pairs_of_split
from cvig.datasets.paths import expect

NAMES = {
    "flickr": r"_(?P<x>[-+]?\d+(?:\.\d+)?)_(?P<y>[-+]?\d+(?:\.\d+)?)\.\w+$",
    "streetview": r"(?:^|/)(?P<x>[-+]?\d+(?:\.\d+)?)_(?P<y>[-+]?\d+(?:\.\d+)?)_[-+]?\d+(?:\.\d+)?\.\w+$",
}
FORMS = {"flickr": "USER_PHOTO_LAT_LON.jpg", "streetview": "LAT_LON_HEADING.jpg"}
ZOOMS = (14, 16, 18)
SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


def read_list(path, source: str, zoom: int) -> pd.DataFrame:
    """One row a pair: columns ground, aerial, and latitude x and longitude y in degrees."""
    ground = pd.Series(path.read_text(encoding="utf-8").splitlines(), dtype=str).str.strip()
    ground = ground[ground != ""]
    if ground.empty:
        raise ValueError(f"'{path}' is empty: expected names of the form {FORMS[source]}")
    place = ground.str.extract(NAMES[source])
    if place["x"].isna().any():
        line = place["x"].isna().idxmax()
        raise ValueError(f"'{path}', line {line + 1}: '{ground[line]}' is not of the form {FORMS[source]}")
    degrees = place.astype(float)
    bins = degrees.astype(int).astype(str)  # rounded toward zero, as in the names of the folders
    aerial = f"{source}_aerial/{zoom}/" + bins["x"] + "/" + bins["y"] + "/" + place["x"] + "_" + place["y"] + ".jpg"
    return pd.DataFrame({"ground": ground, "aerial": aerial, "x": degrees["x"], "y": degrees["y"]})


def load(
    root: str, split: str, *, size: int = 64, source: str = "flickr", zoom: int = 18, skip_missing: bool = False
) -> FileViews:
    """Open one split.

    Parameters
    ----------
    root : str
        Folder that holds the list, the ground images and the aerial images.
    split : {"train", "val", "test"}
    size : int or (height, width)
    source : {"flickr", "streetview"}
    zoom : {14, 16, 18}
        Zoom level of the aerial images.
    skip_missing : bool
        Leave out pairs of which a file is missing. Without it, `cvig check` or the first use of the file finds it missing.

    Raises
    ------
    FileNotFoundError
        The list or a folder of images is missing; the message says where to request the data.
    ValueError
        An unknown source or zoom, a name without coordinates, or one that leads out of `root`.
    """
    if source not in NAMES:
        raise ValueError(f"unknown source '{source}' of CVUSA: expected one of {', '.join(NAMES)}")
    if zoom not in ZOOMS:
        raise ValueError(f"unknown zoom {zoom} of CVUSA: expected one of {', '.join(map(str, ZOOMS))}")
    what = f"{source}_images.txt"
    folder = expect(root, "CVUSA in full", SOURCE, [what, source, f"{source}_aerial/{zoom}"])
    pairs = read_list(folder / what, source, zoom)
    # the zoom is no part of a place, so that the splits of two zooms agree
    pairs = pairs_of_split(pairs, SHARES, split)
    return pair_files(f"cvusa_full/{source}/{split}", folder, pairs, size=size, skip_missing=skip_missing)
