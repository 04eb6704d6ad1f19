"""Which tower's death is absorbing: gradients of the hinge on triplets in two small towers, one of them dead."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from cvig.losses import TripletLoss
from study.chapters.towers.experiment import TOWERS
from study.figures import AERIAL, GROUND, Plot, new

IN, HIDDEN, OUT, BATCH = 6, 8, 3, 64


def tower(seed: int, dead: bool) -> nn.Sequential:
    """A layer of ReLUs between two linear ones, in float64; where it is dead, no input wakes it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Sequential(nn.Linear(IN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUT)).double()
    if dead:
        nn.init.constant_(layers[0].bias, -1e3)
    return layers


def gradients(anchor: str, dead: str, seed: int = 0) -> dict[str, float]:
    """Norm of the loss's gradient in each tower, on random triplets.

    Parameters
    ----------
    anchor : {"ground", "aerial"}
        The view that is the triplets' anchor.
    dead : {"ground", "aerial", "neither"}
        The tower whose ReLUs are all dead.
    """
    towers = {side: tower(2 * seed + at, dead=side == dead) for at, side in enumerate(TOWERS)}
    draw = torch.Generator().manual_seed(seed)
    images = [torch.randn(BATCH, IN, generator=draw, dtype=torch.float64) for _ in range(3)]
    other = towers[next(side for side in TOWERS if side != anchor)]
    TripletLoss()(towers[anchor](images[0]), other(images[1]), other(images[2])).backward()
    return {
        side: float(torch.cat([weights.grad.flatten() for weights in part.parameters()]).norm())
        for side, part in towers.items()
    }


def table() -> pd.DataFrame:
    """`gradients` for every anchor and every dead tower."""
    cases = [(anchor, dead) for anchor in TOWERS for dead in ("neither", *TOWERS)]
    index = pd.MultiIndex.from_tuples(cases, names=["anchor", "dead tower"])
    return pd.DataFrame([gradients(*case) for case in cases], index=index)


def plot() -> Plot:
    """Gradient norms in both towers, a panel an anchor; an exact zero is written out."""
    found = table()
    figure, (axes,) = new(1, 2, size=(8, 3), sharey=True)
    for axis, anchor in zip(axes, TOWERS, strict=True):
        its = found.loc[anchor]
        for shift, (side, color) in zip((-0.2, 0.2), zip(TOWERS, (GROUND, AERIAL), strict=True), strict=True):
            at = np.arange(len(its)) + shift
            axis.bar(at, its[side], 0.38, color=color, label=f"{side} tower")
            for x, value in zip(at, its[side], strict=True):
                if value == 0:
                    axis.annotate("0", (x, 0), (0, 3), textcoords="offset points", ha="center", weight="bold")
        axis.set(title=f"anchor: {anchor} view", xticks=range(len(its)), xticklabels=[f"{name} dead" for name in its.index])
    axes[0].set(ylabel="norm of the gradient")
    axes[0].legend(frameon=False)
    ends = found[(found == 0).all(axis=1)].index
    alt = (
        "Gradient norms in the ground and the aerial tower. Both are exactly zero where "
        + " and where ".join(f"the anchor is the {anchor} view and the {dead} tower is dead" for anchor, dead in ends)
        + f"; in all other cases both have gradients, from {found[found > 0].min().min():.2g} to {found.max().max():.2g}."
    )
    return figure, alt
