"""Ablation, ladder of batches and curve of field of view: intervals by the plans' rules of decision."""

import numpy as np
import pandas as pd
from scipy import stats

from study.levels import DIFFERS
from study.replicates import t_interval
from study.sessions.fields import HEADINGS, MEASURES
from study.words import SIGNED, with_interval

LITTLE = 0.02  # a trick that changes PSSR by less is worth little, by the plan
# by their plans, each the first recipe minus the second: name, heading and field of view in degrees
CURVE = {
    "H1": ("sample4geo", "congeo", "north", 360),
    "H2": ("congeo", "sample4geo", "turned", 90),
    "H3": ("congeo-any-field", "congeo", "turned", 70),
}
LADDER = {
    "H1": ({("random", 32): 1, ("random", 8): -1}, "random batches of 32 minus of 8"),
    "H2": (
        {("sampled", 8): 1, ("random", 8): -1, ("sampled", 128): -1, ("random", 128): 1},
        "what sampling adds to batches of 8 minus what it adds to those of 128",
    ),
    "H3": (
        {("random", size): 1 / 6 for size in (8, 32, 128)}
        | {("sampled", size): 1 / 6 for size in (8, 32, 128)}
        | {("random", 512): -1 / 2, ("sampled", 512): -1 / 2},
        "the mean of smaller batches minus batches of 512",
    ),
}


def residual(table: pd.DataFrame) -> tuple[float, int]:
    """Of a layout of seeds (rows) and cells (columns): variance of what neither explains, and its degrees of freedom."""
    left = table.sub(table.mean(axis=1), axis=0).sub(table.mean(axis=0), axis=1) + table.to_numpy().mean()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    return float((left.to_numpy() ** 2).sum() / freedom), freedom


def contrast(table: pd.DataFrame, weights: dict, comparisons: int) -> tuple[float, float, float]:
    """A weighted sum of the columns' means, weights adding to zero, and its interval: 95% for all `comparisons` together."""
    variance, freedom = residual(table)
    value = sum(weight * table[cell].mean() for cell, weight in weights.items())
    spread = np.sqrt(variance * sum(weight**2 for weight in weights.values()) / len(table))
    half = stats.t.ppf(1 - DIFFERS / (2 * comparisons), freedom) * spread
    return value, value - half, value + half


def worth(runs: pd.DataFrame, metric: str = "pssr") -> pd.DataFrame:
    """What each trick is worth: the base minus the same without it, with simultaneous 95% intervals.

    Returns
    -------
    DataFrame
        A row a trick: without (its mean), worth, low, high, verdict.
    """
    table = runs.pivot(index="seed", columns="arm", values=metric).dropna()
    arms = [arm for arm in runs.arm.unique() if arm != "base"]
    rows = {}
    for arm in arms:
        value, low, high = contrast(table, {"base": 1, arm: -1}, len(arms))
        rows[arm] = {"without": table[arm].mean(), "worth": value, "low": low, "high": high}
    found = pd.DataFrame.from_dict(rows, orient="index").rename_axis("left out")
    return found.assign(verdict=[verdict(row.low, row.high) for row in found.itertuples()])


def verdict(low: float, high: float) -> str:
    """Of an interval of a difference in PSSR, by the ablation's plan.

    >>> verdict(0.01, 0.1), verdict(-0.1, -0.01), verdict(-0.01, 0.015), verdict(-0.1, 0.1)
    ('helps', 'harms', 'little', 'open')
    """
    if low > 0:
        return "helps"
    if high < 0:
        return "harms"
    return "little" if low > -LITTLE and high < LITTLE else "open"


def curve(runs: pd.DataFrame) -> pd.DataFrame:
    """The test by field of view: a row for arm, heading, field and seed, with each of `MEASURES`."""
    fields = sorted({int(name.split("_")[1]) for name in runs.columns if name.startswith("north_")}, reverse=True)
    rows = []
    for _, run in runs.iterrows():
        for heading in HEADINGS:
            for field in fields:
                measured = {name: run[f"{heading}_{field}_{name}"] for name in MEASURES}
                rows.append({"arm": run.arm, "heading": heading, "field": field, "seed": run.seed, **measured})
    return pd.DataFrame(rows)


def curve_hypotheses(runs: pd.DataFrame) -> pd.DataFrame:
    """The plan's three differences in PSSR, paired by seed, with Student's intervals that hold together."""
    rows = {}
    for name, (first, second, heading, field) in CURVE.items():
        table = runs.pivot(index="seed", columns="arm", values=f"{heading}_{field}_pssr")
        d = (table[first] - table[second]).dropna().to_numpy()
        low, high = t_interval(d, 1 - DIFFERS / len(CURVE))
        said = f"{first} minus {second}, {field}°, {'looking north' if heading == 'north' else 'heading unknown'}"
        rows[name] = {"what": said, "difference": d.mean(), "low": low, "high": high}
    return _decided(rows)


def ladder(runs: pd.DataFrame, metric: str = "pssr") -> pd.DataFrame:
    """The ladder's cells: a row a seed, a column for (arm, batch)."""
    table = runs.assign(batch=runs.block.astype(int)).pivot(index="seed", columns=["arm", "batch"], values=metric)
    return table.dropna().sort_index(axis=1)


def ladder_hypotheses(runs: pd.DataFrame) -> pd.DataFrame:
    """The plan's three differences in PSSR, with intervals after Bonferroni over the eight cells."""
    table, rows = ladder(runs), {}
    for name, (weights, said) in LADDER.items():
        value, low, high = contrast(table, weights, table.shape[1])
        rows[name] = {"what": said, "difference": value, "low": low, "high": high}
    return _decided(rows)


def _decided(rows: dict) -> pd.DataFrame:
    found = pd.DataFrame.from_dict(rows, orient="index").rename_axis("hypothesis")
    said = [
        "holds" if low > 0 else "refuted" if high < 0 else "open" for low, high in zip(found.low, found.high, strict=True)
    ]
    return found.assign(outcome=said)


def shown(found: pd.DataFrame, value: str) -> pd.DataFrame:
    """A table of differences as text."""
    table = found.drop(columns=[value, "low", "high"])
    text = [with_interval(row[value], row.low, row.high, SIGNED) for _, row in found.iterrows()]
    table.insert(len(table.columns) - 1, f"{value} [95%, together]", text)
    return table.assign(without=table.without.map("{:.3f}".format)) if "without" in table else table
