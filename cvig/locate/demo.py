"""``cvig locate --demo``: a corner of the procedural world, its coordinates made up, searched by a small network.

A folder beside the answer gets all that the commands take: tiles with their table, photographs of known place with theirs,
one photograph whose place neither tells, and one of a wall, which shows none. The answer is what ``cvig calibrate`` and
``cvig locate`` make of them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from cvig.datasets import PairedViews, load
from cvig.files import atomic, write_csv, write_json
from cvig.filtering.saved import Filter
from cvig.locate.answer.folder import check_folder, write_answer
from cvig.locate.answer.report import Case
from cvig.locate.calibration import SQUARE
from cvig.locate.gallery import Gallery
from cvig.locate.geometry import square_corners, squares
from cvig.locate.model import Model
from cvig.locate.photograph import Photograph
from cvig.locate.search import calibrate_folder, locate
from cvig.locate.sources import Tiles
from cvig.reading.coordinates import EARTH

MODEL = Path(__file__).with_name("model_of_demo")  # `study.demo` trains it
SEED, COUNT = 1, 600  # another land than it was trained on
SPAN = 128.0  # metres a side of a tile
DEGREE = np.degrees(1 / EARTH)  # of a metre, at the equator
CHOSEN = 7
WALLS = 12  # views, some of which face a wall
TRUTH = "truth.json"  # written first: a folder that has it is the demo's
MADE_UP = "A made-up world: its coordinates, in the open sea where equator and first meridian cross, are no place on Earth."


def world(size: int, **changes: Any) -> PairedViews:
    """The demo's part of the world; `changes` go to `cvig.datasets.load`."""
    return load("world", None, **{"split": "test", "size": size, "seed": SEED, "count": COUNT, "useless": 0.0, **changes})


def lonlat(views: PairedViews) -> np.ndarray:
    """Made-up longitude and latitude of each view: float64 [Q, 2]."""
    return (views.coordinates - views.coordinates.mean(axis=0)) * DEGREE


def as_tiles(views: PairedViews) -> Tiles:
    """The views' aerial images as a gallery; each view is in the middle of its own."""

    def picture(row: int, side: int) -> np.ndarray:
        image = Image.fromarray(np.moveaxis(np.asarray(views.aerial_image(row)), 0, -1))
        return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))

    of_views = views.digest

    def key(row: int) -> str:
        return f"{of_views}-{row}"

    names = [f"{row:04d}" for row in range(views.gallery_count)]
    return Tiles(square_corners(lonlat(views), SPAN), names, picture, key)


def write_world(folder: Path, views: PairedViews, chosen: int) -> None:
    """Write ``tiles``, ``pairs``, ``photo.png`` and ``wall.png``; no pair is from the square of ground of ``photo.png``."""
    at = lonlat(views)
    write_json(folder / TRUTH, {"latitude": float(at[chosen, 1]), "longitude": float(at[chosen, 0])})
    square = squares(at, SQUARE)
    apart = square != square[chosen]
    for side, image in (("tiles", views.aerial_image), ("pairs", views.ground_image)):
        rows = range(views.ground_count) if side == "tiles" else np.flatnonzero(apart).tolist()
        for i in rows:
            with atomic(folder / side / f"{i:04d}.png") as temporary:
                Image.fromarray(np.moveaxis(np.asarray(image(i)), 0, -1)).save(temporary)
        table = {"file": [f"{i:04d}.png" for i in rows], "lat": at[rows, 1], "lon": at[rows, 0]}
        more = {"footprint": SPAN} if side == "tiles" else {"fov": 90.0}
        write_csv(folder / side / f"{'tiles' if side == 'tiles' else 'photographs'}.csv", pd.DataFrame(table | more))
    faced = world(views.size, count=WALLS, useless=0.5, spacing=96)  # squares large enough to have a wall
    wall = int(np.flatnonzero(~faced.viable.numpy())[0])
    for name, image in (("photo", views.ground_image(chosen)), ("wall", faced.ground_image(wall))):
        with atomic(folder / f"{name}.png") as temporary:
            Image.fromarray(np.moveaxis(np.asarray(image), 0, -1)).save(temporary)


def search_demo(folder: Path, *, coverage: float = 0.9, score: str = "gap", open_to_all: bool = False) -> Case:
    """Write the world's files into `folder`, calibrate and search as the commands do."""
    model = Model.read(MODEL)
    write_world(folder, world(model.network.size), CHOSEN)
    gallery = Gallery.open(folder / "tiles" / "tiles.csv").embed(model, folder / "cache")
    calibration = calibrate_folder(folder / "pairs", model, gallery)
    calibration.write(folder / "calibration.json")
    options = {"coverage": coverage, "score": score, "open_to_all": open_to_all, "screen": Filter.read(MODEL)}
    return locate([Photograph.read(folder / "photo.png", 90.0)], model, gallery, calibration, **options, notes=[MADE_UP])


def run_demo(out: Path, *, coverage: float = 0.9, score: str = "gap", open_world: bool = False) -> dict:
    """Write the world's files into ``OUT-world`` and the answer into `out`; give the answer."""
    check_folder(out)
    whole = out.absolute()
    folder = whole.with_name(f"{whole.name}-world")
    if folder.exists() and not (folder / TRUTH).is_file():
        raise ValueError(f"'{folder}' is there and is not the demo's world: give another --out")
    return write_answer(out, search_demo(folder, coverage=coverage, score=score, open_to_all=open_world))
