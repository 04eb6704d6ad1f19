"""One HTML page that opens from disk: the photograph, the map, the region by coverage, the first tiles."""

import base64
import json
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from cvig.locate.answer.report import LISTED, Case, level_of
from cvig.locate.geometry import centers, plane

MAP = 1400  # pixels of the longer side of the map's picture
PICTURED = 4096  # tiles up to which the map has a picture; beyond, a plain grid
THUMBNAILS = 12
THUMBNAIL = 128  # pixels


def _jpeg(image: Image.Image, quality: int = 80) -> str:
    content = BytesIO()
    image.save(content, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")


def _frame(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The map's north-western corner in degrees, its size in metres, and the latitude that it is true at."""
    west, south = corners.reshape(-1, 2).min(axis=0)
    east, north = corners.reshape(-1, 2).max(axis=0)
    latitude = float((south + north) / 2)
    return np.array([west, north]), plane(np.array([east - west, north - south]), latitude), latitude


def _map_picture(case: Case, places: np.ndarray, size: tuple[int, int]) -> str:
    """All tiles' pictures where they lie, later ones over earlier ones; empty where they are too many."""
    if len(case.tiles) > PICTURED:
        return ""
    canvas = Image.new("RGB", size, (128, 128, 128))
    boxes = np.round(places * size).astype(int)
    for row in range(len(case.tiles)):
        (left, top), (right, bottom) = boxes[row].min(axis=0), boxes[row].max(axis=0)
        side = max(right - left, bottom - top, 1)
        tile = Image.fromarray(case.tiles.picture(row, int(side)))
        canvas.paste(tile.resize((max(right - left, 1), max(bottom - top, 1))), (int(left), int(top)))
    return _jpeg(canvas)


def content(case: Case, answer: dict[str, Any]) -> dict[str, Any]:
    """What the page's script draws."""
    corner, extent, latitude = _frame(case.tiles.corners)
    size = tuple(max(1, int(n)) for n in np.round(MAP * extent / extent.max()))
    places = plane(case.tiles.corners - corner, latitude) * [1, -1] / extent
    shown = case.region.order[:LISTED]
    middle = centers(case.tiles.corners)
    ground = np.diff(case.region.ground[: len(shown)], prepend=0)
    thumbnails = [
        _jpeg(Image.fromarray(case.tiles.picture(place["tile"], THUMBNAIL))) for place in answer["first"][:THUMBNAILS]
    ]
    bounds = case.tiles.corners.reshape(-1, 2)
    (west, south), (east, north) = bounds.min(axis=0), bounds.max(axis=0)
    return {
        "answer": answer,
        "photographs": [_jpeg(one.small()) for one in case.photographs],
        "map": {
            "picture": _map_picture(case, places, size),
            "width": size[0],
            "height": size[1],
            "metres": float(extent[0]),
            "west": float(west),
            "east": float(east),
            "south": float(south),
            "north": float(north),
        },
        "tiles": {
            "corners": np.round(places[shown] * size, 1).reshape(len(shown), 8).tolist(),
            "lonlat": np.round(middle[shown], 6).tolist(),
            "level": level_of(case)[shown].tolist(),
            "ground": np.round(ground, 1).tolist(),
            "names": [case.tiles.names[row] for row in shown.tolist()],
            "all": len(case.tiles),
        },
        "thumbnails": thumbnails,
    }


def page(case: Case, answer: dict[str, Any]) -> str:
    """The page; all that it needs is in it."""
    folder = files("cvig.locate.answer")
    parts = {name: folder.joinpath(f"page.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
    # the text of a script ends at its first end tag, whatever language it holds
    data = json.dumps(content(case, answer), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    names = ", ".join(one.path.name for one in case.photographs)
    title = names.replace("&", "&amp;").replace("<", "&lt;")
    return (
        parts["html"]
        .replace("{{title}}", title)
        .replace("{{css}}", parts["css"])
        .replace("{{js}}", parts["js"])
        .replace("{{data}}", data)
    )
