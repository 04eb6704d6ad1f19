"""What the trunks start from: heads on frozen trunks, by the rule of ``study/plans/imagenet.md``."""

import json
from pathlib import Path

import pandas as pd

from study.imagenet import SEEDS, TRUNKS
from study.replicates import t_interval
from study.words import SIGNED, with_interval

SAME = 0.02  # a difference in PSSR within which the plan calls two trunks equivalent
PAIRS = (
    ("lite0, imagenet", "conv4, turns"),
    ("conv4, turns", "conv4, random"),
    ("lite0, imagenet", "lite0, random"),
    ("lite0, random", "conv4, random"),
)


def read(path: Path | str) -> pd.DataFrame:
    """PSSR in the test: a row a seed, a column a trunk; seeds that all trunks have."""
    rows = pd.DataFrame(json.loads(Path(path).read_text())["rows"])
    return rows.pivot(index="seed", columns="trunk", values="pssr")[list(TRUNKS)].dropna()


def verdict(low: float, high: float) -> str:
    """Of a 95% interval of a difference, by the plan's rule."""
    if low > -SAME and high < SAME:
        return "equivalent"
    return "better" if low > 0 else "worse" if high < 0 else "open"


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """A row a trunk: mean PSSR with its 95% t interval over seeds."""
    rows = {name: with_interval(values.mean(), *t_interval(values)) for name, values in table.items()}
    return pd.DataFrame({"PSSR": rows}).rename_axis("frozen trunk, weights")


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """A row for two trunks: the paired difference in PSSR, its 95% t interval over seeds, and the verdict."""
    rows = {}
    for one, other in PAIRS:
        d = table[one] - table[other]
        low, high = t_interval(d)
        rows[f"{one} less {other}"] = {"seeds": str(len(d)), "difference": with_interval(d.mean(), low, high, SIGNED)}
        rows[f"{one} less {other}"]["verdict"] = verdict(low, high)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("trunks")


def said(table: pd.DataFrame) -> str:
    """How many seeds were made, and what became of the plan's two hypotheses."""
    words = {"better": "holds", "worse": "is refuted", "equivalent": "is refuted", "open": "stays open"}
    found = differences(table).verdict
    turns, imagenet = (words[found[f"{one} less {other}"]] for one, other in (PAIRS[1], PAIRS[0]))
    return (
        f"{len(table)} of {len(SEEDS)} planned seeds were made. That turns start better than random weights {turns}; "
        f"that ImageNet's weights start better than turns {imagenet}."
    )
