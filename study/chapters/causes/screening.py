"""Experiment E2: departures screened in a fraction of all combinations, and others one at a time."""

import numpy as np
import pandas as pd
from scipy import stats

from study.fraction import aliases
from study.planned import SeedsPlan
from study.words import SIGNED, with_interval

NEGLIGIBLE = 0.02  # a difference in PSSR, by the plans
LEARNED = 0.8  # PSSR of the base on validation, by the plan
SEEN, OWN = "seen_pssr", "pssr"  # tested on images prepared as in training; as the run's own test prepares them
WORDS = {SEEN: "images as in training", OWN: "the run's own test"}
# What a diverged run is taken to score, which the plan does not say: no more than chance, or as much as the base.
TREATMENTS = ("as chance", "as the base")


def chance(plan: SeedsPlan) -> float:
    """PSSR of random rankings of the plan's test."""
    n = plan.content["test_count"]
    return (n - 1) / (2 * n)


def base_level(runs: pd.DataFrame, metric: str) -> float:
    """Mean of the base's runs."""
    return float(runs[runs.arm == "base"][metric].mean())


def filled(plan: SeedsPlan, runs: pd.DataFrame, base: pd.DataFrame, metric: str, treatment: str) -> pd.DataFrame:
    """A row a seed, a column an arm; diverged runs by one of `TREATMENTS`."""
    value = chance(plan) if treatment == "as chance" else base_level(base, metric)
    return runs.fillna({metric: value}).pivot(index="seed", columns="arm", values=metric)


def simultaneous(values: pd.DataFrame, of: int) -> pd.DataFrame:
    """Means over rows with t intervals, simultaneous at 95% by Bonferroni over `of`: a row a column of `values`."""
    n = len(values)
    reach = stats.t.ppf(1 - 0.025 / of, n - 1) * values.std(ddof=1) / np.sqrt(n)
    mean = values.mean()
    return pd.DataFrame({"effect": mean, "low": mean - reach, "high": mean + reach})


def factorial(plan: SeedsPlan, runs: pd.DataFrame, metric: str, treatment: str) -> pd.DataFrame:
    """All effects of the fraction, main ones first, then sets of aliased pairs: effect, low, high."""
    design = plan.design
    words = [*design, *("=".join(words) for words in aliases(design))]
    columns = pd.DataFrame({word: design[list(word.split("=")[0])].prod(axis=1) for word in words})
    table = filled(plan, runs, runs, metric, treatment)[design.index]
    return simultaneous(table @ columns * 2 / len(design), len(words))


def verdict(low: float, high: float) -> str:
    """Of an interval, by the plans' rule."""
    if low > -NEGLIGIBLE and high < NEGLIGIBLE:
        return "negligible"
    return "harms" if high < 0 else "helps" if low > 0 else "open"


def judged(treated: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The first treatment's effects with a verdict that all treatments share, and open where they do not."""
    verdicts = pd.DataFrame({name: [verdict(r.low, r.high) for r in table.itertuples()] for name, table in treated.items()})
    first = next(iter(treated.values())).copy()
    same = verdicts.nunique(axis=1).to_numpy() == 1
    first["verdict"] = np.where(same, verdicts.iloc[:, 0], "open: hangs on diverged runs")
    return first


def screened(plan: SeedsPlan, runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """`factorial` with its verdicts."""
    return judged({treatment: factorial(plan, runs, metric, treatment) for treatment in TREATMENTS})


def alone(plan: SeedsPlan, runs: pd.DataFrame, base: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Each arm minus the base of the same seed, with its verdict; ``score`` and ``at chance`` of the arm itself."""
    base = base[base.arm == "base"].set_index("seed")[metric]
    treated, arms = {}, [arm for arm in plan.arms if (runs.arm == arm).any()]
    for treatment in TREATMENTS:
        table = filled(plan, runs, base.rename(metric).reset_index().assign(arm="base"), metric, treatment)[arms]
        treated[treatment] = simultaneous(table.sub(base, axis=0).dropna(), len(arms))
    itself = simultaneous(filled(plan, runs, runs, metric, "as chance")[arms], len(arms))
    near = [abs(row.low - 0.5) <= NEGLIGIBLE and abs(row.high - 0.5) <= NEGLIGIBLE for row in itself.itertuples()]
    holds = (itself.low <= 0.5) & (itself.high >= 0.5)
    return judged(treated).assign(score=itself.effect, at_chance=np.array(near) & holds)


def changes_only_the_test(seen: pd.DataFrame, own: pd.DataFrame) -> pd.Series:
    """Whether a departure is negligible on images as in training and harms in the run's own test: bool."""
    return (seen.verdict == "negligible") & (own.verdict == "harms")


def diverged(plan: SeedsPlan, runs: pd.DataFrame) -> dict[str, int]:
    """How many runs of each cell diverged."""
    counts = runs[runs.diverged != ""].arm.value_counts()
    return {arm: int(counts[arm]) for arm in plan.arms if arm in counts}


def name_of(plan: SeedsPlan, letter: str) -> str:
    """The switch that a letter of the fraction stands for."""
    (switch,) = plan.content["fraction"]["factors"][letter]["switches"]
    return switch


def shown(plan: SeedsPlan, seen: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Both tables of effects as text, a row an effect."""
    rows = {}
    for word in seen.index:
        main = "fraction" in plan.content and len(word) == 1
        row = {"": name_of(plan, word)} if main else {"": " or ".join(word.split("="))} if "=" in word else {"": ""}
        for metric, table in ((SEEN, seen), (OWN, own)):
            r = table.loc[word]
            row |= {WORDS[metric]: with_interval(r.effect, r.low, r.high, SIGNED), f"verdict, {WORDS[metric]}": r.verdict}
        rows[word.split("=")[0] + (" …" if "=" in word else "")] = row
    table = pd.DataFrame(rows).T.rename_axis("effect")
    return table if (table[""] != "").any() else table.drop(columns="")
