"""E1 again where test tiles do not overlap, `e1-apart`, by its plan's rules."""

import pandas as pd

from study.chapters.towers.experiment import Experiment, like_published, row, said, within_one


def near(experiment: Experiment) -> pd.Series:
    """Whether all six counts of each run are within one of k + 1."""
    return within_one(experiment.runs, experiment.plan.content["test_count"])


def towers_and_row(experiment: Experiment, otherwise: str) -> list[dict[str, str]]:
    """Whether a tower died in any run, and whether one has the published row; `otherwise` is the verdict if none."""
    dead = experiment.runs.filter(regex="^dead_").any(axis=1)
    like, of = int(like_published(experiment.runs, experiment.plan.content["test_count"]).sum()), len(dead)
    where = f" in {', '.join(experiment.runs.arm[dead].unique())}" if len(experiment.arms) > 1 else ""
    verdict = f"refuted{where}" if dead.any() else otherwise
    shape = "the published ResNet50 row comes about in no run"
    return [
        row(experiment, "no tower dies", of, said(int(dead.sum()), of), "one dead tower", verdict),
        row(experiment, shape, of, said(like, of), "one run that has it", "refuted" if like else otherwise),
    ]


def of_apart(apart: Experiment) -> pd.DataFrame:
    """What the plan of `e1-apart` asked, in the columns of `study.chapters.towers.experiment.verdicts`."""
    rows, counted = [], near(apart).groupby(apart.runs.arm).agg(["sum", "size"])
    for what, often in (("mixed", "most"), ("one", "few")):
        part = counted[counted.index.str.contains(f"-{what}-")]
        as_said = (part["sum"] > part["size"] / 2) if what == "mixed" else (part["sum"] < part["size"] / 2)
        rows.append(
            row(
                apart,
                f"with {what} preprocessing counts are k + 1, within one, in {often} seeds of each arm",
                int(part["size"].sum()),
                said(int(part["sum"].sum()), int(part["size"].sum()))
                + f" ({', '.join(f'{arm} {count}' for arm, count in part['sum'].items())})",
                f"an arm that has them in half of its seeds or {'fewer' if what == 'mixed' else 'more'}",
                "carries over" if as_said.all() else f"does not in {', '.join(part.index[~as_said])}",
            )
        )
    return pd.DataFrame([*rows, *towers_and_row(apart, "carries over")]).set_index(["experiment", "statement"])
