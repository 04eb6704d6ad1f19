"""The figures of the page on PSSR."""

from collections.abc import Mapping

import numpy as np

from cvig.metrics import per_query_rank, pssr, recall_at_k, recall_curve
from cvig.metrics.expectation import pairing_deviation, random_deviation
from cvig.ranking import Ranks, exact_ranks
from study.figures import PALETTE, Plot, new


def remaining(query: np.ndarray, gallery: np.ndarray, positive: int) -> Plot:
    """A region of tiles seen by one query: those closer than its positive or as far as it remain to be searched.

    Parameters
    ----------
    query : float array [D]
    gallery : float array [side², D]
        Tiles row by row.
    positive : int
    """
    n = len(gallery)
    side = round(n**0.5)
    distance = np.sqrt(((gallery - query) ** 2).sum(1))
    ranks = exact_ranks(query[None], gallery, [positive])
    kept = distance <= distance[positive]
    if kept.sum() != per_query_rank(ranks, ties="pessimistic")[0]:
        raise ValueError("rounding decides which tiles remain: choose a query without near-ties")
    figure, axes = new(1, 2, size=(8.6, 3.9))
    near, left = axes[0]
    shown = near.imshow(distance.reshape(side, side), cmap="viridis_r")
    figure.colorbar(shown, ax=near, label="distance to the query")
    near.set(title="how the query sees the region")
    left.imshow(np.where(kept, 1.0, np.nan).reshape(side, side), cmap="Oranges", vmin=0, vmax=1.6)
    left.set_facecolor("0.88")
    left.set(title=f"{kept.sum()} of {n} tiles remain: {1 - pssr(ranks):.1%}")
    row, column = divmod(positive, side)
    for axis in (near, left):
        axis.plot(column, row, "*", ms=13, color="white", mec="black")
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    alt = (
        f"Two maps of {side} by {side} aerial tiles. Left: the distance of each tile to one query, in smooth patches. "
        f"Right: the {kept.sum()} tiles that are no farther than the right one, in color; the other {n - kept.sum()} are "
        f"gray, ruled out: {pssr(ranks):.3f} of the region."
    )
    return figure, alt


def area_under_recall(ranks: Ranks, *, ties: str) -> Plot:
    """PSSR twice: as the part of the gallery that each query rules out, and as the area under recall at k.

    The queries stand in order of rank. Turned on its side, the upper edge of what they keep is the recall curve.
    """
    n, rank = int(ranks.gallery_size), np.sort(per_query_rank(ranks, ties=ties))
    figure, axes = new(1, 2, size=(9, 3.6))
    bars, curve = axes[0]
    query = np.arange(1, len(rank) + 1)
    bars.barh(query, rank, height=1.0, color=PALETTE[1], label="kept")
    bars.barh(query, n - rank, left=rank, height=1.0, color=PALETTE[0], label="ruled out")
    bars.set(
        xlabel="position in order of distance", ylabel="query, in order of rank", xlim=(0, n), ylim=(0.5, len(rank) + 0.5)
    )
    bars.set_title(f"mean part ruled out: {pssr(ranks, ties=ties):.3f}")
    bars.legend(loc="lower right", framealpha=1)
    recall = recall_curve(ranks, ties=ties)
    curve.bar(np.arange(n), recall[:-1], width=1.0, align="edge", color=PALETTE[0])
    curve.set(xlabel="k", ylabel="recall at k", xlim=(0, n), ylim=(0, 1))
    curve.set_title(f"area under recall at k, over n: {recall[:-1].mean():.3f}")
    alt = (
        f"Left: {len(rank)} queries as horizontal bars in order of rank, each split at its rank into a kept part and a part "
        f"ruled out, whose mean is {pssr(ranks, ties=ties):.3f} of the gallery. Right: recall at k for k from 0 to {n - 1}; "
        f"the area under it, over {n}, is {recall[:-1].mean():.3f}. Both shapes are the same."
    )
    return figure, alt


def spread_of_chance(n: int, independent: np.ndarray, pairings: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Plot:
    """Where PSSR falls by chance: for independent ranks, and for random pairings of fixed rankings.

    Parameters
    ----------
    n : int
        Queries, and gallery rows.
    independent : float array [draws]
        As `pssr_of_random_ranks` gives it.
    pairings : mapping of label to a pair of arrays
        A ranking [n, n] and its PSSR under random pairings [draws].
    """
    rows = {"independent ranks": (independent, random_deviation(n, n))}
    rows |= {label: (values, pairing_deviation(ranks)) for label, (ranks, values) in pairings.items()}
    figure, axes = new(1, len(rows), size=(3.3 * len(rows), 2.9), sharex=True, sharey=True)
    middle = (n - 1) / (2 * n)
    at = np.linspace(middle - 4.2 * rows["independent ranks"][1], middle + 4.2 * rows["independent ranks"][1], 200)
    said = []
    for axis, color, (label, (values, deviation)) in zip(axes[0], PALETTE, rows.items(), strict=False):
        axis.hist(values, bins=50, range=(at[0], at[-1]), density=True, color=color)
        axis.plot(
            at, np.exp(-(((at - middle) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi)), color="black", lw=1.2
        )
        axis.set_title(f"{label}\nmeasured {values.std():.4f}, formula {deviation:.4f}", fontsize=9)
        axis.set(xlabel="PSSR", yticks=[])
        said.append(f"{label}: standard deviation {values.std():.4f}, by the formula {deviation:.4f}")
    alt = f"Histograms of PSSR by chance, n = {n}, around {middle:.4f}, each with its normal curve. " + "; ".join(said) + "."
    return figure, alt


def recall_curves(models: Mapping[str, Ranks]) -> Plot:
    """Recall at k of several models over k, which is drawn to even and to logarithmic steps; without ties."""
    figure, axes = new(1, 2, size=(9, 3.3), sharey=True)
    said = []
    for color, style, (label, ranks) in zip(PALETTE, ("-", "--", ":", "-."), models.items(), strict=False):
        curve = recall_curve(ranks)
        for axis in axes[0]:
            axis.step(np.arange(1, len(curve)), curve[1:], style, where="post", color=color, label=label)
        said.append(
            f"{label}: R@1 {recall_at_k(ranks, 1):.3f}, R@1% {recall_at_k(ranks, '1%'):.3f}, R@50% "
            f"{recall_at_k(ranks, '50%'):.3f}, PSSR {pssr(ranks):.4f}"
        )
    even, logarithmic = axes[0]
    even.set(xlabel="k", ylabel="recall at k", ylim=(0, 1.02), title="the area that PSSR measures")
    logarithmic.set(xscale="log", xlabel="k", title="logarithmic steps show the head")
    even.legend(loc="lower right")
    return figure, "Recall at k over k, to even and to logarithmic steps. " + "; ".join(said) + "."
