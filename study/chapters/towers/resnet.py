"""E1 with ResNet50 itself: three plans, of which any may wait for its runs, and what each asked."""

from pathlib import Path

import pandas as pd

from cvig.words import count
from study.chapters.towers.experiment import COUNTS, TOWERS, Experiment, k_plus_one, like_published, row, said
from study.chapters.towers.published import NAMES
from study.chapters.towers.repeats import near, towers_and_row

PLANS = ("e1-resnet50", "e1-resnet50-more", "e1-resnet50-224")
SHARE = 1 / 8  # of runs with a dead aerial tower that the plan at 224 pixels expects to be exceeded


def made(root: Path | str) -> list[Experiment]:
    """The experiments with ResNet50 of which there are runs, in the order of `PLANS`."""
    return [found for name in PLANS if (found := Experiment.of_plan(name, root)) is not None]


def by_plan(experiment: Experiment) -> pd.DataFrame:
    """What its plan asked, in the columns of `study.chapters.towers.experiment.verdicts`."""
    of, aerial, ground = len(experiment.runs), _dead(experiment, "aerial"), _dead(experiment, "ground")

    def asked(statement: str, found: int, refuted_by: str, holds: bool) -> dict[str, str]:
        return row(experiment, statement, of, said(found, of), refuted_by, "holds" if holds else "refuted")

    if experiment.name == PLANS[0]:
        found = int(near(experiment).sum())
        rows = [
            *towers_and_row(experiment, "holds"),
            asked("counts are k + 1, within one, in most seeds", found, "a minority", found > of / 2),
        ]
    elif experiment.name == PLANS[1]:
        may_come = of < len(experiment.plan.runs)  # while seeds are not made
        verdict = "holds" if aerial else "open" if may_come else "refuted"
        rows = [
            row(experiment, "at least one more aerial tower dies", of, said(aerial, of), "none of all", verdict),
            asked("no ground tower dies", ground, "one dead", ground == 0),
        ]
    else:
        rows = [asked("aerial towers die in more than 1 of 8", aerial, "1 of 8 or fewer", aerial > SHARE * of)]
    return pd.DataFrame(rows).set_index(["experiment", "statement"])


def _dead(experiment: Experiment, tower: str) -> int:
    """Runs whose tower is dead in the test."""
    return int(experiment.runs[f"dead_{tower}_test"].sum())


def _made(experiment: Experiment) -> str:
    runs, planned = len(experiment.runs), len(experiment.plan.runs)
    return count(runs, "run") if runs == planned else f"{runs} of {planned} runs"


def last(experiment: Experiment) -> pd.DataFrame:
    """What ``epochs.csv`` says of each run after its last epoch, in the order of the runs."""
    return experiment.epochs.sort_values("epoch").groupby("run").last().loc[experiment.runs.run]


def each(experiment: Experiment) -> pd.DataFrame:
    """A row a run: PSSR and spread of both towers in the test, and the six counts by the code, less k + 1.

    Where every epoch was looked at, also the first after which no unit of the aerial tower's last ReLUs spoke in training.
    """
    table = experiment.runs.set_index("seed" if len(experiment.arms) == 1 else "run")
    shown = table[["pssr", *(f"{side}_spread" for side in TOWERS)]].map("{:.3g}".format)
    less = table[COUNTS] - k_plus_one(experiment.plan.content["test_count"])
    names = dict(zip(COUNTS, NAMES, strict=True)) | {f"{side}_spread": f"{side} spread" for side in TOWERS}
    shown = shown.join(less.astype(int).map("{:+d}".format)).rename(columns=names | {"pssr": "PSSR"})
    if not experiment.plan.content.get("first_and_last"):
        first = experiment.epochs[experiment.epochs.seen_aerial_silent_fc2 == 1].groupby("run").epoch.min()
        shown["aerial dead from epoch"] = [str(first.get(run, "")) for run in experiment.runs.run]
    return shown


def in_words(experiments: list[Experiment]) -> str:
    """What is known of ResNet50 by this recipe, a line a plan: Markdown."""
    if not experiments:
        return "A plan for ResNet50 itself, `e1-resnet50`, is committed, and none of its runs is made."
    lines = []
    for experiment in experiments:
        train, of, end = experiment.plan.content["train"], len(experiment.runs), last(experiment)
        more = int((end.aerial_silent_fc2 > end.ground_silent_fc2).sum())
        lines.append(
            f"- `{experiment.name}` ({_made(experiment)}, {train['epochs']} epochs of {train['train_count']} pairs, from "
            f"random weights): a dead aerial tower in {said(_dead(experiment, 'aerial'), of)}, a dead ground tower in "
            f"{said(_dead(experiment, 'ground'), of)}, all six counts within one of k + 1 in "
            f"{said(int(near(experiment).sum()), of)}. Beside the plan, and only described: of the last layer of ReLUs more "
            f"units are silent in the aerial tower than in the ground tower in {said(more, of)}."
        )
    return "\n".join([*lines, "", gallery_died(experiments)])


def gallery_died(experiments: list[Experiment]) -> str:
    """Whether the shape of ResNet50's published row came about, as the plans define it, and what stays open: Markdown."""
    if not experiments:
        return "Why ResNet50's gallery died stays open: its row came about in no run."
    like = [like_published(each.runs, each.plan.content["test_count"]) for each in experiments]
    where = "; ".join(
        f"{said(int(found.sum()), len(found))} (`{each.name}`, {_made(each)})"
        for each, found in zip(experiments, like, strict=True)
    )
    text = (
        "The shape of ResNet50's row, a dead gallery beside living queries, came about in so many trainings of ResNet50 by "
        f"the code of 1 June 2023, with the ground view as anchor: {where}. "
    )
    its = pd.concat([each.runs[found] for each, found in zip(experiments, like, strict=True)])
    if its.empty:
        return f"{text}Why the published gallery died stays open."
    ends = pd.concat([last(each)[found.to_numpy()] for each, found in zip(experiments, like, strict=True)])
    queries = {each.plan.content["test_count"] for each in experiments}
    of, whole = len(its), int(its.coded_1.isin(queries).sum())
    silent = int((ends.aerial_silent_fc2 == 1).sum())
    shown = "It is not the row itself: in" if whole == of else "In"
    rest = "" if whole == of else " In the others a part stays apart here too."
    return (
        f"{text}The first of these plans expected none. In {_of(silent, of)} every unit of the aerial tower's last layer of "
        f"ReLUs is silent: the death that nothing undoes. {shown} {_of(whole, of)} all of the gallery is on one point, and "
        "even the first recall counts every query, while in the published row a part of the gallery stays apart."
        f"{rest} How often it happens at the code's length, from ImageNet weights, stays open."
    )


def _of(some: int, of: int) -> str:
    return "that run" if some == of == 1 else f"{some} of {of} of these runs"
