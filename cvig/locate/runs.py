"""A calibration from a run alone: on the views that its training held out, in the gallery that belongs to them."""

import sys
from pathlib import Path

import numpy as np

from cvig.datasets import PairedViews, load
from cvig.files import digest, read_json, set_aside
from cvig.locate.calibration import CALIBRATION, FORMAT, SQUARE, Calibration, place_squares, say_kind, scores
from cvig.locate.gallery import Gallery
from cvig.locate.model import Model
from cvig.locate.sources import Tiles
from cvig.models.checkpoint import DESIGN
from cvig.training.embedding import embed_gallery

RECORD = "train.json"
MOST = 2000  # views: more of them tell little more
RENDERED = 1000  # of the world, which has as many as one asks for
INSTEAD = "calibrate on photographs of known place: cvig calibrate --pairs FOLDER --gallery TILES"


def read_calibration(path: str | Path, model: Model, cache: str | Path | None = None) -> Calibration:
    """What ``cvig calibrate`` wrote there; where nothing lies in the folder of a finished run, `calibrate_run`.

    Raises
    ------
    FileNotFoundError, ValueError
        Nothing there, or something else; a run that cannot be calibrated on, and why.
    """
    path = Path(path)
    if is_run(path) and not (path / CALIBRATION).exists():
        return calibrate_run(path, model, cache=cache)
    return Calibration.read(path)


def is_run(folder: str | Path) -> bool:
    """Whether a folder holds a finished training."""
    return (Path(folder) / RECORD).is_file()


def held_out(folder: str | Path, size: int) -> PairedViews:
    """The test views of a run: no choice of its training saw them.

    Raises
    ------
    FileNotFoundError, ValueError
        No finished training, one that does not say on which data, data that are not there, or views without coordinates.
    """
    folder = Path(folder)
    if not is_run(folder):
        raise FileNotFoundError(f"no finished training run in '{folder}': {RECORD} is not there")
    parameters = read_json(folder / RECORD).get("parameters", {})
    if not isinstance(parameters, dict) or not isinstance(parameters.get("options", {}), dict):
        raise ValueError(f"'{folder / RECORD}' is no record of a training")
    data = parameters.get("data")
    if not data:
        raise ValueError(f"'{folder / RECORD}' does not say on which data the network was trained; {INSTEAD}")
    own = {name: value for name, value in parameters.get("options", {}).items() if name not in ("cache", "keep")}
    options = {**own, "size": size}
    if data == "world":
        options = {"view": parameters.get("view", "90"), "count": RENDERED, **options}
        options |= {"square": True} if options["view"] == "panorama" else {}
    views = load(data, parameters.get("root"), "test", **options)
    if views.coordinates is None or not np.isfinite(views.coordinates).all(axis=1).any():
        raise ValueError(
            f"the run in '{folder}' was trained on {data}, whose test views have no coordinates: a calibration is split by "
            f"squares of ground, and cannot be made of them; {INSTEAD}"
        )
    return views


def calibrate_run(
    folder: str | Path, model: Model, *, square: float = SQUARE, cache: str | Path | None = None
) -> Calibration:
    """Search the gallery of a run's test views for each of them.

    Parameters
    ----------
    folder : path
        Of a finished run.
    model : Model
        Its network.
    square : float
        Metres a side of the squares of ground that are exchangeable as a whole.
    cache : path, optional
        Folder that keeps what was made, for the next photograph.

    Raises
    ------
    FileNotFoundError, ValueError
        As `held_out`.
    """
    network = (
        read_json(Path(folder) / DESIGN)["weights"]["sha256"][:16] if (Path(folder) / DESIGN).is_file() else model.digest
    )
    if network != model.digest:
        raise ValueError(
            f"the run in '{folder}' trained network {network}, this one is {model.digest}: give its own --calibration"
        )
    record = (Path(folder) / RECORD).read_bytes() if is_run(folder) else b""
    of = digest(record, repr((FORMAT, square, model.fov)))
    kept = Path(cache) / f"calibration-{model.digest}-{of}.json" if cache else None
    if kept and kept.exists():
        try:
            return Calibration.read(kept)
        except (ValueError, OSError) as error:
            print(f"{error}: it is '{set_aside(kept).name}' now, and is made anew", file=sys.stderr)
    made = calibrate_views(held_out(folder, model.network.size), model, square=square)
    if kept:
        made.write(kept)
    return made


def _picture(row: int, side: int) -> np.ndarray:
    raise NotImplementedError(f"tile {row} of held-out views is embedded already")


def calibrate_views(views: PairedViews, model: Model, *, square: float = SQUARE) -> Calibration:
    """The same of any views with coordinates, at most `MOST`, drawn evenly."""
    placed = np.flatnonzero(np.isfinite(views.coordinates).all(axis=1))
    rows = placed[np.unique(np.linspace(0, len(placed) - 1, MOST).round().astype(int))]
    unplaced = Tiles(np.empty((views.gallery_count, 4, 2)), [], _picture, str)  # searched by number, never by place
    gallery = Gallery(unplaced, [embed_gallery(model.network, views)])
    images = [np.moveaxis(np.asarray(views.ground_image(row)), 0, -1) for row in rows.tolist()]
    embeddings = np.concatenate([model.ground(np.stack(images[at : at + 128])) for at in range(0, len(images), 128)])
    answers = [np.atleast_1d(views.positives[row]) for row in rows.tolist()]
    ignored = [np.empty(0, int)] * len(rows) if views.ignored is None else [views.ignored[row] for row in rows.tolist()]
    return Calibration(
        **scores(gallery, embeddings, answers, ignored),
        square=place_squares(views.coordinates[rows], views.coordinate_unit, square),
        kind=[say_kind(model.fov)] * len(rows),
        model=model.digest,
        tiles=views.gallery_count,
        side=None,
        square_side=square,
        source=f"held-out views of {views.name}",
    )
