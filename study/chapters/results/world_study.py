"""The world study on the page on results: how each architecture scores by each recipe, from finished runs."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from cvig.losses import MaxMarginLoss
from cvig.words import count
from study.collapse import collapsed
from study.figures import PALETTE, Plot, new
from study.levels import BEATS_CHANCE
from study.plans import Study
from study.runs import Run
from study.switches import RECIPES
from study.words import score, seeds_of, span, tally

MEASURES = ("R@1%", "PSSR")
CELL = ["arch", "recipe", "batch"]  # runs that share these differ in their seed
COLORS = dict(zip(RECIPES, PALETTE, strict=False))
LINES = {"cvm-net-i": "-", "resnet50": "--", "vgg16": ":"}


def progress(study: Study) -> str:
    """Say in Markdown how many runs are finished, and what they start from."""
    text = f"**{len(study.runs)} of {len(study.planned)} planned runs are finished.**"
    for name, run in study.trunks.items():
        text += (
            f" The trunk `{name}` was trained for {len(run.log)} epochs of {run.train['pairs_per_epoch']} pairs from random "
            f"weights, in {run.train['seconds'] / 60:.1f} minutes on {_where(run)}."
        )
    return text


def _where(run: Run) -> str:
    """What a run was trained on."""
    device, threads = run.train["device"], run.train["threads"]
    return f"{count(threads, 'thread')} of a CPU" if device == "cpu" else f"one {device}"


def frame(study: Study, test_set: str) -> pd.DataFrame:
    """Every finished run but the trunks, by its label, on one test set.

    Columns ``("run", …)``: arch, recipe, batch, base (the recipe without its turned switches), seed, collapsed. Of each of
    `MEASURES`, such as ``("PSSR", …)``: value, low, high, chance; of PSSR the p_value.
    """
    rows = {}
    for run in study.runs.values():
        p = run.parameters
        values = (p["arch"], run.recipe, run.batch, p["recipe"], p["seed"], collapsed(run, test_set))
        keys = (*CELL, "base", "seed", "collapsed")
        rows[run.label] = {("run", key): value for key, value in zip(keys, values, strict=True)}
        for measure in MEASURES:
            row = run.metrics[test_set].loc[measure]
            rows[run.label] |= {(measure, key): row[key] for key in ("value", "low", "high", "chance")}
        rows[run.label]["PSSR", "p_value"] = run.p_above_chance(test_set)
    return pd.DataFrame.from_dict(rows, orient="index")


def _cells(table: pd.DataFrame) -> Iterator[tuple[tuple[str, str, int], pd.DataFrame]]:
    """Each cell and its runs, recipes in the order of `RECIPES`."""
    order, groups = list(RECIPES), table.groupby([table.run[key] for key in CELL])
    return iter(sorted(groups, key=lambda group: (group[0][0], order.index(group[1].run.base.iloc[0]), *group[0])))


def _beating_chance(its: pd.DataFrame) -> str:
    """How many of the runs, by PSSR."""
    return f"{(its.PSSR.p_value < BEATS_CHANCE).sum()} of {len(its)}"


def comparison(uncropped: pd.DataFrame, cropped: pd.DataFrame) -> str:
    """Say by recipe how the runs score, how many are shown to beat chance, and which towers collapsed.

    No run is called the best: it would be chosen by the test that its interval is of.
    """
    parts = []
    for recipe, its in uncropped.groupby(uncropped.run.base):
        scores = "; ".join(
            f"{measure} {span(its[measure].value, partial(score, measure))}, cropped "
            f"{span(cropped.loc[its.index][measure].value, partial(score, measure))}"
            for measure in MEASURES
        )
        better = f"{_beating_chance(its)} runs are shown to rank better than chance (p below {BEATS_CHANCE:g} each)"
        parts.append(f"- *{recipe}*: {better}; {scores}; towers collapsed: {tally(its.run.collapsed)}.")
    return "\n".join(parts)


def squares_table(study: Study) -> pd.DataFrame:
    """A row a run: the squares of ground that its uncropped test resamples, and what they do to PSSR's standard error."""
    rows = {}
    for run in study.runs.values():
        if squares := run.squares("uncropped"):
            rows[run.label] = {
                "side in meters": f"{squares.side:.0f}",
                "inflation": f"{squares.inflation:.2f}",
                "settled": "yes" if squares.settled else "no",
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def margins(study: Study) -> pd.DataFrame:
    """How far apart the embeddings of each run by the text's losses lie, and how large the margin is beside that.

    Distances are squared, as in the loss: the mean one of two embeddings of the uncropped test set, whichever tower they are
    from, which is twice their variance. The loss and PSSR, of validation views, are those of the last epoch on max-margin,
    the other PSSR is that of the last on soft-margin.
    """
    rows, margin = {}, MaxMarginLoss().margin
    for run in study.runs.values():
        if run.parameters["recipe"] != "described":
            continue
        stored = run.projection
        last = run.log.groupby("phase").last()
        points = np.concatenate([stored["ground"], stored["aerial"]])
        distance = 2 * points.var(axis=0).sum() / stored["explained"].sum()  # two axes hold so much of the variance
        rows[run.label] = {
            "squared distance": f"{distance:.3g}",
            "margin in percent of it": f"{100 * margin / distance:.2g}",
            "max-margin loss": f"{last.loss['max-margin']:.3f}",
            "PSSR on it": f"{last.val_pssr['max-margin']:.3f}",
            "PSSR on soft-margin": f"{last.val_pssr['soft-margin']:.3f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def recipes_plot(uncropped: pd.DataFrame, cropped: pd.DataFrame) -> Plot:
    """Each run's recall at 1% and PSSR with their intervals and chance, by cell; of `frame`'s tables of both test sets."""
    groups = dict(list(_cells(uncropped)))
    figure, axes = new(1, len(MEASURES), size=(11, 1.2 + 0.6 * len(groups)), sharey=True)
    for axis, measure in zip(axes[0], MEASURES, strict=True):
        scale = 100 if measure.startswith("R@") else 1
        for place, its in enumerate(groups.values()):
            shifts = 0.12 * (np.arange(len(its)) - (len(its) - 1) / 2)
            look = {"fmt": "o", "ms": 4, "lw": 1, "color": COLORS[its.run.base.iloc[0]]}
            for table, lower, face in ((uncropped, -0.2, None), (cropped, 0.2, "white")):
                values = scale * table.loc[its.index, measure]
                error = [values.value - values.low, values.high - values.value]
                axis.errorbar(values.value, place + lower + shifts, xerr=error, markerfacecolor=face, **look)
        axis.axvline(scale * uncropped[measure].chance.mean(), color="black", ls="--", lw=1)
        axis.set(title=measure, xlabel="percent of the queries" if scale > 1 else "share of the gallery ruled out")
    labels = [f"{arch}, {recipe}, batch {batch}" for arch, recipe, batch in groups]
    axes[0, 0].set_yticks(range(len(groups)), labels)
    axes[0, 0].set_ylim(len(groups) - 0.5, -0.5)

    def means(table: pd.DataFrame) -> str:
        return " and ".join(score(measure, table[measure].value.mean()) for measure in MEASURES)

    said = [
        f"{label} {means(its)}, cropped {means(cropped.loc[its.index])}"
        for label, its in zip(labels, groups.values(), strict=True)
    ]
    return figure, f"R@1% and PSSR of each run with intervals; chance is dashed. Means over seeds: {'; '.join(said)}."


def learning_plot(study: Study) -> Plot:
    """Validation recall at 1% and PSSR against the pairs seen, those of the trunk among them."""
    figure, axes = new(1, 2, size=(11, 3.6))
    trunks, said = study.trunks, []
    for name, run in {**trunks, **study.runs}.items():
        trunk = trunks.get(run.start)
        before = len(trunk.log) * trunk.train["pairs_per_epoch"] if trunk else 0
        seen = before + run.log.epoch * run.train["pairs_per_epoch"]
        recipe = run.parameters["recipe"]
        style = {"color": "grey" if name in trunks else COLORS[recipe], "ls": LINES[run.name], "lw": 1.2}
        for axis, column in zip(axes[0], ("val_recall_1pct", "val_pssr"), strict=True):
            axis.plot(seen / 1000, run.log[column], **style)
        said.append(f"{name} from {run.log.val_pssr.iloc[0]:.3f} to {run.log.val_pssr.iloc[-1]:.3f}")
    axes[0, 0].set(title="R@1%", xlabel="thousand pairs seen", ylabel="percent of the validation queries")
    axes[0, 1].set(title="PSSR", xlabel="thousand pairs seen", ylabel="share of the gallery ruled out")
    keys = [axes[0, 0].plot([], [], color=color, label=name)[0] for name, color in {"trunk": "grey", **COLORS}.items()]
    keys += [axes[0, 0].plot([], [], color="black", ls=line, label=arch)[0] for arch, line in LINES.items()]
    figure.legend(handles=keys, loc="outside upper right", ncols=len(keys), fontsize=8)
    return figure, f"Validation R@1% and PSSR by pairs seen. PSSR after the first and the last epoch: {'; '.join(said)}."


def _over_seeds(measure: str, values: pd.Series) -> str:
    """The mean, and the range where there are several."""
    mean, least, most = (score(measure, value) for value in (values.mean(), values.min(), values.max()))
    return f"{mean} ({least.rstrip('%')}–{most.rstrip('%')})" if len(values) > 1 else mean


def cells_table(uncropped: pd.DataFrame, cropped: pd.DataFrame) -> pd.DataFrame:
    """One row a cell: seeds, mean and range over them, how many beat chance, which towers collapsed; of `frame`'s tables.

    All but the columns that say otherwise is of the uncropped test set.
    """
    rows = {}
    for cell, its in _cells(uncropped):
        rows[cell] = {"seeds": seeds_of(its.index)}
        for remark, table in (("", its), (", cropped", cropped.loc[its.index])):
            rows[cell] |= {f"{measure}{remark}": _over_seeds(measure, table[measure].value) for measure in MEASURES}
        rows[cell] |= {
            "beats chance": _beating_chance(its),
            "collapse": tally(its.run.collapsed),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["architecture", "recipe", "batch"])
