"""Experiment E4: six claims, each with one test over independent replicates, and what metrics make of ground."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from cvig.metrics.comparison import holm, sign_flip_test
from study.levels import DIFFERS
from study.replicates import REPLICATE, by_replicate, t_interval
from study.words import SIGNED, with_interval
from study.yardsticks import METRICS, SIZES, SPACINGS, decided, true_pairs

APART, WHOLE, FEW = max(SPACINGS), max(SIZES), 300
CONSTANT = 0.01  # a change of PSSR with the gallery's size that the plan calls none
ASKED = 100  # queries of the second claim
POWER = 0.8


def read(folder: Path | str) -> dict[str, pd.DataFrame]:
    """The tables ``values``, ``signals`` and ``telling``."""
    return {
        name: pd.read_csv(Path(folder) / f"{name}.csv", dtype={"block": str}) for name in ("values", "signals", "telling")
    }


def at(values: pd.DataFrame, spacing: int, size: int) -> pd.DataFrame:
    """The networks at one spacing and size of the gallery."""
    return values[(values.spacing == spacing) & (values["size"] == size)]


def taus(values: pd.DataFrame, one: str, other: str) -> np.ndarray:
    """Kendall's tau-b between two metrics' orders of the arms, one a replicate; 0 where a metric holds all arms equal."""
    pairs = zip(by_replicate(values, one).to_numpy(), by_replicate(values, other).to_numpy(), strict=True)
    return np.nan_to_num([stats.kendalltau(a, b).statistic for a, b in pairs])


def contradictions(values: pd.DataFrame, one: str, other: str) -> int:
    """Pairs of arms that both metrics decide, and oppositely."""
    first, second = (decided(by_replicate(values, name)) for name in (one, other))
    both = (first.p < DIFFERS) & (second.p < DIFFERS)
    return int((both & (first.difference * second.difference < 0)).sum())


def gain(telling: pd.DataFrame, one: str, other: str, queries: int = ASKED) -> np.ndarray:
    """Share of true pairs ordered rightly from so many queries, one metric minus another, a replicate each."""
    part = telling[(telling.spacing == APART) & (telling.queries == queries)].pivot(
        index=REPLICATE, columns="metric", values="right"
    )
    return (part[one] - part[other]).to_numpy()


def thrift(signals: pd.DataFrame) -> np.ndarray:
    """Logarithm of how many times PSSR's queries R@1% needs, mean over arms, a replicate each; where both see anything."""
    part = signals[(signals.spacing == APART) & (signals["R@1%"] > 0) & (signals.PSSR > 0)]
    return (2 * np.log(part.PSSR / part["R@1%"])).groupby([part[name] for name in REPLICATE]).mean().to_numpy()


def changed(values: pd.DataFrame, metric: str) -> np.ndarray:
    """A metric in the smallest galleries minus in the whole one, mean over arms, a replicate each."""
    small, whole = (by_replicate(at(values, APART, size), metric) for size in (min(SIZES), WHOLE))
    return (small - whole).mean(axis=1).to_numpy()


def _row(claim: str, what: str, values: np.ndarray, refuted_by: str) -> dict[str, object]:
    low, high = t_interval(values)
    found = f"{what}: {with_interval(values.mean(), low, high, SIGNED)}"
    return {
        "claim": claim,
        "n": len(values),
        "found": found,
        "p": sign_flip_test(values),
        "mean": values.mean(),
        "refuted by": refuted_by,
    }


