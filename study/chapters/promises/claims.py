"""The paper's claims for PSSR, each tested on the ranks of finished runs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cvig.metrics import per_query_pssr, per_query_rank, top_size
from cvig.metrics.collapse import skewness
from cvig.metrics.inference import per_query_values
from cvig.ranking import Ranks
from study.chapters.promises.earliness import against_chance
from study.chapters.promises.orders import SameTest, paired_p
from study.chapters.promises.subsets import METRICS, expected, means
from study.levels import LEARNS

IMPROVEMENTS = {
    "far": "every rank beyond the top 1% is halved, as far as the boundary",
    "slight": "every rank becomes 1% smaller, rounded up",
    "halved": "every rank is halved, rounded up",
    "head": "every positive within the top 1% comes first",
}
SIZES = (100, 199, 200, 299, 300, 499, 500, 999, 1000, 1999, 2000)  # 1% of 199 rows is one row, as of 100


def learned(tests: Sequence[SameTest]) -> dict[str, tuple[Ranks, np.ndarray]]:
    """The runs whose PSSR beats chance on their test at `study.levels.LEARNS`, with the queries' places, worst first."""
    found = {
        label: (ranks, test.places)
        for test in tests
        for label, ranks in test.ranks.items()
        if against_chance(ranks, test.places).p_value["PSSR"] < LEARNS
    }
    return dict(sorted(found.items(), key=lambda item: means(item[1][0])["PSSR"]))


