"""What random ranks give: exact distributions under chance.

Chance means that the gallery's order is a random one for each query, independently of the others: with m positives among n
rows the rank of the best placed one exceeds k with probability C(n - k, m) / C(n, m), and is uniform on 1 … n where m is 1.
It has no ties. All distributions here are exact up to floating-point rounding, except where a docstring names a bound or a
simulation.

One matrix of distances with no ties, its positives dealt out by a random permutation, is chance too, but not quite
independent: the variance of its mean rank is ((n² - 1)/12 - v)/(n - 1), with v the variance of the columns' mean ranks. That
is at most n/(n - 1) times the independent value, and less where hubs make v large, so tests made for independent ranks
are then conservative.
"""

import math

import numpy as np
from scipy import special

from cvig.metrics.lattice import Misses, OthersBefore, smallest
from cvig.metrics.orders import none_among_first

FINE = 2**20  # steps of the grid that stands for a continuous uniform variable


def found_within(top: np.ndarray, sizes: np.ndarray, positives: np.ndarray | int = 1) -> np.ndarray:
    """Probability that the best of `positives` is among the `top` of `sizes` rows: float64, of the shape they broadcast to.

    Examples
    --------
    >>> found_within(np.array([1, 10]), 1000, 20).round(4).tolist()
    [0.02, 0.1837]
    """
    top, sizes, positives = np.broadcast_arrays(top, sizes, positives)
    found = np.asarray(top / sizes)
    several = positives > 1
    found[several] = 1 - none_among_first(top[several], sizes[several], positives[several])
    return found


def recall_tail(hits: int, found: np.ndarray) -> float:
    """Probability that at least `hits` of independent queries succeed, which do with probabilities `found` [Q]."""
    if hits <= 0 or hits > len(found):
        return float(hits <= 0)
    kinds, counts = np.unique(found, return_counts=True)
    if len(kinds) == 1:
        return float(special.bdtrc(hits - 1, len(found), kinds[0]))
    return Misses(1 - kinds, counts).lower_tail(len(found) - hits)


def recall_quantile(share: float, found: np.ndarray) -> int:
    """The smallest number of successes that the share is reached at."""
    kinds, counts = np.unique(found, return_counts=True)
    if len(kinds) == 1:
        return smallest(lambda hits: special.bdtr(hits, len(found), kinds[0]) >= share, 0, len(found))
    return Misses(kinds, counts).quantile(share)  # here a miss is a success


def _ranks_from_0(sizes: np.ndarray, positives: np.ndarray | int) -> OthersBefore:
    pairs = np.stack(np.broadcast_arrays(sizes, positives))
    (sizes, positives), counts = np.unique(pairs, axis=1, return_counts=True)
    return OthersBefore(sizes - positives, positives, counts)


def rank_sum_cdf(total: int, sizes: np.ndarray, positives: np.ndarray | int = 1) -> float:
    """Probability that independent ranks sum to at most `total`, in galleries of `sizes` [Q] with so many positives."""
    if len(sizes) == 1:
        sizes, m = int(sizes[0]), int(np.max(positives))
        return float(found_within(np.clip(int(total), 0, sizes), sizes, m))
    below = int(total) - len(sizes)  # what the ranks exceed their least sum by
    return _ranks_from_0(sizes, positives).lower_tail(below)


def rank_sum_quantile(share: float, sizes: np.ndarray, positives: np.ndarray | int = 1) -> int:
    """The smallest sum of ranks whose `rank_sum_cdf` reaches `share`."""
    return len(sizes) + _ranks_from_0(sizes, positives).quantile(share)