def claims(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The six claims of the plan with their one test each, Holm over the six, and the verdict by the plan's rules."""
    values, apart = tables["values"], at(tables["values"], APART, WHOLE)
    against = sum(contradictions(at(values, spacing, WHOLE), "PSSR", "R@1%") for spacing in SPACINGS)
    land = by_replicate(at(values, min(SPACINGS), WHOLE), "land") - by_replicate(at(values, min(SPACINGS), WHOLE), "PSSR")
    few = at(values, APART, FEW)
    constant = t_interval(changed(values, "PSSR"))
    rows = [
        _row(
            "PSSR and R@1% order models alike",
            "Kendall's tau in a replicate",
            taus(apart, "PSSR", "R@1%"),
            "a pair of arms decided oppositely",
        ),
        _row(
            "PSSR tells sooner than R@1% which of two is better",
            f"share of true pairs ordered rightly from {ASKED} queries, difference",
            gain(tables["telling"], "PSSR", "R@1%"),
            "a difference significantly below zero",
        ),
        _row(
            "PSSR sees with fewer queries that a network learned",
            "log of the ratio of queries",
            thrift(tables["signals"]),
            "significantly below zero",
        ),
        _row(
            "PSSR does not depend on the size of the gallery, R@1 does",
            f"R@1 at {min(SIZES)} minus at {WHOLE}",
            changed(values, "R@1"),
            f"an interval of PSSR's change outside ±{CONSTANT:g}",
        ),
        _row(
            "PSSR says less than R@1% of who comes first",
            "tau with R@1, PSSR's minus R@1%'s",
            taus(few, "PSSR", "R@1") - taus(few, "R@1%", "R@1"),
            "significantly above zero",
        ),
        _row(
            "PSSR says how much land need not be searched, or less",
            f"land ruled out minus PSSR at {min(SPACINGS)} m",
            land.mean(axis=1).to_numpy(),
            "significantly below zero",
        ),
    ]
    times = thrift(tables["signals"])
    times = with_interval(*np.exp([times.mean(), *t_interval(times)]), "{:.0f}".format)
    rows[2]["found"] = f"R@1% needs {times} times the queries of PSSR"
    rows[0]["found"] += f"; {against} contradictions over {len(SPACINGS)} spacings"
    rows[3]["found"] += f"; PSSR {changed(values, 'PSSR').mean():+.4f} [{constant[0]:+.4f}, {constant[1]:+.4f}]"
    table = pd.DataFrame(rows)
    table["p"] = holm(table.p.to_numpy())
    expected = np.array([1, 1, 1, 1, -1, 1])
    sure, as_expected = table.p < DIFFERS, np.sign(table["mean"]) == expected
    table["verdict"] = np.where(sure & as_expected, "holds", np.where(sure, "refuted", "open"))
    if against:
        table.loc[0, "verdict"] = "refuted"
    if min(constant) <= -CONSTANT or max(constant) >= CONSTANT:
        table.loc[3, "verdict"] = "refuted" if min(constant) > CONSTANT or max(constant) < -CONSTANT else "open"
    table["p"] = [f"{p:.2g}" for p in table.p]
    return table.set_index("claim")[["n", "found", "p", "refuted by", "verdict"]].rename(columns={"p": "p (Holm)"})


def needed(difference: float, deviation: float) -> float:
    """Trainings an arm with which a paired t test at .05 finds such a difference with power `POWER`; inf above 999."""
    if not deviation:
        return 2.0 if difference else np.inf
    counts = np.arange(2, 1000)
    edge = stats.t.ppf(0.975, counts - 1)
    shift = abs(difference) / deviation * np.sqrt(counts)
    power = stats.nct.sf(edge, counts - 1, shift) + stats.nct.cdf(-edge, counts - 1, shift)
    return float(counts[power >= POWER].min()) if (power >= POWER).any() else np.inf


def agreement(values: pd.DataFrame) -> pd.DataFrame:
    """Of each metric at each spacing: pairs of arms decided, pairs that contradict PSSR at the widest, trainings needed.

    The last is the median over the true pairs.
    """
    truth = list(true_pairs(values))
    pssr = decided(by_replicate(at(values, APART, WHOLE), "PSSR"))
    rows = {}
    for spacing in SPACINGS:
        for name in METRICS:
            found = decided(by_replicate(at(values, spacing, WHOLE), name))
            against = (found.p < DIFFERS) & (pssr.p < DIFFERS) & (found.difference * pssr.difference < 0)
            trainings = (
                np.median([needed(row.difference, row.deviation) for row in found.loc[truth].itertuples()])
                if truth
                else np.nan
            )
            rows[spacing, name] = {
                "decided": f"{int((found.p < DIFFERS).sum())} of {len(found)}",
                "against PSSR": str(int(against.sum())),
                "trainings needed": "over 999" if np.isinf(trainings) else f"{trainings:.0f}",
            }
    table = pd.DataFrame(rows).T.rename_axis(["spacing, m", "metric"])
    return table.unstack("spacing, m").reindex(METRICS)


def by_spacing(values: pd.DataFrame) -> pd.DataFrame:
    """Mean of each metric over all networks in the whole gallery: a row a spacing; metres as metres."""
    table = values[values["size"] == WHOLE].groupby("spacing")[list(METRICS)].mean()
    return table.assign(metres=-table.metres)


def by_size(values: pd.DataFrame) -> pd.DataFrame:
    """Mean of each metric over all networks with tiles apart: a row a size of the gallery."""
    return values[values.spacing == APART].groupby("size")[list(METRICS)].mean()
