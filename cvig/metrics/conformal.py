"""Split conformal prediction: a bound that a new score keeps with a chosen probability, whatever the scores' distribution.

Of n exchangeable scores and a new one, each place of the new one among all n + 1 is equally likely, so it is at most the
k-th smallest of the n with probability k / (n + 1) or more: exactly that where no two are equal (Papadopoulos, Proedrou,
Vovk and Gammerman 2002, Inductive confidence machines for regression, ECML; Vovk, Gammerman and Shafer 2005, Algorithmic
learning in a random world; Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, Distribution-free predictive inference for
regression, JASA 113). Scores in groups, such as views of one place or photographs from one square of ground, are not
exchangeable one by one. Where the groups are, and scores within one, each of K groups counts for 1 / (K + 1), shared among
its scores, and a new score of a new group keeps the bound as often (Dunn, Wasserman and Ramdas 2023, Distribution-free
prediction sets for two-layer hierarchical models, JASA 118; Lee, Barber and Willett, arXiv 2306.06342, theorem 1).
"""

import math

import numpy as np
from scipy import special

from cvig.metrics.intervals import check_confidence, effective_queries, number_places
from cvig.metrics.lattice import smallest

SLACK = 1e-12  # of sums of weights


def check_coverage(coverage: float) -> float:
    """`coverage` as it is; ValueError unless it lies in (0, 1)."""
    if not 0 < coverage < 1:
        raise ValueError(f"coverage {coverage:g}: expected above 0 and below 1, such as 0.9")
    return float(coverage)


def conformal_bound(scores: np.ndarray, coverage: float, groups: np.ndarray | None = None) -> float:
    """The smallest score that bounds a new one with probability `coverage`; infinity where these scores are too few.

    Parameters
    ----------
    scores : float array [Q]
    coverage : float
        In (0, 1), over calibration scores and new scores together.
    groups : array [Q], optional
        What is exchangeable as a whole; None: each score is by itself.

    Examples
    --------
    >>> conformal_bound(np.arange(1, 10), 0.9), conformal_bound(np.arange(1, 9), 0.9)
    (9.0, inf)
    """
    check_coverage(coverage)
    scores = np.asarray(scores, np.float64)
    group = number_places(groups, len(scores))
    size = np.bincount(group)
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(1 / size[group[order]]) / (len(size) + 1)
    # the sum of the weights up to a score, those of its equals included, decides
    at = int(np.searchsorted(reached, coverage - SLACK))
    return float(scores[order[at]]) if at < len(scores) else math.inf


def quantile_interval(
    scores: np.ndarray,
    share: float,
    groups: np.ndarray | None = None,
    *,
    limits: tuple[float, float],
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Interval of the value that a share of all such scores is at most, from the order statistics of these.

    Distribution-free and conservative where every score is by itself; in groups the binomial has the `effective_queries` of
    the share at or below the quantile (Woodruff 1952). Too few scores give a limit.
    """
    tail = check_confidence(confidence)
    ordered = np.sort(scores)
    below = (scores <= ordered[min(int(share * len(ordered)), len(ordered) - 1)]).astype(float)
    count = int(effective_queries(below, number_places(groups, len(ordered))))
    # of `count` scores, so many or fewer are below the quantile but for `tail`; and so many or more
    fewest = smallest(lambda k: special.bdtr(k, count, share) > tail, 0, count)
    most = smallest(lambda k: special.bdtr(k, count, share) >= 1 - tail, 0, count)
    each = len(ordered) / count
    low = ordered[math.ceil(fewest * each) - 1] if fewest > 0 else limits[0]
    high = ordered[math.ceil((most + 1) * each) - 1] if most < count else limits[1]
    return float(low), float(high)


def coverage_interval(count: int, coverage: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """How often a bound made of `count` single scores will be kept, which differs between calibrations: an interval.

    Over all calibrations it is `coverage` or more; given one of scores that never tie, it has the beta distribution of k
    and count + 1 - k, for the bound is the k-th smallest (Vovk 2012, Conditional validity of inductive conformal
    predictors, ACML, proposition 2).

    Examples
    --------
    >>> [round(end, 3) for end in coverage_interval(50, 0.9)]
    [0.808, 0.967]
    """
    tail = check_confidence(confidence)
    k = math.ceil(check_coverage(coverage) * (count + 1) - SLACK)
    if k > count:
        return 1.0, 1.0  # nothing is ruled out, and the bound always kept
    return float(special.betaincinv(k, count + 1 - k, tail)), float(special.betaincinv(k, count + 1 - k, 1 - tail))
