"""Gradient caching: large batches whose activations do not fit (Gao et al. 2021, Scaling deep contrastive learning)."""

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint

from cvig.models.siamese import SiameseNetwork, Tower
from cvig.models.trunks import batch_norms


def check_cachable(network: SiameseNetwork, frozen_batch_norm: bool) -> None:
    """ValueError where a trunk's batch norm would see a part of the batch alone: another step than the plain one."""
    if not frozen_batch_norm and (batch_norms(network.ground.trunk) or batch_norms(network.aerial.trunk)):
        raise ValueError(
            f"micro_batch: the batch norm in the trunk of {network.arch} must see the whole batch; "
            "expected a trunk without it, such as vgg16 or convnext_tiny, or a recipe with frozen_batch_norm"
        )


def embed_in_parts(
    tower: Tower, images: torch.Tensor, prepare: Callable[[torch.Tensor], torch.Tensor], size: int
) -> torch.Tensor:
    """Embed a batch of uint8 images [B, 3, H, W] with the activations of `size` images at a time in memory: [B, D].

    The trunk's activations of a part are not kept but made again when the gradient comes back, a third more work. What comes
    after the trunk sees the whole batch. The gradient is that of the plain step but for rounding, unless layers draw by
    chance, which draw otherwise here.
    """
    features = [
        checkpoint(lambda part: tower.trunk(prepare(part)), part, use_reentrant=False) for part in images.split(size)
    ]
    return tower.embed(torch.cat(features))
