"""E1 again by its plans' rules: where test tiles do not overlap, `e1-apart`, and with ResNet50, `e1-resnet50`."""

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
    runs, of = resnet.runs, len(resnet.runs)
    dead = {tower: runs.filter(regex=f"^dead_{tower}").any(axis=1).sum() for tower in TOWERS}
    train, last = resnet.plan.content["train"], _last(resnet)
    more = int((last.aerial_silent_fc2 > last.ground_silent_fc2).sum())
    return (
        f"ResNet50 itself (`{resnet.name}`, {_made(resnet)}, {train['epochs']} epochs of {train['train_count']} pairs, from "
        f"random weights): a dead ground tower in {said(dead['ground'], of)}, a dead aerial tower in "
        f"{said(dead['aerial'], of)}; all six counts within one of k + 1 in {said(_near(resnet).sum(), of)}. "
        f"{gallery_died(resnet)}\n\nBeside the plan: after the last epoch more units of the aerial tower's last layer of "
        f"ReLUs are silent in the test than of the ground tower's in {said(more, of)}. That describes these runs and tests "
        "nothing."
    )


def _last(experiment: Experiment) -> pd.DataFrame:
    """What ``epochs.csv`` says of each run after its last epoch, in the order of the runs."""
    return experiment.epochs.sort_values("epoch").groupby("run").last().loc[experiment.runs.run]


def _made(experiment: Experiment) -> str:
    made, planned = len(experiment.runs), len(experiment.plan.runs)
    return count(made, "run") if made == planned else f"{made} of {planned} runs"


def gallery_died(resnet: Experiment | None) -> str:
    """Whether ResNet50's published row has come about, as the plans define it, and what stays open: Markdown."""
    if resnet is None:
        return "Why ResNet50's gallery died stays open: its row came about in no run."
    like, of = like_published(resnet.runs, resnet.plan.content["test_count"]), len(resnet.runs)
    if not like.any():
        return f"Why ResNet50's gallery died stays open: its row came about in {said(0, of)} runs of ResNet50 itself."
    its = resnet.runs[like]
    silent = int((_last(resnet).aerial_silent_fc2[like.to_numpy()] == 1).sum())
    whole = int((its.coded_1 == resnet.plan.content["test_count"]).sum())
    return (
        f"The shape of ResNet50's row, a dead gallery beside living queries, came about in {said(int(like.sum()), of)} "
        f"trainings of ResNet50 by the code of 1 June 2023, with the ground view as anchor (`{resnet.name}`, "
        f"{_made(resnet)}; its plan expected none). In {silent} of {len(its)} every unit of the aerial tower's last layer "
        "of ReLUs is silent, the death that nothing undoes. It is not the row itself: in "
        f"{whole} of {len(its)} all of the gallery is on one point, and even the first recall counts every query, while in "
        "the published row a part of the gallery stays apart. How often it happens at the code's length, from ImageNet "
        "weights, stays open."
    )
