"""The answer for maps: GeoJSON (RFC 7946), KML, and a GeoTIFF of levels."""

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from cvig.extras import needing
from cvig.files import atomic, write
from cvig.locate.answer.report import LISTED, Case, level_of
from cvig.locate.geometry import plane, sides

CELLS = 2000  # a side of the GeoTIFF, at most
DIGITS = 7  # of degrees: a centimetre
COLOURS = {0.5: "1f6f4a", 0.8: "4f9d69", 0.9: "8cc28a", 0.95: "c4e0b2"}  # red, green, blue


def ring(corners: np.ndarray) -> list[list[float]]:
    """A tile [4, 2] as a closed ring, counterclockwise as RFC 7946 wants it."""
    x, y = corners[:, 0], corners[:, 1]
    turned = corners if (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0 else corners[::-1]
    points = np.round(turned, DIGITS).tolist()
    return [*points, points[0]]


def geojson(case: Case, answer: dict[str, Any]) -> dict[str, Any]:
    """A MultiPolygon for each coverage, a polygon a tile for up to `LISTED`, and a point for each of the first places."""
    features = []
    for region in answer["regions"]:
        rows = case.region.order[: min(region["tiles"], LISTED)]
        shape = {"type": "MultiPolygon", "coordinates": [[ring(case.tiles.corners[row])] for row in rows.tolist()]}
        features.append(
            {"type": "Feature", "geometry": shape, "properties": {"kind": "region", "listed": len(rows), **region}}
        )
    for place in answer["first"]:
        point = {"type": "Point", "coordinates": [round(place["longitude"], DIGITS), round(place["latitude"], DIGITS)]}
        features.append({"type": "Feature", "geometry": point, "properties": {"kind": "place", **place}})
    return {"type": "FeatureCollection", "features": features}


def kml(case: Case, answer: dict[str, Any]) -> str:
    """The same as KML 2.2, the smallest coverage last so that it lies on top."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>', '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>']
    parts.append(f"<name>{escape(', '.join(one.path.name for one in case.photographs))}</name>")
    for region in reversed(answer["regions"]):
        colour = COLOURS.get(region["coverage"], "8cc28a")
        style = f"7f{colour[4:]}{colour[2:4]}{colour[:2]}"  # KML has opacity, blue, green, red
        parts.append(f"<Placemark><name>{100 * region['coverage']:g}% coverage</name>")
        parts.append(f"<description>{region['km2']:.4g} km², {100 * region['share']:.1f}% of the gallery</description>")
        parts.append(f"<Style><LineStyle><width>0</width></LineStyle><PolyStyle><color>{style}</color></PolyStyle></Style>")
        parts.append("<MultiGeometry>")
        for row in case.region.order[: min(region["tiles"], LISTED)].tolist():
            at = " ".join(f"{x},{y}" for x, y in ring(case.tiles.corners[row]))
            inner = f"<LinearRing><coordinates>{at}</coordinates></LinearRing>"
            parts.append(f"<Polygon><outerBoundaryIs>{inner}</outerBoundaryIs></Polygon>")
        parts.append("</MultiGeometry></Placemark>")
    for place in answer["first"]:
        parts.append(f"<Placemark><name>{place['rank']}: {escape(place['name'])}</name>")
        parts.append(
            f"<Point><coordinates>{place['longitude']:.7f},{place['latitude']:.7f}</coordinates></Point></Placemark>"
        )
    return "\n".join([*parts, "</Document></kml>"]) + "\n"


def write_geotiff(path: Path, case: Case) -> None:
    """One minus the level, in degrees (WGS 84): at each point that of its best tile; no data where there is no tile.

    Raises
    ------
    ModuleNotFoundError
        rasterio is not installed.
    """
    with needing("a GeoTIFF of scores"):
        import rasterio
        from rasterio.transform import from_bounds
    corners = case.tiles.corners
    west, south = corners.reshape(-1, 2).min(axis=0)
    east, north = corners.reshape(-1, 2).max(axis=0)
    extent = plane(np.array([[east - west, north - south]]), float(corners[..., 1].mean()))[0]
    cell = max(float(np.median(sides(corners))) / 8, extent.max() / CELLS)
    width, height = (max(1, round(length / cell)) for length in extent)
    grid = np.full((height, width), np.nan, dtype=np.float32)
    scale = np.array([width / (east - west), -height / (north - south)])
    value = 1 - level_of(case)
    for row in case.region.order[::-1].tolist():  # the best one last
        box = (corners[row] - [west, north]) * scale
        (left, top), (right, bottom) = np.round(box.min(axis=0)).astype(int), np.round(box.max(axis=0)).astype(int)
        grid[top : max(bottom, top + 1), left : max(right, left + 1)] = value[row]
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "float32", "nodata": np.nan}
    where = {"crs": "EPSG:4326", "transform": from_bounds(west, south, east, north, width, height)}
    with atomic(path) as temporary, rasterio.open(temporary, "w", **profile, **where, compress="deflate") as raster:
        raster.write(grid, 1)
        raster.update_tags(1, description="1 - level: in the region of every coverage above the level")


def write_kml(path: Path, case: Case, answer: dict[str, Any]) -> None:
    """Write `kml`."""
    write(path, kml(case, answer))
