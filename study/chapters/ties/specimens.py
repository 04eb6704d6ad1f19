"""Specimens: small sets of embeddings, each with one known defect, and the scores that theory expects of them.

Every specimen has n queries and n gallery rows, row i answering query i, in float32, and is the same for the same seed. All
embeddings have unit length, so that evaluators that compare inner products mean the same order as those that compare
distances, and what they disagree on is ties, rounding and where k ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import pdist

from cvig.metrics import TIES, pssr, recall_at_k
from cvig.ranking import exact_ranks
from study.chapters.ties.theory import (
    Expected,
    Scores,
    code_scores,
    fixed_scores,
    independent_scores,
    one_percent,
    random_scores,
    sphere_scores,
)

DIMENSIONS = 64
COPIES = 4  # the paper's code saves an aerial image once for each of a panorama's four crops
STRADDLING = 6  # independent signs of the close specimen that bfloat16 can still tell
Made = tuple[np.ndarray, np.ndarray, Scores | None]  # query, gallery, expected


@dataclass(frozen=True)
class Specimen:
    """Embeddings of both towers, and what to expect of them.

    Attributes
    ----------
    name, story : str
        What it is called, and what its defect is.
    query, gallery : float32 arrays [n, D]
    expected : Scores or None
        Of exact ranks: R@1, R@1% and PSSR under each tie rule. None where a score has no meaning.
    """

    name: str
    story: str
    query: np.ndarray
    gallery: np.ndarray
    expected: Scores | None


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _sphere(n: int, rng: np.random.Generator) -> np.ndarray:
    return _unit(rng.normal(size=(n, DIMENSIONS)))


def _arc(angle: np.ndarray) -> np.ndarray:
    """Unit vectors at these angles in one plane."""
    rows = np.zeros((len(angle), DIMENSIONS))
    rows[:, 0], rows[:, 1] = np.cos(angle), np.sin(angle)
    return rows


def _near(points: np.ndarray, rng: np.random.Generator, gap: float) -> np.ndarray:
    """Unit vectors, each less than half of `gap` from its point: where points are that far apart, its nearest."""
    return _unit(points + 0.2 * gap * _sphere(len(points), rng))


def _healthy(n: int, rng: np.random.Generator) -> Made:
    widest = 1.4
    gallery = _sphere(n, rng)
    aside = rng.normal(size=gallery.shape)
    aside = _unit(aside - (aside * gallery).sum(1, keepdims=True) * gallery)
    angle = widest * rng.random((n, 1))
    return np.cos(angle) * gallery + np.sin(angle) * aside, gallery, sphere_scores(n, DIMENSIONS, widest)


def _random(n: int, rng: np.random.Generator) -> Made:
    return _sphere(n, rng), _sphere(n, rng), random_scores(n)


def _same_order(n: int) -> Scores:
    """Scores where all queries rank the gallery alike: each rank then belongs to one query."""
    return fixed_scores(n, lambda k: (k / n,) * 3, ((n - 1) / (2 * n),) * 3)


def _one_query(n: int, rng: np.random.Generator) -> Made:
    return np.repeat(_sphere(1, rng), n, axis=0), _sphere(n, rng), _same_order(n)


def _one_point(n: int, rng: np.random.Generator) -> Made:
    expected = fixed_scores(n, lambda k: (0, 1, k / n), (0, (n - 1) / n, (n - 1) / (2 * n)))
    # on an axis: any other inner product is rounded, by some processors' kernels not alike in all columns of a matrix
    return _sphere(n, rng), _arc(np.zeros(n)), expected


def _one_line(n: int, rng: np.random.Generator) -> Made:
    return _arc(0.8 + 0.1 * rng.random(n)), _arc(0.5 * rng.permutation(n) / n), _same_order(n)


def _dead_relu(n: int, rng: np.random.Generator) -> Made:
    nearer, beyond = max(1, n // 200), n // 80
    dead = n - nearer - beyond
    alive = np.concatenate([np.linspace(0.2, 0.8, nearer), -np.linspace(0.2, 0.8, beyond)])
    gallery = _arc(rng.permutation(np.concatenate([alive, np.zeros(dead)])))

    def recall(k: int) -> tuple[float, float, float]:
        inside = nearer < k < nearer + dead
        return (nearer / n if inside else k / n, (nearer + dead) / n if inside else k / n, k / n)

    middle, gap = (n - 1) / (2 * n), dead * (dead - 1) / (2 * n**2)
    return _arc(1 + 0.1 * rng.random(n)), gallery, fixed_scores(n, recall, (middle - gap, middle + gap, middle))


def _duplicates(n: int, rng: np.random.Generator) -> Made:
    distinct = _sphere(n // COPIES, rng)
    gallery = np.repeat(distinct, COPIES, axis=0)
    expected = fixed_scores(
        n,
        lambda k: (float(k >= COPIES), 1, min(k / COPIES, 1)),
        ((n - COPIES) / n, (n - 1) / n, (n - (COPIES + 1) / 2) / n),
    )
    return _near(gallery, rng, pdist(distinct).min()), gallery, expected


def _hubs(n: int, rng: np.random.Generator) -> Made:
    hubs, to_pole, to_positive = n // 50, 0.9, 1.0
    pole, away = _arc(np.zeros(1)), rng.normal(size=(n, DIMENSIONS))
    away[:, 0] = 0
    away = _unit(away)
    query = np.cos(to_pole) * pole + np.sin(to_pole) * away
    gallery = np.cos(to_pole + to_positive) * pole + np.sin(to_pole + to_positive) * away
    gallery[:hubs] = _unit(pole + 0.005 * rng.normal(size=(hubs, DIMENSIONS)))
    order = rng.permutation(n)

    def recall(k: int) -> Expected:
        return Expected(k / n, float(np.sqrt(k * (1 - k / hubs)) / n))  # only queries whose positive is a hub

    pssr = Expected(
        ((n - hubs) * (n - 1 - hubs) + hubs * (n - 1 - (hubs - 1) / 2)) / n**2,
        float(np.sqrt(hubs * (hubs**2 - 1) / 12) / n**2),
    )
    rows = {"R@1": recall(1), "R@1%": recall(one_percent(n)), "PSSR": pssr}
    return query[order], gallery[order], {name: dict.fromkeys(TIES, value) for name, value in rows.items()}


def _quantized(n: int, rng: np.random.Generator) -> Made:
    flipped = 0.2
    gallery = rng.choice([-1, 1], (n, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    query = gallery * np.where(rng.random(gallery.shape) < flipped, -1, 1)
    return query, gallery, code_scores(n, DIMENSIONS, flipped)


def _close(n: int, rng: np.random.Generator) -> Made:
    offset = rng.uniform(1e-5, 1e-4, (n, DIMENSIONS)) * rng.choice([-1, 1], (n, DIMENSIONS))
    offset[:, STRADDLING : 2 * STRADDLING] = -offset[:, :STRADDLING]  # so that rounding keeps all norms equal
    gallery = 2**-4 + offset
    gallery[:, : 2 * STRADDLING] += 2**-12  # halfway between two numbers of bfloat16
    gallery[:, -1] = np.sqrt(1 - np.square(gallery[:, :-1]).sum(1))
    return _near(gallery, rng, 1e-5), gallery, fixed_scores(n, lambda k: (1, 1, 1), ((n - 1) / n,) * 3)


def _bfloat16(n: int, rng: np.random.Generator) -> Made:
    rounded = [torch.from_numpy(rows).bfloat16().float().numpy() for rows in _close(n, rng)[:2]]
    codes = 2**STRADDLING  # queries of one code have the same rank
    return *rounded, independent_scores(n, np.zeros(1), np.array([1 / codes]), np.ones(1), queries=codes)


def _nan(n: int, rng: np.random.Generator) -> Made:
    query, gallery = np.full((2, n, DIMENSIONS), np.nan)
    return query, gallery, None


def _some_nan(n: int, rng: np.random.Generator) -> Made:
    query, gallery, _ = _random(n, rng)
    query[::10] = np.nan
    return query, gallery, None


RECIPES: dict[str, tuple[Callable[[int, np.random.Generator], Made], str]] = {
    "healthy": (_healthy, "each query at some angle from its positive"),
    "random": (_random, "queries know nothing of the gallery"),
    "one query": (_one_query, "all queries are one point"),
    "one point": (_one_point, "the whole gallery is one point"),
    "one line": (_one_line, "both towers on one arc, the queries beyond its end"),
    "dead ReLU": (_dead_relu, "of nearly all of the gallery only the last bias is left: one point"),
    "duplicates": (_duplicates, "every aerial image is in the gallery four times"),
    "hubs": (_hubs, "a few gallery rows are nearer to every query than its positive"),
    "quantized": (_quantized, "a healthy pair stored as one bit a dimension"),
    "close": (_close, "a perfect pair, crowded into a tiny part of the sphere"),
    "bfloat16": (_bfloat16, "the same, rounded to bfloat16"),
    "NaN": (_nan, "a network that outputs NaN"),
    "one NaN in ten": (_some_nan, "random, and every tenth query is NaN"),
}


def specimens(n: int = 1000, seed: int = 0) -> dict[str, Specimen]:
    """Every specimen by name, in order of the chapter.

    Parameters
    ----------
    n : int
        Queries, and gallery rows: at least 200, a multiple of 4.
    """
    if n < 200 or n % COPIES:
        raise ValueError(f"specimens of {n} rows: expected at least 200, and a multiple of {COPIES}")
    made = {}
    for name, (recipe, story) in RECIPES.items():
        query, gallery, expected = recipe(n, np.random.default_rng(seed))
        made[name] = Specimen(name, story, query.astype(np.float32), gallery.astype(np.float32), expected)
    return made


def measure(specimen: Specimen) -> dict[str, dict[str, float]]:
    """R@1, R@1% and PSSR of a specimen by exact ranks, under each tie rule; ValueError where an embedding is not finite."""
    ranks = exact_ranks(specimen.query, specimen.gallery, progress=False)
    return {
        **{f"R@{k}": {ties: recall_at_k(ranks, k, ties=ties) for ties in TIES} for k in (1, "1%")},
        "PSSR": {ties: pssr(ranks, ties=ties) for ties in TIES},
    }
