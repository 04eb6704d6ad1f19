"""Specimens: small sets of embeddings, each sick in one known way, with the scores that theory expects of them.

Every specimen has n queries and n gallery rows, row i answering query i, in float32, and is the same for the same seed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import pdist

from cvig.expectation import (
    TIE_RULES,
    Expected,
    Scores,
    code_scores,
    fixed_scores,
    gaussian_scores,
    independent_scores,
    one_percent,
    random_scores,
)
from cvig.metrics import pssr, recall_at_k
from cvig.ranking import exact_ranks

DIMENSIONS = 32
COPIES = 4  # the paper's code saves an aerial image once for each of a panorama's four crops
STRADDLING = 6  # dimensions of the far specimen that bfloat16 can still tell in two
Made = tuple[np.ndarray, np.ndarray, Scores | None]  # query, gallery, expected


@dataclass(frozen=True)
class Specimen:
    """Embeddings of both towers, and what to expect of them.

    Attributes
    ----------
    name, story : str
        What it is called, and what is wrong with it.
    query, gallery : float32 arrays [n, D]
    expected : Scores or None
        Of exact ranks: R@1, R@1% and PSSR under each tie rule. None where a score has no meaning.
    """

    name: str
    story: str
    query: np.ndarray
    gallery: np.ndarray
    expected: Scores | None


def _near(points: np.ndarray, rng: np.random.Generator, gap: float) -> np.ndarray:
    """Each point moved in a random direction, by less than half of `gap`: its nearest point stays itself."""
    step = rng.normal(size=points.shape)
    return points + 0.4 * gap * step / np.linalg.norm(step, axis=1, keepdims=True)


def _healthy(n: int, rng: np.random.Generator) -> Made:
    noise = 1.2
    gallery = rng.normal(size=(n, DIMENSIONS))
    query = gallery + noise * rng.normal(size=gallery.shape)
    return query, gallery, gaussian_scores(n, DIMENSIONS, noise)


def _random(n: int, rng: np.random.Generator) -> Made:
    query, gallery = rng.normal(size=(2, n, DIMENSIONS))
    return query, gallery, random_scores(n)


def _one_query(n: int, rng: np.random.Generator) -> Made:
    query = np.tile(rng.normal(size=(1, DIMENSIONS)), (n, 1))
    expected = fixed_scores(n, lambda k: (k / n,) * 3, ((n - 1) / (2 * n),) * 3)
    return query, rng.normal(size=(n, DIMENSIONS)), expected


def _one_point(n: int, rng: np.random.Generator) -> Made:
    gallery = np.tile(rng.normal(size=(1, DIMENSIONS)), (n, 1))
    expected = fixed_scores(n, lambda k: (0, k / n, 1), (0, (n - 1) / (2 * n), (n - 1) / n))
    return rng.normal(size=(n, DIMENSIONS)), gallery, expected


def _one_line(n: int, rng: np.random.Generator) -> Made:
    query, gallery = np.zeros((2, n, DIMENSIONS))
    gallery[:, 0] = rng.permutation(n) / n
    query[:, 0] = 30 + rng.random(n)
    expected = fixed_scores(n, lambda k: (k / n,) * 3, ((n - 1) / (2 * n),) * 3)
    return query, gallery, expected


def _dead_relu(n: int, rng: np.random.Generator) -> Made:
    nearer, beyond = max(1, n // 200), n // 80
    dead = n - nearer - beyond
    query, gallery = np.zeros((2, n, DIMENSIONS))
    query[:, 0] = 1 + 0.1 * rng.random(n)
    gallery[:nearer, 0] = 0.2 + 0.6 * (np.arange(nearer) + 1) / nearer
    gallery[nearer : nearer + beyond, 0] = 3 + np.arange(beyond) / beyond
    order = rng.permutation(n)

    def recall(k: int) -> tuple[float, float, float]:
        inside = nearer < k < nearer + dead
        return (nearer / n if inside else k / n, k / n, (nearer + dead) / n if inside else k / n)

    middle, gap = (n - 1) / (2 * n), dead * (dead - 1) / (2 * n**2)
    expected = fixed_scores(n, recall, (middle - gap, middle, middle + gap))
    return query[order], gallery[order], expected


def _duplicates(n: int, rng: np.random.Generator) -> Made:
    distinct = rng.normal(size=(n // COPIES, DIMENSIONS))
    gallery = np.repeat(distinct, COPIES, axis=0)
    expected = fixed_scores(
        n,
        lambda k: (float(k >= COPIES), min(k / COPIES, 1), 1),
        ((n - COPIES) / n, (n - (COPIES + 1) / 2) / n, (n - 1) / n),
    )
    return _near(gallery, rng, pdist(distinct).min()), gallery, expected


def _hubs(n: int, rng: np.random.Generator) -> Made:
    hubs = n // 50
    query = rng.normal(size=(n, DIMENSIONS))
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    gallery = 2.2 * query
    gallery[:hubs] = 0.01 * rng.normal(size=(hubs, DIMENSIONS))  # nearer than 1.2, where the positives are
    order = rng.permutation(n)

    def recall(k: int) -> Expected:
        return Expected(k / n, float(np.sqrt(k * (1 - k / hubs)) / n))  # only queries whose positive is a hub

    pssr = Expected(
        ((n - hubs) * (n - 1 - hubs) + hubs * (n - 1 - (hubs - 1) / 2)) / n**2,
        float(np.sqrt(hubs * (hubs**2 - 1) / 12) / n**2),
    )
    rows = {"R@1": recall(1), "R@1%": recall(one_percent(n)), "PSSR": pssr}
    return query[order], gallery[order], {name: dict.fromkeys(TIE_RULES, value) for name, value in rows.items()}


def _quantized(n: int, rng: np.random.Generator) -> Made:
    flipped = 0.15
    gallery = rng.integers(0, 2, (n, DIMENSIONS))
    query = gallery ^ (rng.random(gallery.shape) < flipped)
    return query, gallery, code_scores(n, DIMENSIONS, flipped)


def _far(n: int, rng: np.random.Generator) -> Made:
    offset = rng.uniform(1e-4, 1e-3, (n, DIMENSIONS)) * rng.choice([-1, 1], (n, DIMENSIONS))
    gallery = 1 + offset
    gallery[:, :STRADDLING] += 2**-8  # halfway between two numbers of bfloat16, 1 and 1 + 2**-7
    return _near(gallery, rng, 1e-4), gallery, fixed_scores(n, lambda k: (1, 1, 1), ((n - 1) / n,) * 3)


def _bfloat16(n: int, rng: np.random.Generator) -> Made:
    rounded = [torch.from_numpy(rows).bfloat16().float().numpy() for rows in _far(n, rng)[:2]]
    codes = 2**STRADDLING  # queries of one code share their fate
    return *rounded, independent_scores(n, np.zeros(1), np.array([1 / codes]), np.ones(1), queries=codes)


def _nan(n: int, rng: np.random.Generator) -> Made:
    query, gallery = np.full((2, n, DIMENSIONS), np.nan)
    return query, gallery, None


def _some_nan(n: int, rng: np.random.Generator) -> Made:
    query, gallery = rng.normal(size=(2, n, DIMENSIONS))
    query[::10] = np.nan
    return query, gallery, None


RECIPES: dict[str, tuple[Callable[[int, np.random.Generator], Made], str]] = {
    "healthy": (_healthy, "each query is its positive plus noise"),
    "random": (_random, "queries know nothing of the gallery"),
    "one query": (_one_query, "all queries are one point"),
    "one point": (_one_point, "the whole gallery is one point"),
    "one line": (_one_line, "both towers on one line, the queries beyond its end"),
    "dead ReLU": (_dead_relu, "nearly all of the gallery is the zero vector"),
    "duplicates": (_duplicates, "every aerial image is in the gallery four times"),
    "hubs": (_hubs, "a few gallery rows are nearer to every query than its positive"),
    "quantized": (_quantized, "a healthy pair stored as one bit a dimension"),
    "far": (_far, "a perfect pair far from the origin"),
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
        **{f"R@{k}": {ties: recall_at_k(ranks, k, ties=ties) for ties in TIE_RULES} for k in (1, "1%")},
        "PSSR": {ties: pssr(ranks, ties=ties) for ties in TIE_RULES},
    }
