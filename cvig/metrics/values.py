"""Point values of recall, PSSR and their kin.

No function chooses a tie rule silently. ``"pessimistic"`` counts a tie against the query: its rank is closer + tied + 1,
the k of the paper's equation 2. ``"optimistic"`` counts it for the query: closer + 1. ``"expected"`` is the mean over
all orders of the tied rows (McSherry and Najork 2008, Computing information retrieval performance measures efficiently in
the presence of tied scores).

Of several positives the best placed counts. The others belong to the n rows of the gallery, but no rank counts them: it is
at most n - m + 1 with m positives.
"""

import math

import numpy as np

from cvig.metrics.orders import first_of, mean_reciprocal, none_among_first
from cvig.ranking import Ranks

TIES = ("pessimistic", "optimistic", "expected")


def check_ties(ties: str) -> None:
    """Raise ValueError unless `ties` is one of `TIES`."""
    if ties not in TIES:
        raise ValueError(f"unknown tie rule '{ties}': expected one of {', '.join(TIES)}")


def check_top(k: int | str, largest: float = math.inf) -> None:
    """Raise ValueError unless `k` is a count from 1 to `largest`, or a percentage above 0% and up to 100%."""
    if isinstance(k, str):
        try:
            share = float(k.removesuffix("%"))
        except ValueError:
            share = math.nan
        if not k.endswith("%") or not 0 < share <= 100:
            raise ValueError(f"k {k!r}: expected a count or a percentage above 0% and up to 100%, such as '1%'")
    elif isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise ValueError(f"k {k!r}: expected a count or a percentage such as '1%'")
    elif not 1 <= k <= largest:
        bounds = "1 or more" if math.isinf(largest) else f"between 1 and the {largest} rows of the gallery"
        raise ValueError(f"k {k}: expected {bounds}")


def top_size(k: int | str, gallery_size: int) -> int:
    """How many gallery rows "top k" means.

    A percentage means that share rounded down, as the published evaluators have it, but never less than one row: 1% is 1
    of 1, 2, 99 and 100 rows, and 61 of 6194. (They take ``int(0.01 * n)``, which is 0 below 100 rows.)

    Raises
    ------
    ValueError
        Not a count or a percentage, below one, or beyond the gallery.
    """
    check_top(k, gallery_size)
    if isinstance(k, str):
        # the product of a decimal percentage and a count may fall a rounding short of a whole number
        return max(1, math.floor(float(k.removesuffix("%")) * gallery_size / 100 + 1e-9))
    return int(k)


def top_sizes(k: int | str, ranks: Ranks) -> np.ndarray:
    """`top_size` in the gallery of each query: int64 [Q]."""
    sizes, inverse = np.unique(np.broadcast_to(ranks.gallery_size, ranks.closer.shape), return_inverse=True)
    return np.array([top_size(k, int(size)) for size in sizes])[inverse]


def per_query_recall(ranks: Ranks, k: int | str, *, ties: str) -> np.ndarray:
    """Whether each query's positive is in the top k, or with what probability: float64 [Q] in [0, 1]."""
    check_ties(ties)
    top = top_sizes(k, ranks)
    if ties == "pessimistic":
        return (ranks.closer + ranks.tied < top).astype(float)
    if ties == "optimistic":
        return (ranks.closer < top).astype(float)
    best = ranks.each("best")
    hit = np.clip((top - ranks.closer) / (ranks.tied + 1), 0, 1)
    several = np.flatnonzero(best > 1)
    if len(several):
        among = (ranks.tied + best)[several]
        hit[several] = 1 - none_among_first(np.clip((top - ranks.closer)[several], 0, among), among, best[several])
    return hit


