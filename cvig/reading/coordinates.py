"""Places of queries and gallery rows, and which lie within a radius: easting and northing in metres, or degrees."""

from pathlib import Path

import numpy as np

from cvig.reading.containers import TEXT, read_content, split_place
from cvig.reading.parts import NoFileOfItsKindError, as_array
from cvig.reading.text import NUMBER, read_table
from cvig.reading.truth import Truth

EARTH = 6_371_008.8  # metres, mean radius
UNITS = ("auto", "metres", "lat-lon", "lon-lat")
_HEADERS = {
    "metres": (("easting", "utm_east", "utm_x", "x", "east"), ("northing", "utm_north", "utm_y", "y", "north")),
    "lat-lon": (("lat", "latitude"), ("lon", "lng", "long", "longitude")),
}
_KNOWN = tuple(name for pair in _HEADERS.values() for names in pair for name in names)


def read_coordinates(place: str, side: str) -> tuple[np.ndarray, str | None]:
    """Two numbers a row, and their unit where a header or names of files tell it.

    Names of files with ``@easting@northing@`` in them, as VPR data sets have, are read too.
    """
    path, _ = split_place(place)
    what = f"{side} coordinates"
    if path.suffix.lower() in TEXT:
        found = read_content(place, what, dict.fromkeys(TEXT, _read_text))
        if isinstance(found, str):
            raise ValueError(f"{what} file '{path}': {found}")
        array, unit = found
    else:
        array, unit = as_array(read_content(place, what)), None
    if array.ndim == 2 and len(array) == 2 and array.shape[1] > 2:
        array = array.T
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "fiu":
        raise ValueError(f"{what} '{place}' of shape {array.shape} and type {array.dtype}: expected two numbers a row")
    array = np.asarray(array, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(wrong):
        raise ValueError(f"{what} '{place}': {len(wrong)} of {len(array)} rows are not finite, the first is row {wrong[0]}")
    return array, unit


def _read_text(path: Path) -> tuple[np.ndarray, str | None] | str:
    table = read_table(path, _KNOWN)
    if table.header is not None:
        for unit, names in _HEADERS.items():
            columns = [table.column(known) for known in names]
            if None not in columns:
                rows = [[row[i] for i in columns] if len(row) > max(columns) else row for row in table.rows]
                return _numbers(rows, table), unit
        return f"columns {', '.join(table.header)}: expected easting and northing, or lat and lon"
    if all(line.count("@") >= 3 for row in table.rows for line in row[:1]):
        return _numbers([row[0].split("@")[1:3] for row in table.rows], table), "metres"
    return _numbers(table.rows, table), None


def _numbers(rows: list, table) -> np.ndarray:
    wrong = next((i for i, row in enumerate(rows) if len(row) != 2 or not all(NUMBER.fullmatch(word) for word in row)), None)
    if wrong is not None:
        raise NoFileOfItsKindError(f"line {table.line(wrong)}: '{' '.join(rows[wrong])[:40]}', expected two numbers")
    return np.array(rows, dtype=np.float64)


def settle_unit(query: np.ndarray, gallery: np.ndarray, unit: str, radius: float) -> str:
    """Metres, "lat-lon" or "lon-lat"; ValueError with the readings where the numbers could be several."""
    if unit not in UNITS:
        raise ValueError(f"unknown unit of coordinates '{unit}': expected one of {', '.join(UNITS)}")
    both = np.concatenate([query, gallery])
    largest = np.abs(both).max(axis=0)
    possible = [
        name
        for name, holds in {
            "metres": np.ptp(both, axis=0).max() > radius,  # else every row would answer every query
            "lat-lon": largest[0] <= 90 and largest[1] <= 360,
            "lon-lat": largest[0] <= 360 and largest[1] <= 90,
        }.items()
        if holds
    ]
    if unit != "auto":
        if unit != "metres" and unit not in possible:
            raise ValueError(f"coordinates up to {largest[0]:g} and {largest[1]:g} are no {unit} in degrees")
        return unit
    if len(possible) != 1:
        readings = " or ".join(possible) or "metres"
        raise ValueError(
            f"coordinates up to {largest[0]:g} and {largest[1]:g} could be {readings}: say which with "
            "--coordinates, or in a header"
        )
    return possible[0]


def as_points(coordinates: np.ndarray, unit: str) -> np.ndarray:
    """Points whose straight distances order as those on the ground: metres as they are, degrees on a sphere [n, 3]."""
    if unit == "metres":
        return coordinates
    latitude, longitude = np.radians(coordinates if unit == "lat-lon" else coordinates[:, ::-1]).T
    return EARTH * np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )


def on_a_plane(coordinates: np.ndarray, unit: str) -> np.ndarray:
    """Easting and northing in metres, float64 [n, 2]; degrees by the sinusoidal projection about their mean longitude.

    It keeps areas, and within some hundred kilometres distances, so that squares of it are squares of ground.
    """
    if unit == "metres":
        return coordinates
    latitude, longitude = np.radians(coordinates if unit == "lat-lon" else coordinates[:, ::-1]).T
    middle = np.angle(np.exp(1j * longitude).mean())
    return EARTH * np.column_stack([np.angle(np.exp(1j * (longitude - middle))) * np.cos(latitude), latitude])


def metres_between(a: np.ndarray, b: np.ndarray, unit: str) -> np.ndarray:
    """Distance of each a from its b on the ground, float64 [n]; degrees along a great circle."""
    chord = np.linalg.norm(as_points(a, unit) - as_points(b, unit), axis=-1)
    return chord if unit == "metres" else 2 * EARTH * np.arcsin(np.minimum(chord / (2 * EARTH), 1))


def within_radius(query: np.ndarray, gallery: np.ndarray, radius: float, unit: str) -> Truth:
    """Gallery rows within `radius` metres of each query, the nearest first.

    Parameters
    ----------
    query, gallery : float arrays [Q, 2], [N, 2]
    radius : float
        In metres, above 0.
    unit : {"metres", "lat-lon", "lon-lat"}
    """
    from scipy.spatial import cKDTree

    points = as_points(query, unit), as_points(gallery, unit)
    reach = radius if unit == "metres" else 2 * EARTH * np.sin(min(radius / (2 * EARTH), np.pi / 2))
    found = cKDTree(points[1]).query_ball_point(points[0], reach)
    asked = np.repeat(np.arange(len(query)), [len(rows) for rows in found])
    row = np.array([row for rows in found for row in rows], dtype=np.int64)
    distance = metres_between(query[asked], gallery[row], unit)
    order = np.lexsort([row, distance, asked])
    words = "metres" if unit == "metres" else "degrees, latitude first" if unit == "lat-lon" else "degrees, longitude first"
    origin = f"coordinates in {words}, within {radius:g} m"
    return Truth(np.column_stack([asked, row])[order], len(query), len(gallery), origin)
