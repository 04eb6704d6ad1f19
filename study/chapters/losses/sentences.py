"""What experiment E3 found, in words."""

import pandas as pd

from study.chapters.losses.comparison import MARGIN, with_and_without
from study.replicates import by_replicate, t_interval
from study.words import SIGNED, with_interval


def _each(rows: pd.DataFrame) -> str:
    return "; ".join(
        f"{first} minus {second} {with_interval(row.difference, row.low, row.high, SIGNED)}"
        for (first, second), row in rows.iterrows()
    )


def found(differences: pd.DataFrame, runs: pd.DataFrame) -> str:
    """The plan's two hypotheses and what became of them: Markdown. Intervals are those of `differences`."""
    names = differences.index
    unit = differences[[a.endswith("-unit") and b.endswith("-unit") for a, b in names]]
    free = differences[[not a.endswith("-unit") and not b.endswith("-unit") for a, b in names]]
    same = unit.verdict.str.startswith("equivalent")
    if same.all():
        said = "hold for all three pairs"
    elif unit.verdict.eq("differ").any():
        said = f"are refuted for {int(unit.verdict.eq('differ').sum())} of three pairs"
    else:
        said = f"hold for {int(same.sum())} of three pairs, and stay open for the others"
    gain = with_and_without(runs)
    gains = "; ".join(f"{name} {with_interval(row.difference, row.low, row.high, SIGNED)}" for name, row in gain.iterrows())
    table = by_replicate(runs, "pssr")
    each = pd.DataFrame({name: table[f"{name}-unit"] - table[name] for name in ("infonce", "max-margin", "soft-margin")})
    more = each.drop(columns="infonce").sub(each.infonce, axis=0)
    lost = more.mean().tolist()
    than = "; ".join(f"{name} {with_interval(d.mean(), *t_interval(d.to_numpy(), 0.9), SIGNED)}" for name, d in more.items())
    order = "more" if min(lost) > 0 else "less" if max(lost) < 0 else "not all more"
    n = int(differences.n.min())
    return (
        f"- *Equivalent with unit length?* (`e3-losses`, n = {n} pairs of country and seed; refuted by a 90% interval that "
        f"leaves ±{MARGIN:g} with p below .05 after Holm.) Equal losses {said}: {_each(unit)}.\n"
        f"- *What unit length adds* (the same runs; refuted by an interval on the other side of zero): {gains}. The "
        f"hypothesis was that without it the margin losses lose more than InfoNCE. They lose {order} (their gain minus "
        f"InfoNCE's: {than}){': it is refuted as it was put, for InfoNCE loses most' if max(lost) < 0 else ''}.\n"
        f"- *Among the three of any length*: {_each(free)}."
    )


def edge(tuning: pd.DataFrame) -> str:
    """Which arms chose the largest or the smallest rate that was tried: one sentence."""
    best, rates = tuning.idxmax(axis=1), sorted(tuning.columns, key=float)
    at_edge = [arm for arm, rate in best.items() if rate in (rates[0], rates[-1])]
    if not at_edge:
        return "No arm chose a rate at the edge of those tried."
    return f"At the edge of what was tried, where a better rate may lie beyond: {', '.join(at_edge)}."
