"""Tables in Parquet files, with places as GeoParquet writes them: points, or outlines of four corners."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cvig.extras import needing
from cvig.locate.sources.positions import DEGREES, transformed

if TYPE_CHECKING:
    import pyarrow

PARQUET = (".parquet", ".geoparquet")
HEAD = [("order", "u1"), ("type", "{}u4")]
SHAPES = {  # well-known binary of two dimensions, by its length: ISO 19125, 8.2
    21: [*HEAD, ("at", "{}f8", (1, 2))],
    93: [*HEAD, ("rings", "{}u4"), ("points", "{}u4"), ("at", "{}f8", (5, 2))],
}
KINDS = {21: 1, 93: 3}  # point, polygon


def read_parquet(path: Path, crs: str | None = None) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The columns of a Parquet file; of GeoParquet with lat and lon of the middles, and its outlines where it has any.

    Parameters
    ----------
    path : Path
    crs : str, optional
        Reference system, where the file says that it knows none.

    Returns
    -------
    data frame
    float64 array [N, 4, 2] or None
        Corners in degrees, from the upper left on clockwise.

    Raises
    ------
    ValueError
        No Parquet file, or geometries that are neither points nor outlines of four corners.
    """
    with needing(f"'{path}'"):
        import pyarrow
        from pyarrow import parquet
    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"'{path}' cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    described = (table.schema.metadata or {}).get(b"geo")
    if described is None:
        return _in_pandas(table, path), None
    name, column = _described(described, path)
    if name not in table.column_names or table.schema.field(name).type not in (pyarrow.binary(), pyarrow.large_binary()):
        raise ValueError(f"'{path}' has no geometries as bytes in a column {name!r}, as it says")
    points = _points(table[name].to_pylist(), path)
    frame = _in_pandas(table.drop_columns([name]), path)
    if len(points) == 0:
        return frame.assign(lat=[], lon=[]), None
    system = _system(column, crs, path)
    try:
        flat = transformed(points[..., 0], points[..., 1], system)
    except ValueError as error:
        raise ValueError(f"'{path}': {error}") from error
    middle = flat[:, :4].mean(axis=1)
    frame = frame.assign(lat=middle[:, 1], lon=middle[:, 0])
    return frame, None if flat.shape[1] == 1 else _from_upper_left(flat[:, :4])


def _in_pandas(table: "pyarrow.Table", path: Path) -> pd.DataFrame:
    try:
        return table.to_pandas()
    except ValueError as error:  # such as a date beyond those of pandas
        raise ValueError(f"'{path}' cannot be read as a table: {str(error).splitlines()[0]}") from error


def _described(metadata: bytes, path: Path) -> tuple[str, dict]:
    """The column of geometries, and what the file says of it."""
    try:
        told = json.loads(metadata)
        name = told["primary_column"]
        column = told["columns"][name]
        encoding = column["encoding"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"'{path}' does not say as GeoParquet does where its geometries are") from error
    if encoding != "WKB":
        raise ValueError(f"'{path}' has geometries as {str(encoding)[:20]}: expected WKB")
    return name, column


def _system(column: dict, given: str | None, path: Path) -> str:
    """The reference system of a geometry column; degrees where the file leaves the word out."""
    found = column.get("crs", DEGREES)
    if found is None:
        if given is None:
            raise ValueError(f"'{path}' does not say its reference system: give it, such as --crs EPSG:32633")
        return given
    if found == DEGREES:
        return DEGREES
    if not isinstance(found, dict) or not isinstance(found.get("id", {}), dict):
        raise ValueError(f"'{path}' has a reference system that is no PROJJSON: {str(found)[:40]!r}")
    return DEGREES if str(found.get("id", {}).get("code")) in ("4326", "CRS84") else json.dumps(found)


def _points(binary: list[bytes | None], path: Path) -> np.ndarray:
    """Coordinates [N, 1 or 5, 2] of points, or of rings that end where they begin."""
    lengths = {0 if one is None else len(one) for one in binary}
    if len(lengths - set(SHAPES)) or len(lengths) > 1:
        first = next((i for i, one in enumerate(binary) if one is None or len(one) not in SHAPES), 0)
        raise ValueError(
            f"'{path}', row {first + 1}: expected points, or outlines of four corners, in two dimensions and of one kind"
        )
    if not lengths:
        return np.empty((0, 1, 2))
    (length,) = lengths
    whole = b"".join(binary)
    first = np.frombuffer(whole, np.uint8)[::length]
    little = first == 1
    found = np.empty((len(binary), 1 if length == 21 else 5, 2))
    wrong = ~np.isin(first, (0, 1))
    for some, mark in ((little, "<"), (~little, ">")):
        shape = np.dtype([(one[0], one[1].format(mark), *one[2:]) for one in SHAPES[length]])
        rows = np.frombuffer(whole, shape)[some]
        found[some] = rows["at"]
        wrong[some] |= rows["type"] != KINDS[length]
        if length == 93:
            wrong[some] |= (rows["rings"] != 1) | (rows["points"] != 5) | (rows["at"][:, 0] != rows["at"][:, 4]).any(axis=1)
    wrong |= ~np.isfinite(found).all(axis=(1, 2))
    if wrong.any():
        raise ValueError(
            f"'{path}', row {np.argmax(wrong) + 1}: its geometry is neither a point nor an outline of four corners"
        )
    return found


def _from_upper_left(ring: np.ndarray) -> np.ndarray:
    """Rings [N, 4, 2] in whatever order as corners from the upper left on clockwise."""
    x, y = np.moveaxis(ring - ring.mean(axis=1, keepdims=True), -1, 0)
    area = (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1)
    ring = np.where((area > 0)[:, None, None], ring[:, ::-1], ring)
    x, y = np.moveaxis(ring - ring.mean(axis=1, keepdims=True), -1, 0)
    first = (y / np.abs(y).max(axis=1, keepdims=True) - x / np.abs(x).max(axis=1, keepdims=True)).argmax(axis=1)
    return np.take_along_axis(ring, ((first[:, None] + np.arange(4)) % 4)[..., None], axis=1)
