"""Plots of experiment E3."""

import pandas as pd

from study.chapters.losses.comparison import MARGIN
from study.figures import PALETTE, Plot, new
from study.replicates import by_replicate


def scores_plot(runs: pd.DataFrame) -> Plot:
    """PSSR of every run, a row an arm, best above, a color a country."""
    table = by_replicate(runs, "pssr")
    arms = list(table.mean().sort_values(ascending=False).index)
    figure, ((axis,),) = new(size=(7.5, 0.8 + 0.42 * len(arms)))
    blocks = table.index.get_level_values("block").unique()
    for color, (shift, block) in zip(PALETTE, enumerate(blocks), strict=False):
        part = table.loc[block]
        for at, arm in enumerate(arms):
            label = f"country {block}" if at == 0 else None
            heights = [at + 0.2 * (shift - (len(blocks) - 1) / 2)] * len(part)
            axis.plot(part[arm], heights, "o", color=color, ms=4, alpha=0.7, label=label)
    axis.axvline(0.5, color="gray", ls=":", lw=1)
    axis.set(yticks=range(len(arms)), yticklabels=arms, xlabel="PSSR in the test")
    axis.invert_yaxis()
    axis.legend(frameon=False, fontsize=8)
    said = "; ".join(f"{arm} {table[arm].min():.3f} to {table[arm].max():.3f}, mean {table[arm].mean():.3f}" for arm in arms)
    return figure, f"PSSR of {len(runs)} runs by loss, best first: {said}. A dotted line marks chance, one half."


def differences_plot(found: pd.DataFrame) -> Plot:
    """Mean paired differences with their 90% intervals and the margin of equivalence, a row for two arms."""
    figure, ((axis,),) = new(size=(8, 0.8 + 0.33 * len(found)))
    axis.axvspan(-MARGIN, MARGIN, color="gray", alpha=0.2, lw=0)
    colors = {"open": "gray", "equivalent": PALETTE[2], "differ": PALETTE[3], "equivalent and differ": PALETTE[4]}
    for at, (_, row) in enumerate(found.iterrows()):
        axis.plot([row.low, row.high], [at, at], color=colors[row.verdict], lw=2)
        axis.plot(row.difference, at, "o", color=colors[row.verdict], ms=5)
        axis.annotate(row.verdict, (row.high, at), (5, -3), textcoords="offset points", fontsize=8)
    axis.set(yticks=range(len(found)), yticklabels=[f"{a} minus {b}" for a, b in found.index], xlabel="difference in PSSR")
    axis.invert_yaxis()
    axis.margins(x=0.15)
    said = "; ".join(f"{a} minus {b} {row.difference:+.3f}, {row.verdict}" for (a, b), row in found.iterrows())
    return figure, f"Paired differences in PSSR with 90% intervals; a gray band is the margin of {MARGIN:g}. {said}."
