"""What bins, other galleries and other statistics do: ``python -m study.located_groups`` writes results/located/groups.json.

Planned before it was run, on the lands and with the network of `study.located`:

- *Bins.* Each photograph is by lot as wide as in training, or narrower and known to be (62° of 90°, bordered as
  ``cvig locate`` does). Expected: one calibration of all holds wide ones more and narrow ones less often than chosen; one of
  each width (`cvig.locate.Calibration.of_kind`) holds both as often as chosen, to within the interval of its squares. The
  same is asked of a split by scene, photographs of much and of little detail, about which nothing is expected.
- *Galleries.* Calibrated among a quarter of the tiles and searched among all, the gap is expected to hold fewer places than
  chosen, for the nearest tile comes nearer, and the share as many. Calibrated among tiles that overlap and searched among
  tiles that do not, on another land, both are expected to hold fewer.
- *Outside.* A place outside the gallery is to be told by another statistic than how far the nearest tile stands out: by
  the nearest distance itself, by the tenth tile's less it, or by the second's over it. At five false alarms in a hundred,
  none is expected to notice more than five and the share of photographs whose own tile was nearest: for the others little
  changes.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from cvig.locate import Calibration, Gallery, Model, Photograph, calibrate
from cvig.locate.demo import MODEL, as_tiles, lonlat, world
from cvig.locate.gallery import Found
from cvig.locate.geometry import tiles_that_hold
from cvig.locate.resemblance import UNLIKE, p_unlike
from study.located import (
    COVERAGES,
    ELSEWHERE,
    SCORES,
    THINNED,
    ZOOMED,
    embedded,
    kept,
    photographs_of,
    row,
    run,
    sizes,
)

NARROW = 2 * np.degrees(np.arctan(ZOOMED))  # degrees across of the middle of a view of 90
ELSEWHERE_SEED = 10  # more than the land's own: no photograph of the calibration is from it
STATISTICS: dict[str, Callable[[Found], float]] = {  # smaller where a place is outside
    "stands out": lambda found: found.stands_out,
    "nearest distance": lambda found: -_nearest(found, 1)[0],
    "tenth less nearest": lambda found: float(np.diff(_nearest(found, 10)[[0, 9]])[0]),
    "second over nearest": lambda found: float(_nearest(found, 2)[1] / max(_nearest(found, 2)[0], 1e-12)),
}


def _nearest(found: Found, count: int) -> np.ndarray:
    return found.distance[found.order[:count]]


def narrow(photographs: np.ndarray, trained: float) -> np.ndarray:
    """Middles of photographs, framed as ``cvig locate --fov`` frames them: uint8 [Q, size, size, 3]."""
    size = photographs.shape[1]
    margin = round(size * (1 - ZOOMED) / 2)
    middles = photographs[:, margin : size - margin, margin : size - margin]
    return np.stack(
        [Photograph(Path(), Image.fromarray(one), NARROW, "--fov", None).framed(size, trained) for one in middles]
    )


def detail(photographs: np.ndarray) -> np.ndarray:
    """How much neighbouring pixels differ: float64 [Q]."""
    return np.abs(np.diff(photographs.mean(axis=-1), axis=2)).mean(axis=(1, 2))


def by_bins(scored: Calibration, splits: int, rng: np.random.Generator) -> dict[tuple[str, str, float], np.ndarray]:
    """How often each place is in its region over the splits that test it, by one calibration or by one a kind: [Q] each."""
    squares, group = np.unique(scored.square, return_inverse=True)
    kinds, tested = np.array(scored.kind), np.zeros(len(scored))
    times = {
        (bins, score, coverage): np.zeros(len(scored))
        for bins in ("one calibration", "one a kind")
        for score in SCORES
        for coverage in COVERAGES
    }
    for _ in range(splits):
        calibrates = (rng.permutation(len(squares)) < len(squares) // 2)[group]
        made = scored.take(calibrates)
        tested[~calibrates] += 1
        for (bins, score, coverage), total in times.items():
            for kind in np.unique(kinds):
                those = ~calibrates & (kinds == kind)
                by = made if bins == "one calibration" else made.of_kind(str(kind))
                total[those] += kept(by, scored.take(those), score, coverage)
    return {which: total / np.maximum(tested, 1) for which, total in times.items()}


def outside(searched: list[Found], answers: list[np.ndarray], base: Calibration, calibrates: np.ndarray) -> dict:
    """Of each statistic, whether photographs of places inside, and of the same places taken out, are called outside."""
    told = {"own tile nearest": np.array([found.order[0] in rows for found, rows in zip(searched, answers, strict=True)])}
    for name, statistic in STATISTICS.items():
        inside = np.array([statistic(found) for found in searched])
        without = [statistic(found.without(rows)) for found, rows in zip(searched, answers, strict=True)]
        made = replace(base, stands_out=inside).take(calibrates)
        told[f"{name}: inside"] = np.array([p_unlike(made, one) <= UNLIKE for one in inside])
        told[f"{name}: outside"] = np.array([p_unlike(made, one) <= UNLIKE for one in without])
    return {what: values[~calibrates] for what, values in told.items()}


def measure(parameters: dict, cache: Path) -> dict[str, list[dict]]:
    """All rows: of bins, of galleries, and of places outside."""
    torch.set_num_threads(1)
    model, rng = Model.read(MODEL), np.random.default_rng(0)
    bins: dict[tuple, list] = {}
    area: dict[tuple, list[float]] = {}
    galleries: dict[tuple, list] = {}
    told: dict[str, list] = {}
    for land, seed in enumerate(tqdm(parameters["seeds"], desc="lands")):
        views = world(model.network.size, seed=seed, count=parameters["count"])
        at, pictures = lonlat(views), photographs_of(views)
        gallery = Gallery(as_tiles(views)).embed(model, cache, progress=False)
        wide = embedded(model, pictures)

        def searched(gallery: Gallery, embeddings: np.ndarray, at: np.ndarray, number: int = land) -> Calibration:
            made = calibrate(gallery, embeddings, at, model=model.digest, square=parameters["square"])
            return replace(made, square=made.square + 100_000 * number)

        base = searched(gallery, wide, at)
        calibrates = np.isin(base.square, rng.permutation(np.unique(base.square))[::2])
        rest = ~calibrates

        # bins
        by_lot = rng.random(len(at)) < 0.5
        mixed = np.where(by_lot[:, None], embedded(model, narrow(pictures, model.fov)), wide)
        much = detail(pictures) > np.median(detail(pictures))
        of_width = replace(searched(gallery, mixed, at), kind=np.where(by_lot, "narrow", "as trained").tolist())
        of_scene = replace(base, kind=np.where(much, "much detail", "little detail").tolist())
        for what, scored, embeddings in (("field of view", of_width, mixed), ("scene", of_scene, wide)):
            kinds = np.array(scored.kind)
            for (how, score, coverage), values in by_bins(scored, parameters["splits"], rng).items():
                for kind in np.unique(kinds):
                    which = (what, how, str(kind), score, coverage)
                    bins.setdefault(which, []).append((values[kinds == kind], scored.square[kinds == kind]))
                    made = scored.take(calibrates)
                    made = made if how == "one calibration" else made.of_kind(str(kind))
                    its = embeddings[rest & (kinds == kind)]
                    area.setdefault(which, []).append(sizes(gallery, its, made, score, coverage))

        # galleries: the calibration's is another
        few = np.sort(rng.permutation(len(at))[::THINNED])
        thin = Gallery(replace(gallery.tiles, corners=gallery.tiles.corners[few]), [gallery.rows(few)])
        held = np.array([len(rows) > 0 for rows in tiles_that_hold(thin.tiles.corners, at)])
        options = {"seed": seed + ELSEWHERE_SEED, "count": parameters["count"], **ELSEWHERE["overlapping tiles"]}
        others = world(model.network.size, **options)
        dense = Gallery(as_tiles(others)).embed(model, cache, progress=False)
        for name, made in (
            ("a quarter of the tiles", searched(thin, wide[calibrates & held], at[calibrates & held])),
            ("overlapping tiles", searched(dense, embedded(model, photographs_of(others)), lonlat(others))),
        ):
            for score in SCORES:
                for coverage in COVERAGES:
                    values = kept(made.in_gallery(len(gallery)), base.take(rest), score, coverage)
                    galleries.setdefault((name, score, coverage), []).append((values, base.square[rest]))

        answers = tiles_that_hold(gallery.tiles.corners, at)
        for what, values in outside([gallery.search(q) for q in wide], answers, base, calibrates).items():
            told.setdefault(what, []).append((values.astype(float), base.square[rest]))
    return {
        "bins": [
            row(kind, score, coverage, *map(np.concatenate, zip(*parts, strict=True)))
            | {"by": what, "calibration": how, "share": float(np.mean(area[what, how, kind, score, coverage]))}
            for (what, how, kind, score, coverage), parts in bins.items()
        ],
        "galleries": [
            row(name, score, coverage, *map(np.concatenate, zip(*parts, strict=True)))
            for (name, score, coverage), parts in galleries.items()
        ],
        "outside": [row(what, "", 0.0, *map(np.concatenate, zip(*parts, strict=True))) for what, parts in told.items()],
    }


if __name__ == "__main__":
    run("study.located_groups", "bins, galleries, outside", "groups.json", measure)
