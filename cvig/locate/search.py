"""The whole way from photographs to an answer, and from photographs of known place to a calibration."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from cvig.datasets.images import IMAGE_SUFFIXES
from cvig.datasets.paths import Paths
from cvig.locate.answer.report import Case
from cvig.locate.calibration import SQUARE, Calibration, calibrate, say_kind
from cvig.locate.gallery import Gallery, stack
from cvig.locate.model import Model
from cvig.locate.photograph import Photograph
from cvig.locate.region import region
from cvig.locate.resemblance import Watch, open_world, p_unlike, watch
from cvig.locate.sources.tables import read_places
from cvig.locate.usable import judge
from cvig.metrics.conformal import check_coverage

if TYPE_CHECKING:
    from cvig.filtering.saved import Filter

PLACES = ("photographs.csv", "places.csv", "views.csv")  # what lists the photographs of a folder
CHUNK = 256


def locate(
    photographs: Sequence[Photograph],
    model: Model,
    gallery: Gallery,
    calibration: Calibration,
    *,
    coverage: float,
    score: str = "gap",
    open_to_all: bool = False,
    screen: "Filter | None" = None,
    notes: Sequence[str] = (),
) -> Case:
    """Search an embedded gallery for one place that photographs show, which `screen` judges where it is given.

    Raises
    ------
    ValueError
        A calibration of another network; a coverage of 0 or 1.
    """
    check_coverage(coverage)
    if calibration.model != model.digest:
        raise ValueError(
            f"the calibration is of network {calibration.model}, this one is {model.digest}: run cvig calibrate with it"
        )
    kinds = {say_kind(photograph.fov) for photograph in photographs}
    of_kind = (calibration.of_kind(kinds.pop()) if len(kinds) == 1 else calibration).in_gallery(len(gallery))
    found = [gallery.search(row) for row in stack(photographs, model)]
    stands_out = np.array([one.stands_out for one in found])
    judged = open_world(of_kind, stands_out) if open_to_all else None
    said = list(notes)
    if calibration.source:
        said.append(
            f"The calibration is of {calibration.source}, not of photographs like yours: cvig calibrate --pairs makes that."
        )
    if all(photograph.fov is None for photograph in photographs):
        said.append(
            f"Nothing says the photograph's field of view: it is matched as if it were {model.fov:g}° across; --fov says it."
        )
    elif any(abs(photograph.fov - model.fov) > 15 for photograph in photographs if photograph.fov):
        said.append(f"The network was trained on views {model.fov:g}° across; the photograph was cut or bordered to that.")
    where = region(found, of_kind, gallery.tiles.corners, score=score)
    return Case(
        list(photographs),
        gallery.tiles,
        of_kind,
        where,
        coverage,
        score,
        model.digest,
        stands_out,
        p_unlike(of_kind, stands_out),
        judge(photographs, screen),
        judged,
        said,
    )


def locate_each(
    photographs: Sequence[Photograph], model: Model, gallery: Gallery, calibration: Calibration, **options
) -> tuple[list[Case], Watch]:
    """`locate` for photographs of as many places, one by one; and whether they go on as the calibration's were."""
    cases = [locate([one], model, gallery, calibration, **options) for one in photographs]
    kinds = {say_kind(one.fov) for one in photographs}
    of_kind = calibration.of_kind(kinds.pop()) if len(kinds) == 1 else calibration
    return cases, watch(of_kind, np.array([case.stands_out[0] for case in cases]))


def calibrate_folder(
    folder: Path, model: Model, gallery: Gallery, *, square: float = SQUARE, fov: float | None = None
) -> Calibration:
    """Calibrate on the photographs of a folder, whose places a CSV file lists, or the cameras noted.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: no folder, no photograph, or photographs without places.
    """
    paths, lonlat, fovs = _places_of(folder)
    photographs, kinds, parts = [], [], []
    for row, path in enumerate(tqdm(paths, desc="reading photographs", unit="photograph", delay=2)):
        photograph = Photograph.read(path, fovs[row] or fov)
        kinds.append(say_kind(photograph.fov))
        photographs.append(photograph)
        if len(photographs) == CHUNK or row == len(paths) - 1:
            parts.append(stack(photographs, model))
            photographs = []
    embeddings = np.concatenate(parts)
    return calibrate(gallery, embeddings, lonlat, model=model.digest, kinds=kinds, square=square)


def _places_of(folder: Path) -> tuple[list[Path], np.ndarray, list[float | None]]:
    """Photographs, longitude and latitude, and field of view where it is listed."""
    if not folder.is_dir():
        raise FileNotFoundError(f"--pairs '{folder}': no such folder")
    listed = next((folder / name for name in PLACES if (folder / name).exists()), None)
    if listed is not None:
        table = read_places(listed)
        fovs = [None] * len(table)
        if "fov" in table:
            fovs = [None if np.isnan(value) else float(value) for value in table["fov"].astype(float)]
        return list(Paths(folder, table["file"].astype(str))), table[["lon", "lat"]].to_numpy(), fovs
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"--pairs '{folder}' is empty: expected photographs, and {PLACES[0]} with file, lat and lon")
    places = [(path, Photograph.read(path).position) for path in paths]
    placed = [(path, position) for path, position in places if position is not None]
    if len(placed) < len(places):
        lost = next(path for path, position in places if position is None)
        raise ValueError(
            f"'{lost}' has no place ({len(places) - len(placed)} of {len(places)} such): a calibration is split by squares "
            f"of ground, and cannot be made without places; list them in '{folder / PLACES[0]}': file, lat, lon"
        )
    return [path for path, _ in placed], np.array([position[::-1] for _, position in placed]), [None] * len(placed)
