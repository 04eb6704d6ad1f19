"""Scores in a smaller gallery, computed from the ranks in the whole one.

Keep a query's positive and m - 1 of the other n - 1 gallery rows, chosen at random. Of the c rows that stood before the
positive a hypergeometric number stays, so the mean of every metric in a gallery of m is known exactly. Ties count against
the query throughout: c = closer + tied.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import gammaln

from cvig.metrics import top_size
from cvig.metrics.inference import per_query_values
from cvig.ranking import Ranks

METRICS = ("R@1", "R@1%", "R@10%", "MRR", "PSSR")


def check_size(ranks: Ranks, m: int) -> int:
    """The gallery's size n; ValueError where queries have galleries of several sizes, or m is not from 1 to n."""
    if np.ndim(ranks.gallery_size):
        raise ValueError("smaller galleries need one gallery size for all queries")
    if not 1 <= m <= ranks.gallery_size:
        raise ValueError(f"a gallery of {m} rows: expected between 1 and the {ranks.gallery_size} there are")
    return int(ranks.gallery_size)


def by_chance(n: int) -> dict[str, tuple[float, float]]:
    """Mean and variance of what one query adds to each of `METRICS` when its rank is uniform on 1 … n."""
    top, reciprocal = {k: top_size(k, n) / n for k in (1, "1%", "10%")}, 1 / np.arange(1, n + 1)
    recall = {f"R@{k}": (share, share * (1 - share)) for k, share in top.items()}
    return recall | {
        "MRR": (float(reciprocal.mean()), float(reciprocal.var())),
        "PSSR": ((n - 1) / (2 * n), (n**2 - 1) / (12 * n**2)),
    }


def kept_below(k: int, before: np.ndarray, n: int, m: int) -> np.ndarray:
    """Probability that fewer than k of the `before` rows are among m - 1 chosen of n - 1: float64, as many as `before`.

    SciPy's hypergeometric distribution, thousands of which a curve needs, in a table of logarithms of factorials: the same
    to about 1e-11.
    """
    if k >= m:
        return np.ones(len(before))
    log = gammaln(np.arange(n) + 1)
    kept, after = np.arange(k)[:, None], n - 1 - before
    possible = (kept <= before) & (m - 1 - kept <= after)

    def choose(total: np.ndarray, part: np.ndarray) -> np.ndarray:
        part = np.where(possible, part, 0)
        return log[total] - log[part] - log[total - part]

    each = choose(before, kept) + choose(after, m - 1 - kept) - (log[n - 1] - log[m - 1] - log[n - m])
    return np.where(possible, np.exp(each), 0).sum(axis=0)


def expected(ranks: Ranks, m: int) -> dict[str, float]:
    """Exact mean of each of `METRICS` over all galleries of m rows that keep a query's positive.

    Notes
    -----
    With X hypergeometric, rows kept of the c before the positive: recall at k is P(X < k), PSSR is linear in E X, and
    E 1/(X + 1) = n / (m (c + 1)) · P(one of c + 1 marked rows is among m of all n).

    Examples
    --------
    >>> expected(Ranks([1], [0], 3), 2)["R@1"]  # one of two other rows is left: the closer or the farther one
    0.5
    """
    n = check_size(ranks, m)
    before, count = np.unique(ranks.closer + ranks.tied, return_counts=True)
    weight = count / count.sum()
    each = {f"R@{k}": kept_below(top_size(k, m), before, n, m) for k in (1, "1%", "10%")}
    each["MRR"] = n / (m * (before + 1)) * (1 - kept_below(1, before + 1, n + 1, m + 1))
    each["PSSR"] = (m - 1) / m * (1 - before / max(n - 1, 1))
    return {name: float(weight @ each[name]) for name in METRICS}


def draw(ranks: Ranks, m: int, rng: np.random.Generator) -> Ranks:
    """Draw the ranks of a test of m queries and m gallery rows.

    Queries are drawn with replacement, so that the spread of many draws is that of new tests, and not 0 at m = n. For each
    the number of rows that stay before its positive has its exact law; the queries' draws are independent of each other,
    where those of a real subset share their gallery (`shared_deviation` measures what that leaves out).
    """
    n = check_size(ranks, m)
    before = (ranks.closer + ranks.tied)[rng.integers(len(ranks), size=m)]
    kept = rng.hypergeometric(before, n - 1 - before, m - 1)
    return Ranks(kept, np.zeros_like(kept), m)


