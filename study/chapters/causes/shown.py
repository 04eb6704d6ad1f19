"""What the chapter on causes says and shows of its runs: sentences and figures, all from the runs that are finished."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from cvig.words import say_p
from study.chapters.causes.effects import BASE, ENDS, LEVEL, MEASURES, SCORING, Study, interval, tally, turned, variant
from study.chapters.results.runs_shown import LEVEL as BEATS
from study.figures import AERIAL, GROUND, PALETTE, Plot, new
from study.switches import SWITCHES

INFLATED = 0.1  # difference in recall that is called large
FLOOR = 1e-8  # least spread that is drawn
SHOWN = ("PSSR", "R@1% as coded", "aerial spread")
TABLED = [name for name in MEASURES if name not in ("PSSR", "R@1%, ties for the query")]
COLUMNS = 5


def _values(study: Study, key: str) -> str:
    """The values of a parameter over the finished runs."""
    return " or ".join(sorted({f"{run.parameters[key]:g}" for run in study.runs.values()}, key=float))


def progress(study: Study) -> str:
    """Markdown: how many runs of how many are finished, on what they were trained and from what they started."""
    count, first = len(study.runs), next(iter(study.runs.values()))
    begun = [name for name, run in study.runs.items() if run.start]
    pairs = " or ".join(sorted({str(run.train["pairs_per_epoch"]) for run in study.runs.values()}, key=int))
    facts = first.facts["uncropped"]
    text = (
        f"**{count} of {len(study.planned)} planned runs are finished.** Each is {_values(study, 'epochs')} epochs of "
        f"{pairs} pairs at {_values(study, 'size')} px, and is tested on {facts['queries']} views. {count - len(begun)} "
        f"start from random weights and {len(begun)} from trunks that another run of the study trained."
    )
    if study.pretraining:
        text += (
            f" Those trunks come from runs of the modern recipe, {sum(study.pretraining.values())} of "
            f"{len(study.pretraining)} of them finished, which are counted nowhere else."
        )
    stopped: dict[str, list[str]] = {}
    for name, error in study.diverged.items():
        stopped.setdefault(error.split(":")[0], []).append(f"`{name}`")
    for error, names in stopped.items():
        text += f" {len(names)} ended without a network, for the {error}: {', '.join(names)}."
    if count + len(study.diverged) < len(study.planned):
        text += " What follows speaks of the finished ones alone, and may change."
    return text


def _named(switches: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in switches) or "none"


def _every(parts: dict[str, pd.DataFrame], test: Callable[[pd.DataFrame], pd.Series]) -> str:
    found = {switch: test(part) for switch, part in parts.items()}
    some = [f"`{switch}` ({its.sum()} of {len(its)})" for switch, its in found.items() if its.any() and not its.all()]
    text = _named([switch for switch, its in found.items() if its.all()])
    return f"{text}; in some seeds {', '.join(some)}" if some else text


def conclusion(study: Study, table: pd.DataFrame) -> str:
    """Markdown: what turning one switch does in every seed that was run; `table` as `effects.frame` makes it."""
    stopped = Counter(map(study.key, study.diverged))
    said = []
    for arch in table.arch.unique():
        lost, parts = {}, {}
        for end in ENDS:
            its = table[(table.arch == arch) & (table.end == end)]
            lost[end] = [switch for switch in SWITCHES if stopped[end, arch, switch]]
            ran = [switch for switch in SWITCHES if (its.switch == switch).any() and switch not in lost[end]]
            parts[end] = {switch: its[its.switch == switch] for switch in ran}
        on, off = parts.values()
        collapsing = _every(on, lambda part: part.collapsed != "neither")
        healthy = _every(off, lambda part: part.collapsed == "neither")
        said.append(
            f"- {arch}, turned **on** alone. A tower collapses: {collapsing}. The loss is no longer finite, in a seed or "
            f"more: {_named(lost[ENDS[0]])}. Not better than chance at the level of {BEATS:g}: "
            f"{_every(on, lambda part: part.p_value >= BEATS)}.\n"
            f"- {arch}, turned **off** alone. No tower collapses: {healthy}. The loss is no longer finite, in a seed or "
            f"more: {_named(lost[ENDS[1]])}. Better than chance: {_every(off, lambda part: part.p_value < BEATS)}."
        )
    return "\n".join(said)


def both_ends(table: pd.DataFrame) -> str:
    """Markdown: what the base runs of both ends came to; `table` as `effects.frame` makes it."""
    said = []
    for (arch, end), part in table[table.switch == BASE].groupby(["arch", "end"], sort=False):
        better = int((part.p_value < BEATS).sum())
        recall, as_coded = (100 * part[name].mean() for name in ("R@1%", "R@1% as coded"))
        said.append(
            f"- {arch}, *{end}* ({len(part)} seed{'s' * (len(part) > 1)}): PSSR {part.PSSR.mean():.3f}, where chance gives "
            f"{part.chance.mean():.3f} (better than chance at the level of {BEATS:g} in {better}); "
            f"R@1% {recall:.2f}%, as coded {as_coded:.2f}%; collapsed: {tally(part.collapsed)}."
        )
    return "\n".join(said) or "No run without a turned switch is finished yet."


def _changes(part: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Switches with which other towers collapse than in the base of the same seed, and the rest; of one end and network."""
    verdicts = part.set_index(["switch", "seed"]).collapsed
    other, alike = [], []
    for switch in SWITCHES:
        if switch in verdicts and BASE in verdicts:
            pairs = pd.concat([verdicts[BASE], verdicts[switch]], axis=1, join="inner").to_numpy()
            changed = [f"{before} to {after}" for before, after in pairs if before != after]
            if changed:
                other.append(f"{switch} ({len(changed)} of {len(pairs)} seeds: {', '.join(dict.fromkeys(changed))})")
            elif len(pairs):
                alike.append(switch)
    return other, alike


