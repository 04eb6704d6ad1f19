"""What random ranks give: exact distributions under chance.

Chance means that the rank of each query is uniform on 1 … n, independently of the others. It has no ties. All distributions
here are exact up to floating-point rounding, except where a docstring names a bound or a simulation.

One matrix of distances with no ties, its positives dealt out by a random permutation, is chance too, but not quite
independent: the variance of its mean rank is ((n² - 1)/12 - v)/(n - 1), with v the variance of the columns' mean ranks. That
is at most n/(n - 1) times the independent value, and less where hubs make v large, so tests made for independent ranks
are then conservative.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

FINE = 2**20  # steps of the grid that stands for a continuous uniform variable
CHUNK = 1024  # terms of a Fourier sum at a time
SMALLEST = math.log(5e-324)


def recall_tail(hits: int, top: np.ndarray, sizes: np.ndarray) -> float:
    """Probability of at least `hits` positives within the first `top` [Q] rows of galleries of `sizes` [Q]: binomial.

    With several gallery sizes the binomial of the mean share is used, which is never too small above the mean (Hoeffding
    1956, On the distribution of the number of successes in independent trials).
    """
    return float(stats.binom.sf(hits - 1, len(sizes), np.mean(top / sizes)))


def _saddle_point(total: int, sizes: np.ndarray, counts: np.ndarray) -> float:
    """The θ <= 0 at which variables on 0 … n - 1 with weights e^(θx) sum to `total` on average."""

    def excess(theta: float) -> float:
        each = sizes * np.exp(theta * sizes) / np.expm1(theta * sizes) - np.exp(theta) / np.expm1(theta)
        return float(counts @ each) - total

    high = -1e-6 / sizes.max()
    if excess(high) <= 0:
        return 0.0
    return optimize.brentq(excess, -math.log(counts.sum()) - 2, high)


def rank_sum_cdf(total: int, sizes: np.ndarray) -> float:
    """Probability that independent ranks, uniform on 1 … n for each n of `sizes` [Q], sum to at most `total`.

    The generating function, a polynomial, is inverted by a Fourier sum on the circle through its saddle point, where little
    cancels: small probabilities keep a relative precision of about 1e-10. The sum stops when a bound on all further
    terms is below 1e-16 of it. What Chernoff's bound puts below the smallest float64 is 0: there the sum would be long.
    """
    sizes, counts = np.unique(sizes, return_counts=True)
    below = int(total) - int(counts.sum())  # what the ranks exceed their least sum by
    support = int(counts @ (sizes - 1))
    if below < 0 or below >= support:
        return float(below >= 0)
    if 2 * below >= support:  # by symmetry
        mirrored = support - below - 1 + int(counts.sum())
        return 1 - rank_sum_cdf(mirrored, np.repeat(sizes, counts))
    if below == 0:
        return math.exp(-float(counts @ np.log(sizes)))
    theta = _saddle_point(below, sizes, counts)

    def geometric(terms: np.ndarray) -> np.ndarray:
        """Sum of e^(θx) over x = 0 … terms - 1."""
        return np.expm1(theta * terms) / np.expm1(theta) if theta else np.asarray(terms, dtype=float)

    def power(j: np.ndarray, exponent: int) -> np.ndarray:
        """e^(exponent (θ + 2πij / period)); the angle is reduced as an integer, so that it is not rounded."""
        return np.exp(theta * exponent + 2j * np.pi * ((j * exponent) % period) / period)

    norm, period = geometric(sizes), support + 1
    scale_log = float(counts @ np.log(norm / sizes)) - theta * below  # Chernoff's bound of the probability
    if scale_log < SMALLEST:
        return 0.0
    result = float(geometric(below + 1))
    for first in range(1, period // 2 + 1, CHUNK):
        j = np.arange(first, min(first + CHUNK, period // 2 + 1))
        step = power(j, 1) - 1
        terms = (power(j, below + 1) - 1) / step * np.exp(-2j * np.pi * ((j * below) % period) / period)
        for n, count, scale in zip(sizes.tolist(), counts.tolist(), norm, strict=True):
            terms = terms * ((power(j, n) - 1) / step / scale) ** count
        result += float(np.where(2 * j == period, 1, 2) @ terms.real)
        size = abs(step[-1])  # no later step is smaller
        bound = counts @ np.log((1 + np.exp(theta * sizes)) / norm / size) + math.log(2 / size * period)
        if bound < math.log(1e-16 * abs(result)):
            break
    return float(math.exp(scale_log) * result / period)


def _smallest(reaches: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest whole number from `low` to `high` for which `reaches` holds; it holds at `high` and never ceases."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle + 1, high)
    return low


def rank_sum_quantile(share: float, sizes: np.ndarray) -> int:
    """The smallest sum of ranks whose `rank_sum_cdf` reaches `share`."""
    return _smallest(lambda total: rank_sum_cdf(total, sizes) >= share, len(sizes), int(np.sum(sizes)))


def pssr_tail(value: float, sizes: np.ndarray) -> float:
    """Probability that PSSR is at least `value`.

    Exact with one gallery size, for PSSR is then an affine map of the sum of ranks. With several it is an upper bound: the
    share (n - rank) / n is at most a variable uniform on [0, 1], and less than 1 / n below it.
    """
    count, n = len(sizes), int(np.max(sizes))
    if np.min(sizes) == n:
        return rank_sum_cdf(math.floor(count * n * (1 - value) + 1e-6), sizes)
    total = count * (FINE + 1) - math.ceil(count * value * FINE - 1e-6)
    return rank_sum_cdf(total, np.full(count, FINE))


def pssr_interval(tail: float, sizes: np.ndarray) -> tuple[float, float]:
    """Where PSSR lies but for `tail` on each side; with several gallery sizes from the bounds of `pssr_tail`."""
    several = np.min(sizes) < np.max(sizes)
    grid = np.full(len(sizes), FINE) if several else sizes
    # ranks of the grid from 1 are uniform variables rounded up
    high, low = (1 - rank_sum_quantile(share, grid) / int(np.sum(grid)) for share in (tail, 1 - tail))
    return (low - float(np.mean(1 / sizes)), high + 1 / FINE) if several else (low, high)


def median_cdf(rank: float, sizes: np.ndarray) -> float:
    """Probability that the lower median of the ranks is at most `rank`: at least half of them are.

    With an even number of queries the median lies between two ranks and is never below the lower one.
    """
    within = np.minimum(np.floor(rank), sizes)
    return recall_tail((len(sizes) + 1) // 2, within, sizes)


def median_interval(tail: float, sizes: np.ndarray) -> tuple[int, int]:
    """Where the lower median of the ranks lies but for `tail` on each side."""
    low, high = (
        _smallest(lambda rank, share=share: median_cdf(rank, sizes) >= share, 1, int(np.max(sizes)))
        for share in (tail, 1 - tail)
    )
    return low, high


def simulated_reciprocal_ranks(sizes: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Mean reciprocal ranks of `draws` random rankings, sorted: float64 [draws]."""
    rng = np.random.default_rng(seed)
    at_once = max(1, 2**20 // len(sizes))
    means = [
        (1 / rng.integers(1, sizes + 1, (min(at_once, draws - done), len(sizes)))).mean(axis=1)
        for done in range(0, draws, at_once)
    ]
    return np.sort(np.concatenate(means))
