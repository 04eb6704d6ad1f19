"""What follows from the metrics' definitions, shown on the ranks of real runs: improvements, and ties."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cvig.metrics import per_query_rank, top_size
from cvig.metrics.inference import per_query_values
from cvig.ranking import Ranks
from study.chapters.promises.subsets import METRICS

IMPROVEMENTS = {
    "far": "every rank beyond the top 1% is halved, as far as the boundary",
    "slight": "every rank becomes 1% smaller, rounded up",
    "halved": "every rank is halved, rounded up",
    "head": "every positive within the top 1% comes first",
}


def improved(ranks: Ranks, kind: str) -> Ranks:
    """What a better model would make of the same queries, by one of `IMPROVEMENTS`; no ties.

    Examples
    --------
    >>> better = improved(Ranks([101, 50], [0, 0], 5000), "far")  # the paper's section 3.1: from rank 102 to 51
    >>> (better.closer + 1).tolist()
    [51, 51]
    """
    n, rank = int(ranks.gallery_size), per_query_rank(ranks, ties="pessimistic").astype(int)
    top = top_size("1%", n)
    half = (rank + 1) // 2
    better = {
        "far": np.where(rank > top, np.maximum(half, top + 1), rank),
        "slight": rank - rank // 100,
        "halved": half,
        "head": np.where(rank <= top, 1, rank),
    }[kind]
    return Ranks(better - 1, np.zeros_like(better), n)


def noticed(ranks: Ranks) -> pd.DataFrame:
    """What each metric makes of `IMPROVEMENTS`, ties counted against the query.

    Returns
    -------
    DataFrame
        Rows (improvement, metric). ``change``; ``errors``, the same in standard errors of two separate tests, each of as
        many queries as these.
    """
    before, rows = per_query_values(ranks, "pessimistic"), {}
    for kind in IMPROVEMENTS:
        after = per_query_values(improved(ranks, kind), "pessimistic")
        for name in METRICS:
            change = after[name] - before[name]
            error = np.sqrt((after[name].var() + before[name].var()) / len(ranks))
            rows[kind, name] = (change.mean(), change.mean() / error if error else 0.0)
    return pd.DataFrame(rows, index=["change", "errors"]).T.rename_axis(["improvement", "metric"])


def coarsened(ranks: Ranks, size: int) -> Ranks:
    """The same ranking after each `size` gallery rows that follow each other were put at one distance.

    Examples
    --------
    >>> blurred = coarsened(Ranks([0, 4, 8], [0, 0, 0], 10), 4)
    >>> blurred.closer.tolist(), blurred.tied.tolist()
    ([0, 4, 8], [3, 3, 1])
    """
    n, before = int(ranks.gallery_size), ranks.closer + ranks.tied
    closer = before // size * size
    return Ranks(closer, np.minimum(size, n - closer) - 1, n)


def tie_gaps(ranks: Ranks, sizes: Sequence[int]) -> pd.DataFrame:
    """Best minus worst value that a tie rule gives each metric, where `coarsened` ties so many rows: a row a size."""
    rows = {}
    for size in sizes:
        worst, best = (per_query_values(coarsened(ranks, size), rule) for rule in ("pessimistic", "optimistic"))
        rows[size] = {name: (best[name] - worst[name]).mean() for name in METRICS}
    return pd.DataFrame(rows).T.rename_axis("tied rows")
