"""What the runs of the field's recipes say, in words."""

import pandas as pd

from study.planned import SeedsPlan
from study.words import SIGNED, code, with_interval


def ablation(found: pd.DataFrame, runs: pd.DataFrame) -> str:
    """Which tricks help, harm, do little, and what stays open; and the plan's hypotheses: Markdown."""
    of = {word: list(found.index[found.verdict == word]) for word in ("helps", "harms", "little", "open")}
    base = runs[runs.arm == "base"]
    said = {"helps": "supported", "harms": "refuted", "little": "refuted", "open": "open"}
    both = found.loc["both-samplings"]
    others = [name for name in found.index if name not in ("joint-turns", "shared-trunk", "both-samplings")]
    small = [name for name in others if found.verdict[name] == "little"]
    return (
        f"With all tricks PSSR is {base.pssr.mean():.3f} and R@1 {base.recall_1.mean():.2f}% "
        f"(`field-ablation`, n = {len(base)} seeds an arm). By the plan's rule:\n\n"
        f"- *helps*: {code(of['helps'])}\n- *harms here*: {code(of['harms'])}\n"
        f"- *worth less than the margin either way*: {code(of['little'])}\n- *open*: {code(of['open'])}\n\n"
        f"The plan's first hypothesis, on joint turns, is {said[found.verdict['joint-turns']]}; the second, on the shared "
        f"trunk, is {said[found.verdict['shared-trunk']]}. The third was of R@1 without both samplings, which is too low in "
        f"all arms to tell; in PSSR sampling is worth {with_interval(both.worth, both.low, both.high, SIGNED)}. Of the "
        f"other {len(others)} arms, {len(small)} are shown to be worth less than the margin."
    )


def hypotheses(found: pd.DataFrame, plan: str, seeds: int) -> str:
    """A plan's hypotheses and their outcomes, a line each: Markdown."""
    lines = [
        f"- *{name}, {row.what}* (`{plan}`, n = {seeds} seeds): "
        f"{with_interval(row.difference, row.low, row.high, SIGNED)}, {row.outcome}"
        for name, row in found.iterrows()
    ]
    return "\n".join(lines)


def as_far(runs: pd.DataFrame, plan: SeedsPlan, seeds: int) -> str:
    """How far a plan's runs are made, where they are not all there: Markdown."""
    if len(runs) == len(plan.runs):
        return ""
    return (
        f"Of the {len(plan.runs)} runs of the plan {len(runs)} are made; what follows is of the {seeds} seeds of which all "
        "cells are there. The command in the plan goes on with the others."
    )
