"""Negatives from a second batch, as the paper's public code of 1 June 2023 chooses them."""

from collections.abc import Sequence

import torch
from torch import nn

from cvig.datasets import PairedViews
from cvig.losses import squared_distances
from cvig.models import SiameseNetwork
from cvig.training.batches import augment
from cvig.training.recipes import Recipe


@torch.no_grad()
def mined(anchor: torch.Tensor, positive: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """For each triplet the row of `candidates` that becomes its negative: int64 [B].

    Restates `mine_hard_triplets` of S010MON/image-locate at 37cf3aa (src/models.py). For anchor i it takes the row j with
    the largest |(a_i - p_i) - (a_j - n_j)|², where j = i counts as zero: not the candidate nearest to the anchor, as "hard"
    means elsewhere, but one whose own difference from *its* anchor is most unlike the difference between anchor i and its
    positive. The first of equals is taken. Nothing keeps a candidate from being the positive itself, where the second batch
    happens to hold it.

    Parameters
    ----------
    anchor, positive, candidates : float tensors [B, D]
        Embeddings; row i of `candidates` was drawn beside anchor i.

    >>> a, p, n = torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [2.0]]), torch.tensor([[5.0], [9.0]])
    >>> mined(a, p, n)
    tensor([1, 0])
    """
    gap = squared_distances(anchor - positive, anchor - candidates)
    gap.fill_diagonal_(0)
    return gap.argmax(1)


def triplets(
    network: SiameseNetwork,
    recipe: Recipe,
    data: PairedViews,
    ground: torch.Tensor,
    aerial: torch.Tensor,
    second: Sequence[int],
    seed: int,
) -> list[tuple[nn.Module, torch.Tensor]]:
    """Anchors, positives and mined negatives of a batch of pairs, each with the tower that embeds them.

    Parameters
    ----------
    data : PairedViews
    ground, aerial : uint8 tensors [B, 3, H, W]
        The batch, augmented.
    second : sequence of int
        The views of `data` whose partners, or which themselves where the aerial image is the anchor, are the candidates.
    seed : int
        The batch's; the candidates' augmentation takes the next.
    """
    if recipe.anchor == "ground":
        of_anchor, of_other, anchor, positive = network.ground, network.aerial, ground, aerial
        images = torch.stack([data.aerial_image(data.partner(i)) for i in second])
        others = augment(images.to(aerial.device), recipe, torch.Generator().manual_seed(seed + 1))
    else:
        of_anchor, of_other, anchor, positive = network.aerial, network.ground, aerial, ground
        others = torch.stack([data.ground_image(i) for i in second]).to(ground.device)
    modes = [module.training for module in network.modules()]
    network.eval()  # else batch norm would learn from images that are prepared as for a test
    with torch.no_grad():
        a, p, n = (
            tower(network.prepare(images).to(memory_format=torch.channels_last)).float()
            for tower, images in ((of_anchor, anchor), (of_other, positive), (of_other, others))
        )
    for module, mode in zip(network.modules(), modes, strict=True):
        module.training = mode
    return [(of_anchor, anchor), (of_other, positive), (of_other, others[mined(a, p, n)])]
