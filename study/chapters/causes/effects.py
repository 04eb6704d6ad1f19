"""The page on causes measures what each departure of the paper's public code from its text does.

Its runs start from two ends, the recipes `described` and `as-coded`, and turn one switch at a time: on at the first, off at
the second. All scores are of one test set, uncropped unless said otherwise.
"""

import numpy as np
import pandas as pd
from scipy import stats

from cvig.metrics.comparison import holm
from study.collapse import collapsed, towers
from study.plans import Study
from study.runs import Run
from study.switches import SWITCHES, in_words
from study.words import with_interval

ENDS = ("described", "as-coded")
BASE = "none"  # no switch turned
TEST_SET = "uncropped"
MEASURES = (
    "PSSR",
    "R@1%",
    "R@1%, ties for the query",
    "R@1% as coded",
    "PSSR as coded",
    "ground distinct",
    "aerial distinct",
    "ground spread",
    "aerial spread",
)
# A score as the public code has it, and the exact one of the same embeddings.
SCORING = {
    "recall: ties for the query, one row more (metrics.py)": ("R@1%", "R@1% as coded"),
    "PSSR: along the other axis (metrics.py)": ("PSSR", "PSSR as coded"),
}


def turned(parameters: dict) -> str:
    """The switch that a run of these parameters has turned, or `BASE`."""
    return next(iter(parameters["switches"]), BASE)


def key(parameters: dict) -> tuple[str, str, str]:
    """End, architecture and turned switch, or `BASE`, of a run of these parameters."""
    return parameters["recipe"], parameters["arch"], turned(parameters)


def variant(end: str, switch: str) -> str:
    """A recipe with one switch turned, in words."""
    return in_words(end, {} if switch == BASE else {switch: end == ENDS[0]})


def measures(run: Run, test_set: str = TEST_SET) -> dict[str, float]:
    """Every one of `MEASURES` of a run, in [0, 1]."""
    summary, as_coded = run.metrics[test_set], run.facts[test_set]["as_coded"]
    ground, aerial = towers(run, test_set)
    values = (
        summary.loc["PSSR", "pessimistic"],
        summary.loc["R@1%", "pessimistic"],
        summary.loc["R@1%", "optimistic"],
        as_coded["R@1%"],
        as_coded["PSSR"],
        ground.distinct / ground.rows,
        aerial.distinct / aerial.rows,
        ground.spread,
        aerial.spread,
    )
    return dict(zip(MEASURES, map(float, values), strict=True))


def frame(study: Study, test_set: str = TEST_SET) -> pd.DataFrame:
    """Every finished run: end, arch, switch (or `BASE`), seed, label, collapsed, chance and p_value of PSSR, `MEASURES`."""
    rows = {}
    for name, run in study.runs.items():
        p = run.parameters
        rows[name] = {
            "end": p["recipe"],
            "arch": p["arch"],
            "switch": turned(p),
            "seed": p["seed"],
            "label": run.label,
            "collapsed": collapsed(run, test_set),
            "chance": float(run.metrics[test_set].loc["PSSR", "chance"]),
            "p_value": run.p_above_chance(test_set),
            **measures(run, test_set),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def paired(difference: np.ndarray) -> dict[str, float]:
    """Mean of paired differences of shares, its t interval of 95% within [-1, 1], and the two-sided p-value of the t test.

    The interval assumes normal differences; three seeds cannot check that. One seed has no interval. Differences that do
    not scatter have no test, and their interval is a point.

    Parameters
    ----------
    difference : float array [seeds]

    Examples
    --------
    >>> {name: round(value, 3) for name, value in paired(np.array([0.1, 0.2, 0.3])).items()}
    {'difference': 0.2, 'low': -0.048, 'high': 0.448, 'p_value': 0.074}
    """
    difference = (
        np.round(difference, 12) + 0.0
    )  # so that rounding does not count as scatter, and no difference is written as -0
    mean, low, high, p_value = float(np.mean(difference)), np.nan, np.nan, np.nan
    if len(difference) > 1:
        low = high = mean
        if np.ptp(difference) > 0:
            test = stats.ttest_1samp(difference, 0)
            low, high = np.clip(test.confidence_interval(0.95), -1, 1)
            p_value = float(test.pvalue)
    return {"difference": mean, "low": float(low), "high": float(high), "p_value": p_value}


def effects(table: pd.DataFrame) -> pd.DataFrame:
    """Compare each run with a turned switch with the base run of its end and seed; `table` as `frame` makes it.

    Returns
    -------
    DataFrame
        Columns end, arch, switch, measure, seeds (how many pairs), difference (turned minus base), low, high, p_value, and
        p_holm, adjusted for the switches of one end, architecture and measure; those without a test count among them.
    """
    rows = []
    for (end, arch), part in table.groupby(["end", "arch"], sort=False):
        base = part[part.switch == BASE].set_index("seed")
        for switch in SWITCHES:
            other = part[part.switch == switch].set_index("seed")
            seeds = base.index.intersection(other.index)
            for measure in MEASURES if len(seeds) else ():
                difference = (other.loc[seeds, measure] - base.loc[seeds, measure]).to_numpy(float)
                where = {"end": end, "arch": arch, "switch": switch, "measure": measure, "seeds": len(seeds)}
                rows.append(where | paired(difference))
    columns = ["end", "arch", "switch", "measure", "seeds", "difference", "low", "high", "p_value"]
    found = pd.DataFrame(rows, columns=columns)
    groups = found.groupby(["end", "arch", "measure"]).p_value
    found["p_holm"] = groups.transform(
        lambda p: holm(p.to_numpy())
    )  # NaN sorts last: it counts among the tests, and stays NaN
    return found


def interval(row: pd.Series) -> str:
    """A difference with its interval, if it has one."""
    return with_interval(row.difference, row.low, row.high, "{:+.3f}".format)
