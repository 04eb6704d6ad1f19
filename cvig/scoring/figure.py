"""The figure of ``cvig score --figure``: the recall curve with its band, and PSSR query by query, each beside chance."""

from pathlib import Path

import numpy as np

from cvig.files import atomic
from cvig.metrics import per_query_pssr, per_query_recall, share_interval
from cvig.metrics.chance import found_within
from cvig.ranking import Ranks

STEPS = 60  # cut-offs at which the band is computed


def draw(ranks: Ranks, places: np.ndarray | None, ties: str, chance: dict[str, float]) -> "object":
    """The figure of a case.

    Parameters
    ----------
    places : array [Q], optional
        Views of one place share an entry.
    ties : str
        The rule of the curve and its band; a line on either side shows the others.
    chance : dict of str to float
        PSSR by chance, under "PSSR".

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    smallest = int(np.min(ranks.gallery_size))
    tops = np.unique(np.geomspace(1, smallest, STEPS).round().astype(int)).tolist()
    curve = np.array([per_query_recall(ranks, k, ties=ties).mean() for k in tops])
    band = np.array([share_interval(per_query_recall(ranks, k, ties=ties), places) for k in tops])
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.fill_between(tops, *band.T, alpha=0.25, label="95% interval")
    left.plot(tops, curve, label=f"recall, {ties}")
    if (ranks.tied > 0).any():
        for rule, style in (("optimistic", ":"), ("pessimistic", "--")):
            values = [per_query_recall(ranks, k, ties=rule).mean() for k in tops]
            left.plot(tops, values, style, color="C0", linewidth=1, label=rule)
    left.plot(tops, chance_curve(ranks, tops), color="0.4", label="chance")
    left.set(xscale="log", ylim=(0, 1.02), xlabel="k", ylabel="recall at k")
    left.legend(loc="lower right")
    values = per_query_pssr(ranks, ties=ties)
    right.hist(values, bins=np.linspace(0, 1, 41))
    right.axvline(values.mean(), color="C1", linestyle="--", label=f"mean {values.mean():.3f}")
    right.axvline(chance["PSSR"], color="0.4", label=f"chance {chance['PSSR']:.3f}")
    right.set(xlim=(0, 1), xlabel=f"PSSR of a query, {ties}", ylabel="queries")
    right.legend(loc="upper left")
    return figure


def chance_curve(ranks: Ranks, tops: list[int]) -> np.ndarray:
    """Recall at each of `tops` in random orders, float64."""
    return np.array([float(found_within(k, ranks.sizes, ranks.each("positives")).mean()) for k in tops])


def write_figure(path: Path | str, ranks: Ranks, places: np.ndarray | None, ties: str, chance: dict[str, float]) -> None:
    """Draw and write a .png or .svg file, whole or not at all."""
    figure = draw(ranks, places, ties, chance)
    with atomic(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix[1:].lower(), dpi=150)
