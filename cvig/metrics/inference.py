"""Every metric with its interval, what ties make of it, and what chance would."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cvig.metrics import chance, precision
from cvig.metrics.ground import grouped
from cvig.metrics.intervals import check_confidence, cluster_interval, median_interval, share_interval
from cvig.metrics.orders import mean_reciprocal
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

if TYPE_CHECKING:
    import pandas as pd

RECALL_AT = (1, 5, 10, "1%", "5%", "10%")
SIMULATED = 1999  # random rankings that are compared with where no exact distribution is known
LAYERS = 64  # choices of one query a place that are tested


def counts_within(ranks: Ranks, top: Sequence[int | str]) -> list[int | str]:
    """Those of the rank cut-offs that every query's gallery has."""
    smallest = np.min(ranks.gallery_size)
    return [k for k in top if isinstance(k, str) or k <= smallest]


def per_query_values(ranks: Ranks, ties: str, top: Sequence[int | str] = RECALL_AT) -> dict[str, np.ndarray]:
    """Of each metric that is a mean over queries, what each query adds: R@k, PSSR, MRR and mean rank, float64 [Q] each.

    A count k beyond the smallest gallery is left out.
    """
    recall = {f"R@{k}": per_query_recall(ranks, k, ties=ties) for k in counts_within(ranks, top)}
    if ranks.every is not None:
        recall["mAP"] = precision.per_query_average_precision(ranks, ties=ties)
    return recall | {
        "PSSR": per_query_pssr(ranks, ties=ties),
        "MRR": per_query_reciprocal_rank(ranks, ties=ties),
        "mean rank": per_query_rank(ranks, ties=ties),
    }


def value_range(name: str, ranks: Ranks) -> tuple[float, float]:
    """The least and the greatest value that a metric can take in these galleries with so many positives."""
    sizes, last = ranks.sizes, ranks.sizes - ranks.each("positives") + 1
    ends = {
        "PSSR": (float(np.mean((sizes - last) / sizes)), 1 - float(np.mean(1 / sizes))),
        "MRR": (float(np.mean(1 / last)), 1.0),
        "mean rank": (1.0, float(np.mean(last))),
        "median rank": (1.0, float(last.max())),
    }
    return ends.get(name, (0.0, 1.0))


def independent_layers(places: np.ndarray, most: int = LAYERS) -> list[np.ndarray]:
    """Choices of one query a place, as many as the most views of a place, so that each query is in at least one.

    Of more than `most` choices every so-manyth is taken: a mean over fewer tests is as valid.
    """
    order = np.argsort(places, kind="stable")
    start = np.flatnonzero(np.diff(places[order], prepend=-1))
    views = np.diff(start, append=len(order))
    count = int(views.max())
    chosen = range(count) if count <= most else np.linspace(0, count, most, endpoint=False).astype(int).tolist()
    return [order[start + layer % views] for layer in chosen]


def combine(test: Callable[[np.ndarray], float], layers: list[np.ndarray]) -> float:
    """The p-value of all queries: twice the mean p-value of the layers, valid however the layers depend on each other."""
    p_values = [test(layer) for layer in layers]
    return p_values[0] if len(layers) == 1 else min(1.0, 2 * float(np.mean(p_values)))


