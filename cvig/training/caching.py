"""Gradient caching: training on batches whose activations do not fit into memory.

The idea is that of Gao et al. 2021, Scaling deep contrastive learning.
"""

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint

from cvig.models.siamese import SiameseNetwork, Tower
from cvig.models.trunks import batch_norms


def check_cachable(network: SiameseNetwork, frozen_batch_norm: bool) -> None:
    """Raise ValueError if a trunk has batch norm that trains: it would see a part of the batch, which changes the step."""
    if not frozen_batch_norm and (batch_norms(network.ground.trunk) or batch_norms(network.aerial.trunk)):
        raise ValueError(
            f"micro_batch: the batch norm in the trunk of {network.arch} must see the whole batch; "
            "expected a trunk without it, such as vgg16 or convnext_tiny, or a recipe with frozen_batch_norm"
        )


def embed_in_parts(
    tower: Tower, images: torch.Tensor, prepare: Callable[[torch.Tensor], torch.Tensor], size: int
) -> torch.Tensor:
    """Embed a batch while the trunk's activations of at most `size` images are in memory.

    The trunk embeds `size` images at a time. Its activations are not kept but computed again in the backward pass, a third
    more work. The head sees the whole batch. The gradient is that of a step without parts but for rounding, unless
    the trunk has random layers such as dropout, which draw other numbers.

    Parameters
    ----------
    images : uint8 tensor [B, 3, H, W]
    prepare : callable
        Makes the tower's input from uint8 images, as `SiameseNetwork.prepare` does.
    size : int

    Returns
    -------
    float tensor [B, D]
    """
    features = [
        checkpoint(lambda part: tower.trunk(prepare(part)), part, use_reentrant=False) for part in images.split(size)
    ]
    return tower.embed(torch.cat(features))
