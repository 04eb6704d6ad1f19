"""What squares of ground do to intervals: coverage as simulated, and the side that outcomes of a made landscape call for."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from cvig.metrics.ground import measured_side, spread_by_side
from study.coverage import field
from study.figures import PALETTE, Plot, new

SHOWN = {0: "places one by one", 512: "squares of 512 m", 2048: "squares of 2,048 m", "measured": "measured side"}
KINDS = {"recall": "interval of recall", "mean": "interval of a mean", "paired": "paired test keeps still"}


def coverage(path: Path | str) -> tuple[pd.DataFrame, dict]:
    """The rows that benchmarks/coverage.py wrote (`study.coverage.simulate`), and what it says of the run."""
    record = json.loads(Path(path).read_text())
    return pd.DataFrame(record.pop("rows")), record


def kept(rows: pd.DataFrame, record: dict) -> Plot:
    """How often intervals hold the truth and paired tests keep still, by the reach of the dependence."""
    figure, axes = new(2, 3, size=(10, 5.4), sharex=True, sharey=True)
    lengths = sorted(rows.length.unique())
    position = np.arange(len(lengths))
    for panels, (alone, part) in zip(axes, rows.groupby("alone"), strict=True):
        for axis, (kind, title) in zip(panels, KINDS.items(), strict=True):
            for color, marker, (side, label) in zip(PALETTE, "osv^", SHOWN.items(), strict=False):
                values = part[part.side == side].set_index("length")[kind].reindex(lengths)
                axis.plot(position, values, f"{marker}-", ms=4, color=color, label=label)
            axis.axhline(0.95, color="black", ls=":", lw=1)
            axis.set(title=f"{title}, own share {alone:g}", ylim=(0, 1.03))
            axis.set_xticks(position, [f"{length:g}" for length in lengths])
    for axis in axes[1]:
        axis.set_xlabel("correlation length, m")
    for panels in axes:
        panels[0].set_ylabel("share of draws")
    axes[0, 0].legend(fontsize=8, loc="lower left")
    worst = rows[rows.length == max(lengths)].groupby("side")[list(KINDS)].min()
    alt = (
        f"Six panels of the share of {record['draws']} draws in which 95% intervals held the truth or a test at 5% kept "
        "still, against the correlation length. All lie near .95 without correlation and fall as it grows, those of places "
        f"fastest: at {max(lengths):g} m the lowest are {worst.loc[0].min():.2f} for places and "
        f"{worst.loc['measured'].min():.2f} for the measured side."
    )
    return figure, alt


def made_outcomes(length: float, *, queries: int = 1000, extent: float = 10_000.0, seed: int = 0) -> tuple:
    """Outcomes in [0, 1] with a correlation length on a square of ground: values [Q] and coordinates [Q, 2] in metres."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, extent, (queries, 2))
    return special.ndtr(field(points, length, 0.0) @ rng.normal(size=queries)), points


def side_choice(values: np.ndarray, points: np.ndarray) -> Plot:
    """Standard error against the side of the squares, and the side that `measured_side` chooses."""
    spread = spread_by_side(values, points)
    chosen = measured_side(spread)
    figure, axes = new(1, 2, size=(8.5, 3.2))
    axis, other = axes[0]
    shown = axis.scatter(*(points.T / 1000), c=values, s=6, cmap="viridis")
    figure.colorbar(shown, ax=axis, label="outcome")
    axis.set(xlabel="east, km", ylabel="north, km", aspect="equal")
    axis.set_xticks(np.arange(0, points.max() / 1000, chosen.side / 1000), minor=True)
    axis.set_yticks(np.arange(0, points.max() / 1000, chosen.side / 1000), minor=True)
    axis.grid(which="minor", lw=0.8, color="black", alpha=0.5)
    axis.grid(which="major", visible=False)
    other.plot(spread.side, spread.inflation, "o-", color=PALETTE[0])
    other.axvline(chosen.side, color=PALETTE[3], lw=1.5, label=f"chosen: {chosen.side:.0f} m")
    other.set(xlabel="side of the squares, m", ylabel="standard error, in those of\nindependent queries", ylim=(0, None))
    other.set_xlim(0, None)
    other.legend(fontsize=8)
    largest = int(spread.inflation.argmax())
    alt = (
        f"Left: {len(points)} queries on a map, near ones alike in color, under a grid of {chosen.side:.0f} m. Right: the "
        f"standard error rises with the side of the squares from {spread.inflation.iloc[0]:.2f} to "
        f"{spread.inflation.max():.2f} times that of independent queries; the side chosen is {chosen.side:.0f} m, with "
        f"{int(spread.squares[largest])} squares."
    )
    return figure, alt
