"""Which units of a network say nothing."""

import torch
from torch import nn


@torch.no_grad()
def silent_units(tower: nn.Module, images: torch.Tensor) -> dict[str, float]:
    """Share of each ReLU layer's units that are zero for every one of some images, by the layer's name, in [0, 1].

    A unit is a channel of a feature map, silent where it is zero at every place, or a neuron. One that is silent for all
    images has no gradient from any of them: it is dead as long as what it sees stays as it is. Where a whole layer is, the
    tower gives one point.

    Parameters
    ----------
    tower : nn.Module
        As it is, in training or evaluation mode.
    images : float tensor [B, 3, H, W]
        As the tower takes them.

    >>> tower = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU())
    >>> nn.init.constant_(tower[1].bias, -100.0)[0].item(), silent_units(tower, torch.rand(8, 3, 2, 2))
    (-100.0, {'2': 1.0})
    """
    awake: dict[str, torch.Tensor] = {}

    def look(name: str):
        def hook(module: nn.Module, given: tuple, output: torch.Tensor) -> None:
            awake[name] = (output > 0).flatten(2).any(2).any(0) if output.ndim > 2 else (output > 0).any(0)

        return hook

    hooks = [part.register_forward_hook(look(name)) for name, part in tower.named_modules() if isinstance(part, nn.ReLU)]
    try:
        tower(images)
    finally:
        for each in hooks:
            each.remove()
    return {name: 1 - float(units.float().mean()) for name, units in awake.items()}
