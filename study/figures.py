"""Plots of runs. Each function gives the figure and its alt text, which is computed from the same data."""

import base64
import html
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from study.runs import Run

Plot = tuple[Figure, str]
PALETTE = sns.color_palette("colorblind")
GROUND, AERIAL = PALETTE[0], PALETTE[1]


def new(rows: int = 1, columns: int = 1, *, size: tuple[float, float], **options) -> tuple[Figure, np.ndarray]:
    """Make an empty figure in the common style, and give it with its axes as an array [rows, columns]."""
    with plt.rc_context({**sns.axes_style("whitegrid"), **sns.plotting_context("notebook", font_scale=0.85)}):
        figure = Figure(figsize=size, layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def legend_above(figure: Figure, axis: Axes, columns: int | None = None) -> None:
    """One legend for a whole figure, of what is drawn on one of its axes: above them, where it covers nothing."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns or len(labels), fontsize=9, frameon=False)


def image(tensor: np.ndarray) -> np.ndarray:
    """A uint8 image [3, H, W] as matplotlib wants it: [H, W, 3]."""
    return np.moveaxis(np.asarray(tensor), 0, -1)


def draw(axis: Axes, picture: np.ndarray) -> None:
    """Draw a uint8 image [3, H, W] without ticks: enlarged, its pixels are seen as they are; reduced, it is smoothed."""
    axis.imshow(image(picture), interpolation="nearest" if picture.shape[-1] < 128 else "auto")
    axis.set(xticks=[], yticks=[])
    axis.grid(False)


class Shown:
    """A figure as HTML, with alt text and caption; what a notebook cell or a page displays."""

    def __init__(self, plot: Plot, caption: str):
        self.figure, self.alt = plot
        self.caption = caption

    def _repr_html_(self) -> str:
        buffer = BytesIO()
        # no time stamp: the same figure gives the same bytes
        self.figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
        data = base64.b64encode(buffer.getvalue()).decode()
        return (
            f'<figure><img alt="{html.escape(self.alt, quote=True)}" style="max-width: 100%" '
            f'src="data:image/png;base64,{data}"><figcaption>{html.escape(self.caption)}</figcaption></figure>'
        )

    def __repr__(self) -> str:
        return f"{self.caption}\n[{self.alt}]"


def show(plot: Plot, caption: str) -> Shown:
    """Display a plot with its alt text and a caption, in a notebook or on a page."""
    return Shown(plot, caption)


def show_each(runs: Iterable[Run], plot: Callable[[Run], Plot], remark: str = "") -> list[Shown]:
    """One plot a run, its caption naming the run, with a remark at the end."""
    return [show(plot(run), caption=f"{run.title} {remark}".strip()) for run in runs]


def training_curve(log: pd.DataFrame) -> Plot:
    """Loss, validation metrics and spread of both towers, epoch by epoch.

    Parameters
    ----------
    log : DataFrame
        Columns epoch, phase, loss, val_recall_1pct (%), val_pssr, ground_spread and aerial_spread.
    """
    figure, axes = new(1, 3, size=(11, 3.2))
    loss, metrics, spread = axes[0]
    for color, (phase, part) in zip(PALETTE, log.groupby("phase", sort=False), strict=False):
        loss.plot(part.epoch, part.loss, "o-", ms=3, color=color, label=phase)
    loss.set(title="Training loss", xlabel="epoch")
    loss.legend()
    metrics.plot(log.epoch, log.val_recall_1pct, "o-", ms=3, color=PALETTE[2], label="R@1%")
    metrics.plot(log.epoch, 100 * log.val_pssr, "s-", ms=3, color=PALETTE[3], label="PSSR")
    for level, color in ((1, PALETTE[2]), (50, PALETTE[3])):
        metrics.axhline(level, color=color, ls=":", lw=1)
    metrics.set(title="Validation (dotted: chance)", xlabel="epoch", ylabel="%", ylim=(0, 100))
    metrics.legend()
    for values, color, name in ((log.ground_spread, GROUND, "ground"), (log.aerial_spread, AERIAL, "aerial")):
        spread.semilogy(log.epoch, values.clip(lower=1e-8), "o-", ms=3, color=color, label=name)
    spread.set(title="Spread of the embeddings", xlabel="epoch", ylim=(None, 1.5))
    spread.legend()
    first, last = log.iloc[0], log.iloc[-1]
    alt = (
        f"Three panels over {len(log)} epochs. Loss of the {' then '.join(log.phase.unique())} phase: {first.loss:.3f} at "
        f"first, {last.loss:.3f} at last. Validation R@1% from {first.val_recall_1pct:.1f}% to {last.val_recall_1pct:.1f}%, "
        f"PSSR from {first.val_pssr:.3f} to {last.val_pssr:.3f}. Spread at the end: ground {last.ground_spread:.2g}, "
        f"aerial {last.aerial_spread:.2g}."
    )
    return figure, alt


def pssr_histogram(per_query: Mapping[str, np.ndarray], *, bins: int = 50) -> Plot:
    """How the share of the gallery that a query rules out is distributed (the paper's Fig. 2).

    Parameters
    ----------
    per_query : mapping of label to float array [Q]
        Per-query PSSR in [0, 1].
    """
    figure, axes = new(1, len(per_query), size=(4.2 * len(per_query), 3))
    said = []
    for axis, color, (label, values) in zip(axes[0], PALETTE, per_query.items(), strict=False):
        axis.hist(values, bins=bins, range=(0, 1), color=color, weights=np.full(len(values), 100 / len(values)))
        axis.axhline(100 / bins, color="black", ls=":", lw=1)
        axis.axvline(values.mean(), color="black", lw=1)
        axis.set(title=f"{label}\nmean {values.mean():.3f}", xlabel="share of the gallery ruled out")
        top = 100 * (values >= 0.9).mean()
        said.append(f"{label}: mean {values.mean():.3f}, {top:.0f}% of {len(values)} queries rule out at least nine tenths")
    axes[0, 0].set_ylabel("% of queries (dotted: chance)")
    return figure, "Histograms of per-query PSSR. " + "; ".join(said) + "."


def pssr_on_both_axes(rows: np.ndarray, columns: np.ndarray, *, bins: int = 50) -> Plot:
    """Histograms of the same embeddings by equation 2, a value a query, and by the paper's code, a value an aerial image.

    Parameters
    ----------
    rows : float array [Q]
        Share of the gallery that each query rules out.
    columns : float array [n]
        Share of the queries that each gallery row keeps (`cvig.metrics.conventions.pssr_as_coded`).
    """
    figure, axes = new(1, 2, size=(9, 3))
    said = []
    for axis, values, color, name, share, unit in (
        (axes[0, 0], rows, GROUND, "equation 2", "share of the gallery ruled out", "queries"),
        (axes[0, 1], columns, AERIAL, "as coded", "share of the queries kept", "aerial images"),
    ):
        # k / n falls on edges of bins: half a step keeps rounding from moving it
        half = 0.5 / len(values)
        count, _, _ = axis.hist(values - half, bins=bins, range=(-half, 1), color=color)
        axis.axhline(len(values) / bins, color="black", ls=":", lw=1)
        axis.axvline(values.mean(), color="black", lw=1)
        axis.set(title=f"{name}: mean {values.mean():.3f}", xlabel=share, ylabel=f"{unit} (dotted: uniform)")
        fullest, emptiest = (100 * some / len(values) for some in (count.max(), count.min()))
        said.append(
            f"{name}: {len(values)} {unit}, mean {values.mean():.4f}, the fullest bin holds {fullest:.1f}% of them, the "
            f"emptiest {emptiest:.1f}%"
        )
    return figure, f"Two histograms of {bins} bins. " + "; ".join(said) + "."


def projection(ground: np.ndarray, aerial: np.ndarray, explained: tuple[float, float]) -> Plot:
    """Both towers' embeddings on their first two principal axes (the paper's Fig. 3).

    Parameters
    ----------
    ground, aerial : float arrays [N, 2]
    explained : pair of float
        Share of the variance along each axis.
    """
    figure, axes = new(size=(5, 4.2))
    axis = axes[0, 0]
    for points, color, name in ((aerial, AERIAL, "aerial"), (ground, GROUND, "ground")):
        axis.scatter(*points.T, s=4, alpha=0.5, color=color, label=name, linewidths=0)
    axis.set(xlabel=f"first axis ({100 * explained[0]:.0f}% of variance)", ylabel=f"second axis ({100 * explained[1]:.0f}%)")
    axis.legend(markerscale=3)
    apart = float(np.linalg.norm(ground.mean(0) - aerial.mean(0)))
    alt = (
        f"Scatter plot of {len(ground)} ground and {len(aerial)} aerial embeddings on two principal axes, which carry "
        f"{100 * sum(explained):.0f}% of the variance. The towers' means are {apart:.2g} apart; the deviations along "
        f"the first axis are {ground[:, 0].std():.2g} and {aerial[:, 0].std():.2g}."
    )
    return figure, alt


def retrieval_gallery(
    queries: np.ndarray,
    retrieved: np.ndarray,
    positive_at: np.ndarray,
    rank: np.ndarray,
    gallery_size: int,
    positive: np.ndarray | None = None,
) -> Plot:
    """Queries, the gallery images nearest to each, the positive framed (the paper's Fig. 4), and the positive at the end.

    Parameters
    ----------
    queries : uint8 array [M, 3, H, W]
    retrieved : uint8 array [M, top, 3, h, w]
    positive_at : int array [M]
        Which of the retrieved is the positive; -1 where none is.
    rank : int array [M]
        Rank of the positive in the whole gallery, from 1.
    positive : uint8 array [M, 3, h, w], optional
        It is shown in a last column; the first runs have not kept it.
    """
    count, top = retrieved.shape[:2]
    columns = top + 1 + (positive is not None)
    figure, axes = new(count, columns, size=(1.5 * columns, 1.7 * count))
    for row in range(count):
        draw(axes[row, 0], queries[row])
        axes[row, 0].set_title(f"rank {rank[row]} of {int(gallery_size)}", fontsize=8)
        for place in range(top):
            axis = axes[row, place + 1]
            draw(axis, retrieved[row, place])
            right = place == positive_at[row]
            axis.set_title(f"{place + 1}{': right' if right else ''}", fontsize=8)
            for spine in axis.spines.values():
                spine.set(visible=right, color="red", linewidth=3)
        if positive is not None:
            draw(axes[row, -1], positive[row])
            axes[row, -1].set_title(f"the right one: {rank[row]}", fontsize=8)
            for spine in axes[row, -1].spines.values():
                spine.set(visible=True, color="red", linewidth=3, linestyle=":")
    places = [
        f"query {i + 1} finds its aerial image at rank {r} of {int(gallery_size)}"
        + (f", shown as number {p + 1}" if p >= 0 else f", beyond the {top} shown")
        for i, (r, p) in enumerate(zip(rank, positive_at, strict=True))
    ]
    beside = "" if positive is None else ", and at the end its own"
    return figure, f"{count} ground views, each with the {top} nearest aerial images{beside}: " + "; ".join(places) + "."


def pairs(ground: np.ndarray, aerial: np.ndarray) -> Plot:
    """Ground views above, the aerial images of the same places below: uint8 arrays [N, 3, H, W]."""
    figure, axes = new(2, len(ground), size=(1.6 * len(ground), 3.3))
    for column in range(len(ground)):
        for axis, picture in zip(axes[:, column], (ground[column], aerial[column]), strict=True):
            draw(axis, picture)
    bright = (ground.mean() / 255, aerial.mean() / 255)
    alt = (
        f"{len(ground)} ground views above the aerial images of their places, {ground.shape[-1]} and {aerial.shape[-1]} "
        f"pixels wide; mean brightness {bright[0]:.2f} and {bright[1]:.2f}."
    )
    return figure, alt


def world_map(land, coordinates: np.ndarray, span: int, step: int = 2) -> Plot:
    """A window of the world from above, the places on it and their tiles.

    Parameters
    ----------
    land : Countryside
    coordinates : float array [Q, 2], metres east and north
    span : int
        Metres a side of a tile.
    step : int
        Metres a drawn pixel.
    """
    figure, axes = new(size=(6.4, 6))
    axis = axes[0, 0]
    high, wide = land.height.shape
    edges = (land.left, land.left + wide, -land.top - high, -land.top)
    axis.imshow(land.overhead[::step, ::step].numpy(), extent=edges)
    east, north = coordinates.T
    shown = (east > edges[0]) & (east < edges[1]) & (north > edges[2]) & (north < edges[3])
    axis.scatter(east[shown], north[shown], s=9, color=PALETTE[0], edgecolors="white", linewidths=0.4)
    for x, y in coordinates[shown] - span / 2:
        axis.add_patch(Rectangle((x, y), span, span, fill=False, edgecolor="white", lw=0.8))
    axis.set(xlabel="meters east", ylabel="meters north", xlim=edges[:2], ylim=edges[2:])
    axis.grid(False)
    alt = (
        f"Land of {wide} by {high} meters from above: fields, woods, villages, roads and lakes; {shown.sum()} places and "
        f"squares of {span} m round them."
    )
    return figure, alt
