"""Rasters in any reference system: read by rasterio where they are GeoTIFFs, by Pillow beside a world file.

GDAL, which rasterio calls, reads many formats by content, and some are a text that names other files and addresses. So a
GeoTIFF is one by its first bytes, and so are its overviews and its mask, wherever they lie.
"""

import os
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from cvig.datasets.images import PIXEL_LIMIT, decode
from cvig.extras import needing
from cvig.files import digest, digest_file
from cvig.locate.geometry import plane
from cvig.locate.sources.positions import crs_beside, image_size, outline, read_world_file, world_file
from cvig.locate.sources.tiles import Tiles
from cvig.words import count

TIFF = (".tif", ".tiff")
MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # that every TIFF begins with
BESIDE = (".ovr", ".msk", ".ovr.ovr", ".msk.ovr", ".ovr.msk", ".msk.msk")  # what GDAL reads with `a.tif`: `a.tif.ovr`
KEPT = 0.5  # of a tile must be data
MOST = 100_000  # tiles from one edge to the other


def is_geotiff(path: Path) -> bool:
    """Whether a TIFF says where it lies."""
    return path.suffix.lower() in TIFF and world_file(path) is None


def _refuse_other_formats(path: Path) -> None:
    """ValueError where a file that GDAL would read for a GeoTIFF is none, or is a link."""
    for part in (path, *(path.with_name(path.name + end) for end in BESIDE)):
        if part != path and not os.path.lexists(part):
            continue
        if not part.is_file() or (part != path and part.is_symlink()):
            raise ValueError(f"'{part}' is a link or no regular file: expected a TIFF")
        with part.open("rb") as stream:
            if stream.read(4) not in MARKS:
                raise ValueError(f"'{part}' cannot be read: it does not begin as a TIFF does")


def _described(path: Path):
    """An open raster of 8-bit bands with a place; ValueError says in one line why it is none."""
    with needing(f"GeoTIFF '{path}'"):
        import rasterio
        from rasterio.errors import RasterioError
    _refuse_other_formats(path)
    try:
        raster = rasterio.open(path, driver="GTiff")
    except RasterioError as error:
        raise ValueError(f"'{path}' cannot be read: {str(error).splitlines()[0]}") from error
    fault = ""
    if raster.tags(ns="OVERVIEWS"):
        fault = "takes its overviews from another file, which is not read"
    elif any(height * width > PIXEL_LIMIT for height, width in raster.block_shapes):
        fault = f"has blocks of more than {PIXEL_LIMIT} pixels; gdal_translate -co TILED=YES makes smaller ones"
    elif not np.isfinite(raster.transform).all() or not 0 < abs(raster.transform.determinant) < np.inf:
        fault = "has coordinates that are no numbers"
    elif raster.crs is None or raster.transform.is_identity:
        fault = "has no coordinates: expected a GeoTIFF with a reference system, or a world file beside it"
    elif set(raster.dtypes) != {"uint8"}:
        fault = f"has values of {raster.dtypes[0]}: expected 8 bits; gdal_translate -ot Byte -scale makes them"
    if fault:
        raster.close()
        raise ValueError(f"'{path}' {fault}")
    return raster


def _colours(raster, window=None, side: int = 0) -> tuple[np.ndarray, float]:
    """RGB uint8 [side, side, 3] of a window, black where there are no data, and the share of it that has data.

    What is wholly black has none either: so a turned picture is filled up by tools that leave no mark.
    """
    from rasterio.enums import Resampling
    from rasterio.errors import RasterioError

    pixels = window.width * window.height if window else raster.width * raster.height
    if pixels > PIXEL_LIMIT:
        raise ValueError(
            f"'{raster.name}': a tile of {pixels:.0f} pixels, more than {PIXEL_LIMIT}: cut smaller ones by --tile"
        )
    bands = [1, 2, 3] if raster.count >= 3 else [1, 1, 1]
    options = {"window": window, "out_shape": (side, side)}
    palette = _has(raster, "palette")
    how = Resampling.nearest if palette else Resampling.average  # between two numbers of colours lies no colour
    try:
        colour = np.moveaxis(raster.read(bands, out_shape=(3, side, side), window=window, resampling=how), 0, -1)
        mask = raster.dataset_mask(**options) > 0
    except RasterioError as error:
        raise ValueError(f"'{raster.name}' cannot be read: {str(error).splitlines()[0]}") from error
    if palette:
        named = raster.colormap(1)
        colour = np.array([named.get(i, (0, 0, 0))[:3] for i in range(256)], dtype=np.uint8)[colour[..., 0]]
    mask &= colour.any(axis=-1)
    return np.where(mask[..., None], colour, 0).astype(np.uint8), float(mask.mean())


