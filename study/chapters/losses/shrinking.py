"""Why a margin loss may prefer a point: what it costs embeddings to be scaled down, and what that pull does to a ReLU."""

import numpy as np
import torch
from torch import nn

from cvig.losses import TripletLoss, squared_distances
from study.figures import PALETTE, Plot, new

MARGIN, COUNT, DIMENSIONS, BATCH = 0.5, 1024, 8, 16
SCALES = np.geomspace(0.02, 2, 60)
AGREEMENTS = {"nothing learned yet": 0.0, "something learned": 0.6}  # correlation of a pair's embeddings
CHOICES = ("any", "the nearest in the batch")


def triplets(agreement: float, choice: str, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Anchors, positives and negatives [1024, 8], float64, about as far from each other as numbers of variance 1/16.

    Parameters
    ----------
    agreement : float
        Correlation of an anchor with its positive, in each dimension.
    choice : {"any", "the nearest in the batch"}
        The negative: another pair's aerial embedding of a batch of 16.
    """
    draw = torch.Generator().manual_seed(seed)
    anchor, noise = (torch.randn(COUNT, DIMENSIONS, generator=draw, dtype=torch.float64) / 4 for _ in range(2))
    positive = agreement * anchor + (1 - agreement**2) ** 0.5 * noise
    chosen = []
    for start in range(0, COUNT, BATCH):
        distance = squared_distances(anchor[start : start + BATCH], positive[start : start + BATCH])
        distance.fill_diagonal_(torch.inf)
        nearest = distance.argmin(1)
        chosen.append(start + (nearest if choice == CHOICES[1] else (torch.arange(BATCH) + 1) % BATCH))
    return anchor, positive, positive[torch.cat(chosen)]


def losses(agreement: float, choice: str) -> np.ndarray:
    """The loss of the same triplets at each of `SCALES`: all embeddings are multiplied by it. At zero it is `MARGIN`."""
    loss, parts = TripletLoss(MARGIN), triplets(agreement, choice)
    return np.array([float(loss(*(scale * part for part in parts))) for scale in SCALES])


def shrunk(kind: str, optimizer: str, steps: int = 400, rate: float = 0.02) -> np.ndarray:
    """One output unit, pulled toward zero on 256 images for so many steps: its values in the end, float64 [256].

    Parameters
    ----------
    kind : {"relu", "linear"}
        What comes after the unit's weight and bias.
    optimizer : {"sgd", "adam"}
    """
    draw = torch.Generator().manual_seed(0)
    feature = torch.randn(256, generator=draw, dtype=torch.float64)
    weight, bias = (nn.Parameter(torch.tensor(value, dtype=torch.float64)) for value in (1.0, 0.5))
    last = torch.relu if kind == "relu" else lambda value: value
    descent = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]([weight, bias], lr=rate)
    for _ in range(steps):
        descent.zero_grad()
        last(weight * feature + bias).square().mean().backward()
        descent.step()
    return last(weight * feature + bias).detach().numpy()


def plot() -> Plot:
    """The loss by scale, a panel a state of learning, a line a choice of negatives; an arrow points downhill."""
    figure, (axes,) = new(1, len(AGREEMENTS), size=(9, 3.3), sharey=True)
    said = []
    for axis, (state, agreement) in zip(axes, AGREEMENTS.items(), strict=True):
        for color, choice in zip(PALETTE[2:], CHOICES, strict=False):
            values = losses(agreement, choice)
            axis.plot(SCALES, values, color=color, label=choice)
            best = int(values.argmin())
            for at in (15, 30, 45):
                step = 3 if best > at else -3
                axis.annotate(
                    "", (SCALES[at + step], values[at + step]), (SCALES[at], values[at]),
                    arrowprops={"arrowstyle": "-|>", "color": color, "lw": 2},
                )  # fmt: skip
            least = "least at a point" if best == 0 else f"least, {values[best]:.2f}, at scale {SCALES[best]:.2f}"
            said.append(f"{state}, negative {choice}: {least}")
        axis.axhline(MARGIN, color="black", ls=":", lw=1)
        axis.set(title=state, xscale="log", xlabel="scale of all embeddings", ylim=(0, 1.1))
    axes[0].set(ylabel="loss (dotted: the margin)")
    axes[0].legend(title="negative", frameon=False)
    return (
        figure,
        f"Loss of triplets by the scale of their embeddings. {'; '.join(said)}. A point costs the margin, {MARGIN:g}.",
    )


def ends() -> str:
    """How `shrunk` ends, in Markdown: on how many images the unit is exactly zero, and how large it is on any."""
    rows = []
    for kind, name in (("relu", "a ReLU"), ("linear", "no ReLU")):
        for optimizer, how in (("sgd", "plain gradient steps"), ("adam", "Adam")):
            values = shrunk(kind, optimizer)
            rows.append(
                f"- {name}, {how}: exactly zero on {int((values == 0).sum())} of {len(values)} images, "
                f"{len(np.unique(values))} different values, the largest {np.abs(values).max():.1g}"
            )
    return "\n".join(rows)
