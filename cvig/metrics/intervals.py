"""Intervals of shares, means and medians of queries, some of which are views of one place."""

import numpy as np
from scipy import special

from cvig.metrics.lattice import smallest

LEAST_SPREAD = 1 / 3  # of a resample, in standard errors of the whole


def number_places(places: np.ndarray | None, queries: int) -> np.ndarray:
    """Number the places of the queries 0 … m - 1: int64 [Q]; None: each query is a place of its own.

    Raises
    ------
    ValueError
        Not one place for each query, or NaN among them.
    """
    if places is None:
        return np.arange(queries)
    places = np.asarray(places)
    if places.shape != (queries,):
        raise ValueError(f"places of shape {places.shape}: expected one for each of {queries} queries")
    if places.dtype.kind == "f" and np.isnan(places).any():
        missing = np.flatnonzero(np.isnan(places))
        raise ValueError(f"places: {len(missing)} of {queries} are NaN, the first of query {missing[0]}")
    return np.unique(places, return_inverse=True)[1]


def check_confidence(confidence: float) -> float:
    """What `confidence` leaves on each side; ValueError unless it lies in (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}: expected between 0 and 1, such as 0.95")
    return (1 - confidence) / 2


def effective_queries(values: np.ndarray, places: np.ndarray) -> float:
    """How many independent queries would leave their share as uncertain as these do: from 1 to Q.

    The share's variance p (1 - p) over the variance estimated from whole places, corrected for few places as Korn and
    Graubard (1998) do, and at most Q. Where all values agree there is no variance to estimate, and places count as one each.
    """
    group = number_places(places, len(values))
    queries, count = len(values), int(group.max()) + 1
    share = float(np.mean(values))
    variance = np.square(np.bincount(group, values - share)).sum() / queries**2
    if count == queries:
        return float(queries)
    if variance == 0 or count == 1:
        return float(count)
    correction = (special.stdtrit(queries - 1, 0.975) / special.stdtrit(count - 1, 0.975)) ** 2
    return float(np.clip(share * (1 - share) / variance * correction, 1, queries))


def share_interval(values: np.ndarray, places: np.ndarray | None = None, *, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a share, such as recall: exact (Clopper and Pearson) where every query is a place of its own.

    Views of one place are not independent; with several a place the exact interval is that of `effective_queries` (Korn
    and Graubard 1998, Confidence intervals for proportions with small expected number of positive counts, Survey
    Methodology 24). It is never empty: 0 of 100 found has an upper limit of 0.036.

    Parameters
    ----------
    values : float array [Q], in [0, 1]
    places : array [Q], optional
    confidence : float
        In (0, 1).
    """
    tail = check_confidence(confidence)
    places = number_places(places, len(values))
    effective = effective_queries(values, places)
    found = float(np.mean(values)) * effective
    missed = effective - found
    low = special.betaincinv(found, missed + 1, tail) if found > 0 else 0.0
    high = special.betaincinv(found + 1, missed, 1 - tail) if missed > 0 else 1.0
    return float(low), float(high)


def cluster_interval(
    values: np.ndarray,
    places: np.ndarray | None = None,
    *,
    limits: tuple[float, float],
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Studentized bootstrap interval of a mean, resampling whole places: views of one place are not independent.

    Each resample's deviation is divided by its own standard error (Efron 1981; Hall 1988, Theoretical comparison of
    bootstrap confidence intervals), so that few places and lopsided values do not make it narrow. By simulation with 24
    views a place and values like PSSR's, intervals at 95% hold the truth in 95 to 96 of 100 draws of 15, 40 or 150 places;
    percentiles of resampled means do in 90, 93 and 95. A mean whose rare places matter most, such as the mean rank of few
    places, is held less often: in 71 to 93 (`benchmarks/few_places.py`).
    Where a resample holds none of the rare places, its standard error counts as a
    third of the whole's. Where all places agree no resampling can show a spread: then the interval allows for a share of
    places 1 - ((1 - confidence) / 2)^(1/m) unlike the m seen, anywhere within `limits`.

    Parameters
    ----------
    values : float array [Q]
    places : array [Q], optional
    limits : (float, float)
        The least and the greatest value that a mean can take; the interval keeps to them.
    """
    tail = check_confidence(confidence)
    if resamples < 1:
        raise ValueError(f"{resamples} resamples: expected at least one")
    group = number_places(places, len(values))
    total, count = np.bincount(group, values), np.bincount(group).astype(float)
    value, m = float(np.mean(values)), len(count)
    if np.ptp(total / count) <= 1e-12 * max(map(abs, limits)):
        unseen = 1 - tail ** (1 / m)
        return value - unseen * (value - limits[0]), value + unseen * (limits[1] - value)
    rest = total - value * count
    error = float(np.sqrt(rest @ rest) / len(values))
    squares = np.stack([rest * rest, rest * count, count * count])
    rng = np.random.default_rng(seed)
    deviation = np.empty(resamples)
    for i in range(resamples):
        draw = np.bincount(rng.integers(m, size=m), minlength=m)
        size = draw @ count
        shift = (draw @ rest) / size
        square, product, weight = squares @ draw
        spread = np.sqrt(max(square - 2 * shift * product + shift**2 * weight, 0.0)) / size
        deviation[i] = shift / max(spread, LEAST_SPREAD * error)
    low, high = np.quantile(deviation, [tail, 1 - tail])
    return max(limits[0], value - float(high) * error), min(limits[1], value - float(low) * error)


def median_interval(
    rank: np.ndarray, places: np.ndarray | None = None, *, last: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of a median rank from the order statistics that a binomial of one half puts beyond it.

    Distribution-free and conservative where every query is a place of its own; with several views a place the binomial has
    the `effective_queries` of the share at or below the median (Woodruff 1952). Too few queries give 1 and `last`.
    """
    tail = check_confidence(confidence)
    places = number_places(places, len(rank))
    ordered = np.sort(rank)
    effective = effective_queries((rank <= np.median(rank)).astype(float), places)
    # fewer than this many are below but for `tail`
    outside = smallest(lambda count: special.bdtr(count, int(effective), 0.5) >= tail, 0, int(effective))
    if outside == 0:
        return 1.0, float(last)
    skipped = int((outside - 1) / effective * len(rank))
    return float(ordered[skipped]), float(ordered[-1 - skipped])
