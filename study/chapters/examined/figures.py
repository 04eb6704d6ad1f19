"""Plots of an examined table: which n explains it, how its counts lie about chance, and what a collapse would print."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from scipy import stats

from cvig.printed.scan import Scan
from study.chapters.examined.made_embeddings import Line
from study.figures import AERIAL, GROUND, PALETTE, Plot, new

STYLES = ("-", "--", "-.", ":")


def explained_cells(scan: Scan, stated: int) -> Plot:
    """How many cells of a table each size of the test set explains, and the stated size among them.

    Parameters
    ----------
    scan : Scan
    stated : int
        A size within the scan.
    """
    figure, axes = new(size=(7.5, 3.2))
    axis = axes[0, 0]
    axis.plot(scan.n, scan.explained, ".", ms=2, color=PALETTE[0], alpha=0.4, rasterized=True)
    axis.axhline(len(scan.cells), color="black", ls=":", lw=1)
    cells = len(scan.cells)
    for n, color, text in [(n, PALETTE[2], f"{n}: {scan.at(n)}") for n in scan.equals] + [
        (stated, PALETTE[3], f"{stated} (stated): {scan.at(stated)}")
    ]:
        axis.plot(n, scan.at(n), "o", ms=6, color=color)
        box = {"color": "white", "alpha": 0.8, "pad": 1}
        axis.annotate(text, (n, scan.at(n)), (0, 8), textcoords="offset points", ha="center", fontsize=9, bbox=box)
    axis.set(xlabel="n, size of the test set", ylabel=f"cells explained, of {cells}", ylim=(0, 1.2 * cells))
    alt = (
        f"Cells explained by each n from {scan.n[0]} to {scan.n[-1]}: a cloud whose median is "
        f"{scan.median:g} of {len(scan.cells)}, {scan.at(stated)} at the stated n = {stated}, and "
        f"{scan.at(scan.best)} at n = {', '.join(map(str, scan.equals))}."
    )
    return figure, alt


def about_chance(counts: pd.DataFrame, top: pd.Series, n: int, scatter: pd.DataFrame) -> Plot:
    """How far counts lie from chance, column by column, and how far all columns of a row do together.

    Parameters
    ----------
    counts : DataFrame of int
        Recalled queries, a row a model.
    top : Series of int
        Rows that each column looks at.
    n : int
        Queries, and gallery rows.
    scatter : DataFrame
        `cvig.printed.chance.scatter` of the same rows.
    """
    figure, (left_right,) = new(1, 2, size=(8.5, 3.6))
    axis, other = left_right
    x = np.arange(len(top))
    deviation = np.sqrt(top * (1 - top / n)).to_numpy()
    for width, shade in ((2, 0.12), (1, 0.2)):
        axis.fill_between(x, -width * deviation, width * deviation, color="black", alpha=shade, lw=0)
    degrees = int(scatter.degrees.iloc[0])
    grid = np.geomspace(0.05, 60, 400)
    density = grid * stats.chi2.pdf(grid, degrees)
    other.fill_between(grid, density, color="black", alpha=0.15, lw=0)
    for color, style, row in zip(PALETTE, cycle(STYLES), scatter.index):
        value = scatter.chi_square[row]
        axis.plot(x, (counts.loc[row, top.index] - top).astype(float), f"o{style}", ms=4, color=color, label=row)
        other.vlines(value, 0, 1.1 * density.max(), color=color, lw=2, ls=style, label=f"{row}: {value:.2f}")
    axis.set_xticks(x, [f"{name}\n{k}" for name, k in top.items()])
    axis.set(xlabel="column, and the count that chance expects", ylabel="count minus chance")
    axis.legend(loc="upper left", fontsize=8)
    other.set(xscale="log", xlabel=f"chi-square, {degrees} degrees of freedom", yticks=[], ylim=(0, 2 * density.max()))
    other.set_ylabel("independent rankings (shaded)")
    other.legend(loc="upper right", fontsize=8)
    rows = ", ".join(f"{row} {value:.2f}" for row, value in scatter.chi_square.items())
    alt = (
        "Left: counts minus what chance expects, over bands of one and two standard deviations, which reach "
        f"{deviation[-1]:.0f} and {2 * deviation[-1]:.0f} at {top.index[-1]}. Right: chi-square of each row on the "
        f"distribution of independent rankings, whose median is {stats.chi2.median(degrees):.2f}: {rows}."
    )
    return figure, alt


def on_the_line(line: Line) -> Plot:
    """Where the images of a collapsed gallery on a line lie, and their queries."""
    figure, axes = new(size=(7.5, 2.6))
    axis = axes[0, 0]
    position = line.gallery[:, 0]
    apart = position != 0
    axis.vlines(position[apart], 0.1, 0.55, color=AERIAL, lw=0.8)
    axis.vlines([0], 0.1, 0.95, color=AERIAL, lw=4)
    axis.vlines(line.query[:, 0], -0.55, -0.1, color=GROUND, lw=0.2, alpha=0.25)
    for x, y, text in (
        (position[-line.beyond :].mean(), 0.62, f"{line.beyond} beyond"),
        (position[: line.nearer].mean(), 0.62, f"{line.nearer} nearer"),
        (4, 0.85, f"{line.modal} aerial images on one point"),
    ):
        axis.text(x, y, text, ha="left" if x == 4 else "center", fontsize=9)
    axis.annotate(f"{line.wrong_side} queries", (-0.3, -0.3), (-45, -0.45), arrowprops={"arrowstyle": "->"}, fontsize=9)
    axis.text(line.query.max(), -0.8, f"the other {len(line.query) - line.wrong_side} queries", ha="right", fontsize=9)
    axis.set(xlabel="embedding", ylim=(-1, 1.15), yticks=[-0.33, 0.33], yticklabels=["ground", "aerial"])
    axis.grid(False)
    alt = (
        f"A line with {line.modal} of {len(position)} aerial images on one point, {line.beyond} on its left and "
        f"{line.nearer} on its right; {line.wrong_side} queries just left of the point, the others to its right."
    )
    return figure, alt


def agreement(statistic: Mapping[float, list[float]], rows: pd.Series) -> Plot:
    """Chi-square of random embeddings by how much their queries differ, with the rows of a table as lines.

    Parameters
    ----------
    statistic : mapping of spread to list of float
        Chi-square of each repetition.
    rows : Series of float
        Chi-square of a table's rows.
    """
    figure, axes = new(size=(7.5, 3.2))
    axis = axes[0, 0]
    for spread, values in statistic.items():
        axis.plot([spread] * len(values), np.maximum(values, 1e-3), "o", ms=5, color="black", alpha=0.6)
    for color, style, (row, value) in zip(PALETTE, cycle(STYLES), rows.items()):
        axis.axhline(value, color=color, lw=1.5, ls=style, label=row)
    axis.set(xscale="log", yscale="log", xlabel="spread of the queries, the gallery's being 1", ylabel="chi-square")
    axis.legend(loc="lower right", fontsize=8)
    medians = ", ".join(f"{np.median(values):.2g} at {spread:g}" for spread, values in statistic.items())
    lines = ", ".join(f"{row} {value:.2f}" for row, value in rows.items())
    alt = f"Chi-square grows with the spread of the queries, in the median: {medians}. The table's rows lie at: {lines}."
    return figure, alt