def recall_at_k(ranks: Ranks, k: int | str, *, ties: str = "pessimistic") -> float:
    """Share of queries whose positive is in the top k, in [0, 1].

    Parameters
    ----------
    k : int or str
        A count, or a percentage of the gallery such as ``"1%"`` (see `top_size`).
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
    check_ties(ties)
    # of t other rows among p positives in random order, t / (p + 1) stand before the first positive on average
    share = {"pessimistic": 1.0, "optimistic": 0.0, "expected": 1 / (ranks.each("best") + 1)}[ties]
    return ranks.closer + 1 + share * ranks.tied


def per_query_pssr(ranks: Ranks, *, ties: str) -> np.ndarray:
    """Share of the gallery that each query rules out, (n - rank) / n: float64 [Q] in [(m - 1) / n, (n - 1) / n]."""
    return (ranks.gallery_size - per_query_rank(ranks, ties=ties)) / ranks.gallery_size


def pssr(ranks: Ranks, *, ties: str = "pessimistic") -> float:
    """Proportional Search Space Reduction: the mean share of the gallery that a query rules out (paper, equation 2).

    Equation 2 counts images "closer to or equidistant": it is the pessimistic rule. With m positives it counts images
    no farther than the best placed one, which it counts itself and the other positives not, and divides by all n rows that
    compete. Random embeddings then give 1 - (n + 1) / (n (m + 1)), not one half: compare with chance, never across m.

    Examples
    --------
    >>> pssr(Ranks([0, 4], [0, 0], 10))
    0.7
    """
    return float(per_query_pssr(ranks, ties=ties).mean())


def tied_fraction(ranks: Ranks) -> float:
    """Share of queries whose positive is exactly as far as some other gallery row, in [0, 1]."""
    return float((ranks.tied > 0).mean())


def mean_rank(ranks: Ranks, *, ties: str = "pessimistic") -> float:
    """Mean rank of the positives, from 1."""
    return float(per_query_rank(ranks, ties=ties).mean())


def median_rank(ranks: Ranks, *, ties: str = "pessimistic") -> float:
    """Median rank of the positives, from 1; of their mid-ranks where `ties` is "expected"."""
    return float(np.median(per_query_rank(ranks, ties=ties)))


def per_query_reciprocal_rank(ranks: Ranks, *, ties: str) -> np.ndarray:
    """One over the rank of each positive, or its exact mean over tied orders: float64 [Q] in (0, 1]."""
    check_ties(ties)
    if ties != "expected":
        return 1 / per_query_rank(ranks, ties=ties)
    best = ranks.each("best")
    return mean_reciprocal(ranks.closer, ranks.tied + best, best)


def mean_reciprocal_rank(ranks: Ranks, *, ties: str = "pessimistic") -> float:
    """Mean of one over the rank of the positives, in (0, 1]."""
    return float(per_query_reciprocal_rank(ranks, ties=ties).mean())


def recall_curve(ranks: Ranks, *, ties: str = "pessimistic") -> np.ndarray:
    """Recall at every k from 0 to n: float64 [n + 1], non-decreasing from 0 to 1; one gallery size for all queries.

    Its mean over k = 0 … n - 1 is PSSR under the same tie rule.
    """
    if np.ndim(ranks.gallery_size):
        raise ValueError("recall over all k needs one gallery size for all queries")
    check_ties(ties)
    n = int(ranks.gallery_size)
    if ties != "expected":
        rank = per_query_rank(ranks, ties=ties).astype(int)
        return np.bincount(rank, minlength=n + 1).cumsum() / len(ranks)
    # each query of one positive adds 1 / (tied + 1) at each of the ranks it may have
    best = ranks.each("best")
    single = best == 1
    share = single / (ranks.tied + 1)
    step = np.bincount(ranks.closer + 1, share, n + 2) - np.bincount(ranks.closer + ranks.tied + 2, share, n + 2)
    each = step.cumsum()[: n + 1]
    kinds, count = np.unique(np.stack([ranks.closer, ranks.tied, best])[:, ~single], axis=1, return_counts=True)
    for (closer, tied, p), times in zip(kinds.T.tolist(), count.tolist(), strict=True):
        each[closer + 1 : closer + tied + 2] += times * first_of(tied + p, p)
    return np.clip(each.cumsum() / len(ranks), 0, 1)
