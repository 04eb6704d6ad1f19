"""Measures how often regions hold the place, and what breaks that: ``python -m study.located`` writes results/located.

On several lands of the procedural world, none of them the one that the demo's network was trained on, photographs are
calibrated and tested by squares of ground; then photographs and galleries are changed, and the calibration is not.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from cvig.datasets import PairedViews
from cvig.files import write_json
from cvig.locate import Calibration, Gallery, Model, calibrate
from cvig.locate.demo import MODEL, as_tiles, lonlat, world
from cvig.locate.geometry import tiles_that_hold
from cvig.locate.resemblance import UNLIKE, p_unlike, watch
from cvig.metrics.intervals import cluster_interval
from study.provenance import provenance

COVERAGES = (0.5, 0.8, 0.9, 0.95)
SCORES = ("gap", "share")
PARAMETERS = {"seeds": [1, 2], "count": 1000, "splits": 40, "square": 250.0, "draws": 200}
TOGETHER = (20, 50)  # photographs of as many places
THINNED = 4  # one tile in so many is left
ZOOMED = 0.6  # of a photograph's width


def plain(photographs: np.ndarray) -> np.ndarray:
    """Photographs as they are."""
    return photographs


def zoomed(photographs: np.ndarray) -> np.ndarray:
    """Their middles, enlarged: a narrower field of view that nobody was told of."""
    size = photographs.shape[1]
    margin = round(size * (1 - ZOOMED) / 2)
    inner = torch.from_numpy(photographs[:, margin : size - margin, margin : size - margin]).permute(0, 3, 1, 2).float()
    return (
        torch.nn.functional.interpolate(inner, size=(size, size), mode="bilinear").round().byte().permute(0, 2, 3, 1).numpy()
    )


def misty(photographs: np.ndarray) -> np.ndarray:
    """Half of every colour is grey: weather that training never saw."""
    return (0.5 * photographs + 0.5 * 190).round().astype(np.uint8)


def wintry(photographs: np.ndarray) -> np.ndarray:
    """The green of meadows and woods turned to brown and white: another season."""
    colour = photographs.astype(np.float32)
    green = np.clip(colour[..., 1] - colour[..., [0, 2]].mean(axis=-1), 0, None)[..., None]
    return np.clip(colour + green * np.array([3.0, 1.0, 3.0]), 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "narrower field of view": zoomed,
    "mist": misty,
    "winter": wintry,
}
ELSEWHERE = {  # worlds of their own, each with its gallery
    "another country": {"country": 1},
    "a third country": {"country": 2},
    "overlapping tiles": {"spacing": 64},
}


def photographs_of(views: PairedViews) -> np.ndarray:
    """All ground views: uint8 [Q, size, size, 3]."""
    return np.stack([np.moveaxis(np.asarray(views.ground_image(i)), 0, -1) for i in range(views.ground_count)])


def embedded(model: Model, photographs: np.ndarray) -> np.ndarray:
    """Embeddings, float32 [Q, D]."""
    return np.concatenate([model.ground(photographs[at : at + 256]) for at in range(0, len(photographs), 256)])


def kept(made: Calibration, new: Calibration, score: str, coverage: float) -> np.ndarray:
    """Whether each new photograph's place is in its region: bool [Q]."""
    return made.level(score, getattr(new, score)) < coverage - 1e-9


def by_splits(scored: Calibration, splits: int, rng: np.random.Generator) -> dict[tuple[str, float], np.ndarray]:
    """How often each photograph's place is in its region, over the splits of squares that test it: float64 [Q]."""
    squares, group = np.unique(scored.square, return_inverse=True)
    tested = np.zeros(len(scored))
    times = {(score, coverage): np.zeros(len(scored)) for score in SCORES for coverage in COVERAGES}
    for _ in range(splits):
        first = rng.permutation(len(squares)) < len(squares) // 2
        calibrates = first[group]
        made, new = scored.take(calibrates), scored.take(~calibrates)
        tested[~calibrates] += 1
        for (score, coverage), total in times.items():
            total[~calibrates] += kept(made, new, score, coverage)
    return {which: total / np.maximum(tested, 1) for which, total in times.items()}


def row(condition: str, score: str, coverage: float, values: np.ndarray, square: np.ndarray, **more: float) -> dict:
    """A row of the results: the share of places held, and its interval from whole squares of ground, each square as one."""
    group = np.unique(square, return_inverse=True)[1]
    of_square = np.bincount(group, values) / np.bincount(group)  # a new square is as likely as any
    low, high = cluster_interval(of_square, limits=(0.0, 1.0))
    found = {
        "held": float(of_square.mean()),
        "low": low,
        "high": high,
        "squares": len(of_square),
        "photographs": len(values),
    }
    return {"condition": condition, "score": score, "coverage": coverage, **found, **more}


