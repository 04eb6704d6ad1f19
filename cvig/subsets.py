"""What known ranks become in a smaller gallery, without the embeddings.

Keep a query's positive and m - 1 of the other n - 1 gallery rows, chosen at random. Of the c rows that stood before the
positive a hypergeometric number stays, so the mean of every metric in a gallery of m is known exactly. Ties count against
the query throughout: c = closer + tied.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from cvig.metrics import places
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


def expected(ranks: Ranks, m: int) -> dict[str, float]:
    """Exact mean of each of `METRICS` over all galleries of m rows that keep a query's positive.

    Notes
    -----
    With X hypergeometric, rows kept of the c before the positive: recall at k is P(X < k), PSSR is linear in E X, and
    E 1/(X + 1) = n / (m (c + 1)) · P(one of c + 1 marked rows is among m of n).

    Examples
    --------
    >>> expected(Ranks([1], [0], 3), 2)["R@1"]  # one of two other rows is left: the closer or the farther one
    0.5
    """
    n = check_size(ranks, m)
    before, count = np.unique(ranks.closer + ranks.tied, return_counts=True)
    weight = count / count.sum()
    recall = {k: stats.hypergeom.cdf(places(k, m) - 1, n - 1, before, m - 1) for k in (1, "1%", "10%")}
    each = {f"R@{k}": value for k, value in recall.items()}
    each["MRR"] = n / (m * (before + 1)) * stats.hypergeom.sf(0, n, before + 1, m)
    each["PSSR"] = (m - 1) / m * (1 - before / max(n - 1, 1))
    return {name: float(weight @ each[name]) for name in METRICS}


def draw(ranks: Ranks, m: int, rng: np.random.Generator) -> Ranks:
    """A test of m queries and m gallery rows, as it might have come out.

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
    """How each metric would have come out with fewer test pairs.

    Returns
    -------
    DataFrame
        Rows (size, metric) for the sizes up to the gallery's and the gallery's itself. Columns ``expected``, the exact mean;
        ``bias``, its distance from the full value, as a share of that; ``drawn`` and ``deviation``, mean and standard
        deviation of `draws` draws; ``spread``, the deviation as a share of the full value (both shares NaN where that is 0).
    """
    n, full = check_size(ranks, 1), means(ranks)
    rng = np.random.default_rng(seed)
    rows = {}
    for m in sorted({size for size in sizes if size < n} | {n}):
        mean, drawn = expected(ranks, m), pd.DataFrame([means(draw(ranks, m, rng)) for _ in range(draws)])
        for name in METRICS:
            scale = full[name] or np.nan
            deviation = float(drawn[name].std())
            rows[m, name] = (mean[name], mean[name] / scale - 1, drawn[name].mean(), deviation, deviation / scale)
    return pd.DataFrame(rows, index=["expected", "bias", "drawn", "deviation", "spread"]).T.rename_axis(["size", "metric"])


def growth(ranks: Ranks, sizes: Sequence[int]) -> pd.DataFrame:
    """`expected` at each of several gallery sizes: a row a size, a column a metric."""
    return pd.DataFrame({m: expected(ranks, m) for m in sizes}).T.rename_axis("gallery")


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
    """What the largest gallery of `growth` leaves of the smallest one's value: a row a model, a column a metric."""
    return pd.DataFrame({label: curve.iloc[-1] / curve.iloc[0].replace(0, np.nan) for label, curve in curves.items()}).T
