"""Scores of the specimens: by exact ranks beside theory, by every published convention, and the diagnosis of collapse."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from pandas.io.formats.style import Styler
from seaborn import color_palette

from cvig.metrics import TIES
from cvig.metrics.collapse import diagnose
from cvig.metrics.conventions import recalls
from study.chapters.ties.specimens import Specimen, measure
from study.figures import PALETTE, Plot, new

EXACT, PUBLISHED = "exact ranks", "published conventions"
MARKS = dict(zip(TIES, ("<", ">", "o"), strict=True))


def solvable(made: Mapping[str, Specimen]) -> dict[str, Specimen]:
    """The specimens that have a score."""
    return {name: specimen for name, specimen in made.items() if specimen.expected is not None}


def beside_theory(made: Mapping[str, Specimen], metric: str) -> pd.DataFrame:
    """One metric of every solvable specimen under each tie rule: measured, expected, and the deviation of what is expected.

    Parameters
    ----------
    metric : {"R@1", "R@1%", "PSSR"}

    Returns
    -------
    DataFrame of float
        Columns (tie rule, "measured" or "expected" or "deviation"); recall is a fraction here.
    """
    table = {}
    for name, specimen in solvable(made).items():
        measured = measure(specimen)[metric]
        table[name] = {
            (rule, column): value
            for rule in TIES
            for column, value in (
                ("measured", measured[rule]),
                ("expected", specimen.expected[metric][rule].value),
                ("deviation", specimen.expected[metric][rule].deviation),
            )
        }
    return pd.DataFrame(table).T


def as_text(table: pd.DataFrame, *, scale: float = 100, digits: int = 1) -> pd.DataFrame:
    """A table of `beside_theory` for print: measured, and what theory expects, with its deviation where it has one."""
    text = {}
    for rule in TIES:
        measured, expected, deviation = (scale * table[rule, column] for column in ("measured", "expected", "deviation"))
        text[rule, "measured"] = [f"{value:.{digits}f}" for value in measured]
        text[rule, "theory"] = [
            f"{value:.{digits}f}" + (f" ± {spread:.{digits}f}" if round(spread, digits) else "")
            for value, spread in zip(expected, deviation, strict=True)
        ]
    return pd.DataFrame(text, index=table.index)


def gaps(tables: Mapping[str, pd.DataFrame]) -> Plot:
    """The range that ties leave each specimen's scores, from pessimistic to optimistic, and what theory expects.

    Parameters
    ----------
    tables : mapping of metric to DataFrame
        As `beside_theory` gives them.
    """
    names = list(next(iter(tables.values())).index)
    figure, axes = new(1, len(tables), size=(9, 0.36 * len(names) + 1.2), sharey=True)
    at = np.arange(len(names))[::-1]
    said = []
    for axis, (metric, table) in zip(axes[0], tables.items(), strict=True):
        low, high = table["pessimistic", "measured"], table["optimistic", "measured"]
        axis.hlines(at, low, high, color=PALETTE[7], lw=3, zorder=1)
        for rule, color in zip(TIES, (PALETTE[0], PALETTE[3], "black"), strict=True):
            axis.plot(table[rule, "expected"], at, "D", ms=9, mfc="none", mec=PALETTE[7], mew=0.8, zorder=2)
            axis.plot(table[rule, "measured"], at, MARKS[rule], ms=5, color=color, label=rule, zorder=3)
        axis.set(title=metric, xlim=(-0.05, 1.05), yticks=at)
        axis.set_yticklabels(names)
        wide = ", ".join(f"{name} ({low[name]:.3f} to {high[name]:.3f})" for name in names if high[name] - low[name] > 0.1)
        said.append(f"{metric}: {wide or 'none'}")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(TIES))
    alt = (
        f"{', '.join(tables)} of {len(names)} specimens, each a bar from the pessimistic to the optimistic value with the "
        "expected one between them, on diamonds where theory puts them. Bars wider than a tenth: " + "; ".join(said) + "."
    )
    return figure, alt


def convention_scores(made: Mapping[str, Specimen], k: int | str) -> pd.DataFrame:
    """Recall at k in percent of every specimen (row): by exact ranks under each tie rule, and by every published convention.

    Returns
    -------
    DataFrame of float
        Columns (`EXACT`, tie rule) and (`PUBLISHED`, convention); NaN where exact ranks refuse the embeddings.
    """
    table = {}
    for name, specimen in made.items():
        exact = dict.fromkeys(TIES, np.nan) if specimen.expected is None else measure(specimen)[f"R@{k}"]
        published = recalls(specimen.query, specimen.gallery, [k], progress=False)
        table[name] = {(EXACT, rule): 100 * value for rule, value in exact.items()}
        table[name] |= {(PUBLISHED, convention): 100 * row[k] for convention, row in published.items()}
    return pd.DataFrame(table).T


def shaded(table: pd.DataFrame, caption: str) -> Styler:
    """A table of `convention_scores` as HTML: red where a score is above the expected one, blue where it is below.

    Where there is nothing to expect, every score above zero is too high.
    """
    fair = table[EXACT, "expected"].fillna(0.0)
    colors = color_palette("vlag", as_cmap=True)
    style = table.apply(
        lambda column: [
            f"color: #111; background-color: {to_hex(colors(0.5 + 0.36 * gap / 100))}" if gap == gap else "color: #111"
            for gap in column - fair
        ]
    )
    upright = {"writing-mode": "vertical-rl", "transform": "rotate(180deg)", "text-align": "left", "margin": "auto"}
    rules = [
        {"selector": "", "props": "font-size: 0.72em; border-collapse: collapse"},
        {"selector": "th, td", "props": "padding: 2px 4px; text-align: right; white-space: nowrap"},
        {"selector": "th.col_heading.level1", "props": "; ".join(f"{key}: {value}" for key, value in upright.items())},
        {"selector": "th.col_heading.level0", "props": "text-align: center"},
        {"selector": "th.row_heading", "props": "text-align: left"},
        {"selector": "caption", "props": "caption-side: bottom; text-align: left"},
    ]
    # a fixed identifier: the same table gives the same bytes
    styler = table.style.set_uuid(caption.encode().hex()[:32]).set_table_styles(rules)
    return styler.apply(lambda _: style, axis=None).format("{:.1f}", na_rep="refused").set_caption(caption)


def verdicts(made: Mapping[str, Specimen]) -> pd.DataFrame:
    """What each specimen is, and what the diagnosis of collapse says of it, or why it is refused."""
    table = {}
    for name, specimen in made.items():
        try:
            verdict = diagnose(specimen.query, specimen.gallery).verdict
        except ValueError as refusal:
            verdict = f"refused: {refusal}"
        table[name] = {"what it is": specimen.story, "verdict": verdict}
    return pd.DataFrame(table).T
