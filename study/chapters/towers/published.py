"""The paper's rows and E1's runs in one measure: how many queries each count is away from k + 1."""

import pandas as pd

from cvig.printed import tables as printed
from cvig.printed.chance import tops_under
from study import published
from study.chapters.towers.experiment import COUNTS, Experiment, k_plus_one
from study.words import span

NAMES = ["R@1", "R@5", "R@10", "R@1%", "R@5%", "R@10%"]


def excess() -> pd.DataFrame:
    """Counts of the paper's rows minus what one ranking shared by all queries gives, k + 1: int, a row a model."""
    cells, n = published.all_cells(), published.queries()
    counts = printed.counts(cells, n).astype(int)
    tops = tops_under(printed.cutoffs(cells), n, "as-coded").to_numpy()
    return pd.DataFrame(counts.to_numpy() - tops, index=counts.index, columns=NAMES)


def excess_of(experiment: Experiment) -> pd.DataFrame:
    """The same of an experiment's arms: least and greatest over the seeds."""
    tops, rows = k_plus_one(experiment.plan.content["test_count"]), {}
    for arm in experiment.arms:
        gap = experiment.arm(arm)[COUNTS].to_numpy() - tops
        rows[f"{experiment.name}, {arm}, n = {len(gap)}"] = [span(column, "{:+d}".format, "…") for column in gap.T]
    return pd.DataFrame.from_dict(rows, orient="index", columns=NAMES)


def comparison(*experiments: Experiment) -> pd.DataFrame:
    """Both, one below the other."""
    ours = pd.concat([excess_of(each) for each in experiments])
    paper = excess().map("{:+d}".format).rename(index="paper, {}".format)
    return pd.concat([paper, ours]).rename_axis("row")
