"""VIGOR: panoramas of four American cities, none in the middle of its aerial tile.

Each line of a label list names a panorama and four tiles that cover its place, each with the panorama's offset in pixels.
The first tile is the positive. The other three show the place near their edge ("semi-positives") and are neither right nor
wrong. A tile that is the positive of several panoramas is one gallery row. Tiles overlap by half, and in the same-area
setting training and test share tiles, as published. The publication has no validation split; here it is a tenth of the
training places (tiles), chosen by a hash of their names. Neighbours of these tiles stay in training, so validation is easier
than a new city.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cvig.datasets.files import HELD_OUT, FileViews, of_split
from cvig.datasets.paths import Paths, expect

SOURCE = "https://github.com/Jeff-Zilence/VIGOR"
CITIES = {
    "same": {
        "train": ("Chicago", "NewYork", "SanFrancisco", "Seattle"),
        "test": ("Chicago", "NewYork", "SanFrancisco", "Seattle"),
    },
    "cross": {"train": ("NewYork", "Seattle"), "test": ("Chicago", "SanFrancisco")},
}
LABELS = {
    "same": {"train": "same_area_balanced_train", "test": "same_area_balanced_test"},
    "cross": {"train": "pano_label_balanced", "test": "pano_label_balanced"},
}
TILES = [1, 4, 7, 10]  # columns of the positive and the three semi-positives


def read_labels(path) -> pd.DataFrame:
    """One row a panorama: columns ground, 0 (the positive), 1, 2, 3 (semi-positives), and latitude x and longitude y."""
    try:
        table = pd.read_csv(path, sep=r"\s+", header=None, usecols=[0, *TILES, 12], dtype=str)
    except ValueError as error:
        raise ValueError(
            f"'{path}': expected 13 fields a line, a panorama and 4 × (tile, dx, dy): {str(error).splitlines()[0]}"
        ) from error
    place = table[0].str.extract(r",([-+]?\d+(?:\.\d+)?),([-+]?\d+(?:\.\d+)?),[^,]*$").astype(float)
    broken = table.isna().any(axis=1) | place.isna().any(axis=1)
    if broken.any():
        raise ValueError(f"'{path}', line {int(broken.argmax()) + 1}: expected ID,LAT,LON,.jpg and 4 × (tile, dx, dy)")
    return table[[0, *TILES]].set_axis(["ground", 0, 1, 2, 3], axis=1).assign(x=place[0], y=place[1])


def _first(folder, names: list[str]) -> str:
    """The first of `names` that exists, else the last; the releases of the data differ in their folders."""
    return next((name for name in names if (folder / name).exists()), names[-1])


def load(
    root: str,
    split: str,
    *,
    size: int = 64,
    area: str = "same",
    corrected: bool = False,
    cities: str | tuple[str, ...] | None = None,
) -> FileViews:
    """Open one split.

    Parameters
    ----------
    root : str
        Folder that holds ``splits`` and the cities, as ``{City}/panorama`` and ``{City}/satellite`` (the authors' layout)
        or ``ground/{City}`` and ``satellite/{City}`` (that of Sample4Geo).
    split : {"train", "val", "test"}
        The gallery of the test split is every tile of its cities. The galleries of the other splits are the tiles that
        their labels name.
    size : int or (height, width)
    area : {"same", "cross"}
        ``"same"``: train on half of the panoramas of all four cities and test on the other half. ``"cross"``: train on two
        cities and test on the other two.
    corrected : bool
        Read the corrected labels (``..._balanced_test__corrected.txt``, of SliceMatch), in ``splits__corrected`` or
        ``splits``.
    cities : str or tuple of str, optional
        Take these of the setting's cities only; by default all.

    Raises
    ------
    FileNotFoundError
        A list or a folder of images is missing; the message says where to request the data.
    ValueError
        An unknown area or city, a broken list, a tile that its city does not list, or a name that leads out of `root`.
    """
    if area not in CITIES:
        raise ValueError(f"unknown area '{area}' of VIGOR: expected one of {', '.join(CITIES)}")
    listed = "test" if split == "test" else "train"
    published = CITIES[area][listed]
    cities = (cities,) if isinstance(cities, str) else tuple(cities or published)
    unknown = [city for city in cities if city not in published]
    if unknown:
        raise ValueError(
            f"'{unknown[0]}' is no city of VIGOR's {split} split, {area} area: expected of {', '.join(published)}"
        )
    folder, edition = Path(root), "__corrected" if corrected else ""
    label = LABELS[area][listed] + edition + ".txt"
    needed, files = [], {}
    for city in cities:
        files[city] = [
            _first(folder, [f"splits{edition}/{city}/{label}", f"splits/{city}/{label}"]),
            _first(folder, [f"splits{edition}/{city}/satellite_list.txt", f"splits/{city}/satellite_list.txt"]),
            _first(folder, [f"ground/{city}", f"{city}/panorama"]),
            _first(folder, [f"satellite/{city}", f"{city}/satellite"]),
        ]
        needed += files[city]
    expect(root, "VIGOR", SOURCE, needed)

    labels, gallery = [], []
    for city in cities:
        label, listing, panoramas, tiles = files[city]
        frame = read_labels(folder / label)
        known = pd.Index((folder / listing).read_text().split()).unique()
        strange = ~frame[[0, 1, 2, 3]].isin(known)
        if strange.any(axis=None):
            name = frame[[0, 1, 2, 3]].to_numpy()[strange.to_numpy()][0]
            raise ValueError(f"'{folder / label}' names tile '{name}', which '{listing}' does not")
        frame["ground"] = f"{panoramas}/" + frame["ground"]
        frame[[0, 1, 2, 3]] = f"{tiles}/" + frame[[0, 1, 2, 3]]
        labels.append(frame)
        gallery.append(f"{tiles}/" + known)
    labels = pd.concat(labels, ignore_index=True)
    gallery = np.concatenate(gallery)
    if listed == "train":
        labels = labels[of_split(labels[0].str.extract(r"([^/]+)$", expand=False).tolist(), HELD_OUT, split)]
        gallery = pd.unique(labels[[0, 1, 2, 3]].to_numpy().ravel())
    rows = pd.Index(gallery).get_indexer(labels[[0, 1, 2, 3]].to_numpy().ravel()).reshape(-1, 4).astype(np.int64)
    return FileViews(
        f"vigor/{area}{edition.replace('__', '-')}/{split}",
        Paths(folder, labels["ground"]),
        Paths(folder, gallery),
        rows[:, 0],
        size=size,
        coordinates=labels[["x", "y"]].to_numpy(np.float64),
        ignored=[np.setdiff1d(row[1:], row[:1]) for row in rows],
    )
