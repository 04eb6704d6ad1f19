"""How early each metric sees that a run learns, and how many queries it needs for that."""

from collections.abc import Mapping
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from scipy import stats

from cvig.metrics import chance
from cvig.metrics.comparison import sign_flip_test
from cvig.metrics.inference import SIMULATED, combine, independent_layers, per_query_values
from cvig.metrics.intervals import number_places
from cvig.ranking import Ranks
from study.chapters.promises.orders import validation_places
from study.chapters.promises.subsets import METRICS, by_chance
from study.levels import LEARNS
from study.runs import Run


@lru_cache
def _reciprocal_draws(n: int, queries: int) -> np.ndarray:
    return chance.simulated_reciprocal_ranks(np.full(queries, n), SIMULATED, 0)


def _chance_p(values: np.ndarray, name: str, n: int, mean: float, query: np.ndarray) -> float:
    """How likely chance is to do as well in a gallery of `n` rows as the `values` of these queries do."""
    value = values[query]
    if name == "PSSR":
        return chance.pssr_tail(value.mean(), np.full(len(value), n))
    if name == "MRR":
        drawn = _reciprocal_draws(n, len(value))
        return (1 + int((drawn >= value.mean() - 1e-12).sum())) / (1 + SIMULATED)
    return float(stats.binom.sf(value.sum() - 1, len(value), mean))


def against_chance(ranks: Ranks, places: np.ndarray) -> pd.DataFrame:
    """Each of `METRICS` against chance, ties counted against the query; one gallery size for all queries.

    Returns
    -------
    DataFrame
        A row a metric. ``value``; ``p_value``, one-sided, by the tests of `cvig.metrics.summary`; ``signal``, how many
        standard errors the value lies above chance. The error is that of the places' values, or chance's where that is
        larger: where no query is a hit, the values do not vary.
    """
    n = int(ranks.gallery_size)
    layers, group = independent_layers(places), number_places(places, len(ranks))
    each, rows = per_query_values(ranks, "pessimistic"), {}
    for name, (mean, variance) in by_chance(n).items():
        test = partial(_chance_p, each[name], name, n, mean)
        own = np.sqrt(np.square(np.bincount(group, each[name] - each[name].mean())).sum()) / len(ranks)
        signal = (each[name].mean() - mean) / max(own, np.sqrt(variance / (group.max() + 1)))
        rows[name] = (each[name].mean(), combine(test, layers), signal)
    return pd.DataFrame(rows, index=["value", "p_value", "signal"]).T


def by_epoch(runs: Mapping[str, Run]) -> pd.DataFrame:
    """`against_chance` on the validation views after each epoch of runs that start from scratch or from public weights.

    Runs that start from another run's trunks have learned before their first epoch, and are left out.

    Returns
    -------
    DataFrame
        Index (run, epoch); columns (value, p_value or signal; metric).
    """
    rows = {}
    for label, run in runs.items():
        if not run.start:
            places = validation_places(run)
            for epoch, ranks in enumerate(run.validation, 1):
                rows[label, epoch] = against_chance(ranks, places).T.stack()
    return pd.DataFrame(rows).T.rename_axis(["run", "epoch"])


def learning(table: pd.DataFrame) -> list[str]:
    """The runs of `by_epoch` that some metric sees beat chance in the last epoch, at `LEARNS` for all metrics together."""
    last = table.p_value.groupby("run", sort=False).last()
    return last.index[last.min(axis=1) < LEARNS / len(METRICS)].tolist()


def first_seen(table: pd.DataFrame) -> pd.DataFrame:
    """The first epoch from which on each metric beats chance at `study.levels.LEARNS` to the end, infinite where none.

    Returns
    -------
    DataFrame
        A row for each of the `learning` runs, a column a metric.
    """
    found = {}
    for run in learning(table):
        p_value = table.p_value.loc[run]
        seen = (p_value < LEARNS)[::-1].cumprod()[::-1].astype(bool)
        found[run] = {name: float(seen.index[seen[name]].min()) if seen[name].any() else np.inf for name in METRICS}
    return pd.DataFrame(found, index=list(METRICS)).T


def earlier(table: pd.DataFrame, one: str, other: str) -> tuple[int, int, float]:
    """In how many runs one metric sees the learning before the other, in how many after it, and the sign test of that.

    The two-sided p-value of a binomial of one half; a run in which both see it in the same epoch, or neither, has no say.
    """
    seen = first_seen(table)
    before, after = int((seen[one] < seen[other]).sum()), int((seen[one] > seen[other]).sum())
    return before, after, sign_flip_test(np.repeat([1, -1], [before, after]))


def efficiency(table: pd.DataFrame) -> pd.DataFrame:
    """How much each metric learns from a query, relative to PSSR, in runs that learn.

    Returns
    -------
    DataFrame
        A row a metric. ``first epoch``: the median of `first_seen`; ``earliest``: in what share of the runs no metric is
        earlier; ``never``: in how many it sees nothing to the end; ``signal``: the median at the last epoch. ``early`` and
        ``late``: the squared ratio of its signal to PSSR's, the median at the first epoch in which any metric sees the run
        learn, and at the last. At 0.5 PSSR needs half as many queries to be as sure.
    """
    seen = first_seen(table)
    signal = table.signal.clip(lower=0)
    squared = signal.div(signal["PSSR"].replace(0, np.nan), axis=0) ** 2
    start = [(run, int(epoch)) for run, epoch in seen.min(axis=1).items() if np.isfinite(epoch)]
    end = [(run, table.loc[run].index[-1]) for run in seen.index]
    return pd.DataFrame(
        {
            "first epoch": seen.median(),
            "earliest": seen.eq(seen.min(axis=1), axis=0).mean(),
            "never": np.isinf(seen).sum(),
            "signal": table.signal.loc[end].median(),
            "early": squared.loc[start].median(),
            "late": squared.loc[end].median(),
        }
    )
