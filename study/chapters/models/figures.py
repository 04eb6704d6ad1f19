"""The drawings of the page on models: two towers (the paper's Fig. 1), and what each loss asks for."""

import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from cvig.models import SiameseNetwork
from cvig.models.trunks import trunk_name
from study.figures import PALETTE, Plot, new


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
