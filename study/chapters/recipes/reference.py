"""The book's reference model: what its runs reach at home and abroad, by their plan's rule of decision."""

from collections.abc import Mapping

import pandas as pd

from study.runs import Run
from study.words import with_interval

HOME, ABROAD, MODERN = "sample4geo-home", "sample4geo-abroad", "modern-abroad"  # the plan's names
EXPECTED = {"higher": "as the plan expected", "lower": "against what the plan expected", "not told apart": "open"}


def table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """A row a run, by its folder: where it was trained and tested, and its scores on the uncropped test set."""
    rows = {}
    for run in runs.values():
        found, options = run.metrics["uncropped"], run.parameters["options"]
        recalls = {top: found.loc[top] for top in ("R@1", "R@1%")}
        percents = {
            f"{top}, %": with_interval(100 * row.value, 100 * row.low, 100 * row.high, "{:.1f}".format)
            for top, row in recalls.items()
        }
        pssr = found.loc["PSSR"]
        rows[run.label] = {
            "recipe": run.recipe,
            "trained in": _countries(options["train_country"]),
            "tested in": _countries(options["test_country"]),
            "PSSR": with_interval(pssr.value, pssr.low, pssr.high),
            **percents,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")


def _countries(numbers: int | list[int]) -> str:
    """Countries by their numbers.

    >>> _countries(3), _countries([0, 1, 2])
    ('country 3', 'countries 0, 1, 2')
    """
    several = isinstance(numbers, list)
    return f"countries {', '.join(map(str, numbers))}" if several else f"country {numbers}"


def told_apart(first: pd.Series, second: pd.Series) -> str:
    """Which of two scores is higher, by the plan: where their intervals do not meet.

    >>> row = lambda low, high: pd.Series({"low": low, "high": high})
    >>> told_apart(row(0.8, 0.9), row(0.6, 0.7)), told_apart(row(0.6, 0.7), row(0.8, 0.9)), told_apart(row(0, 1), row(0, 1))
    ('higher', 'lower', 'not told apart')
    """
    if first.low > second.high:
        return "higher"
    return "lower" if first.high < second.low else "not told apart"


def sentences(runs: Mapping[str, Run], planned: int) -> str:
    """What the plan asked, and what its runs say: Markdown."""
    pssr = {name: run.metrics["uncropped"].loc["PSSR"] for name, run in runs.items()}
    beats = [name for name, row in pssr.items() if row.low > row.chance]
    lines = [f"- *Above chance*: {len(beats)} of {len(pssr)} runs (reference; {planned} are planned)."]
    for what, (first, second) in {
        "At home against abroad": (HOME, ABROAD),
        "The ablation's recipe against `modern`, abroad": (ABROAD, MODERN),
    }.items():
        if {first, second} <= set(pssr):
            a, b = (with_interval(pssr[name].value, pssr[name].low, pssr[name].high) for name in (first, second))
            word = told_apart(pssr[first], pssr[second])
            lines.append(f"- *{what}*: {a} against {b}, {word}, {EXPECTED[word]}.")
    return "\n".join(lines)
