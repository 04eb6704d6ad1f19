"""Plots of the field's recipes: worth of tricks, field of view, batches."""

import pandas as pd

from study.chapters.recipes.effects import LITTLE, ladder
from study.figures import PALETTE, Plot, legend_above, new
from study.words import SIGNED, with_interval

NAMES = {"recall_1": "R@1, %", "recall_1pct": "R@1%, %", "pssr": "PSSR", "search_share": "search share at .9"}
TITLES = {"north": "looking north", "turned": "heading unknown"}


def worth_plot(found: pd.DataFrame) -> Plot:
    """What each trick is worth in PSSR with its simultaneous interval, a row a trick, most above."""
    found = found.sort_values("worth", ascending=False)
    figure, ((axis,),) = new(size=(7.5, 0.9 + 0.34 * len(found)))
    axis.axvspan(-LITTLE, LITTLE, color="gray", alpha=0.2, lw=0)
    axis.axvline(0, color="gray", lw=1)
    colors = {"helps": PALETTE[2], "harms": PALETTE[3], "little": PALETTE[0], "open": "gray"}
    for at, row in enumerate(found.itertuples()):
        axis.plot([row.low, row.high], [at, at], color=colors[row.verdict], lw=2)
        axis.plot(row.worth, at, "o", color=colors[row.verdict], ms=5)
        axis.annotate(row.verdict, (row.high, at), (5, -3), textcoords="offset points", fontsize=8)
    axis.set(yticks=range(len(found)), yticklabels=found.index, xlabel="worth: PSSR with all tricks minus without this one")
    axis.invert_yaxis()
    axis.margins(x=0.12)
    said = "; ".join(
        f"{row.Index} {with_interval(row.worth, row.low, row.high, SIGNED)}, {row.verdict}" for row in found.itertuples()
    )
    return figure, f"What each trick is worth in PSSR, with simultaneous 95% intervals: {said}."


def curve_plot(curve: pd.DataFrame) -> Plot:
    """Each measure by field of view: a row a measure, a column a kind of heading, a line a recipe (means over seeds)."""
    arms = list(curve.arm.unique())
    figure, axes = new(len(NAMES), len(TITLES), size=(8.5, 9.5), sharex=True, sharey="row")
    for row, (measure, name) in zip(axes, NAMES.items(), strict=True):
        for axis, (heading, title) in zip(row, TITLES.items(), strict=True):
            part = curve[curve.heading == heading]
            for color, marker, arm in zip(PALETTE, "osD^", arms, strict=False):
                its = part[part.arm == arm].groupby("field")[measure]
                axis.plot(its.mean().index, its.mean(), marker + "-", color=color, ms=4, label=arm)
                axis.fill_between(its.mean().index, its.min(), its.max(), color=color, alpha=0.12, lw=0)
            if measure == "recall_1":
                axis.set_title(title)
        row[0].set_ylabel(name)
    for axis in axes[-1]:
        axis.set_xlabel("field of view, degrees")
        axis.set_xlim(375, 35)
        axis.set_xticks([360, 270, 180, 120, 90, 50])
    legend_above(figure, axes[0, 1])
    mean = curve.groupby(["arm", "heading", "field"]).pssr.mean()
    said = "; ".join(
        f"{arm}, {TITLES[heading]}: {mean[arm, heading, 360]:.3f} at 360° and {mean[arm, heading, 50]:.3f} at 50°"
        for arm in arms
        for heading in TITLES
    )
    return figure, f"R@1, R@1%, PSSR and search share by field of view, by recipe; bands span the seeds. Mean PSSR: {said}."


def ladder_plot(runs: pd.DataFrame) -> Plot:
    """PSSR by batch, with and without sampling: every run, and the means."""
    table = ladder(runs)
    figure, ((axis,),) = new(size=(6.5, 3.6))
    said = []
    for color, marker, arm in zip(PALETTE, "os", ("sampled", "random"), strict=False):
        part = table[arm]
        axis.plot(part.columns, part.mean(), "-", color=color, label=arm)
        for _, values in part.iterrows():
            axis.plot(part.columns, values, marker, color=color, ms=4, alpha=0.6)
        said.append(f"{arm}: " + ", ".join(f"{size} {part[size].mean():.3f}" for size in part.columns))
    axis.set(xscale="log", xlabel="batch", ylabel="PSSR in the test")
    axis.set_xticks([8, 32, 128, 512], ["8", "32", "128", "512"])
    axis.minorticks_off()
    axis.axhline(0.5, color="gray", ls=":", lw=1)
    axis.legend(frameon=False, fontsize=8)
    return figure, f"PSSR by batch for one budget of pairs, means of {'; '.join(said)}. A dotted line marks chance."