def representatives(runs: Mapping[str, tuple[Ranks, np.ndarray]]) -> dict[str, Ranks]:
    """The ranks of the worst, the middle and the best of the `learned` runs; fewer where there are fewer."""
    labels = list(runs)
    return {labels[i]: runs[labels[i]][0] for i in sorted({0, len(labels) // 2, len(labels) - 1})}


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


def noticed(ranks: Ranks, group: np.ndarray) -> pd.DataFrame:
    """What each metric makes of `IMPROVEMENTS`, ties counted against the query.

    Parameters
    ----------
    group : int array [Q]
        The place of each query.

    Returns
    -------
    DataFrame
        Rows (improvement, metric). ``change``; ``p_value``, of a paired test on the same queries (`paired_p`); ``errors``,
        the change in standard errors of two separate tests, each of as many queries as these.
    """
    before, rows = per_query_values(ranks, "pessimistic"), {}
    for kind in IMPROVEMENTS:
        after = per_query_values(improved(ranks, kind), "pessimistic")
        for name in METRICS:
            change = after[name] - before[name]
            error = np.sqrt((after[name].var() + before[name].var()) / len(ranks))
            rows[kind, name] = (change.mean(), paired_p(np.bincount(group, change)), change.mean() / error if error else 0.0)
    return pd.DataFrame(rows, index=["change", "p_value", "errors"]).T.rename_axis(["improvement", "metric"])


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


def shape(ranks: Ranks) -> dict[str, float]:
    """How per-query PSSR is distributed: mean, skewness, share of queries in the top tenth, and which tenth is fullest."""
    values = per_query_pssr(ranks, ties="pessimistic")
    tenths = np.histogram(values, bins=10, range=(0, 1))[0]
    return {
        "mean": values.mean(),
        "skewness": skewness(values),
        "top": tenths[-1] / len(values),
        "fullest": int(tenths.argmax()) + 1,
    }


def departures(ranks: Ranks, sizes: Sequence[int]) -> pd.DataFrame:
    """How far each metric's mean in smaller tests is from its full value, in standard errors of a test of that size.

    A row a size, a column a metric; the error is that of m independent queries with the full test's values.
    """
    each = per_query_values(ranks, "pessimistic")
    rows = {}
    for m in sizes:
        mean = expected(ranks, m)
        rows[m] = {name: (mean[name] - each[name].mean()) / (each[name].std() / np.sqrt(m) or np.nan) for name in METRICS}
    return pd.DataFrame(rows).T.rename_axis("size")


def _row(claim: str, found: str, verdict: str) -> dict[str, str]:
    return {"claim": claim, "found": found, "verdict": verdict}


def _in(runs: int, of: int) -> str:
    """What was found, without a count: rankings of one test, and edits of them, are no independent trials."""
    return {0: "fails", of: "holds"}.get(runs, "holds in part") + " (shown, not tested)"


def improvement_verdicts(runs: Mapping[str, tuple[Ranks, np.ndarray]]) -> list[dict[str, str]]:
    """Does PSSR notice improvements that R@1% does not, and the other way round?"""
    changes = pd.concat({label: noticed(*item) for label, item in runs.items()}, names=["run"])
    sees, errors = (changes.p_value < LEARNS).unstack("metric"), changes.errors.unstack("metric")
    median, rows = errors.groupby("improvement").median(), []
    for kind in ("far", "slight", "halved"):
        part = sees.xs(kind, level="improvement")
        found = (
            f"paired on the same queries, PSSR notices it in {part['PSSR'].sum()} runs, R@1% in {part['R@1%'].sum()}; "
            f"between two separate tests the median change is {median.loc[kind, 'PSSR']:.1f} standard errors of PSSR and "
            f"{median.loc[kind, 'R@1%']:.1f} of R@1%"
        )
        alone = int((part["PSSR"] & ~part["R@1%"]).sum())
        rows.append(_row(f"PSSR notices what R@1% does not: {IMPROVEMENTS[kind]}", found, _in(alone, len(runs))))
    head = errors.xs("head", level="improvement")
    found = f"median change {median.loc['head', 'PSSR']:.2f} standard errors of PSSR, {median.loc['head', 'R@1']:.1f} of R@1"
    claim = f"The converse, which the paper does not claim: PSSR notices what R@1 does: {IMPROVEMENTS['head']}"
    return [*rows, _row(claim, found, _in(int((head["PSSR"] >= head["R@1"]).sum()), len(runs)))]


def tie_verdicts(runs: Mapping[str, tuple[Ranks, np.ndarray]]) -> list[dict[str, str]]:
    """Does PSSR avoid the problem of ties, and of the boundary?"""
    ranks = list(runs.values())[-1][0]
    n = int(ranks.gallery_size)
    collapsed = Ranks(np.zeros(n), np.full(n, n - 1), n)
    worst, best = (
        {k: v.mean() for k, v in per_query_values(collapsed, rule).items()} for rule in ("pessimistic", "optimistic")
    )
    size = 2 * top_size("1%", n)
    gaps = [tie_gaps(r, [2 * top_size("1%", int(r.gallery_size))]).iloc[0] for r, _ in runs.values()]
    return [
        _row(
            "PSSR avoids the problem of ties, as equation 2 counts them: a gallery on one point earns nothing",
            f"PSSR {worst['PSSR']:.4f}; R@1% by the same rule {worst['R@1%']:.4f}",
            "holds" if worst["PSSR"] == 0 else "fails",
        ),
        _row(
            "PSSR avoids it whatever the rule: the same gallery with ties counted for the query",
            f"PSSR {best['PSSR']:.4f}, R@1% {best['R@1%']:.4f}: the rule decides, not the metric",
            "holds" if best["PSSR"] < 0.5 else "fails",
        ),
        _row(
            "PSSR has no boundary: ties among few rows matter less to it than to R@1%",
            f"{size} of {n} rows at a time at one distance move the best run's PSSR by {gaps[-1]['PSSR']:.3f}, R@1% by "
            f"{gaps[-1]['R@1%']:.3f}",
            _in(sum(int(gap["PSSR"] < gap["R@1%"]) for gap in gaps), len(runs)),
        ),
    ]


def shape_verdicts(runs: Mapping[str, tuple[Ranks, np.ndarray]]) -> list[dict[str, str]]:
    """Do results per query show what the paper expects of a good model?"""
    shapes = pd.DataFrame([shape(ranks) for ranks, _ in runs.values()])
    found = (
        f"skewness from {shapes.skewness.min():.2f} to {shapes.skewness.max():.2f}; the top tenth holds "
        f"{100 * shapes.top.min():.0f}% to {100 * shapes.top.max():.0f}% of the queries"
    )
    tails = int(((shapes.skewness < 0) & (shapes.fullest == 10)).sum())
    claim = "Results per query show the distribution: its peak at the right end, with a tail to the left"
    return [_row(claim, found, _in(tails, len(runs)))]


def size_verdicts(runs: Mapping[str, tuple[Ranks, np.ndarray]]) -> list[dict[str, str]]:
    """Do R@1% and PSSR depend on the size of the test set?"""
    far = {}
    for label, (ranks, _) in runs.items():
        far[label] = departures(ranks, [m for m in SIZES if m <= ranks.gallery_size]).abs().max()
    table = pd.DataFrame(far)
    return [
        _row(
            f"{name} does not depend on the size of the test: its mean is within a standard error from {SIZES[0]} pairs on",
            f"{table.loc[name].min():.2f} to {table.loc[name].max():.2f} standard errors from the full test, at each run's "
            "worst size",
            _in(int((table.loc[name] < 1).sum()), len(runs)),
        )
        for name in ("R@1%", "PSSR")
    ]


def verdicts(runs: Mapping[str, tuple[Ranks, np.ndarray]]) -> pd.DataFrame:
    """All claims, what was found in the `learned` runs, and what that makes of each claim: a row a claim."""
    if not runs:
        raise ValueError("no run beats chance: there is nothing to test the claims on")
    parts = (improvement_verdicts, tie_verdicts, shape_verdicts, size_verdicts)
    return pd.DataFrame([row for part in parts for row in part(runs)])