def _has(raster, what: str) -> bool:
    """Whether a band is a ``"palette"`` or ``"alpha"``."""
    return any(band.name == what for band in raster.colorinterp)


def geotiff_tiles(paths: list[Path], names: list[str]) -> Tiles:
    """A GeoTIFF a tile, each in whatever reference system it has.

    Raises
    ------
    ValueError
        One that has no coordinates, or cannot be read; it is named.
    """
    corners, systems, turned = [], set(), 0
    for path in paths:
        with _described(path) as raster:
            t = raster.transform
            turned += bool(t.b or t.d)
            systems.add(str(raster.crs.to_string()))
            corners.append(outline((t.a, t.b, t.c, t.d, t.e, t.f), raster.width, raster.height, raster.crs.to_string()))

    def picture(row: int, side: int) -> np.ndarray:
        with _described(paths[row]) as raster:
            return _colours(raster, None, side)[0]

    notes = [f"tiles in {len(systems)} reference systems, each placed by its own"] * (len(systems) > 1)
    notes += [f"turned against north, and matched as they lie: {count(turned, 'tile')}"] * (turned > 0)
    return Tiles(np.array(corners), names, picture, lambda row: digest_file(paths[row]), notes)


def check_cut(side: float | None, stride: float | None, path: Path) -> tuple[float, float]:
    """Metres a side and from tile to tile; ValueError where one raster is to be cut and nobody said how."""
    if side is None:
        raise ValueError(f"gallery '{path}' is one picture: say how it is cut into tiles, such as --tile 128 --stride 64")
    stride = side if stride is None else stride
    if not (0 < side < np.inf and 0 < stride < np.inf):
        raise ValueError(f"--tile {side:g} --stride {stride:g}: expected metres above 0")
    return side, stride


def _starts(length: float, side: float, stride: float, path: Path) -> np.ndarray:
    if length < side:
        raise ValueError(f"gallery '{path}' is {length:.0f} m wide or high: too small for a tile of {side:g} m")
    if length / stride > MOST:
        raise ValueError(f"gallery '{path}': --stride {stride:g} makes more than {MOST} tiles in a row")
    return np.arange(0, length - side + 1e-6 * side, stride)


class _Warped:
    """A GeoTIFF seen on a plane of metres round its middle, north up, whatever its own system and turn."""

    def __init__(self, path: Path):
        self.path = path
        with _described(path) as raster:
            t = raster.transform
            corners = outline((t.a, t.b, t.c, t.d, t.e, t.f), raster.width, raster.height, raster.crs.to_string())
        lon, lat = corners.mean(axis=0)
        self.crs = f"+proj=aeqd +lat_0={lat:.8f} +lon_0={lon:.8f} +datum=WGS84 +units=m"

    def __getstate__(self) -> dict:
        return {"path": self.path, "crs": self.crs}

    @cached_property
    def view(self):
        from rasterio.enums import Resampling
        from rasterio.vrt import WarpedVRT

        raster = _described(self.path)
        # what the turn leaves empty has no data, though the source itself may have no such mark
        how = Resampling.nearest if _has(raster, "palette") else Resampling.bilinear
        marked = raster.nodata is not None or _has(raster, "alpha")
        return WarpedVRT(raster, crs=self.crs, resampling=how, add_alpha=not marked)

    @cached_property
    def digest(self) -> str:
        return digest_file(self.path)


