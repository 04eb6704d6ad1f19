"""Galleries that people have: folders of placed images, map tiles, tables, and one large picture cut into squares."""

from pathlib import Path

import numpy as np

from cvig.datasets.images import IMAGE_SUFFIXES
from cvig.datasets.paths import Paths
from cvig.locate.sources.grids import find_grid, open_grid
from cvig.locate.sources.positions import crs_beside, image_size, outline, read_world_file, world_file
from cvig.locate.sources.rasters import TIFF, cut_geotiff, cut_picture, geotiff_tiles, is_geotiff
from cvig.locate.sources.tables import TABLES, open_table
from cvig.locate.sources.tiles import Tiles, file_tiles

__all__ = ["Tiles", "open_tiles"]


def open_tiles(
    path: str | Path,
    *,
    tile: float | None = None,
    stride: float | None = None,
    crs: str | None = None,
    zoom: int | None = None,
    scheme: str = "auto",
) -> Tiles:
    """The tiles of a gallery, whatever it is.

    Parameters
    ----------
    path : path
        A folder of GeoTIFFs or of images with world files; a folder of map tiles ``zoom/x/y.png``; a CSV or Parquet file
        of file, lat, lon and footprint, or GeoParquet with points or outlines; or one GeoTIFF, or image with a world file,
        that is cut into squares.
    tile, stride : float, optional
        Metres a side of a square, and from one to the next: of one raster, or the footprint of a table without one.
    crs : str, optional
        Reference system of world files, and of GeoParquet that names none, such as ``"EPSG:32633"``; GeoTIFFs have theirs.
    zoom : int, optional
        Of map tiles; the deepest where None.
    scheme : {"auto", "xyz", "tms"}
        Whether rows of map tiles count from the north or from the south.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: nothing there, no image, no coordinates, or a file that cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no gallery '{path}'")
    if path.is_file():
        if path.suffix.lower() in TABLES:
            return open_table(path, tile, crs)
        if is_geotiff(path):
            return cut_geotiff(path, tile, stride)
        if path.suffix.lower() not in (*IMAGE_SUFFIXES, *TIFF):
            raise ValueError(
                f"gallery '{path}': expected a folder, a CSV or Parquet file, a GeoTIFF, or an image with a world file"
            )
        return cut_picture(path, tile, stride, crs)
    if find_grid(path):
        return open_grid(path, zoom, scheme)
    return _open_folder(path, crs)


def _open_folder(folder: Path, crs: str | None) -> Tiles:
    paths = sorted(one for one in folder.rglob("*") if one.suffix.lower() in (*IMAGE_SUFFIXES, *TIFF) and one.is_file())
    if not paths:
        raise ValueError(f"gallery '{folder}' is empty: expected GeoTIFFs, images with world files, or zoom/x/y.png")
    names = [str(path.relative_to(folder)) for path in paths]
    paths = Paths(folder, names)
    beside = [world_file(path) for path in paths]
    if all(place is None and is_geotiff(path) for place, path in zip(beside, paths, strict=True)):
        return geotiff_tiles(paths, names)
    lacking = [path for place, path in zip(beside, paths, strict=True) if place is None]
    if lacking:
        mixed = "" if len(lacking) == len(paths) else f"; {len(paths) - len(lacking)} others have one"
        raise ValueError(
            f"'{lacking[0]}' has no coordinates ({len(lacking)} such{mixed}): expected GeoTIFFs, a world file beside each "
            "image, or a CSV file of file, lat, lon and footprint as the gallery"
        )
    corners, systems = [], set()
    for path, place in zip(paths, beside, strict=True):
        affine, size = read_world_file(place), image_size(path)
        system = crs_beside(path, crs, affine, size)
        systems.add(system)
        corners.append(outline(affine, *size, system))
    if len(systems) > 1:
        raise ValueError(f"gallery '{folder}' mixes {len(systems)} reference systems in its world files: give one by --crs")
    return file_tiles(paths, names, np.array(corners), [])
