"""Counts of recalled queries against chance: cell by cell, and whether a row lies closer to chance than chance would.

Chance is independent random rankings: a query's positive is equally likely at each of n ranks, whatever the others'.
"""

import numpy as np
import pandas as pd
from scipy import stats

from cvig.metrics import top_size
from cvig.metrics.comparison import holm

DIFFERS = 0.05  # level of Holm's adjusted p below which a count is not what chance gives
# How many rows the rule of a table looks at beyond the k it names.
RULES = {"plain": 0, "as-coded": 1}


def tops_under(ks: dict[str, int | str], n: int, rule: str = "as-coded") -> pd.Series:
    """How many rows of a gallery of n each column of a table looks at.

    Parameters
    ----------
    ks : dict
        The k of each column, as `cvig.printed.tables.cutoffs` gives them.
    n : int
        Gallery size.
    rule : {"plain", "as-coded"}
        ``"as-coded"`` is ``d_pos <= sorted_row[k]`` of the paper's code (src/metrics.py), counted from 0: k + 1 rows.

    Returns
    -------
    Series of int
        In ascending order.

    Examples
    --------
    >>> list(tops_under({"R@1": 1, "R@1%": "1%"}, 6194))
    [2, 62]
    """
    if rule not in RULES:
        raise ValueError(f"unknown rule '{rule}': expected one of {', '.join(RULES)}")
    found = {name: min(top_size(k, n) + RULES[rule], n) for name, k in ks.items()}
    return pd.Series(found, dtype=int).sort_values(kind="stable")


def against_chance(counts: pd.DataFrame, top: pd.Series, n: int) -> pd.DataFrame:
    """Exact two-sided binomial test of every count against chance, and what many tests make of it.

    Parameters
    ----------
    counts : DataFrame of nullable int
        Recalled queries, a row a model; missing cells are left out.
    top : Series of int
        Rows that each column looks at (`tops_under`).
    n : int
        Queries, and gallery rows.

    Returns
    -------
    DataFrame
        A row a cell: ``row``, ``column``, ``count``, ``chance`` (expected count), ``p_value``, ``holm``, ``bonferroni``.
    """
    cells = [
        (row, column, int(counts.loc[row, column]), int(top[column]))
        for row in counts.index
        for column in top.index
        if not pd.isna(counts.loc[row, column])
    ]
    table = pd.DataFrame(cells, columns=["row", "column", "count", "chance"])
    table["p_value"] = [stats.binomtest(count, n, expected / n).pvalue for _, _, count, expected in cells]
    table["holm"] = holm(table.p_value.to_numpy())
    table["bonferroni"] = np.minimum(1, len(table) * table.p_value)
    return table


def _between(counts: np.ndarray, n: int) -> np.ndarray:
    """Queries found first at each column, and those never found, from nested counts [..., columns]."""
    return np.diff(counts, axis=-1, prepend=0, append=n)


def chi_square(counts: np.ndarray, top: np.ndarray, n: int) -> float:
    """Pearson's distance of a row from chance, over the cells between one column's top and the next's.

    Parameters
    ----------
    counts : int array [C]
        Nested counts, by ascending tops.
    top : int array [C]
        Tops, ascending and below n.
    n : int
        Queries, and gallery rows.

    Examples
    --------
    >>> chi_square(np.array([2, 6]), np.array([2, 6]), 100)
    0.0
    """
    expected = _between(np.asarray(top, dtype=float), n)
    return float(((_between(np.asarray(counts), n) - expected) ** 2 / expected).sum())


def scatter(counts: pd.DataFrame, top: pd.Series, n: int, *, draws: int = 1_000_000, seed: int = 0) -> pd.DataFrame:
    """Does each row scatter about chance as independent random rankings would, or does it lie too close, or too far?

    Independent rankings make the queries between one column and the next a multinomial draw. Some of its cells expect
    only a few queries, so the chi-square distribution is an approximation; the multinomial itself is drawn beside it.

    Parameters
    ----------
    counts, top, n
        As in `against_chance`. Rows with a missing cell or falling counts are left out, as are columns with the top of
        another.
    draws, seed : int
        Of the multinomial.

    Returns
    -------
    DataFrame
        A row a model that is tested: ``chi_square``, ``degrees``, ``closer_approx`` (lower tail of the chi-square
        distribution), ``closer`` and ``farther`` (share of draws as close or closer, as far or farther; the row itself
        counts as a draw), ``p_value`` (twice the smaller of them) and ``holm`` over the rows.

    Raises
    ------
    ValueError
        No row can be tested.
    """
    top = top[~top.duplicated() & (top < n)]
    rows = counts[top.index].dropna().astype(int)
    rows = rows[(_between(rows.to_numpy(), n) >= 0).all(axis=1)]
    if rows.empty or top.empty:
        raise ValueError("no row has a count in every column, each at least the one before: no scatter to test")
    statistic = np.array([chi_square(row, top.to_numpy(), n) for row in rows.to_numpy()])
    expected = _between(top.to_numpy(dtype=float), n)
    rng = np.random.default_rng(seed)
    near, far = np.ones(len(rows)), np.ones(len(rows))
    for start in range(0, draws, 100_000):
        drawn = rng.multinomial(n, expected / n, size=min(100_000, draws - start))
        distance = ((drawn - expected) ** 2 / expected).sum(1)
        # the same sum in another order may differ by a rounding
        near += [(distance <= x * (1 + 1e-9) + 1e-12).sum() for x in statistic]
        far += [(distance >= x * (1 - 1e-9) - 1e-12).sum() for x in statistic]
    near, far = near / (draws + 1), far / (draws + 1)
    p_value = np.minimum(1, 2 * np.minimum(near, far))
    return pd.DataFrame(
        {
            "chi_square": statistic,
            "degrees": len(top),
            "closer_approx": stats.chi2.cdf(statistic, len(top)),
            "closer": near,
            "farther": far,
            "p_value": p_value,
            "holm": holm(p_value),
        },
        index=rows.index,
    )