def collapses(table: pd.DataFrame) -> str:
    """Markdown: for each end and architecture, which switches change which towers collapse."""
    said = []
    for (arch, end), part in table.groupby(["arch", "end"], sort=False):
        other, alike = _changes(part)
        if other or alike:
            said.append(
                f"- {arch}, *{end}*: collapsed in the base: {tally(part[part.switch == BASE].collapsed)}. Turned "
                f"{'on' if end == ENDS[0] else 'off'}, these change that: {', '.join(other) or 'none'}. These do not: "
                f"{', '.join(alike) or 'none'}."
            )
    alone = table[table.collapsed == "aerial"]
    where = ", ".join(dict.fromkeys(f"{r.arch} {variant(r.end, r.switch)}" for r in alone.itertuples()))
    said.append(
        f"- The aerial tower alone collapsed in {len(alone)} of {len(table)} runs{f' ({where})' if where else ''}, the "
        f"ground tower alone in {(table.collapsed == 'ground').sum()}, both in {(table.collapsed == 'both').sum()}."
    )
    return "\n".join(said)


def standing(found: pd.DataFrame, *measures: str) -> str:
    """Markdown: which differences in some measures stand after Holm's adjustment; `found` as by `effects.effects`."""
    said, seeds = [], 0
    for measure in measures:
        its = found[(found.measure == measure) & found.p_value.notna()]
        if its.empty:
            said.append(f"No switch has two seeds yet whose differences in {measure} scatter, so nothing can be tested.")
            continue
        stand = its[its.p_holm < LEVEL]
        listed = "; ".join(f"{row.arch} {variant(row.end, row.switch)}, {interval(row)}" for _, row in stand.iterrows())
        seeds, alone = max(seeds, int(its.seeds.max())), int((its.p_value < LEVEL).sum())
        said.append(
            f"Of {len(its)} differences in {measure} that can be tested, {alone} have p below {LEVEL} taken alone, and "
            f"{len(stand)} after Holm's adjustment over the switches of one end and architecture"
            f"{': ' + listed if listed else ''}."
        )
    if seeds:
        said.append(
            f"There are at most {seeds} seeds, so the t interval rests on {seeds - 1} degree{'s' * (seeds > 2)} of freedom "
            "and on differences being normal. A test by signs, without that assumption, could not go below p = "
            f"{2 / 2**seeds:g}. A difference that is not found here is not shown to be absent."
        )
    return "\n\n".join(said)


