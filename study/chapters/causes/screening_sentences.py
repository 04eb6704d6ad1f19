"""What experiment E2 found, in words: Markdown."""

import pandas as pd

from cvig.metrics.intervals import share_interval
from study.chapters.causes.screening import LEARNED, NEGLIGIBLE, OWN, SEEN, WORDS, changes_only_the_test, diverged, name_of
from study.planned import SeedsPlan
from study.words import SIGNED, with_interval


def _row(name: str, row: pd.Series) -> str:
    return f"`{name}` {with_interval(row.effect, row.low, row.high, SIGNED)}"


def _listed(table: pd.DataFrame, names: dict[str, str], verdict: str) -> str:
    found = [_row(names[word], row) for word, row in table.iterrows() if word in names and row.verdict == verdict]
    return "; ".join(found) or "none"


def base(epochs: pd.DataFrame) -> str:
    """Whether the base learned, by the plan's bound on validation."""
    last = epochs[epochs.run.str.startswith("base/")].sort_values("epoch").groupby("run").val_pssr.last()
    short = "" if last.mean() >= LEARNED else ", and so nothing is concluded"
    return (
        f"The base has a PSSR of {last.mean():.3f} on validation (mean of {len(last)} seeds, {last.min():.3f} to "
        f"{last.max():.3f}); the plan asks for {LEARNED:g}{short}."
    )


def by_verdict(table: pd.DataFrame, names: dict[str, str]) -> str:
    """The named rows under what they do."""
    return (
        f"Does harm: {_listed(table, names, 'harms')}. Helps: {_listed(table, names, 'helps')}. Negligible, within "
        f"±{NEGLIGIBLE:g}: {_listed(table, names, 'negligible')}. The others are open."
    )


def effects(plan: SeedsPlan, seen: pd.DataFrame, own: pd.DataFrame, runs: pd.DataFrame) -> str:
    """The main effects by verdict, in both tests."""
    names = {letter: name_of(plan, letter) for letter in plan.design}
    hidden = changes_only_the_test(*(table.loc[list(names)] for table in (seen, own)))
    only = ", ".join(f"`{names[letter]}`" for letter in names if hidden[letter]) or "none of them by the plan's rule"
    return "\n".join(
        f"- *Eight switches, {WORDS[metric]}* (`e2-screen`, n = {len(runs)} runs, {runs.seed.nunique()} seeds of "
        f"{len(plan.design)} cells; refuted by an interval that holds zero). {by_verdict(table, names)}"
        + (f" Changes only the test: {only}." if metric == OWN else "")
        for metric, table in ((SEEN, seen), (OWN, own))
    )


def divergence(plan: SeedsPlan, runs: pd.DataFrame) -> str:
    """Which runs diverged, and what they have in common."""
    found = diverged(plan, runs)
    if not found:
        return "No run diverged."
    common = [letter for letter in plan.design if all(letter in arm for arm in found)]
    with_all = runs[[arm != "base" and set(common) <= set(arm) for arm in runs.arm]]
    gone = with_all.diverged != ""
    low, high = share_interval(gone.to_numpy())
    each = ", ".join(f"{arm} {count}" for arm, count in found.items())
    names, rest = " and ".join(f"`{name_of(plan, letter)}`" for letter in common), len(runs) - len(with_all)
    return (
        f"- *Divergence* (`e2-screen`): {int(gone.sum())} of the {len(with_all)} runs with {names} end in an infinite loss "
        f"[{100 * low:.0f}%, {100 * high:.0f}%] (by cell: {each}), and "
        f"{int((runs.diverged != '').sum() - gone.sum())} of the other {rest}. "
        "The plan did not say what a diverged run scores. Effects count it as chance; a verdict stands only if it is the "
        "same with diverged runs at the base's level, and is open else."
    )


def together(seen: pd.DataFrame) -> str:
    """The sets of aliased pairs that are shown to do something."""
    pairs = seen[["=" in word for word in seen.index]]
    found = [
        f"{word.replace('=', ' or ')} {with_interval(row.effect, row.low, row.high, SIGNED)}"
        for word, row in pairs.iterrows()
        if row.verdict in ("harms", "helps")
    ]
    return (
        f"- *Two together* (the same runs, {WORDS[SEEN]}): {'; '.join(found) or 'no set of pairs is shown to do anything'}. "
        "The design cannot tell the pairs of a set apart. A floor makes such effects by itself: two departures that each "
        "take a network to chance take it no farther together."
    )


def alone(seen: pd.DataFrame, own: pd.DataFrame, runs: pd.DataFrame) -> str:
    """The arms one at a time by verdict."""
    at_chance = "; ".join(f"`{name}` {row.score:.3f}" for name, row in seen.iterrows() if row.at_chance) or "none"
    near = (
        "; ".join(f"`{name}` {row.score:.4f}" for name, row in own.iterrows() if abs(row.score - 0.5) < NEGLIGIBLE) or "none"
    )
    other = ", ".join(f"`{arm}`" for arm in seen.index if seen.verdict[arm] != own.verdict[arm])
    verdicts = by_verdict(seen, {arm: arm for arm in seen.index})
    return (
        f"- *Ten others one at a time, {WORDS[SEEN]}* (`e2-alone`, n = {runs.seed.nunique()} seeds an arm; refuted by an "
        f"interval that holds zero). At chance by the plan's rule: {at_chance}. {verdicts} "
        f"In the run's own test the verdict is another for: {other or 'none'}. There the mean lies within "
        f"±{NEGLIGIBLE:g} of one half for: {near}."
    )
