"""``cvig locate --demo``: a corner of the procedural world, its coordinates made up, searched by a small network.

The folder gets all that the commands take: a map with its world file, photographs of known place with their list, and one
photograph whose place they do not tell. The answer is what ``cvig calibrate`` and ``cvig locate`` make of these files.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from cvig.datasets import load
from cvig.datasets.world.countryside import land_of
from cvig.datasets.world.lattice import Window
from cvig.files import atomic, write, write_csv, write_json
from cvig.locate.answer.folder import check_folder, write_answer
from cvig.locate.gallery import Gallery
from cvig.locate.geometry import squares
from cvig.locate.model import Model
from cvig.locate.photograph import Photograph
from cvig.locate.search import calibrate_folder, locate
from cvig.reading.coordinates import EARTH

MODEL = Path(__file__).with_name("model_of_demo")  # study.demo trains it
WORLD = {"split": "test", "seed": 1, "spacing": 48, "count": 360, "useless": 0.0}  # not the land it was trained on
TILE, STRIDE = 128, 64  # metres
ORIGIN = (0.0, 0.0)  # made-up latitude and longitude of the world's origin: open sea in truth
SQUARE = 250.0
DEGREE = np.degrees(1 / EARTH)  # of a metre, at the equator


def demo_world(network_size: int, **changes: Any):
    """Views of the demo's part of the world; `changes` go to `cvig.datasets.world.WorldViews`."""
    return load("world", None, **{**WORLD, "size": network_size, **changes})


def lonlat(views) -> np.ndarray:
    """Made-up longitude and latitude of each view: float64 [Q, 2]."""
    return np.asarray(ORIGIN)[::-1] + views.coordinates * DEGREE


def write_map(path: Path, views) -> None:
    """The world's overhead map round the views, half a tile beyond the outermost, as an image with its world file."""
    east, north = views.coordinates.min(axis=0), views.coordinates.max(axis=0)
    left, bottom = (int(v) for v in np.floor(east - TILE / 2))
    right, top = (int(v) for v in np.ceil(north + TILE / 2))
    land = land_of(Window(-top, left, top - bottom, right - left), views.countries[0], views.seed)
    picture = land.overhead.numpy()
    with atomic(path) as temporary:
        Image.fromarray(picture).save(temporary, quality=88)
    first = (ORIGIN[1] + (left + 0.5) * DEGREE, ORIGIN[0] + (top - 0.5) * DEGREE)
    numbers = (DEGREE, 0, 0, -DEGREE, *first)
    write(path.with_suffix(".jgw"), "".join(f"{number:.14g}\n" for number in numbers))


def write_photographs(folder: Path, views, chosen: int) -> None:
    """Photographs of known place in ``pairs``, none of them from the square of ground of the `chosen` one."""
    at = lonlat(views)
    square = squares(at, SQUARE)
    rows = []
    for i in range(views.ground_count):
        picture = Image.fromarray(np.moveaxis(np.asarray(views.ground_image(i)), 0, -1))
        if i == chosen:
            with atomic(folder / "photo.png") as temporary:
                picture.save(temporary)
        elif square[i] != square[chosen]:
            name = f"{i:04d}.png"
            with atomic(folder / "pairs" / name) as temporary:
                picture.save(temporary)
            rows.append({"file": name, "lat": at[i, 1], "lon": at[i, 0], "fov": 90.0})
    write_csv(folder / "pairs" / "photographs.csv", pd.DataFrame(rows))
    write_json(folder / "truth.json", {"latitude": float(at[chosen, 1]), "longitude": float(at[chosen, 0])})


def run_demo(out: Path, *, coverage: float = 0.9, score: str = "gap", open_world: bool = False, chosen: int = 7) -> dict:
    """Write the world's files into ``OUT-world`` and the answer into `out`; give the answer."""
    check_folder(out)
    model = Model.read(MODEL)
    views = demo_world(model.network.size)
    folder = out.with_name(f"{out.name}-world")
    write_map(folder / "map.jpg", views)
    write_photographs(folder, views, chosen)
    gallery = Gallery.open(folder / "map.jpg", tile=TILE, stride=STRIDE).embed(model, folder / "cache")
    calibration = calibrate_folder(folder / "pairs", model, gallery, square=SQUARE)
    calibration.write(folder / "calibration.json")
    case = locate(
        [Photograph.read(folder / "photo.png", 90.0)],
        model,
        gallery,
        calibration,
        coverage=coverage,
        score=score,
        open_to_all=open_world,
        notes=["A made-up world with made-up coordinates: no place on Earth."],
    )
    return write_answer(out, case)
