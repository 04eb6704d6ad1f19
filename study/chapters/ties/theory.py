"""Scores in closed form, for models of embeddings that are simple enough to be solved.

They stand beside measured scores, and share no code with `cvig.metrics` but the names of the tie rules.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from cvig.metrics import TIES

SHARE_OF_TIES = dict(zip(TIES, (1.0, 0.0, 0.5), strict=True))


class Expected(NamedTuple):
    """Mean of a score over draws of a model, and its standard deviation; 0 where every draw gives the same."""

    value: float
    deviation: float


Scores = dict[str, dict[str, Expected]]  # metric, then tie rule


def one_percent(n: int) -> int:
    """Rows that the top 1% of n means: that share rounded down, at least one."""
    return max(1, n // 100)


def fixed_scores(n: int, recall: Callable[[int], tuple[float, float, float]], pssr: tuple[float, float, float]) -> Scores:
    """Scores that are the same in every draw: recall at k and PSSR under each of `TIES`."""
    rows = {"R@1": recall(1), "R@1%": recall(one_percent(n)), "PSSR": pssr}
    return {name: {rule: Expected(value, 0.0) for rule, value in zip(TIES, row, strict=True)} for name, row in rows.items()}


def independent_scores(
    n: int, closer: np.ndarray, tied: np.ndarray, weight: np.ndarray, *, queries: int | None = None
) -> Scores:
    """Scores where the other gallery rows are closer to, or as far from, a query independently of each other.

    Parameters
    ----------
    n : int
        Queries, and gallery rows.
    closer, tied : float arrays [S]
        Of a query of kind s: how probably another gallery row is closer than its positive, and exactly as far.
    weight : float array [S]
        How probably a query is of kind s; sums to 1.
    queries : int, optional
        Queries that vary independently, for the deviations; None: all n, though they share a gallery.

    Notes
    -----
    Given the kind, the number of closer rows is binomial. A random order of ties is a uniform draw u that makes a tied row
    count as closer with probability u, so that "expected" recall is an integral over u, taken by Gauss and Legendre's rule.
    """
    spread = {"pessimistic": ([1.0], [1.0]), "optimistic": ([0.0], [1.0]), "expected": _unit_interval(64)}
    queries = n if queries is None else queries
    scores: Scores = {"R@1": {}, "R@1%": {}, "PSSR": {}}
    for rule in TIES:
        for name, k in (("R@1", 1), ("R@1%", one_percent(n))):
            found = [stats.binom.cdf(k - 1, n - 1, closer + u * tied) for u in spread[rule][0]]
            value = float(np.dot(spread[rule][1], found) @ weight)
            scores[name][rule] = Expected(value, float(np.sqrt(max(value * (1 - value), 0) / queries)))
        before = closer + SHARE_OF_TIES[rule] * tied
        kept_out = (n - 1) / n * (1 - before)
        value = float(kept_out @ weight)
        variance = (kept_out - value) ** 2 + (n - 1) * before * (1 - before) / n**2
        scores["PSSR"][rule] = Expected(value, float(np.sqrt(variance @ weight / queries)))
    return scores


def _unit_interval(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss and Legendre's rule for the mean over [0, 1]."""
    node, weight = np.polynomial.legendre.leggauss(count)
    return (node + 1) / 2, weight / 2


def random_scores(n: int) -> Scores:
    """Scores of embeddings unrelated to the answers: every rank is equally probable."""
    closer, part = _unit_interval(n // 2 + 1)  # exact for polynomials of degree n
    return independent_scores(n, closer, np.zeros(len(part)), part)


def sphere_scores(n: int, dimensions: int, widest: float) -> Scores:
    """Scores of gallery rows uniform on a sphere, a query's angle to its positive being uniform in [0, widest] radians.

    Whatever the query, the cosine c of its angle to another row is such that (1 + c) / 2 has a beta distribution with both
    parameters (dimensions - 1) / 2.
    """
    angle, part = _unit_interval(200)
    half = (dimensions - 1) / 2
    closer = stats.beta.sf((1 + np.cos(widest * angle)) / 2, half, half)
    return independent_scores(n, closer, np.zeros(len(part)), part)


def code_scores(n: int, bits: int, flipped: float) -> Scores:
    """Scores of random binary codes, a query being its positive's code with each bit flipped with probability `flipped`.

    Whatever the query, its distance to another row is binomial(bits, 1/2), and to its positive binomial(bits, flipped).
    """
    distance = np.arange(bits + 1)
    other = stats.binom(bits, 0.5)
    return independent_scores(n, other.cdf(distance - 1), other.pmf(distance), stats.binom.pmf(distance, bits, flipped))
