"""Figures of the data: galleries, the filter's report, how the paper's pairs came about, what leaks between splits."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from cvig.datasets import load
from cvig.datasets.world.countryside import land_of
from cvig.datasets.world.data import overlapping
from cvig.datasets.world.lattice import Window
from cvig.filtering import FilterReport
from study.figures import PALETTE, Plot, draw, new


def gallery(rows: Mapping[str, np.ndarray], said: Mapping[str, list[str]] | None = None) -> Plot:
    """Rows of pictures, each row with its name.

    Parameters
    ----------
    rows : mapping of name to uint8 array [N, 3, H, W]
    said : mapping of name to N words, optional
        Above each picture.
    """
    most = max(len(pictures) for pictures in rows.values())
    figure, axes = new(len(rows), most, size=(most, 1.35 * len(rows)))
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for place, axis in enumerate(line):
            if place < len(pictures):
                draw(axis, pictures[place])
                axis.set_title(said[name][place] if said else "", fontsize=8)
            else:
                axis.axis("off")
        line[0].set_ylabel(name, fontsize=8)
    counts = "; ".join(f"{len(pictures)} {name}" for name, pictures in rows.items())
    words = "; ".join(", ".join(its) for its in (said or {}).values())
    return figure, f"Photographs in {len(rows)} rows: {counts}." + (f" {words}." if words else "")


def filter_gallery(galleries: Mapping[str, np.ndarray], name: str) -> Plot:
    """The ``"mistakes"``, ``"dropped"`` or ``"kept"`` photographs of a filter run, with their scores."""
    if name not in galleries:
        figure, axes = new(size=(4, 0.6))
        axes[0, 0].axis("off")
        axes[0, 0].text(0.5, 0.5, "none", ha="center", va="center")
        return figure, f"No photographs: none was among the {name}."
    words = [f"score {value:.2f}" for value in galleries[f"{name}_score"]]
    if name == "mistakes":
        labels = ["viable" if label else "not viable" for label in galleries["mistakes_label"]]
        words = [f"{label}\n{word}" for label, word in zip(labels, words, strict=True)]
    figure, alt = gallery({name: galleries[name]}, {name: words})
    return figure, alt.replace("\n", ", ")


def precision_recall(report: FilterReport) -> Plot:
    """Precision and recall of the viable label against the threshold."""
    curve = report.precision_recall
    figure, axes = new(size=(5.5, 3))
    axis = axes[0, 0]
    for color, name, mark in ((PALETTE[0], "precision", "-"), (PALETTE[1], "recall", "--")):
        axis.step(curve.threshold, curve[name], mark, where="pre", color=color, label=name)
    axis.axvline(report.threshold, color="black", ls=":", lw=1)
    axis.set(xlabel="threshold (dotted: as used)", ylim=(0, 1.02), xlim=(0, 1))
    axis.legend()
    at = report.judged
    right = (at & report.label).sum()
    alt = (
        f"Precision rises and recall falls with the threshold. At {report.threshold:.2f}: precision "
        f"{right / max(at.sum(), 1):.3f}, recall {right / max(report.label.sum(), 1):.3f}."
    )
    return figure, alt


def training_pairs(counts: Mapping[str, int], kept: int, views: int) -> Plot:
    """How the paper's training pairs came about: a bar of photographs, a bar of panorama views, a bar of both.

    Parameters
    ----------
    counts : mapping with key ``"flickr_images"``
    kept, views : int
        Photographs that the filter kept, and views cut from panoramas.
    """
    dropped = counts["flickr_images"] - kept
    figure, axes = new(size=(7.5, 2))
    axis = axes[0, 0]
    names = ["training pairs", "photographs"]
    axis.barh(names, [kept, kept], color=PALETTE[0], label="photographs kept")
    axis.barh(names[0], views, left=kept, color=PALETTE[1], label="panorama views")
    axis.barh(names[1], dropped, left=kept, color=PALETTE[7], label="photographs dropped")
    axis.set_xlabel("images")
    axis.legend(loc="lower right", fontsize=8)
    return figure, (
        f"Of {counts['flickr_images']:,} photographs {kept:,} are kept and {dropped:,} dropped; {views:,} panorama views "
        f"make it {kept + views:,} training pairs."
    )


def leak(table: pd.DataFrame) -> Plot:
    """Scores of one matcher after each training set, with their intervals.

    Parameters
    ----------
    table : data frame
        As `study.chapters.data.leakage.scores` gives it.
    """
    metrics = list(dict.fromkeys(table.metric))
    figure, axes = new(1, len(metrics), size=(4 * len(metrics), 2.4), sharey=True)
    said = []
    for axis, metric in zip(axes[0], metrics, strict=True):
        part = table[table.metric == metric]
        scale = 1 if metric == "PSSR" else 100
        place = np.arange(len(part))[::-1]
        value, low, high = (scale * part[name].to_numpy() for name in ("value", "low", "high"))
        axis.errorbar(value, place, xerr=[value - low, high - value], fmt="o", color=PALETTE[0], capsize=3)
        axis.axvline(scale * part.chance.iloc[0], color="black", ls=":", lw=1)
        axis.set_yticks(place, part.training)
        axis.set(xlabel=f"{metric}{'' if scale == 1 else ', %'} (dotted: chance)", ylim=(-0.6, len(part) - 0.4))
        said += [f"{metric} after training on {name}: {v:.3g}" for name, v in zip(part.training, value, strict=True)]
    return figure, "Dots with 95% intervals. " + "; ".join(said) + "."


def overlaps(spacings: Sequence[int], side: int = 400) -> tuple[Plot, pd.DataFrame]:
    """The same land with places at several spacings and their tiles, and how many other tiles each overlaps.

    Parameters
    ----------
    spacings : metres
    side : int
        Metres of land that are drawn.

    Returns
    -------
    Plot
    data frame
        A row a spacing: other tiles that share ground with a tile, and more than half of its area, on average away from the
        border.
    """
    figure, axes = new(1, len(spacings), size=(3 * len(spacings), 3.2))
    rows, said = {}, []
    for axis, spacing in zip(axes[0], spacings, strict=True):
        views = load("world", split="test", count=1500 if spacing < 64 else 150, size=8, spacing=spacing, seed=3)
        tiles = views.coordinates
        north, west = tiles[:, 1].max(), tiles[:, 0].min()
        land = land_of(Window(int(-north), int(west), side, side), seed=3)
        east, south = tiles[:, 0] - land.left, -tiles[:, 1] - land.top
        axis.imshow(land.overhead.numpy(), extent=(0, side, side, 0))
        axis.plot(east, south, ".", color="white", ms=3)
        shown = np.abs(tiles - [west + side / 2, north - side / 2]).max(axis=1).argmin()
        others = overlapping(tiles, views.span, 0.0, np.array([shown]))[0]
        for row in (*others, shown):
            color, width = (PALETTE[1], 2.5) if row == shown else ("white", 0.4)
            edges = (east[row] - views.span / 2, south[row] - views.span / 2)
            axis.add_patch(Rectangle(edges, views.span, views.span, fill=False, edgecolor=color, lw=width))
        axis.set(xlim=(0, side), ylim=(side, 0), xticks=[], yticks=[], title=f"{spacing} m apart")
        # away from the border of the drawn places, where neighbours are missing
        far = (tiles.max(axis=0) - views.span > tiles).all(axis=1) & (tiles > tiles.min(axis=0) + views.span).all(axis=1)
        counts = {
            name: np.mean([len(found) for found in overlapping(tiles, views.span, share, np.flatnonzero(far))])
            for name, share in (("any ground", 0.0), ("more than half", 0.5))
        }
        rows[f"{spacing} m"] = counts
        said.append(f"{spacing} m apart, a tile shares ground with {counts['any ground']:.0f} others")
    return (figure, f"Land of {side} m with places and tiles of 128 m: " + "; ".join(said) + "."), pd.DataFrame(rows).T


def countries(numbers: Sequence[int], side: int = 400) -> Plot:
    """A square of land of each country from above."""
    figure, axes = new(1, len(numbers), size=(2.4 * len(numbers), 2.7))
    bright = []
    for axis, number in zip(axes[0], numbers, strict=True):
        land = land_of(Window(0, 600, side, side), number)
        axis.imshow(land.overhead.numpy())
        axis.set(xticks=[], yticks=[], title=f"country {number}")
        axis.grid(False)
        shares = f"{100 * land.road.float().mean():.0f}% road and {100 * land.water.float().mean():.0f}% water"
        bright.append(f"country {number} has {shares}")
    return figure, f"Squares of {side} m of {len(numbers)} countries from above: " + "; ".join(bright) + "."
