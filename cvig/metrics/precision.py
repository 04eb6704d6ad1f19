"""Average precision of exact ranks, ties in expectation as exact as the rest."""

import numpy as np
from scipy import special

from cvig.metrics.values import check_ties
from cvig.ranking import Ranks

POOL = 4096  # random orders of each kind of query, that is, of so many positives in a gallery of one size


def _level(before: np.ndarray, others: np.ndarray, marked: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """Expected sum of precisions at `marked` positives among `tied` other rows in random order, after so many of both.

    Place j of T = marked + tied holds a positive with probability marked / T, and then (j - 1) (marked - 1) / (T - 1)
    positives are before it in the level on average (McSherry and Najork 2008, Computing information retrieval performance
    measures efficiently in the presence of tied scores). The sum over j is taken by harmonic numbers.
    """
    total, ahead = marked + tied, before + others
    slope = (marked - 1) / np.maximum(total - 1, 1)
    harmonic = special.digamma(ahead + total + 1.0) - special.digamma(ahead + 1.0)
    return marked / total * (slope * total + (before + 1 - slope * (ahead + 1)) * harmonic)


def per_query_average_precision(ranks: Ranks, *, ties: str) -> np.ndarray:
    """Mean over a query's positives of the precision at each: float64 [Q] in (0, 1].

    Raises
    ------
    ValueError
        Where a query has several positives and only the best was ranked.
    """
    check_ties(ties)
    if ranks.every is None:
        if np.max(ranks.positives) > 1:
            raise ValueError("average precision needs the ranks of all positives: exact_ranks(..., every=True)")
        query, closer, tied = np.arange(len(ranks)), ranks.closer, ranks.tied
    else:
        query, closer, tied = ranks.every.query, ranks.every.closer, ranks.every.tied
    order = np.lexsort([tied, closer, query])
    query, closer, tied = query[order], closer[order], tied[order]
    before = np.arange(len(query)) - np.searchsorted(query, query)
    if ties != "expected":
        found = before + 1
        precision = found / (found + closer + (tied if ties == "pessimistic" else 0))
        return np.bincount(query, precision) / np.bincount(query)
    # positives with no other row as far stand alone, whatever their order; the others share a level
    new = np.ones(len(query), bool)
    new[1:] = (tied[1:] == 0) | (np.diff(query) != 0) | (np.diff(closer) != 0) | (np.diff(tied) != 0)
    first = np.flatnonzero(new)
    marked = np.diff(first, append=len(query))
    lone = tied[first] == 0
    summed = _level(before[first], closer[first], marked, tied[first])
    summed[lone] = ((before + 1) / (before + 1 + closer))[first][lone]
    return np.bincount(query[first], summed) / np.bincount(query)


def mean_average_precision(ranks: Ranks, *, ties: str = "pessimistic") -> float:
    """Mean average precision, in (0, 1]; of ranks with ``every=True`` where queries have several positives.

    Examples
    --------
    >>> mean_average_precision(Ranks([0, 1], [0, 0], 4))
    0.75
    """
    return float(per_query_average_precision(ranks, ties=ties).mean())


def random_precisions(size: int, positives: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Average precisions of so many positives in random orders of `size` rows: float64 [draws]."""
    # how many others stand between one positive and the next: every way to part them is as likely
    others = rng.multinomial(size - positives, rng.dirichlet(np.ones(positives + 1), draws))[:, :-1].cumsum(axis=1)
    found = np.arange(1, positives + 1)
    return (found / (found + others)).mean(axis=1)


def simulated_means(sizes: np.ndarray, positives: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Mean average precisions of independent queries in random orders of their galleries, sorted: float64 [draws].

    Each query takes one of `POOL` random orders of its kind, whose precisions are moved to have the exact mean.
    """
    rng = np.random.default_rng(seed)
    total = np.zeros(draws)
    kinds, counts = np.unique(np.stack([sizes, positives]), axis=1, return_counts=True)
    for size, m, count, mean in zip(*kinds.tolist(), counts.tolist(), by_chance(*kinds), strict=True):
        pool = random_precisions(size, m, POOL, rng)
        pool += mean - pool.mean()
        step = max(1, 2**22 // draws)
        for at in range(0, count, step):
            total += pool[rng.integers(POOL, size=(draws, min(step, count - at)))].sum(axis=1)
    return np.sort(total / len(sizes))


def by_chance(sizes: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Expected average precision in a random order of the gallery: float64 [Q]."""
    none = np.zeros(len(sizes), np.int64)
    return _level(none, none, positives, sizes - positives) / positives
