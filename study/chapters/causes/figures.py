"""The figures of the page on causes."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from study.chapters.causes.effects import BASE, ENDS, turned, variant
from study.figures import AERIAL, GROUND, PALETTE, Plot, legend_above, new
from study.plans import Study
from study.switches import SWITCHES

FLOOR = 1e-8  # least spread that is drawn
SHOWN = ("PSSR", "R@1% as coded", "aerial spread")
COLUMNS = 3


def effects_plot(found: pd.DataFrame) -> Plot:
    """Difference of each switch from its end's base with its interval; `found` as `effects.effects` has it."""
    found = found[found.measure.isin(SHOWN)]
    several = found.arch.nunique() > 1
    labels = list(dict.fromkeys((arch, switch) for arch in found.arch.unique() for switch in SWITCHES))
    labels = [pair for pair in labels if ((found.arch == pair[0]) & (found.switch == pair[1])).any()]
    figure, axes = new(1, len(SHOWN), size=(11, 1.3 + 0.42 * max(1, len(labels))), sharey=True)
    said = []
    for axis, measure in zip(axes[0], SHOWN, strict=True):
        its = found[found.measure == measure]
        for end, shift, mark, color in zip(ENDS, (-0.15, 0.15), "os", PALETTE, strict=False):
            part = its[its.end == end]
            place = [labels.index(pair) + shift for pair in zip(part.arch, part["switch"], strict=True)]
            error = [part.difference - part.low, part.high - part.difference]
            axis.errorbar(part.difference, place, xerr=error, fmt=mark, ms=4, lw=1, color=color, label=end)
        axis.axvline(0, color="black", lw=1)
        axis.set(title=measure, xlabel="difference from the base")
        if len(its):
            largest = its.loc[its.difference.abs().idxmax()]
            beyond = int(((its.low > 0) | (its.high < 0)).sum())
            said.append(
                f"{measure}: largest {largest.difference:+.3f} ({largest.arch} {variant(largest.end, largest['switch'])}), "
                f"{beyond} of {int(its.low.notna().sum())} intervals clear of zero"
            )
    axes[0, 0].set_yticks(range(len(labels)), [f"{switch} ({arch})" if several else switch for arch, switch in labels])
    axes[0, 0].set_ylim(max(1, len(labels)) - 0.5, -0.5)
    legend_above(figure, axes[0, 0])
    return figure, f"Differences of {len(labels)} switches from the base of each end. {'; '.join(said) or 'None yet'}."


def _panel(axis, runs: list) -> None:
    """Spread of both towers over epochs, a line a seed."""
    for number, run in enumerate(runs):
        for side, color in (("ground", GROUND), ("aerial", AERIAL)):
            label = side if number == 0 else None
            spread = run.log[f"{side}_spread"].clip(lower=FLOOR)
            axis.semilogy(run.log.epoch, spread, "o-", ms=2, lw=1, color=color, label=label)
        second = run.log.epoch[run.log.phase != run.log.phase.iloc[0]]
        if len(second):
            axis.axvline(second.iloc[0] - 0.5, color="grey", ls=":", lw=1)


def spreads_plot(study: Study, arch: str) -> Plot:
    """Spread of both towers on the validation views after each epoch: a panel a variant, a line a seed."""
    its = [run for run in study.runs.values() if run.name == arch]
    of: dict[tuple[str, str], list] = {}
    for run in its:
        of.setdefault((run.parameters["recipe"], turned(run.parameters)), []).append(run)
    places, rows = {}, 0  # each end begins a line
    for end in ENDS:
        switches = [switch for switch in (BASE, *SWITCHES) if (end, switch) in of]
        places |= {(end, switch): (rows + i // COLUMNS, i % COLUMNS) for i, switch in enumerate(switches)}
        rows += -(-len(switches) // COLUMNS)
    columns = 1 + max(column for _, column in places.values())
    figure, axes = new(rows, columns, size=(2.6 * columns + 0.6, 1.8 * rows + 0.5), sharey=True)
    for axis in axes.flat:
        axis.set_visible(False)
    ends = {}
    lowest = max(FLOOR, min(run.log[["ground_spread", "aerial_spread"]].min(axis=None) for run in its))
    for (end, switch), place in places.items():
        runs = of[end, switch]
        axis = axes[place]
        axis.set_visible(True)
        _panel(axis, runs)
        axis.set_title(f"{end}\n{'base' if switch == BASE else variant(end, switch).removeprefix(end + ' ')}", fontsize=9)
        axis.set_ylim(lowest / 2, 2)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ends[end, switch] = [np.mean([run.log[f"{side}_spread"].iloc[-1] for run in runs]) for side in ("ground", "aerial")]
    legend_above(figure, axes[0, 0])
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel("spread", fontsize=10)
    said = "; ".join(f"{variant(*key)} {ground:.2g}, {aerial:.2g}" for key, (ground, aerial) in ends.items())
    return (
        figure,
        f"{len(places)} panels of spread over epochs for {arch}. Mean spread of ground and aerial at the end: {said}.",
    )


def screened_plot(seen: pd.DataFrame, own: pd.DataFrame, names: list[str], negligible: float) -> Plot:
    """Effects with simultaneous intervals, on images as in training and in the run's own test."""
    figure, ((axis,),) = new(size=(8.5, 0.9 + 0.4 * len(seen)))
    axis.axvspan(-negligible, negligible, color="gray", alpha=0.2, lw=0)
    axis.axvline(0, color="gray", lw=0.8)
    said = []
    for shift, color, table, where in (
        (-0.14, PALETTE[0], seen, "images as in training"),
        (0.14, PALETTE[1], own, "the run's own test"),
    ):
        at = np.arange(len(table)) + shift
        axis.hlines(at, table.low, table.high, color=color, lw=1.8)
        axis.plot(table.effect, at, "o", color=color, ms=4.5, label=where)
        each = (f"{name} {row.effect:+.3f}, {row.verdict}" for name, row in zip(names, table.itertuples(), strict=True))
        said.append(f"{where}: {'; '.join(each)}")
    axis.set(yticks=range(len(seen)), yticklabels=names, xlabel="change of PSSR")
    axis.invert_yaxis()
    legend_above(figure, axis)
    return figure, f"Effects with simultaneous 95% intervals; a gray band is negligible. {'. '.join(said)}."
