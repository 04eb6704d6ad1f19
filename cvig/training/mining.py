"""Choosing the negatives of triplets from a second batch, as the paper's public code of 1 June 2023 does."""

from collections.abc import Sequence

import torch
from torch import nn

from cvig.datasets import PairedViews
from cvig.losses import squared_distances
from cvig.models import SiameseNetwork
from cvig.training.augmentation import augment
from cvig.training.recipes import Recipe


@torch.no_grad()
def mined(anchor: torch.Tensor, positive: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """For each anchor the row of `candidates` that is its negative.

    This restates `mine_hard_triplets` of S010MON/image-locate at 37cf3aa (src/models.py). For anchor i that function takes
    the row j with the largest |(a_i - p_i) - (a_j - n_j)|², where the value of j = i counts as zero, and the first of equal
    rows. Elsewhere a "hard" negative is the candidate nearest to the anchor. Here it is the candidate n_j whose difference
    from anchor j differs most from the difference between anchor i and its positive. A candidate may be the positive
    itself, if the second batch happens to hold it.

    Parameters
    ----------
    anchor, positive, candidates : float tensors [B, D]
        Embeddings; row i of each belongs to pair i.

    Returns
    -------
    int64 tensor [B]

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
    """The anchors, positives and mined negatives of a batch of pairs.

    Parameters
    ----------
    network : SiameseNetwork
        Embeds the batch, in evaluation mode, to choose negatives; its mode is restored.
    recipe : Recipe
        Says which side is the anchor, and how aerial images are augmented.
    data : PairedViews
    ground, aerial : uint8 tensors [B, 3, H, W]
        The batch, augmented.
    second : sequence of int
        B ground views of `data`. The candidates are their aerial images if the anchor is the ground view, and these views
        themselves if the anchor is the aerial image.
    seed : int
        The batch's seed; candidates are augmented with `seed` + 1.

    Returns
    -------
    three pairs of a tower and uint8 images [B, 3, H, W]
        Anchors, positives and negatives, each with the tower that embeds them.
    """
    if recipe.anchor == "ground":
        of_anchor, of_other, anchor, positive = network.ground, network.aerial, ground, aerial
        images = torch.stack([data.aerial_image(data.partner(i)) for i in second])
        others = augment(images.to(aerial.device), recipe, torch.Generator().manual_seed(seed + 1))
    else:
        of_anchor, of_other, anchor, positive = network.aerial, network.ground, aerial, ground
        others = torch.stack([data.ground_image(i) for i in second]).to(ground.device)
    modes = [module.training for module in network.modules()]
    network.eval()  # otherwise batch norm would take its statistics from images that are prepared as for a test
    with torch.no_grad():
        a, p, n = (
            tower(network.prepare(images).to(memory_format=torch.channels_last)).float()
            for tower, images in ((of_anchor, anchor), (of_other, positive), (of_other, others))
        )
    for module, mode in zip(network.modules(), modes, strict=True):
        module.training = mode
    return [(of_anchor, anchor), (of_other, positive), (of_other, others[mined(a, p, n)])]