def pssr_tail(value: float, sizes: np.ndarray, positives: np.ndarray | int = 1) -> float:
    """Probability that PSSR is at least `value`.

    Exact with one gallery size, for PSSR is then an affine map of the sum of ranks. With several it is an upper bound for
    one positive a query: the share (n - rank) / n is at most a variable uniform on [0, 1], and less than 1 / n below it. For
    several positives in galleries of several sizes see `simulated_means`.
    """
    count, n = len(sizes), int(np.max(sizes))
    if np.min(sizes) == n:
        return rank_sum_cdf(math.floor(count * n * (1 - value) + 1e-6), sizes, positives)
    total = count * (FINE + 1) - math.ceil(count * value * FINE - 1e-6)
    return rank_sum_cdf(total, np.full(count, FINE))


def pssr_interval(tail: float, sizes: np.ndarray, positives: np.ndarray | int = 1) -> tuple[float, float]:
    """Where PSSR lies but for `tail` on each side; with several gallery sizes from the bounds of `pssr_tail`."""
    several = np.min(sizes) < np.max(sizes)
    grid = np.full(len(sizes), FINE) if several else sizes
    # ranks of the grid from 1 are uniform variables rounded up
    high, low = (1 - rank_sum_quantile(share, grid, positives) / int(np.sum(grid)) for share in (tail, 1 - tail))
    return (low - float(np.mean(1 / sizes)), high + 1 / FINE) if several else (low, high)


def median_cdf(rank: float, sizes: np.ndarray, positives: np.ndarray | int = 1) -> float:
    """Probability that the lower median of the ranks is at most `rank`: at least half of them are.

    With an even number of queries the median lies between two ranks and is never below the lower one.
    """
    within = np.minimum(np.floor(rank), sizes).astype(np.int64)
    return recall_tail((len(sizes) + 1) // 2, found_within(within, sizes, positives))


def median_interval(tail: float, sizes: np.ndarray, positives: np.ndarray | int = 1) -> tuple[int, int]:
    """Where the lower median of the ranks lies but for `tail` on each side."""

    def least(share: float) -> int:
        return smallest(lambda rank: median_cdf(rank, sizes, positives) >= share, 1, int(np.max(sizes)))

    return least(tail), least(1 - tail)


def middle_rank(sizes: np.ndarray, positives: np.ndarray | int = 1) -> float:
    """The median of the ranks of all queries by chance, taken together."""
    kinds, counts = np.unique(np.stack(np.broadcast_arrays(sizes, positives)), axis=1, return_counts=True)

    def share(rank: int) -> float:
        return float(counts @ found_within(np.minimum(rank, kinds[0]), *kinds)) / len(sizes)

    last = int(np.max(sizes))
    low = smallest(lambda rank: share(rank) >= 0.5 - 1e-12, 1, last)
    return (low + smallest(lambda rank: share(rank) > 0.5 + 1e-12, low, last)) / 2


def random_ranks(sizes: np.ndarray, positives: np.ndarray | int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Ranks of the best placed of so many positives in random orders: int64 [draws, Q]."""
    sizes, positives = np.broadcast_arrays(sizes, positives)
    if (positives == 1).all():
        return rng.integers(1, sizes + 1, (draws, len(sizes)))
    # the best of m of uniform places, and how many of the others are before it
    return 1 + rng.binomial(sizes - positives, rng.beta(1, positives, (draws, len(sizes))))


def simulated_means(of_ranks, sizes: np.ndarray, positives: np.ndarray | int, draws: int, seed: int) -> np.ndarray:
    """Means over queries of a function of their ranks [·, Q], in `draws` random orders, sorted: float64 [draws]."""
    rng = np.random.default_rng(seed)
    at_once = max(1, 2**20 // len(sizes))
    means = [
        of_ranks(random_ranks(sizes, positives, min(at_once, draws - done), rng)).mean(axis=1)
        for done in range(0, draws, at_once)
    ]
    return np.sort(np.concatenate(means))


def simulated_reciprocal_ranks(sizes: np.ndarray, draws: int, seed: int, positives: np.ndarray | int = 1) -> np.ndarray:
    """Mean reciprocal ranks of `draws` random rankings, sorted: float64 [draws]."""
    return simulated_means(lambda ranks: 1 / ranks, sizes, positives, draws, seed)
