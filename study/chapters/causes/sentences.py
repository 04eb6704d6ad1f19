"""Sentences of the page on causes, in Markdown, computed from the finished runs."""

import pandas as pd

from cvig.words import count
from study.chapters.causes.effects import BASE, ENDS, SCORING, interval, variant
from study.levels import BEATS_CHANCE, DIFFERS
from study.plans import Study
from study.switches import SWITCHES
from study.words import code, tally

INFLATED = 0.1  # difference in recall that is called large


def _values(study: Study, key: str) -> str:
    """The values of a parameter over the finished runs."""
    return " or ".join(sorted({f"{run.parameters[key]:g}" for run in study.runs.values()}, key=float))


def progress(study: Study) -> str:
    """Say how many of the planned runs are finished, what they were trained on, and what they started from."""
    count, first = len(study.runs), next(iter(study.runs.values()))
    begun = [name for name, run in study.runs.items() if run.start]
    pairs = " or ".join(sorted({str(run.train["pairs_per_epoch"]) for run in study.runs.values()}, key=int))
    facts = first.facts["uncropped"]
    text = (
        f"**{count} of {len(study.planned)} planned runs are finished.** Each is {_values(study, 'epochs')} epochs of "
        f"{pairs} pairs at {_values(study, 'size')} px, and is tested on {facts['queries']} views. {count - len(begun)} "
        f"start from random weights and {len(begun)} from trunks that another run of the study trained."
    )
    if study.starts:
        text += (
            f" Those trunks come from runs of the modern recipe, {len(study.trunks)} of "
            f"{len(study.starts)} of them finished, which are counted nowhere else."
        )
    stopped: dict[str, list[str]] = {}
    for name, error in study.diverged.items():
        stopped.setdefault(error.split(":")[0], []).append(name)
    for error, names in stopped.items():
        text += f" {len(names)} ended without a network, for the {error}: {code(names)}."
    if count + len(study.diverged) < len(study.planned):
        text += " What follows speaks of the finished ones alone."
    return text


def limits(study: Study) -> str:
    """Say what the runs' tests against chance take for independent."""
    of, text = len(study.runs), ""
    if squares := [found for run in study.runs.values() if (found := run.squares("uncropped"))]:
        narrow = sum(not found.settled for found in squares)
        text = (
            f"The tests against chance of {len(squares)} of {of} runs are over squares of ground; in {narrow} of these "
            "wider squares would widen the intervals further, and this land has no room for them. "
        )
    if alone := of - len(squares):
        text += (
            f"The tests against chance of {alone} of {of} runs take places one by one, and these are so near each other "
            "that such tests are too sure."
        )
    return text.strip()


def both_ends(table: pd.DataFrame) -> str:
    """Say how the base runs of both ends score; `table` as `effects.frame` makes it."""
    said = []
    for (arch, end), part in table[table.switch == BASE].groupby(["arch", "end"], sort=False):
        better = int((part.p_value < BEATS_CHANCE).sum())
        recall, as_coded = (100 * part[name].mean() for name in ("R@1%", "R@1% as coded"))
        said.append(
            f"- {arch}, *{end}* ({count(len(part), 'seed')}): PSSR {part.PSSR.mean():.3f}, where chance gives "
            f"{part.chance.mean():.3f} (better than chance at the level of {BEATS_CHANCE:g} in {better}); "
            f"R@1% {recall:.2f}%, as coded {as_coded:.2f}%; collapsed: {tally(part.collapsed)}."
        )
    return "\n".join(said) or "No run without a turned switch is finished yet."


def _changes(part: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The switches that change which towers collapse in the base of the same seed, and the rest; one end, one network."""
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
    """Say for each end and architecture which switches change which towers collapse."""
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
    """Say which differences in some measures stay significant after Holm's adjustment; `found` as by `effects.effects`."""
    said, seeds = [], 0
    for measure in measures:
        its = found[(found.measure == measure) & found.p_value.notna()]
        if its.empty:
            said.append(f"No switch has two seeds yet whose differences in {measure} scatter, so nothing can be tested.")
            continue
        stand = its[its.p_holm < DIFFERS]
        listed = "; ".join(f"{row.arch} {variant(row.end, row.switch)}, {interval(row)}" for _, row in stand.iterrows())
        seeds, alone = max(seeds, int(its.seeds.max())), int((its.p_value < DIFFERS).sum())
        said.append(
            f"Of {len(its)} differences in {measure} that can be tested, {alone} have p below {DIFFERS} taken alone, and "
            f"{len(stand)} after Holm's adjustment over the switches of one end and architecture"
            f"{': ' + listed if listed else ''}."
        )
    if seeds:
        said.append(
            f"There are at most {seeds} seeds, so the t interval rests on {count(seeds - 1, 'degree')} of freedom "
            "and on differences being normal. A test by signs, without that assumption, could not go below p = "
            f"{2 / 2**seeds:g}. A difference that is not found here is not shown to be absent."
        )
    return "\n\n".join(said)


def scoring(table: pd.DataFrame) -> str:
    """Say how far the code's two scoring rules move the scores of the same embeddings, over all finished runs."""
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
