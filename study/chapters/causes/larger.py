"""Whether the paper's architectures confirm what small networks show: whole recipes of experiment E6, in words."""

import pandas as pd

from study.chapters.results import apart
from study.levels import DIFFERS
from study.plans import Study
from study.words import SIGNED, with_interval

CODED = "described less as-coded"


def confirmed(study: Study) -> str:
    """What the text's recipe gains over the code's, by architecture, where the text's has anything to lose: Markdown."""
    found, outcome = apart.contrasts(study), apart.outcome(study)
    rows = found[found.index.get_level_values("recipes") == CODED].droplevel("recipes")
    learned = {arch for arch in rows.index if outcome.loc[(arch, "described"), "beats chance"] == "yes"}
    lines = [_line(arch, row, arch in learned) for arch, row in rows.iterrows()]
    return "\n".join(lines)


def _line(arch: str, row: pd.Series, learned: bool) -> str:
    difference = f"{with_interval(row.difference, row.low, row.high, SIGNED)} over {int(row.n)} seeds"
    if not learned:
        return f"- *{arch}*: nothing to be said, for not every run of `described` beats chance ({difference})."
    if row.p < DIFFERS:
        return f"- *{arch}*: the departures together do harm; `described` less `as-coded` {difference}, p = {row.p:.2g}."
    side = "points to harm" if row.low > 0 else "holds zero"
    return f"- *{arch}*: open. `described` less `as-coded` {difference}: the interval {side}, and p by Holm is {row.p:.2g}."
