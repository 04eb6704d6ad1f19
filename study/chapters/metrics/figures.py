"""The drawings of the page on metrics: one query's images in order of distance (the paper's Figs 5 to 7)."""

import numpy as np
import torch

from cvig.losses import squared_distances
from cvig.ranking import exact_ranks
from study.figures import PALETTE, Plot, new


def _ranked(query: np.ndarray, gallery: np.ndarray, positive: int):
    """Distances in ascending order, where the positive is shown among its ties (last), and its ranks."""
    ranks = exact_ranks(query[None], gallery, [positive])
    distance = squared_distances(torch.from_numpy(query[None]), torch.from_numpy(gallery))[0].sqrt().numpy()
    order = np.lexsort((np.arange(len(distance)) == positive, distance))
    return distance[order], int(np.flatnonzero(order == positive)[0]), int(ranks.closer[0]), int(ranks.tied[0])


def recall_boundary(query: np.ndarray, gallery: np.ndarray, positive: int, top: int) -> Plot:
    """One query's ranked list with the boundary of the top k, and the positive (the paper's Figs 5 and 6).

    Parameters
    ----------
    query : float array [D]
    gallery : float array [N, D]
    positive : int
        Gallery row that answers the query.
    top : int
        k.
    """
    distance, at, closer, tied = _ranked(query, gallery, positive)
    figure, axes = new(size=(8, 2.6))
    axis = axes[0, 0]
    position = np.arange(1, len(distance) + 1)
    colors = [PALETTE[2] if i == at else PALETTE[7] for i in range(len(distance))]
    axis.bar(position, distance, color=colors, width=0.8)
    axis.plot(position, distance, "k.", ms=3)
    axis.axvline(top + 0.5, color=PALETTE[3], lw=2)
    axis.axhline(distance[top - 1], color=PALETTE[3], ls=":", lw=1)
    axis.set(xlabel="position in order of distance", ylabel="distance", xlim=(0.2, len(distance) + 0.8))
    axis.set_xticks(position)
    strict, generous = closer + tied < top, distance[at] <= distance[top - 1]
    orders = "every" if strict else "no" if closer >= top else "some"
    axis.set_title(
        f"{closer} closer, {tied} tied: in the top {top} on {orders} order of ties; "
        f"the rule 'no farther than image {top}' says {'yes' if generous else 'no'}",
        fontsize=9,
    )
    alt = (
        f"{len(distance)} gallery images in order of distance, with a line after the first {top}. The positive, drawn last "
        f"of its ties at position {at + 1}, has {closer} images closer and {tied} exactly as far."
    )
    return figure, alt


def search_space(query: np.ndarray, gallery: np.ndarray, positive: int) -> Plot:
    """What one query keeps of the search space and what it rules out (the paper's Fig. 7)."""
    distance, at, closer, tied = _ranked(query, gallery, positive)
    n, kept = len(distance), closer + tied + 1
    figure, axes = new(size=(8, 2.4))
    axis = axes[0, 0]
    position = np.arange(1, n + 1)
    axis.bar(position, distance, width=0.8, color=[PALETTE[1] if i <= kept else PALETTE[0] for i in position])
    axis.bar([at + 1], [distance[at]], width=0.8, color=PALETTE[2])
    axis.axvline(kept + 0.5, color="black", lw=2)
    axis.set(xlabel="position in order of distance", ylabel="distance", xlim=(0.2, n + 0.8))
    axis.set_xticks(position)
    axis.set_title(
        f"kept: {kept} of {n} (closer or equidistant); ruled out: {n - kept} of {n} = {(n - kept) / n:.2f}", fontsize=9
    )
    alt = (
        f"{n} gallery images in order of distance; the first {kept}, up to the positive and its ties, are kept, "
        f"{n - kept} are ruled out."
    )
    return figure, alt