def means(ranks: Ranks) -> dict[str, float]:
    """Each of `METRICS`, ties against the query."""
    each = per_query_values(ranks, "pessimistic")
    return {name: float(each[name].mean()) for name in METRICS}


def stability(ranks: Ranks, sizes: Sequence[int], *, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """Bias and noise of each metric with fewer test pairs.

    Returns
    -------
    DataFrame
        Rows (size, metric) for the sizes up to the gallery's and the gallery's itself. Columns ``expected``, the exact mean;
        ``bias``, its distance from the full value, as a share of that (NaN where that is 0); ``drawn`` and ``deviation``,
        mean and standard deviation of `draws` draws; ``noise``, the deviation as a share of what the mean exceeds chance by
        at that size (NaN where it does not). PSSR starts from one half: as a share of the whole value its deviation would
        look smaller than it is.
    """
    n, full = check_size(ranks, 1), means(ranks)
    rng = np.random.default_rng(seed)
    rows = {}
    for m in sorted({size for size in sizes if size < n} | {n}):
        mean, chance = expected(ranks, m), by_chance(m)
        drawn = pd.DataFrame([means(draw(ranks, m, rng)) for _ in range(draws)])
        for name in METRICS:
            bias, deviation = mean[name] / (full[name] or np.nan) - 1, float(drawn[name].std())
            above = mean[name] - chance[name][0]
            rows[m, name] = (mean[name], bias, drawn[name].mean(), deviation, deviation / above if above > 0 else np.nan)
    return pd.DataFrame(rows, index=["expected", "bias", "drawn", "deviation", "noise"]).T.rename_axis(["size", "metric"])


def growth(ranks: Ranks, sizes: Sequence[int]) -> pd.DataFrame:
    """`expected` at each of several gallery sizes: a row a size, a column a metric."""
    return pd.DataFrame({m: expected(ranks, m) for m in sizes}).T.rename_axis("gallery")


def telling_sizes(n: int) -> list[int]:
    """Sizes from 100 to n at which rounding shows: hundreds, and one less, where 1% is rounded down most; sparser from 2000.

    Examples
    --------
    >>> telling_sizes(320)
    [100, 199, 200, 299, 300, 320]
    """
    whole = [*range(100, 2000, 100), *range(2000, n + 1, 500)]
    return sorted({m for size in whole for m in (size - 1, size) if 100 <= m <= n} | {n})


def shared_deviation(query: np.ndarray, gallery: np.ndarray, m: int, *, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """Standard deviation of each metric over subsets of m places that share their gallery, beside that of `draw`.

    Parameters
    ----------
    query, gallery : float arrays [n, D]
        Row i answers row i.

    Returns
    -------
    DataFrame
        A row a metric; columns ``shared`` (subsets of places, each with its queries and its gallery rows) and
        ``independent`` (`draw`).
    """
    distance = ((query[:, None] - gallery[None]) ** 2).sum(-1)
    before = (distance <= np.diag(distance)[:, None]).sum(1) - 1
    ranks = Ranks(before, np.zeros_like(before), len(gallery))
    rng = np.random.default_rng(seed)
    shared, independent = [], []
    for _ in range(draws):
        part = rng.choice(len(query), m, replace=False)
        kept = (distance[np.ix_(part, part)] <= np.diag(distance)[part, None]).sum(1) - 1
        shared.append(means(Ranks(kept, np.zeros_like(kept), m)))
        independent.append(means(draw(ranks, m, rng)))
    return pd.DataFrame({"shared": pd.DataFrame(shared).std(), "independent": pd.DataFrame(independent).std()})


def changes(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Each metric in the largest gallery of `growth` as a share of the smallest: a row a model, a column a metric."""
    return pd.DataFrame({label: curve.iloc[-1] / curve.iloc[0].replace(0, np.nan) for label, curve in curves.items()}).T
