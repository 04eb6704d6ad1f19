"""Experiment E3: six losses, paired by seed and country, and what the plan's rule of decision says of each two."""

from itertools import combinations

import pandas as pd

from cvig.metrics.comparison import holm
from study.levels import DIFFERS
from study.planned import SeedsPlan
from study.replicates import by_replicate, paired_t, t_interval
from study.words import SIGNED, with_interval

MARGIN = 0.02  # of equivalence, by the plan: differences in PSSR


def verdict(low: float, high: float, p: float) -> str:
    """Of the interval at 90% and the adjusted p, by the plan's rule."""
    found = [word for word, holds in (("equivalent", low > -MARGIN and high < MARGIN), ("differ", p < DIFFERS)) if holds]
    return " and ".join(found) or "open"


def differences(runs: pd.DataFrame) -> pd.DataFrame:
    """Each two arms by the plan's rule.

    Returns
    -------
    DataFrame
        A row for two arms, (first, second): n, difference (first minus second), low, high (90%), p (Holm over all rows),
        verdict, and the mean difference in each country.
    """
    table, rows = by_replicate(runs, "pssr"), {}
    arms = list(table.mean().sort_values(ascending=False).index)
    for first, second in combinations(arms, 2):
        d = (table[first] - table[second]).dropna()
        low, high = t_interval(d.to_numpy(), 0.9)
        row = {"n": len(d), "difference": d.mean(), "low": low, "high": high, "p": paired_t(d.to_numpy())}
        rows[first, second] = row | {f"in {block}": each.mean() for block, each in d.groupby("block")}
    found = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["first", "second"])
    found["p"] = holm(found.p.to_numpy())
    found.insert(5, "verdict", [verdict(row.low, row.high, row.p) for row in found.itertuples()])
    return found.astype({"n": int})


def with_and_without(runs: pd.DataFrame) -> pd.DataFrame:
    """What unit length adds to each loss: the rows of `differences` of one loss, unit minus any length."""
    found, rows = differences(runs), {}
    for (first, second), row in found.iterrows():
        if first.removesuffix("-unit") == second.removesuffix("-unit"):
            sign = 1 if first.endswith("-unit") else -1
            low, high = sorted((sign * row.low, sign * row.high))
            rows[second if sign > 0 else first] = row.to_dict() | {
                "difference": sign * row.difference,
                "low": low,
                "high": high,
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def gains_and_differences(runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What unit length adds to each loss, and how far each two losses of unit length are apart.

    Returns
    -------
    two DataFrames
        Rows with difference, low and high, simultaneous at 95% by Bonferroni over the rows of both.
    """
    table = by_replicate(runs, "pssr")
    losses = [arm for arm in table if not arm.endswith("-unit")]
    gains = {loss: table[f"{loss}-unit"] - table[loss] for loss in losses}
    apart = {f"{a} minus {b}": table[f"{a}-unit"] - table[f"{b}-unit"] for a, b in combinations(losses, 2)}
    level = 1 - 0.05 / (len(gains) + len(apart))

    def rows(found: dict) -> pd.DataFrame:
        told = {key: (d.mean(), *t_interval(d.dropna().to_numpy(), level)) for key, d in found.items()}
        return pd.DataFrame.from_dict(told, orient="index", columns=["difference", "low", "high"])

    return rows(gains), rows(apart)


def chosen(tuning: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """The tuning: PSSR of the validation views after the last epoch, a row an arm, a column a rate."""
    last = epochs.sort_values("epoch").groupby("run").val_pssr.last()
    table = tuning.assign(val_pssr=last.reindex(tuning.run).to_numpy())
    return table.pivot(index="arm", columns="block", values="val_pssr")


def rates(plan: SeedsPlan) -> dict[str, float]:
    """The learning rate that each arm of the comparison has."""
    return {arm: settings.learning_rate for name, settings in plan.runs.items() for arm in [name.split("/")[0]]}


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """`differences` as text."""
    table = found[["n"]].astype(str)
    table["difference [90%]"] = [with_interval(row.difference, row.low, row.high, SIGNED) for row in found.itertuples()]
    table["p (Holm)"] = [f"{p:.2g}" for p in found.p]
    for name in found.filter(regex="^in "):
        table[name.replace("in ", "in country ")] = found[name].map(SIGNED)
    return table.assign(verdict=found.verdict)


def means(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean PSSR and R@1% of each arm with 95% t intervals over all its runs, best first."""
    rows = {}
    for arm, its in runs.groupby("arm"):
        low, high = t_interval(its.pssr.to_numpy(), 0.95)
        first, last = t_interval(its.recall_1pct.to_numpy(), 0.95)
        rows[arm] = {
            "n": str(len(its)),
            "PSSR [95%]": f"{its.pssr.mean():.3f} [{low:.3f}, {high:.3f}]",
            "R@1%, % [95%]": f"{its.recall_1pct.mean():.1f} [{first:.1f}, {last:.1f}]",
        }
    order = runs.groupby("arm").pssr.mean().sort_values(ascending=False).index
    return pd.DataFrame(rows).T.loc[order].rename_axis("arm")
