"""Every metric with its interval, what ties make of it, and what chance would."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from cvig.metrics import chance
from cvig.metrics.intervals import check_confidence, cluster_interval, median_interval, number_places, share_interval
from cvig.metrics.values import (
    TIES,
    check_ties,
    median_rank,
    per_query_pssr,
    per_query_rank,
    per_query_recall,
    per_query_reciprocal_rank,
    tied_fraction,
    top_sizes,
)
from cvig.ranking import Ranks

RECALL_AT = (1, 5, 10, "1%", "5%", "10%")
SIMULATED = 1999  # random rankings that mean reciprocal rank is compared with


def per_query_values(ranks: Ranks, ties: str) -> dict[str, np.ndarray]:
    """Of each metric that is a mean over queries, what each query adds: R@k, PSSR, MRR and mean rank, float64 [Q] each.

    A count k beyond the smallest gallery is left out.
    """
    smallest = np.min(ranks.gallery_size)
    recall = {f"R@{k}": per_query_recall(ranks, k, ties=ties) for k in RECALL_AT if isinstance(k, str) or k <= smallest}
    return recall | {
        "PSSR": per_query_pssr(ranks, ties=ties),
        "MRR": per_query_reciprocal_rank(ranks, ties=ties),
        "mean rank": per_query_rank(ranks, ties=ties),
    }


def value_range(name: str, sizes: np.ndarray) -> tuple[float, float]:
    """The least and the greatest value that a metric can take in galleries of `sizes` [Q]."""
    last = float(np.mean(sizes))
    ends = {"PSSR": (0.0, 1 - float(np.mean(1 / sizes))), "MRR": (float(np.mean(1 / sizes)), 1.0), "mean rank": (1.0, last)}
    return ends.get(name, (0.0, 1.0))


def independent_layers(places: np.ndarray) -> list[np.ndarray]:
    """Choices of one query a place, as many as the most views of a place, so that each query is in at least one."""
    order = np.argsort(places, kind="stable")
    start = np.flatnonzero(np.diff(places[order], prepend=-1))
    views = np.diff(start, append=len(order))
    return [order[start + layer % views] for layer in range(int(views.max()))]


def combine(test: Callable[[np.ndarray], float], layers: list[np.ndarray]) -> float:
    """A test of all queries from a test of independent ones: twice the mean p-value of the layers, whatever ties them."""
    p_values = [test(layer) for layer in layers]
    return p_values[0] if len(layers) == 1 else min(1.0, 2 * float(np.mean(p_values)))


def _chance_rows(ranks: Ranks, sizes: np.ndarray, places: np.ndarray, tail: float, seed: int) -> dict[str, dict]:
    """Of each metric its value by chance, where that falls but for `tail` on each side, and the p-value of this one."""
    layers = independent_layers(places)
    one = sizes[layers[0]]  # galleries of one query a place
    rank = per_query_rank(ranks, ties="pessimistic")
    rows = {}

    def add(name: str, value: float, low_high: tuple[float, float], test: Callable[[np.ndarray], float]) -> None:
        low, high = low_high
        rows[name] = {"chance": value, "chance_low": low, "chance_high": high, "p_value": combine(test, layers)}

    for k in RECALL_AT:
        if isinstance(k, int) and k > sizes.min():
            continue
        top = top_sizes(k, ranks)
        share, hit = float(np.mean(top / sizes)), rank <= top
        low_high = stats.binom.ppf([tail, 1 - tail], len(one), share) / len(one)
        add(f"R@{k}", share, low_high, lambda q, top=top, hit=hit: chance.recall_tail(int(hit[q].sum()), top[q], sizes[q]))
    ruled_out = (sizes - rank) / sizes
    add(
        "PSSR",
        float(np.mean((sizes - 1) / (2 * sizes))),
        chance.pssr_interval(tail, one),
        lambda q: chance.pssr_tail(float(np.mean(ruled_out[q])), sizes[q]),
    )
    unequal = sizes.min() < sizes.max()
    simulated = {0: chance.simulated_reciprocal_ranks(one, SIMULATED, seed)}

    def mrr_test(query: np.ndarray) -> float:
        draws = chance.simulated_reciprocal_ranks(sizes[query], SIMULATED, seed) if unequal else simulated[0]
        return (1 + int((draws >= np.mean(1 / rank[query]) - 1e-12).sum())) / (1 + SIMULATED)

    expected = {n: float((1 / np.arange(1, n + 1)).mean()) for n in np.unique(sizes).tolist()}
    low_high = np.quantile(simulated[0], [tail, 1 - tail])
    add("MRR", float(np.mean([expected[n] for n in sizes.tolist()])), low_high, mrr_test)
    middle = (float(np.mean(sizes)) + 1) / 2
    low_high = tuple(chance.rank_sum_quantile(share, one) / len(one) for share in (tail, 1 - tail))
    add("mean rank", middle, low_high, lambda q: chance.rank_sum_cdf(int(rank[q].sum()), sizes[q]))

    def median_test(query: np.ndarray) -> float:
        lower = np.sort(rank[query])[(len(query) - 1) // 2]
        return chance.median_cdf(lower, sizes[query])

    add("median rank", middle, chance.median_interval(tail, one), median_test)
    return rows


def summary(
    ranks: Ranks,
    *,
    ties: str = "pessimistic",
    places: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Every metric with its interval, what ties could make of it, and what chance would.

    Parameters
    ----------
    ties : {"pessimistic", "optimistic", "expected"}
        The rule of the column ``value`` and of its interval.
    places : array [Q], optional
        Views of one place share an entry. None: every query is a place of its own.
    resamples, seed
        Of the bootstrap, and of the random rankings that mean reciprocal rank is compared with.
    confidence : float
        Of all intervals, in (0, 1).

    Returns
    -------
    DataFrame
        Rows R@1, R@5, R@10, R@1%, R@5%, R@10% (counts beyond the gallery are left out), PSSR, MRR, mean rank, median rank.

        ``value``, ``low``, ``high``
            Recall has the interval of `share_interval`, the median that of `median_interval`, the means that of
            `cluster_interval`.
        ``optimistic``, ``expected``, ``pessimistic``, ``gap``, ``tied``
            The value under each tie rule, the distance between the two extremes, and the fraction of tied queries.
        ``chance``, ``chance_low``, ``chance_high``
            The mean under independent uniform ranks of as many queries as there are places, and where the value then falls
            with the same confidence.
        ``p_value``
            One-sided: the probability that chance does as well or better. Always of the pessimistic ranks, so that no tie
            rule can make it small. Exact for recall and the median (binomial), for PSSR and mean rank (`rank_sum_cdf`); a
            simulation test for MRR, valid at every size, whose smallest value is 1/2000 (Dwass 1957).

    Notes
    -----
    Views of one place are not independent, so no exact distribution is known for them together. Each of several choices
    of one view a place is tested exactly, and the p-value is twice their mean (at most 1), which is valid however the
    views depend on each other (Vovk and Wang 2020, Combining p-values via averaging). The hypothesis tested is that
    places are independent and each view's rank is uniform.

    With galleries of several sizes, PSSR's p-value and chance interval are bounds on the safe side (`pssr_tail`).

    Examples
    --------
    >>> table = summary(Ranks([0, 1, 1, 3], [0, 0, 1, 0], 100))
    >>> table.loc["R@1", ["value", "low", "high", "chance"]].round(3).tolist()
    [0.25, 0.006, 0.806, 0.01]
    """
    check_ties(ties)
    tail = check_confidence(confidence)
    group = number_places(places, len(ranks))
    sizes = np.broadcast_to(ranks.gallery_size, ranks.closer.shape)
    by_rule = {rule: per_query_values(ranks, rule) for rule in TIES}
    rows = {}
    for name, values in by_rule[ties].items():
        if name.startswith("R@"):
            interval = share_interval(values, group, confidence=confidence)
        else:
            limits = value_range(name, sizes)
            interval = cluster_interval(values, group, limits=limits, resamples=resamples, seed=seed, confidence=confidence)
        rows[name] = (values.mean(), *interval, *(by_rule[rule][name].mean() for rule in TIES))
    rank, last = per_query_rank(ranks, ties=ties), float(sizes.max())
    interval = median_interval(rank, group, last=last, confidence=confidence)
    rows["median rank"] = (np.median(rank), *interval, *(median_rank(ranks, ties=rule) for rule in TIES))
    table = pd.DataFrame(rows, index=["value", "low", "high", *TIES]).T
    table = table[["value", "low", "high", "optimistic", "expected", "pessimistic"]]
    table["gap"] = (table.optimistic - table.pessimistic).abs()
    table["tied"] = tied_fraction(ranks)
    by_chance = pd.DataFrame(_chance_rows(ranks, sizes, group, tail, seed)).T
    return table.join(by_chance).astype(float)
