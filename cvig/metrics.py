"""Recall, PSSR and their kin, from exact ranks alone.

No function chooses a tie rule silently. ``"pessimistic"`` counts a tie against the query: its rank is closer + tied + 1,
the k of the paper's equation 2. ``"optimistic"`` counts it for the query: closer + 1. ``"expected"`` is the mean over
all orders of the tied rows.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from cvig.ranking import Ranks

TIES = ("pessimistic", "optimistic", "expected")
RECALL_AT = (1, 5, 10, "1%", "5%", "10%")


def _check_ties(ties: str) -> None:
    if ties not in TIES:
        raise ValueError(f"unknown tie rule '{ties}': expected one of {', '.join(TIES)}")


def places(k: int | str, gallery_size: int) -> int:
    """How many places "top k" means in a gallery.

    A percentage means that share rounded down, as the published evaluators have it, but never less than one place: 1% is 1
    place of 1, 2, 99 and 100 rows, and 61 of 6194.

    Raises
    ------
    ValueError
        Not a count or a percentage, below one, or beyond the gallery.
    """
    if isinstance(k, str):
        try:
            share = float(k.removesuffix("%"))
        except ValueError:
            share = math.nan
        if not k.endswith("%") or not 0 < share <= 100:
            raise ValueError(f"k {k!r}: expected a count or a percentage above 0% and up to 100%, such as '1%'")
        # the product of a decimal percentage and a count may fall a rounding short of a whole number
        return max(1, math.floor(share * gallery_size / 100 + 1e-9))
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise ValueError(f"k {k!r}: expected a count or a percentage such as '1%'")
    if not 1 <= k <= gallery_size:
        raise ValueError(f"k {k}: expected between 1 and the {gallery_size} rows of the gallery")
    return int(k)


def _places_each(k: int | str, ranks: Ranks) -> np.ndarray:
    sizes, inverse = np.unique(np.broadcast_to(ranks.gallery_size, ranks.closer.shape), return_inverse=True)
    return np.array([places(k, int(size)) for size in sizes])[inverse]


def per_query_recall(ranks: Ranks, k: int | str, *, ties: str) -> np.ndarray:
    """Whether each query's positive is in the top k, or with what probability: float64 [Q] in [0, 1]."""
    _check_ties(ties)
    top = _places_each(k, ranks)
    if ties == "pessimistic":
        return (ranks.closer + ranks.tied < top).astype(float)
    if ties == "optimistic":
        return (ranks.closer < top).astype(float)
    return np.clip((top - ranks.closer) / (ranks.tied + 1), 0, 1)


def recall_at_k(ranks: Ranks, k: int | str, *, ties: str = "pessimistic") -> float:
    """Share of queries whose positive is in the top k, in [0, 1].

    Parameters
    ----------
    k : int or str
        A count, or a percentage of the gallery such as ``"1%"`` (see `places`).
    ties : {"pessimistic", "optimistic", "expected"}
        ``"expected"`` is the exact probability under a random order of the tied rows.

    Examples
    --------
    >>> recall_at_k(Ranks([0, 4], [1, 0], 10), 1, ties="expected")
    0.25
    """
    return float(per_query_recall(ranks, k, ties=ties).mean())


def per_query_rank(ranks: Ranks, *, ties: str) -> np.ndarray:
    """Rank of each query's positive, from 1; the mean over tied orders where `ties` is "expected": float64 [Q]."""
    _check_ties(ties)
    share = {"pessimistic": 1.0, "optimistic": 0.0, "expected": 0.5}[ties]
    return ranks.closer + 1 + share * ranks.tied


def per_query_pssr(ranks: Ranks, *, ties: str) -> np.ndarray:
    """Share of the gallery that each query rules out, (n - rank) / n: float64 [Q] in [0, (n - 1) / n]."""
    return (ranks.gallery_size - per_query_rank(ranks, ties=ties)) / ranks.gallery_size


def pssr(ranks: Ranks, *, ties: str = "pessimistic") -> float:
    """Proportional Search Space Reduction: the mean share of the gallery that a query rules out (paper, equation 2).

    Equation 2 counts images "closer to or equidistant": it is the pessimistic rule.

    Examples
    --------
    >>> pssr(Ranks([0, 4], [0, 0], 10))
    0.7
    """
    return float(per_query_pssr(ranks, ties=ties).mean())


def mean_rank(ranks: Ranks, *, ties: str = "pessimistic") -> float:
    """Mean rank of the positives, from 1."""
    return float(per_query_rank(ranks, ties=ties).mean())


def median_rank(ranks: Ranks, *, ties: str = "pessimistic") -> float:
    """Median rank of the positives, from 1."""
    return float(np.median(per_query_rank(ranks, ties=ties)))


def per_query_reciprocal_rank(ranks: Ranks, *, ties: str) -> np.ndarray:
    """One over the rank of each positive, or its exact mean over tied orders: float64 [Q] in (0, 1]."""
    _check_ties(ties)
    if ties != "expected":
        return 1 / per_query_rank(ranks, ties=ties)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, np.max(ranks.gallery_size) + 1))])
    return (harmonic[ranks.closer + ranks.tied + 1] - harmonic[ranks.closer]) / (ranks.tied + 1)


def mean_reciprocal_rank(ranks: Ranks, *, ties: str = "pessimistic") -> float:
    """Mean of one over the rank of the positives, in (0, 1]."""
    return float(per_query_reciprocal_rank(ranks, ties=ties).mean())