def effects_table(study: Study, table: pd.DataFrame, found: pd.DataFrame, end: str) -> pd.DataFrame:
    """One end for a reader: means over seeds, the difference in PSSR, its adjusted p-value, and which towers collapsed.

    Parameters
    ----------
    table, found : DataFrame
        As `effects.frame` and `effects.effects` make them of the study.
    """
    found = found[found.measure == "PSSR"].set_index(["end", "arch", "switch"])
    stopped = Counter(key[1:] for key in map(study.key, study.diverged) if key[0] == end)
    rows = {}
    for arch in table.arch[table.end == end].unique():
        for switch in (BASE, *SWITCHES):
            its = table[(table.end == end) & (table.arch == arch) & (table.switch == switch)]
            if its.empty and not stopped[arch, switch]:
                continue
            row = {"runs": str(len(its)), "diverged": str(stopped[arch, switch] or "")}
            if len(its):
                pair = found.loc[(end, arch, switch)] if (end, arch, switch) in found.index else None
                row |= {
                    "collapsed": tally(its.collapsed),
                    "PSSR": f"{its.PSSR.mean():.3f}",
                    "against base": "" if pair is None else interval(pair),
                    "p (Holm)": "" if pair is None or np.isnan(pair.p_holm) else say_p(pair.p_holm),
                    **{
                        name: f"{its[name].mean():.3g}"
                        for name in MEASURES
                        if name not in ("PSSR", "R@1%, ties for the query")
                    },
                }
            rows[arch, switch] = row
    shown = pd.DataFrame(rows).T.fillna("")
    return shown.rename_axis(["architecture", "turned on" if end == ENDS[0] else "turned off"])


def scoring(table: pd.DataFrame) -> str:
    """Markdown: what the two scoring rules do to one and the same embeddings, over all finished runs."""
    recall, reduction = ((table[as_coded] - table[exact]).round(12) + 0.0 for exact, as_coded in SCORING.values())
    ties = table["R@1%, ties for the query"] - table["R@1%"]
    inflated = table[recall > INFLATED]
    return (
        f"Over {len(table)} runs, recall at 1% as coded minus the exact one with ties against the query is "
        f"{100 * recall.min():+.2f} to {100 * recall.max():+.2f} points (median {100 * recall.median():+.2f}); ties alone "
        f"account for up to {100 * ties.max():.2f}. It exceeds {100 * INFLATED:g} points in {len(inflated)} runs, of which "
        f"{int((inflated.collapsed != 'neither').sum())} have a collapsed tower. PSSR along the other axis minus equation 2 "
        f"is {reduction.min():+.3f} to {reduction.max():+.3f}."
    )


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
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=8)
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
    figure, axes = new(rows, columns, size=(2.3 * columns + 0.6, 2 * rows + 0.4), sharey=True)
    for axis in axes.flat:
        axis.set_visible(False)
    ends = {}
    lowest = max(FLOOR, min(run.log[["ground_spread", "aerial_spread"]].min(axis=None) for run in its))
    for (end, switch), place in places.items():
        runs = of[end, switch]
        axis = axes[place]
        axis.set_visible(True)
        _panel(axis, runs)
        axis.set_title(f"{end}\n{'base' if switch == BASE else variant(end, switch).removeprefix(end + ' ')}", fontsize=7)
        axis.set_ylim(lowest / 2, 2)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ends[end, switch] = [np.mean([run.log[f"{side}_spread"].iloc[-1] for run in runs]) for side in ("ground", "aerial")]
    axes[0, 0].legend(fontsize=7)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("spread", fontsize=9)
    said = "; ".join(f"{variant(*key)} {ground:.2g}, {aerial:.2g}" for key, (ground, aerial) in ends.items())
    return (
        figure,
        f"{len(places)} panels of spread over epochs for {arch}. Mean spread of ground and aerial at the end: {said}.",
    )
