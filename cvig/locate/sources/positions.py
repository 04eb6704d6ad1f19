"""Where an image lies by what is in it or beside it: GeoTIFF, or a world file of six numbers."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from cvig.datasets.images import FORMATS
from cvig.extras import needing

ENDS = {".jpg": ".jgw", ".jpeg": ".jgw", ".png": ".pgw", ".tif": ".tfw", ".tiff": ".tfw", ".webp": ".wpw"}
DEGREES = "EPSG:4326"
# GDAL also takes a file's name or an address for a reference system, and reads it; and systems name files of grids
SYSTEM = re.compile(r"(?is)(EPSG|ESRI|IGNF|OGC|urn:ogc:def:crs):[\w:.]+|\+proj=.+|[A-Z_]+\s*\[.+\]|\{.+\}")
ELSEWHERE = re.compile(r'(?i)(grids|init)"?\s*[=:](?!\s*"?@null)|PARAMETERFILE|"value":\s*"')


def world_file(path: Path) -> Path | None:
    """The world file beside an image, by any of its usual names."""
    for name in (ENDS.get(path.suffix.lower(), ".wld"), ".wld", path.suffix + "w"):
        beside = path.with_suffix(name)
        if beside.is_file():
            return beside
    return None


def read_world_file(path: Path) -> tuple[float, ...]:
    """Its affine map from columns and rows of pixels' corners to coordinates, (a, b, c, d, e, f): x = a col + b row + c."""
    try:
        a, d, b, e, x, y = (float(line.replace(",", ".")) for line in path.read_text().split())
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"world file '{path}': expected six numbers, a line each") from error
    if not np.isfinite([a, d, b, e, x, y]).all() or a * e == b * d:
        raise ValueError(f"world file '{path}': its six numbers span no area")
    return a, b, x - (a + b) / 2, d, e, y - (d + e) / 2  # given for the middle of the first pixel


def transformed(x: np.ndarray, y: np.ndarray, crs: str) -> np.ndarray:
    """Coordinates of a reference system as longitude and latitude [..., 2].

    Raises
    ------
    ValueError
        A system that is unknown, that names a file or an address, or that does not reach the coordinates.
    """
    if crs == DEGREES:
        return np.stack([x, y], axis=-1)
    if not SYSTEM.fullmatch(crs.strip()):
        raise ValueError(f"unknown reference system {crs[:80]!r}: expected one like EPSG:32633")
    if ELSEWHERE.search(crs):
        raise ValueError(f"reference system {crs[:80]!r} names a file: expected one like EPSG:32633")
    with needing(f"a gallery in {crs}"):
        from rasterio._err import CPLE_BaseError
        from rasterio.errors import CRSError
        from rasterio.warp import transform
    try:
        lon, lat = transform(crs, DEGREES, np.ravel(x), np.ravel(y))
    except CRSError as error:
        raise ValueError(f"unknown reference system {crs[:80]!r}: expected one like EPSG:32633 ({error})") from error
    except CPLE_BaseError as error:
        raise ValueError(f"coordinates that reference system {crs[:80]!r} does not reach ({error})") from error
    return np.stack([np.reshape(lon, np.shape(x)), np.reshape(lat, np.shape(y))], axis=-1)


def outline(affine: tuple[float, ...], width: int, height: int, crs: str) -> np.ndarray:
    """Corners of an image in degrees: float64 [4, 2]."""
    a, b, c, d, e, f = affine
    col, row = np.array([0, width, width, 0]), np.array([0, 0, height, height])
    return transformed(a * col + b * row + c, d * col + e * row + f, crs)


def crs_beside(path: Path, given: str | None, affine: tuple[float, ...], size: tuple[int, int]) -> str:
    """The reference system of an image with a world file: as given, as its .prj says, or degrees where they can be.

    Raises
    ------
    ValueError
        None was given and the numbers are no degrees.
    """
    if given:
        return given
    prj = path.with_suffix(".prj")
    if prj.is_file():
        try:
            return prj.read_text().strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"'{prj}' is no text: expected a reference system") from error
    a, b, c, d, e, f = affine
    width, height = size
    x, y = (np.array([c, c + a * width, c + b * height]), np.array([f, f + d * width, f + e * height]))
    if np.abs(x).max() <= 180 and np.abs(y).max() <= 90:
        return DEGREES
    raise ValueError(f"'{world_file(path)}' does not say its reference system: give it, such as --crs EPSG:32633")


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, its header alone read; ValueError names one that cannot be."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"image '{path}' cannot be read: {str(error).splitlines()[0]}") from error
