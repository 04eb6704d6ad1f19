"""Exact lower tails of sums of independent whole numbers: ranks of best placed positives, or queries that miss.

The generating function of the sum, a polynomial, is inverted by a Fourier sum on the circle through its saddle point, where
little cancels: small probabilities keep a relative precision of about 1e-10. The sum stops when a bound on all further
terms is below 1e-16 of it. Its period is as short as lets what is wrapped around be below e^-50 by Chernoff's bound.
What that bound puts below the smallest float64 is 0.
"""

import math
from abc import ABC, abstractmethod

import numpy as np

CHUNK = 32, 2048  # terms of a Fourier sum at a time: at first, and at most
SMALLEST = math.log(5e-324)
WRAPPED = -50.0  # logarithm of what may be wrapped around
FEW = 64  # other rows up to which a generating function is summed term by term
SIZES = 256  # different gallery sizes beyond which their logarithms are interpolated


def smallest(reaches, low: int, high: int) -> int:
    """The smallest whole number from `low` to `high` for which `reaches` holds; it holds at `high` and never ceases."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle + 1, high)
    return low


class WholeNumbers(ABC):
    """Independent whole numbers from 0 on, of a few kinds.

    Attributes
    ----------
    counts : int array [G]
        How many there are of each kind.
    support : int
        The greatest sum.
    """

    counts: np.ndarray
    support: int

    @abstractmethod
    def generating(self, log_z: np.ndarray) -> np.ndarray:
        """E z^X of each kind at z = exp(log_z), [J] to [G, J]."""

    @abstractmethod
    def means(self, theta: float) -> np.ndarray:
        """Means under weights e^(θx): float64 [G]."""

    @abstractmethod
    def bounds(self, theta: float, norm: np.ndarray, log_z: complex, ratio: np.ndarray) -> np.ndarray:
        """What |E z^X| / E |z|^X, `ratio` at `log_z`, stays below from there on along the circle: float64 [G]."""

    @property
    def room(self) -> float:
        """How far beyond 0 the logarithm of z may lie."""
        return 0.0

    def log_mean(self, theta: float) -> float:
        """Logarithm of E e^(θS) of the sum S."""
        return float(self.counts @ np.log(self.generating(np.array([theta + 0j]))[:, 0].real))

    def lower_tail(self, below: int) -> float:
        """Probability that the sum is at most `below`."""
        if below < 0 or below >= self.support:
            return float(below >= 0)
        theta = self._saddle_point(below)
        scale = self.log_mean(theta) - theta * below
        if scale < SMALLEST:
            return 0.0
        period = self._period(below, theta)
        total = float(np.expm1(theta * (below + 1)) / np.expm1(theta)) if theta else below + 1.0
        for j, characteristic, bound in self._circle(theta, period):
            step = np.expm1(theta + 2j * np.pi * j / period)
            angle = 2j * np.pi / period
            back = np.exp(-angle * ((j * below) % period))
            terms = (np.exp(theta * (below + 1) + angle * ((j * (below + 1)) % period)) - 1) / step * back * characteristic
            total += float(np.where(2 * j == period, 1, 2) @ terms.real)
            if bound + math.log(2 / abs(step[-1]) * period) < math.log(1e-16 * abs(total)):
                break
        return float(math.exp(scale) * total / period)

    def quantile(self, share: float) -> int:
        """The smallest sum that the share is reached at."""
        if self.support == 0:
            return 0
        period = self._period(int(self.counts @ self.means(0.0)), 0.0)
        steps, parts = [], []
        for j, characteristic, bound in self._circle(0.0, period):
            steps.append(j)
            parts.append(np.where(2 * j == period, 1, 2) * characteristic / np.expm1(2j * np.pi * j / period))
            if bound + math.log(period) < math.log(1e-16):
                break
        j, part = np.concatenate(steps), np.concatenate(parts)

        def reaches(total: int) -> bool:
            forth = np.exp(2j * np.pi / period * (j % period)) - np.exp(-2j * np.pi / period * ((j * total) % period))
            return (total + 1 + float((forth * part).real.sum())) / period >= share

        return smallest(reaches, 0, period - 1)

    def _saddle_point(self, below: int) -> float:
        """About the θ <= 0 at which the sum is `below` on average under weights e^(θx)."""
        if self.counts @ self.means(0.0) <= below:
            return 0.0
        low, high = math.log(1e-12 / self.support), math.log(math.log(self.counts.sum() + 1) + 50)
        for _ in range(25):
            middle = (low + high) / 2
            low, high = (middle, high) if self.counts @ self.means(-math.exp(middle)) > below else (low, middle)
        return -math.exp(high)

    def _period(self, below: int, theta: float) -> int:
        here, beyond = self.log_mean(theta), self.support - below
        for halving in range(8):
            delta = (self.room - theta) / 2**halving
            if delta > 0:
                # P(S >= b) <= exp(log_mean(θ + δ) - log_mean(θ) - δ b) under the weights
                beyond = min(beyond, math.ceil((self.log_mean(theta + delta) - here - WRAPPED) / delta) - below)
        return below + max(beyond, 0) + 1

    def _circle(self, theta: float, period: int):
        """Chunks of j = 1 … period // 2: E z^S / E |z|^S on the circle, and the logarithm of a bound on all that follow."""
        norm = self.generating(np.array([theta + 0j]))[:, 0].real
        first, chunk = 1, CHUNK[0]
        while first <= period // 2:
            j = np.arange(first, min(first + chunk, period // 2 + 1))
            first, chunk = first + chunk, min(2 * chunk, CHUNK[1])
            log_z = theta + 2j * np.pi * j / period
            ratio = self.generating(log_z) / norm[:, None]
            with np.errstate(divide="ignore"):
                bound = float(self.counts @ np.log(self.bounds(theta, norm, log_z[-1], ratio[:, -1])))
                yield j, np.exp(self.counts @ np.log(ratio)), bound


class Misses(WholeNumbers):
    """One for each query that misses, with probabilities `missed` [G] for the queries of each kind."""

    def __init__(self, missed: np.ndarray, counts: np.ndarray):
        self.missed, self.counts, self.support = missed, counts, int(counts.sum())

    @property
    def room(self) -> float:
        """How far beyond 0 the logarithm of z may lie."""
        return 4.0

    def generating(self, log_z: np.ndarray) -> np.ndarray:
        """E z^X of each kind, [G, J]."""
        return 1 + self.missed[:, None] * np.expm1(log_z)

    def means(self, theta: float) -> np.ndarray:
        """Means under weights e^(θx): float64 [G]."""
        return self.missed * math.exp(theta) / (1 + self.missed * math.expm1(theta))

    def bounds(self, theta: float, norm: np.ndarray, log_z: complex, ratio: np.ndarray) -> np.ndarray:
        """A bound on the ratio from `log_z` on: float64 [G]."""
        return np.abs(ratio)  # it falls until z is negative


class OthersBefore(WholeNumbers):
    """How many of `others` [G] rows a random order puts before the first of `marked` [G] rows: negative hypergeometric.

    The generating function is 2F1(-others, 1; marked + 1; 1 - z), which one marked row more turns into

        g(m + 1) = (m + 1) (1 - z g(m)) / ((N + m + 1) (1 - z)),    g(0) = z^N,

    a recurrence that damps its errors upwards where (N + m) |1 - z| >= m |z|, and downwards from a large m where not.
    The logarithms of many sizes are those of a few, interpolated by cubics: with 256 nodes the sum's logarithm errs by less
    than 1e-6 for 100,000 queries.
    """

    def __init__(self, others: np.ndarray, marked: np.ndarray, counts: np.ndarray):
        kept = others > 0
        others, marked, counts = others[kept], marked[kept], counts[kept]
        self.support = int(counts @ others)
        parts = [(*_fewer_sizes(others[marked == m], counts[marked == m]), m) for m in np.unique(marked).tolist()]
        self.others = np.concatenate([np.empty(0, np.int64), *(part[0] for part in parts)])
        self.counts = np.concatenate([np.empty(0), *(part[1] for part in parts)])
        self.marked = np.concatenate([np.empty(0, np.int64), *(np.full(len(part[0]), part[2]) for part in parts)])
        self.steps, damped = 0, np.zeros(len(self.others))
        while len(damped) and damped.max() > -41:
            # of the recurrence downwards, each of which leaves at most this share of an error
            self.steps += 1
            damped += np.log1p(-self.others * self.steps / ((self.others + self.marked) * (self.marked + self.steps)))

    @property
    def room(self) -> float:
        """How far beyond 0 the logarithm of z may lie."""
        return float((self.marked / (self.others + self.marked)).min() / 4)

    def generating(self, log_z: np.ndarray) -> np.ndarray:
        """E z^X of each kind, [G, J]."""
        n, m, log_z = np.broadcast_arrays(self.others[:, None], self.marked[:, None], log_z)
        w = -np.expm1(log_z)
        few, up = n <= FEW, (n + m) * np.abs(w) >= m * np.abs(np.exp(log_z))
        result = np.empty(n.shape, complex)
        for case, sum_up in (
            (few, _term_by_term),
            (~few & (m == 1), _geometric),
            (~few & (m > 1) & up, _upwards),
            (~few & (m > 1) & ~up, _downwards),
        ):
            if case.any():
                result[case] = sum_up(n[case], m[case], log_z[case], w[case], self.steps)
        return result

    def means(self, theta: float) -> np.ndarray:
        """Means under weights e^(θx): float64 [G]."""
        w = -math.expm1(theta)
        flat = self.others / (self.marked + 1)
        if w == 0:
            return flat
        g = self.generating(np.array([theta + 0j]))[:, 0].real
        exact = self.others - self.marked * (1 - g) / (w * g)
        return np.where((self.others + self.marked) * w < 1e-6, flat, exact)

    def bounds(self, theta: float, norm: np.ndarray, log_z: complex, ratio: np.ndarray) -> np.ndarray:
        """A bound on the ratio from `log_z` on: float64 [G]."""
        # probabilities fall with x, so that summing by parts gives |1 - z| |g(z)| <= 2 g(0) - (1 - |z|) g(|z|)
        first = self.marked / (self.others + self.marked) / norm
        return np.minimum(1, (2 * first + math.expm1(theta)) / abs(np.expm1(log_z)))


def _term_by_term(n: np.ndarray, m: np.ndarray, log_z: np.ndarray, *_) -> np.ndarray:
    z, share = np.exp(log_z), m / (n + m)
    power, total = np.ones_like(z), share + 0j
    for x in range(int(n.max())):
        share = share * np.maximum(n - x, 0) / np.maximum(n + m - 1 - x, 1)
        power = power * z
        total = total + share * power
    return total


def _geometric(n: np.ndarray, m: np.ndarray, log_z: np.ndarray, w: np.ndarray, *_) -> np.ndarray:
    one = w == 0
    return np.where(one, 1, -np.expm1(log_z * (n + 1)) / np.where(one, 1, w) / (n + 1))


def _upwards(n: np.ndarray, m: np.ndarray, log_z: np.ndarray, w: np.ndarray, *_) -> np.ndarray:
    order = np.argsort(-m, kind="stable")
    n, m, log_z = n[order], m[order], log_z[order]
    z, over, g = np.exp(log_z), 1 / w[order], np.exp(n * log_z)
    for i in range(1, int(m[0]) + 1):
        left = slice(int(np.searchsorted(-m, -i, side="right")))
        g[left] = (i / (n[left] + i)) * over[left] * (1 - z[left] * g[left])
    result = np.empty_like(g)
    result[order] = g
    return result


def _downwards(n: np.ndarray, m: np.ndarray, log_z: np.ndarray, w: np.ndarray, steps: int) -> np.ndarray:
    over, g = np.exp(-log_z), np.ones(len(n), complex)
    w = w * over
    for i in range(steps, 0, -1):
        g = over - g * (((n + m + i) / (m + i)) * w)
    return g


def _fewer_sizes(sizes: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most about `SIZES` sizes, and counts by which to sum their logarithms in place of those of all."""
    if len(sizes) <= SIZES:
        return sizes, counts.astype(float)
    nodes = np.unique(np.geomspace(sizes.min(), sizes.max(), SIZES).round().astype(np.int64))
    start = np.clip(np.searchsorted(nodes, sizes) - 2, 0, len(nodes) - 4)
    around = nodes[start[:, None] + np.arange(4)]
    spread = np.zeros(len(nodes))
    for own in range(4):
        weight = counts.astype(float)
        for other in range(4):
            if other != own:
                weight *= (sizes - around[:, other]) / (around[:, own] - around[:, other])
        np.add.at(spread, start + own, weight)
    used = spread != 0
    return nodes[used], spread[used]
