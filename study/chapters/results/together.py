"""Two networks in one projection, on the page of the paper's figures (Fig. 3)."""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cvig.files import read_arrays
from study.figures import PALETTE, Plot, new

COLORS = {"resnet50": PALETTE[0], "vgg16": PALETTE[3]}  # blue and red, as in the paper
MARKERS = {"ground": "o", "aerial": "^"}


def read(root: Path | str) -> dict[str, tuple[dict, dict]]:
    """By the folders' names, what `study.together` wrote below `root`: arrays, and the record."""
    marks = sorted(Path(root).glob("*/record.json"))
    return {m.parent.name: (read_arrays(m.parent / "projection.npz"), json.loads(m.read_text())) for m in marks}


def plot(found: Mapping[str, tuple[dict, dict]]) -> Plot:
    """A panel a recipe: both towers of every network on the axes that all of them have together."""
    figure, (axes,) = new(1, len(found), size=(4.1 * len(found), 4))
    said = []
    for axis, (recipe, (points, record)) in zip(axes, found.items(), strict=True):
        shares, deviations = points["explained"], []
        for cloud in record["towers"]:
            network, tower = cloud.split("_")
            axis.scatter(
                *points[cloud].T,
                s=6,
                alpha=0.4,
                linewidths=0,
                color=COLORS[network],
                marker=MARKERS[tower],
                label=cloud.replace("_", ", "),
            )
            deviations.append(f"{network} {tower} {points[cloud].std(axis=0).max():.2g}")
        axis.set(
            title=recipe,
            xlabel=f"first axis ({100 * shares[0]:.0f}% of variance)",
            ylabel=f"second ({100 * shares[1]:.0f}%)",
        )
        said.append(f"{recipe}: {', '.join(deviations)}")
    axes[0].legend(markerscale=2, fontsize=7)
    return figure, f"Embeddings of two networks on common axes. The larger deviation of each cloud: {'; '.join(said)}."


def table(found: Mapping[str, tuple[dict, dict]]) -> pd.DataFrame:
    """A row a recipe and network: spread and effective rank of each tower, which no scale and no projection change."""
    rows = {}
    for recipe, (_, record) in found.items():
        for cloud, facts in record["towers"].items():
            network, tower = cloud.split("_")
            row = rows.setdefault((recipe, network), {})
            row |= {
                f"spread, {tower}": f"{facts['spread']:.2g}",
                f"effective rank, {tower}": f"{facts['effective_rank']:.1f}",
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["recipe", "network"])
