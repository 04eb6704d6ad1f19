"""Folders of map tiles, ``zoom/x/y.png``: squares of the web's Mercator map, rows from the north (XYZ) or south (TMS)."""

import re
from pathlib import Path

import numpy as np

from cvig.datasets.images import IMAGE_SUFFIXES
from cvig.datasets.paths import Paths
from cvig.locate.sources.tiles import Tiles, file_tiles

TMS = "tilemapresource.xml"  # who writes TMS folders leaves this file there


def tile_corners(zoom: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Corners of tiles in degrees, float64 [N, 4, 2]; y from the north.

    >>> tile_corners(1, np.array([1]), np.array([0]))[0].round(2).tolist()
    [[0.0, 85.05], [180.0, 85.05], [180.0, 0.0], [0.0, 0.0]]
    """
    count = 2.0**zoom

    def latitude(row: np.ndarray) -> np.ndarray:
        return np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * row / count))))

    west, east = x / count * 360 - 180, (x + 1) / count * 360 - 180
    north, south = latitude(y), latitude(y + 1)
    return np.stack(
        [np.stack(point, axis=-1) for point in ((west, north), (east, north), (east, south), (west, south))], axis=1
    )


def find_grid(folder: Path) -> list[int]:
    """The zooms of a folder of map tiles, none where it is no such folder."""
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.is_dir() and re.fullmatch(r"[12]?\d", entry.name))


def open_grid(folder: Path, zoom: int | None = None, scheme: str = "auto") -> Tiles:
    """Tiles of one zoom, the deepest unless another is named.

    Raises
    ------
    ValueError
        No such zoom, or no tile in it.
    """
    zooms = find_grid(folder)
    chosen = zooms[-1] if zoom is None else zoom
    if chosen not in zooms:
        raise ValueError(f"gallery '{folder}' has no zoom {chosen}: expected one of {', '.join(map(str, zooms))}")
    tms = (folder / TMS).exists() if scheme == "auto" else scheme == "tms"
    found = []
    for path in sorted((folder / str(chosen)).glob("*/*")):
        numbered = path.stem.isdecimal() and path.parent.name.isdecimal()
        if numbered and path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            found.append((int(path.parent.name), int(path.stem), path))
    if not found:
        raise ValueError(f"gallery '{folder / str(chosen)}': no tile x/y.png or .jpg in it")
    x, y = (np.array([one[i] for one in found]) for i in (0, 1))
    if max(x.max(), y.max()) >= 2**chosen:
        raise ValueError(f"gallery '{folder}': tile {x.max()}/{y.max()} is beyond the {2**chosen} of zoom {chosen}")
    north = 2**chosen - 1 - y if tms else y
    notes = [f"map tiles of zoom {chosen}, rows from the {'south (TMS)' if tms else 'north (XYZ)'}"]
    names = [str(one[2].relative_to(folder)) for one in found]
    return file_tiles(Paths(folder, names), names, tile_corners(chosen, x, north), notes)
