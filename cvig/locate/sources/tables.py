"""Tables of tiles: a line each, with its file and where its middle lies."""

from pathlib import Path

import numpy as np
import pandas as pd

from cvig.datasets.paths import Paths
from cvig.locate.geometry import square_corners
from cvig.locate.sources.parquet import PARQUET, read_parquet
from cvig.locate.sources.tiles import Tiles, file_tiles

NAMES = {
    "file": ("file", "name", "path", "image", "filename"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "lng", "longitude", "long"),
    "footprint": ("footprint", "side", "metres", "meters"),
    "fov": ("fov", "field_of_view"),
}


TABLES = (".csv", *PARQUET)


def read_places(path: Path) -> pd.DataFrame:
    """A table's columns file, lat and lon, and footprint and fov where they are there, by any of their `NAMES`.

    Raises
    ------
    ValueError
        A column that is not there, or a row whose place is no place on Earth: one line that names it.
    """
    return _read(path)[0]


def _line(path: Path, row: int) -> str:
    """A row as an editor of its file counts it."""
    return f"'{path}', row {row + 1}" if path.suffix.lower() in PARQUET else f"'{path}', line {row + 2}"


def _read(path: Path, crs: str | None = None) -> tuple[pd.DataFrame, np.ndarray | None]:
    """`read_places`, and corners [N, 4, 2] where the table has them."""
    corners = None
    if not path.is_file():
        raise ValueError(f"'{path}' is no regular file: expected a table")
    try:
        if path.suffix.lower() in PARQUET:
            table, corners = read_parquet(path, crs)
        else:
            table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"'{path}' cannot be read as CSV: {str(error).splitlines()[0]}") from error
    known = {str(name).strip().lower(): name for name in table}
    columns = {}
    for what, names in NAMES.items():
        found = next((known[name] for name in names if name in known), None)
        if found is not None:
            columns[what] = table[found]
        elif what in ("file", "lat", "lon"):
            raise ValueError(f"'{path}' has the columns {', '.join(map(str, table))}: expected file, lat and lon")
    frame = pd.DataFrame(columns)
    if frame.empty:
        raise ValueError(f"'{path}' lists nothing: expected a row a file")
    for what, limit in (("lat", 90), ("lon", 180)):
        numbers = pd.to_numeric(frame[what], errors="coerce")
        wrong = np.flatnonzero(~(numbers.abs() <= limit))
        if len(wrong):
            given = frame[what].iloc[wrong[0]]
            raise ValueError(f"{_line(path, wrong[0])}: {what} {given}, expected degrees from -{limit} to {limit}")
        frame[what] = numbers.astype(np.float64)
    if "fov" in frame:
        frame["fov"] = pd.to_numeric(frame["fov"], errors="coerce").astype(np.float64)
    return frame, corners


def open_table(path: Path, side: float | None = None, crs: str | None = None) -> Tiles:
    """Tiles of a CSV or Parquet file of file, latitude and longitude of the middle, and footprint: metres a side.

    GeoParquet has the places as points, or the footprints as outlines, in any reference system.

    Raises
    ------
    ValueError
        As `read_places`; a file that is not there; no footprint, neither in the file nor as `side`.
    """
    table, corners = _read(path, crs)
    if table["file"].isna().any():
        raise ValueError(f"{_line(path, int(table['file'].isna().argmax()))}: no file is named")
    names = table["file"].astype(str).tolist()
    paths = Paths(path.parent, names)
    there = paths.exist()
    if not there.all():
        first = int(np.flatnonzero(~there)[0])
        raise ValueError(f"{_line(path, first)}: no image '{path.parent / names[first]}' ({(~there).sum()} such)")
    if corners is not None:
        return file_tiles(paths, names, corners, [])
    if "footprint" in table:
        side = pd.to_numeric(table["footprint"], errors="coerce").to_numpy(np.float64)
    if side is None:
        raise ValueError(f"'{path}' has no column footprint, metres a side of each tile: add it, or give --tile METRES")
    side = np.broadcast_to(np.asarray(side, dtype=np.float64), len(names))
    wrong = np.flatnonzero(~((side > 0) & np.isfinite(side)))
    if len(wrong):
        raise ValueError(f"{_line(path, wrong[0])}: footprint {side[wrong[0]]}, expected metres above 0")
    return file_tiles(paths, names, square_corners(table[["lon", "lat"]].to_numpy(), side), [])