class _Chance:
    """Of each metric its value by chance, where that falls but for `tail` on each side, and the p-value of these ranks."""

    def __init__(self, ranks: Ranks, places: np.ndarray, tail: float, seed: int):
        self.ranks, self.tail, self.seed = ranks, tail, seed
        self.sizes, self.positives = ranks.sizes, ranks.each("positives")
        self.layers = independent_layers(places)
        self.rank = per_query_rank(ranks, ties="pessimistic").astype(np.int64)
        self.one = self._galleries(self.layers[0])  # of one query a place
        self.drawn: dict[tuple, np.ndarray] = {}

    def _galleries(self, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.sizes[query], self.positives[query]

    def _row(self, value: float, low_high: tuple, test: Callable[[np.ndarray], float]) -> dict[str, float]:
        low, high = low_high
        return {"chance": value, "chance_low": low, "chance_high": high, "p_value": combine(test, self.layers)}

    def recall(self, k: int | str) -> dict[str, float]:
        top = top_sizes(k, self.ranks)
        hit, found = self.rank <= top, chance.found_within(top, self.sizes, self.positives)
        one = found[self.layers[0]]
        low_high = (chance.recall_quantile(share, one) / len(one) for share in (self.tail, 1 - self.tail))
        return self._row(found.mean(), low_high, lambda query: chance.recall_tail(int(hit[query].sum()), found[query]))

    def pssr(self) -> dict[str, float]:
        n, m = self.sizes, self.positives
        ruled_out = (n - self.rank) / n
        value = float(np.mean(1 - (n + 1) / ((m + 1) * n)))
        if n.min() < n.max() and m.max() > 1:
            return self._simulated(value, ruled_out, lambda query: self._means(query, lambda r: (n[query] - r) / n[query]))
        low_high = chance.pssr_interval(self.tail, *self.one)
        return self._row(
            value, low_high, lambda query: chance.pssr_tail(float(np.mean(ruled_out[query])), *self._galleries(query))
        )

    def mrr(self) -> dict[str, float]:
        n, m = self.sizes, self.positives
        value = float(np.mean(mean_reciprocal(np.zeros_like(n), n, m)))
        return self._simulated(value, 1 / self.rank, lambda query: self._means(query, lambda ranks: 1 / ranks))

    def average_precision(self) -> dict[str, float]:
        if self.positives.max() == 1:
            return self.mrr()  # the same of a single answer
        value = float(precision.by_chance(self.sizes, self.positives).mean())
        each = precision.per_query_average_precision(self.ranks, ties="pessimistic")
        return self._simulated(
            value, each, lambda query: precision.simulated_means(*self._galleries(query), SIMULATED, self.seed)
        )

    def _means(self, query: np.ndarray, of_ranks: Callable) -> np.ndarray:
        return chance.simulated_means(of_ranks, *self._galleries(query), SIMULATED, self.seed)

    def _simulated(self, value: float, each: np.ndarray, means: Callable) -> dict[str, float]:
        def draws(query: np.ndarray) -> np.ndarray:
            n, m = self._galleries(query)
            key = (value, n.tobytes(), m.tobytes())
            if key not in self.drawn:
                self.drawn[key] = means(query)
            return self.drawn[key]

        def test(query: np.ndarray) -> float:
            return (1 + int((draws(query) >= np.mean(each[query]) - 1e-12).sum())) / (1 + SIMULATED)

        return self._row(value, np.quantile(draws(self.layers[0]), [self.tail, 1 - self.tail]), test)

    def mean_rank(self) -> dict[str, float]:
        count = len(self.layers[0])
        low_high = (chance.rank_sum_quantile(share, *self.one) / count for share in (self.tail, 1 - self.tail))
        return self._row(
            float(np.mean((self.sizes + 1) / (self.positives + 1))),
            low_high,
            lambda query: chance.rank_sum_cdf(int(self.rank[query].sum()), *self._galleries(query)),
        )

    def median_rank(self) -> dict[str, float]:
        def test(query: np.ndarray) -> float:
            lower = np.sort(self.rank[query])[(len(query) - 1) // 2]
            return chance.median_cdf(lower, *self._galleries(query))

        middle = chance.middle_rank(self.sizes, self.positives)
        return self._row(middle, chance.median_interval(self.tail, *self.one), test)


def summary(
    ranks: Ranks,
    *,
    ties: str = "pessimistic",
    top: Sequence[int | str] = RECALL_AT,
    places: np.ndarray | None = None,
    coordinates: np.ndarray | None = None,
    side: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> "pd.DataFrame":
    """Every metric with its interval, what ties could make of it, and what chance would.

    Parameters
    ----------
    ties : {"pessimistic", "optimistic", "expected"}
        The rule of the column ``value`` and of its interval.
    top : sequence of int or str
        The k of R@k: counts, or percentages such as ``"1%"``. Counts beyond the smallest gallery are left out.
    places : array [Q], optional
        Views of one place share an entry. None: what the answers tell, `Ranks.places`.
    coordinates, side : float array [Q, 2] and float, optional
        Where the queries are, and the side of a square of ground, in metres: intervals and tests then take squares in place
        of places (`cvig.metrics.ground`, which also measures a side).
    resamples, seed
        Of the bootstrap, and of the random rankings that mean reciprocal rank is compared with.
    confidence : float
        Of all intervals, in (0, 1).

    Returns
    -------
    DataFrame
        Rows R@k for each k of `top`, mAP where all positives were ranked (``every=True``), PSSR, MRR, mean and median rank.

        ``value``, ``low``, ``high``
            Recall has the interval of `share_interval`, the median that of `median_interval`, the means that of
            `cluster_interval`.
        ``optimistic``, ``expected``, ``pessimistic``, ``gap``, ``tied``
            The value under each tie rule, the distance between the two extremes, and the fraction of tied queries.
        ``chance``, ``chance_low``, ``chance_high``
            The mean under random orders of the gallery (`cvig.metrics.chance`), which knows how many positives each query
            has, and where the value of as many independent queries as there are places falls with the same confidence.
        ``p_value``
            One-sided: the probability that chance does as well or better. Always of the pessimistic ranks, so that no tie
            rule can make it small. Exact for recall and the median (binomial, or its like with unequal probabilities), for
            PSSR and mean rank (`rank_sum_cdf`); a simulation test for MRR, valid at every size, whose smallest value is
            1/2000 (Dwass 1957), and one for mAP (`cvig.metrics.precision.simulated_means`).

    Notes
    -----
    Views of one place are not independent, so no exact distribution is known for them together. Each of several choices
    of one view a place is tested exactly, and the p-value is twice their mean (at most 1), which is valid however the
    views depend on each other (Vovk and Wang 2020, Combining p-values via averaging). The hypothesis tested is that
    places, or squares of ground, are independent and the gallery's order is a random one for each view.

    With galleries of several sizes, PSSR's p-value and chance interval are bounds on the safe side (`pssr_tail`), or where
    queries have several positives those of a simulation.

    Examples
    --------
    >>> table = summary(Ranks([0, 1, 1, 3], [0, 0, 1, 0], 100))
    >>> table.loc["R@1", ["value", "low", "high", "chance"]].round(3).tolist()
    [0.25, 0.006, 0.806, 0.01]
    """
    import pandas as pd

    check_ties(ties)
    tail = check_confidence(confidence)
    group = grouped(ranks.places if places is None else places, len(ranks), coordinates, side)
    by_rule = {rule: per_query_values(ranks, rule, top) for rule in TIES}
    by_chance = _Chance(ranks, group, tail, seed)
    rows = {}
    for name, values in by_rule[ties].items():
        if name.startswith("R@"):
            interval = share_interval(values, group, confidence=confidence)
        else:
            limits = value_range(name, ranks)
            interval = cluster_interval(values, group, limits=limits, resamples=resamples, seed=seed, confidence=confidence)
        rows[name] = (values.mean(), *interval, *(by_rule[rule][name].mean() for rule in TIES))
    rank, last = per_query_rank(ranks, ties=ties), value_range("median rank", ranks)[1]
    interval = median_interval(rank, group, last=last, confidence=confidence)
    rows["median rank"] = (np.median(rank), *interval, *(median_rank(ranks, ties=rule) for rule in TIES))
    table = pd.DataFrame(rows, index=["value", "low", "high", *TIES]).T
    table = table[["value", "low", "high", "optimistic", "expected", "pessimistic"]]
    table["gap"] = (table.optimistic - table.pessimistic).abs()
    table["tied"] = tied_fraction(ranks)
    expected = {f"R@{k}": by_chance.recall(k) for k in counts_within(ranks, top)}
    if ranks.every is not None:
        expected["mAP"] = by_chance.average_precision()
    expected |= {"PSSR": by_chance.pssr(), "MRR": by_chance.mrr()}
    expected |= {"mean rank": by_chance.mean_rank(), "median rank": by_chance.median_rank()}
    return table.join(pd.DataFrame(expected).T).astype(float)
