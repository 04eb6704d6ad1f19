"""E1 again by its plans' rules: where test tiles do not overlap, `e1-apart`, and with ResNet50, `e1-resnet50`."""

import numpy as np
import pandas as pd

from cvig.words import count
from study.chapters.towers.experiment import COUNTS, TOWERS, Experiment, k_plus_one, like_published, row, said, within_one
from study.chapters.towers.published import NAMES


def _near(experiment: Experiment) -> pd.Series:
    return within_one(experiment.runs, experiment.plan.content["test_count"])


def _towers_and_row(experiment: Experiment, otherwise: str) -> list[dict[str, str]]:
    """Whether a tower died in any run, and whether one has the published row; `otherwise` is the verdict if none."""
    dead = experiment.runs.filter(regex="^dead_").any(axis=1)
    like, of = int(like_published(experiment.runs, experiment.plan.content["test_count"]).sum()), len(dead)
    verdict = f"refuted in {', '.join(experiment.runs.arm[dead].unique())}" if dead.any() else otherwise
    shape = "the published ResNet50 row comes about in no run"
    return [
        row(experiment, "no tower dies", of, said(int(dead.sum()), of), "one dead tower", verdict),
        row(experiment, shape, of, said(like, of), "one run that has it", "refuted" if like else otherwise),
    ]


def of_apart(apart: Experiment) -> pd.DataFrame:
    """What the plan of `e1-apart` asked, in the columns of `study.chapters.towers.experiment.verdicts`."""
    rows, near = [], _near(apart).groupby(apart.runs.arm).agg(["sum", "size"])
    for what, often in (("mixed", "most"), ("one", "few")):
        part = near[near.index.str.contains(f"-{what}-")]
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
    return pd.DataFrame([*rows, *_towers_and_row(apart, "carries over")]).set_index(["experiment", "statement"])


def of_resnet(resnet: Experiment) -> pd.DataFrame:
    """What the plan of `e1-resnet50` asked, in the same columns."""
    near, of = int(_near(resnet).sum()), len(resnet.runs)
    verdict = "holds" if near > of / 2 else "refuted"
    counts = row(resnet, "counts are k + 1, within one, in most seeds", of, said(near, of), "a minority of them", verdict)
    return pd.DataFrame([*_towers_and_row(resnet, "holds"), counts]).set_index(["experiment", "statement"])


def each(resnet: Experiment) -> pd.DataFrame:
    """A row a run: PSSR and spread of both towers in the test, and the six counts by the code, less k + 1."""
    table = resnet.runs.set_index("seed" if len(resnet.arms) == 1 else "run")
    shown = table[["pssr", *(f"{side}_spread" for side in TOWERS)]].map("{:.3g}".format)
    less = table[COUNTS] - k_plus_one(resnet.plan.content["test_count"])
    names = dict(zip(COUNTS, NAMES, strict=True)) | {f"{side}_spread": f"{side} spread" for side in TOWERS}
    return shown.join(less.astype(int).map("{:+d}".format)).rename(columns=names | {"pssr": "PSSR"})


def resnet_said(resnet: Experiment | None) -> str:
    """What is known of ResNet50 by this recipe, a sentence or two: Markdown."""
    if resnet is None:
        return "A plan for ResNet50 itself, `e1-resnet50`, is committed, and none of its runs is made."
    runs, content, of = resnet.runs, resnet.plan.content, len(resnet.runs)
    dead = int(runs.filter(regex="^dead_").any(axis=1).sum())
    like, near = int(like_published(runs, content["test_count"]).sum()), int(_near(resnet).sum())
    less = np.abs(runs[COUNTS].to_numpy() - k_plus_one(content["test_count"])).max()
    planned = len(resnet.plan.runs)
    made = count(of, "run") if of == planned else f"{of} of {planned} runs"
    train = content["train"]
    return (
        f"ResNet50 itself (`{resnet.name}`, {made}, {train['epochs']} epochs of {train['train_count']} pairs, from random "
        f"weights): a dead tower in {said(dead, of)}, the published row in {said(like, of)}, all six counts within one of "
        f"k + 1 in {said(near, of)}, and none farther from it than {less}."
    )