def sizes(gallery: Gallery, embeddings: np.ndarray, made: Calibration, score: str, coverage: float) -> float:
    """Mean share of the tiles that is in the region, over a sample of photographs."""
    few = embeddings[:: max(1, len(embeddings) // 100)]
    shares = [(made.level(score, getattr(gallery.search(q), score)) < coverage - 1e-9).mean() for q in few]
    return float(np.mean(shares))


def _searched(
    gallery: Gallery, embeddings: np.ndarray, at: np.ndarray, *, model: str, side: float, land: int
) -> Calibration:
    """A calibration on one land; the squares of different lands have different numbers."""
    made = calibrate(gallery, embeddings, at, model=model, square=side)
    return replace(made, square=made.square + 100_000 * land)


def measure(parameters: dict, cache: Path) -> dict[str, list[dict]]:
    """All rows: of the splits, of each changed condition, and of what tells that something has changed."""
    torch.set_num_threads(1)
    model, rng = Model.read(MODEL), np.random.default_rng(0)
    splits: dict[tuple, list] = {}
    changed: dict[tuple, list] = {}
    told: dict[str, list] = {}
    area: dict[tuple, list[float]] = {}
    for number, seed in enumerate(tqdm(parameters["seeds"], desc="lands")):
        views = world(model.network.size, seed=seed, count=parameters["count"])
        at, pictures = lonlat(views), photographs_of(views)
        gallery = Gallery(as_tiles(views)).embed(model, cache, progress=False)
        embeddings = embedded(model, pictures)
        searched = partial(_searched, model=model.digest, side=parameters["square"], land=number)
        base = searched(gallery, embeddings, at)
        for which, values in by_splits(base, parameters["splits"], rng).items():
            splits.setdefault(which, []).append((values, base.square))
        calibrates = np.isin(base.square, rng.permutation(np.unique(base.square))[::2])
        made, rest = base.take(calibrates), ~calibrates
        for score in SCORES:
            for coverage in COVERAGES:
                area.setdefault((score, coverage), []).append(sizes(gallery, embeddings[rest], made, score, coverage))
        tests = {"as calibrated": base.take(rest)}
        tests |= {
            name: searched(gallery, embedded(model, change(pictures[rest])), at[rest]) for name, change in CHANGES.items()
        }
        few = np.sort(rng.permutation(len(at))[::THINNED])
        thin = Gallery(replace(gallery.tiles, corners=gallery.tiles.corners[few]), [gallery.rows(few)])
        answered = np.array([len(rows) > 0 for rows in tiles_that_hold(thin.tiles.corners, at)]) & rest
        tests["fewer tiles"] = searched(thin, embeddings[answered], at[answered])
        for name, options in ELSEWHERE.items():
            others = world(model.network.size, seed=seed, count=parameters["count"], **options)
            its = Gallery(as_tiles(others)).embed(model, cache, progress=False)
            tests[name] = searched(its, embedded(model, photographs_of(others)), lonlat(others))
        for name, new in tests.items():
            for score in SCORES:
                for coverage in COVERAGES:
                    values = kept(made, new, score, coverage)
                    changed.setdefault((name, score, coverage), []).append((values, new.square))
            told.setdefault(name, []).append(signs(made, new, parameters["draws"], rng))
        outside = np.array([p_unlike(made, one) <= UNLIKE for one in base.stands_out_without[rest]])
        told.setdefault("place outside the gallery", []).append({"one": outside})
    return {
        "splits": [
            row("as calibrated", *which, *map(np.concatenate, zip(*parts, strict=True)), share=float(np.mean(area[which])))
            for which, parts in splits.items()
        ],
        "changed": [
            row(name, score, coverage, *map(np.concatenate, zip(*parts, strict=True)))
            for (name, score, coverage), parts in changed.items()
        ],
        "told": [
            {"condition": name, **{what: float(np.concatenate([part[what] for part in parts]).mean()) for what in parts[0]}}
            for name, parts in told.items()
        ],
    }


def signs(made: Calibration, new: Calibration, draws: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Whether each new photograph is called unlike; and whether draws of 20 and of 50, of as many squares, raise an alarm.

    In each draw other squares of `made` calibrate, a random two thirds of them.
    """
    told = {"one": np.array([p_unlike(made, one) <= UNLIKE for one in new.stands_out])}
    old = np.unique(made.square)
    raised: dict[int, list[bool]] = {length: [] for length in TOGETHER}
    for draw in range(draws):
        some = made.take(np.isin(made.square, rng.permutation(old)[: 2 * len(old) // 3]))
        mixed = rng.permutation(len(new))
        one_each = mixed[np.sort(np.unique(new.square[mixed], return_index=True)[1])]
        first = watch(some, new.stands_out[one_each[: max(TOGETHER)]], seed=draw).first
        for length, alarms in raised.items():
            alarms.append(first is not None and first < length)
    return told | {str(length): np.array(alarms) for length, alarms in raised.items()}


def run(program: str, what: str, file: str, measure: Callable[[dict, Path], dict[str, list[dict]]]) -> None:
    """The command ``python -m program``, which measures `what`, and writes a file with where its rows come from."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=f"Measure {what}.")
    parser.add_argument("--out", type=Path, default=Path("results/located"), help=f"folder of {file}")
    parser.add_argument("--cache", type=Path, default=Path("out/cache"), help="folder of embeddings")
    given, started = parser.parse_args(), time.perf_counter()
    model = Model.read(MODEL)
    rows = measure(PARAMETERS, given.cache)
    data, seconds = {"model": model.digest}, time.perf_counter() - started
    record = provenance(PARAMETERS, data=data, device="cpu", threads=1, seconds=seconds)
    write_json(given.out / file, record | rows)


if __name__ == "__main__":
    run("study.located", "the coverage of cvig locate", "coverage.json", measure)