def recall_curve(ranks: Ranks, *, ties: str = "pessimistic") -> np.ndarray:
    """Recall at every k from 0 to n: float64 [n + 1], non-decreasing from 0 to 1; one gallery size for all queries.

    Its mean over k = 0 … n - 1 is PSSR under the same tie rule.
    """
    if np.ndim(ranks.gallery_size):
        raise ValueError("recall over all k needs one gallery size for all queries")
    _check_ties(ties)
    n = int(ranks.gallery_size)
    if ties != "expected":
        rank = per_query_rank(ranks, ties=ties).astype(int)
        return np.bincount(rank, minlength=n + 1).cumsum() / len(ranks)
    # each query adds 1 / (tied + 1) at each of the ranks its positive may have
    share = 1 / (ranks.tied + 1)
    step = np.bincount(ranks.closer + 1, share, n + 2) - np.bincount(ranks.closer + ranks.tied + 2, share, n + 2)
    return np.clip(step.cumsum()[: n + 1].cumsum() / len(ranks), 0, 1)


@dataclass(frozen=True)
class _Row:
    """One metric: its per-query values under a tie rule, and what random ranks give."""

    name: str
    values: dict[str, np.ndarray]
    chance: float
    deviation: float  # of one query's value at chance
    recall: bool


def _rows(ranks: Ranks) -> list[_Row]:
    sizes = np.broadcast_to(ranks.gallery_size, ranks.closer.shape).astype(float)
    rows = []
    for k in RECALL_AT:
        if isinstance(k, int) and k > sizes.min():
            continue
        share = float((_places_each(k, ranks) / sizes).mean())
        values = {ties: per_query_recall(ranks, k, ties=ties) for ties in TIES}
        rows.append(_Row(f"R@{k}", values, share, math.sqrt(share * (1 - share)), True))
    values = {ties: per_query_pssr(ranks, ties=ties) for ties in TIES}
    variance = float(((sizes**2 - 1) / (12 * sizes**2)).mean())
    rows.append(_Row("PSSR", values, float(((sizes - 1) / (2 * sizes)).mean()), math.sqrt(variance), False))
    n = int(sizes.max())
    reciprocal = 1 / np.arange(1, n + 1)
    values = {ties: per_query_reciprocal_rank(ranks, ties=ties) for ties in TIES}
    rows.append(_Row("MRR", values, float(reciprocal.mean()), float(reciprocal.std()), False))
    return rows


def cluster_interval(
    values: np.ndarray, cluster: np.ndarray, *, resamples: int, seed: int, confidence: float
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, resampling whole clusters: views of one place are not independent."""
    _, group = np.unique(cluster, return_inverse=True)
    total, count = np.bincount(group, values), np.bincount(group).astype(float)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for i in range(resamples):
        draw = np.bincount(rng.integers(len(count), size=len(count)), minlength=len(count))
        means[i] = (draw @ total) / (draw @ count)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def summary(
    ranks: Ranks,
    *,
    ties: str = "pessimistic",
    places: np.ndarray | None = None,
    resamples: int = 500,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Every metric with its interval, what ties could make of it, and what chance would.

    Parameters
    ----------
    ties : {"pessimistic", "optimistic", "expected"}
        The rule of the column ``value`` and of its interval.
    places : int array [Q], optional
        Views of one place share a number; the interval resamples places. None: every query is a place of its own.
    resamples, seed, confidence
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Rows R@1, R@5, R@10, R@1%, R@5%, R@10%, PSSR and MRR (counts beyond the gallery are left out). Columns ``value``,
        ``low``, ``high``, ``optimistic``, ``expected``, ``pessimistic``, ``chance`` (mean under independent uniform ranks),
        ``chance_low``, ``chance_high`` (where chance falls with the same confidence), and ``p_value`` of the hypothesis
        that the value is chance: exact binomial for recall, normal for the means PSSR and MRR; one-sided, better.
    """
    _check_ties(ties)
    cluster = np.arange(len(ranks)) if places is None else np.asarray(places)
    if cluster.shape != ranks.closer.shape:
        raise ValueError(f"places of shape {cluster.shape}: expected one of each of {len(ranks)} queries")
    effective = len(np.unique(cluster))
    tail = (1 - confidence) / 2
    table = {}
    for row in _rows(ranks):
        value = row.values[ties]
        low, high = cluster_interval(value, cluster, resamples=resamples, seed=seed, confidence=confidence)
        deviation = row.deviation / math.sqrt(effective)
        if row.recall:
            chance_low, chance_high = stats.binom.ppf([tail, 1 - tail], effective, row.chance) / effective
            hits = math.floor(value.mean() * effective + 1e-9)
            p_value = stats.binom.sf(hits - 1, effective, row.chance)
        else:
            chance_low, chance_high = row.chance + deviation * stats.norm.ppf([tail, 1 - tail])
            p_value = stats.norm.sf(value.mean(), row.chance, deviation) if deviation else 1.0
        table[row.name] = {
            "value": value.mean(),
            "low": low,
            "high": high,
            **{rule: row.values[rule].mean() for rule in ("optimistic", "expected", "pessimistic")},
            "chance": row.chance,
            "chance_low": chance_low,
            "chance_high": chance_high,
            "p_value": p_value,
        }
    return pd.DataFrame(table).T.astype(float)