def cut_geotiff(path: Path, side: float | None, stride: float | None) -> Tiles:
    """Squares of `side` metres, north up, every `stride` metres, of one GeoTIFF in any reference system, turned or not.

    Squares that are half or more without data are left out.

    Raises
    ------
    ValueError
        No `side`; a raster without coordinates, too small, or without data.
    """
    from cvig.locate.sources.positions import transformed

    side, stride = check_cut(side, stride, path)
    warped = _Warped(path)
    view = warped.view
    t = view.transform
    east, south = (_starts(count * abs(step), side, stride, path) for count, step in ((view.width, t.a), (view.height, t.e)))
    windows, empty = [], 0
    for down in south:
        for right in east:
            window = _window(t, right, down, side)
            if _colours(view, window, 16)[1] > KEPT:
                windows.append((right, down))
            else:
                empty += 1
    if not windows:
        raise ValueError(f"gallery '{path}': no square of {side:g} m has data in more than half of it")
    at = np.array(windows)
    ring = np.array([[0, 0], [side, 0], [side, side], [0, side]])
    flat = at[:, None] + ring
    corners = transformed(t.c + flat[..., 0], t.f - flat[..., 1], warped.crs)

    def picture(row: int, size: int) -> np.ndarray:
        return _colours(view, _window(t, *windows[row], side), size)[0]

    def key(row: int) -> str:
        return digest(warped.digest, repr((*windows[row], side)))

    notes = [f"{empty} squares with too little data are left out"] * (empty > 0)
    return Tiles(corners, _grid_names(at, stride), picture, key, notes)


def _window(transform, right: float, down: float, side: float):
    from rasterio.windows import Window

    return Window(right / transform.a, -down / transform.e, side / transform.a, -side / transform.e)


def _grid_names(at: np.ndarray, stride: float) -> list[str]:
    return [f"row {round(down / stride) + 1}, column {round(right / stride) + 1}" for right, down in at]


def cut_picture(path: Path, side: float | None, stride: float | None, crs: str | None) -> Tiles:
    """The same of one picture that a world file places north up, in degrees or by `crs`; Pillow reads it, in memory.

    Raises
    ------
    ValueError
        No `side`, no world file, one that turns the picture, or a picture that is too small.
    """
    side, stride = check_cut(side, stride, path)
    beside = world_file(path)
    if beside is None:
        raise ValueError(f"gallery '{path}' has no coordinates: expected a GeoTIFF, or a world file beside it")
    affine, (width, height) = read_world_file(beside), image_size(path)
    if affine[1] or affine[3]:
        raise ValueError(f"world file '{beside}' turns its picture: make a GeoTIFF of it, which is turned back")
    whole = outline(affine, width, height, crs_beside(path, crs, affine, (width, height)))
    flat = plane(whole - whole[0], float(whole[:, 1].mean()))
    extent = flat[2, 0], -flat[2, 1]
    metres = extent[0] / width, extent[1] / height  # a pixel
    east, south = (_starts(length, side, stride, path) for length in extent)
    at = np.array([(right, down) for down in south for right in east])
    share = (at[:, None] + np.array([[0, 0], [side, 0], [side, side], [0, side]])) / extent
    along, down = share[..., :1], share[..., 1:]
    corners = (1 - along) * (1 - down) * whole[0] + along * (1 - down) * whole[1] + along * down * whole[2]
    corners = corners + (1 - along) * down * whole[3]
    picture_itself: list[Image.Image] = []
    of_file: list[str] = []

    def picture(row: int, size: int) -> np.ndarray:
        if not picture_itself:
            picture_itself.append(decode(path))
        left, top = at[row] / metres
        box = (left, top, left + side / metres[0], top + side / metres[1])
        return np.asarray(picture_itself[0].resize((size, size), Image.Resampling.BILINEAR, box, reducing_gap=None))

    def key(row: int) -> str:
        if not of_file:
            of_file.append(digest_file(path))
        return digest(of_file[0], repr((at[row].tolist(), side)))

    return Tiles(corners, _grid_names(at, stride), picture, key, [])
