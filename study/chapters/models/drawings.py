"""The paper's drawings (Figs 1, 5, 6 and 7), redrawn from live numbers."""

import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from cvig.losses import squared_distances
from cvig.models import SiameseNetwork
from cvig.models.trunks import trunk_name
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


def siamese_diagram(network: SiameseNetwork) -> Plot:
    """The two towers of a network, from image to distance (the paper's Fig. 1)."""
    figure, axes = new(size=(8.5, 2.8))
    axis = axes[0, 0]
    axis.set(xlim=(0, 10), ylim=(0, 4))
    axis.axis("off")
    vlad = network.arch == "cvm-net-i"
    head = "NetVLAD,\nprojection" if vlad else "fully connected\n512, 256, " + str(network.embedding_dim)
    steps = ["{view}", f"trunk\n{trunk_name(network.arch)}", head, f"embedding\n{network.embedding_dim}"]
    for y, view in ((2.9, "ground view"), (1.1, "aerial image")):
        for i, step in enumerate(steps):
            color = PALETTE[0] if view.startswith("ground") else PALETTE[1]
            box = FancyBboxPatch((0.2 + 2.1 * i, y - 0.55), 1.5, 1.1, boxstyle="round,pad=0.05", fc=(*color, 0.2), ec=color)
            axis.add_patch(box)
            axis.text(0.95 + 2.1 * i, y, step.format(view=view), ha="center", va="center", fontsize=8)
            if i:
                axis.add_patch(FancyArrowPatch((2.1 * i - 0.33, y), (2.1 * i + 0.12, y), arrowstyle="->", mutation_scale=10))
        axis.add_patch(FancyArrowPatch((8.1, y), (8.75, 2 + 0.35 * np.sign(y - 2)), arrowstyle="->", mutation_scale=10))
    axis.text(9.3, 2, "squared\ndistance", ha="center", va="center", fontsize=9)
    blocks = network.describe()
    shared = int(blocks.parameters[blocks.shared].sum())
    alt = (
        f"Two towers side by side, for ground views and aerial images: trunk {trunk_name(network.arch)}, then "
        f"{'NetVLAD and a projection' if vlad else 'fully connected layers'}, then an embedding of "
        f"{network.embedding_dim} numbers each, and the squared distance between both. {shared} parameters are shared."
    )
    return figure, alt


def loss_curves(losses: dict[str, torch.nn.Module], positive: float = 0.5) -> Plot:
    """Each loss against the distance of the negatives, for pairs whose positives lie `positive` (squared) apart.

    Two pairs in the plane: both positives at squared distance `positive`, both negatives at the distance of the axis.
    """
    distances = np.linspace(0.02, 2.5, 60)
    figure, axes = new(1, len(losses), size=(3.4 * len(losses), 2.8))
    said = []
    for axis, color, (name, loss) in zip(axes[0], PALETTE, losses.items(), strict=False):
        values = []
        for negative in distances:
            side = np.sqrt(max(negative - positive, 0))
            low = np.sqrt(min(positive, negative))
            ground = torch.tensor([[0.0, 0.0, 1.0], [side, 0.0, 1.0]], dtype=torch.float64)
            aerial = ground + torch.tensor([0.0, np.sqrt(positive) if negative >= positive else low, 0.0])
            if negative < positive:  # negatives nearer than positives: swap the roles
                apart = np.sqrt(positive - negative)
                aerial = torch.tensor([[apart, low, 1.0], [0.0, low, 1.0]], dtype=torch.float64)
                ground = torch.tensor([[0.0, 0.0, 1.0], [apart, 0.0, 1.0]], dtype=torch.float64)
            with torch.no_grad():
                values.append(float(loss(ground, aerial)))
        axis.plot(distances, values, color=color)
        axis.axvline(positive, color="black", ls=":", lw=1)
        axis.set(title=name, xlabel="squared distance of the negatives")
        said.append(f"{name} falls from {values[0]:.2f} to {values[-1]:.2f}")
    axes[0, 0].set_ylabel("loss")
    return figure, f"Loss against the negatives' distance, positives at {positive}. " + "; ".join(said) + "."
