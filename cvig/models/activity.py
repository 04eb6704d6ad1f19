"""Which units of a network are silent: zero for every image."""

import torch
from torch import nn


@torch.no_grad()
def silent_units(tower: nn.Module, images: torch.Tensor) -> dict[str, float]:
    """The share of each ReLU layer's units that are zero for all of the given images.

    A unit is a neuron, or a channel of a feature map; a channel is silent if it is zero at every position. A unit that is
    silent for all images gets no gradient from any of them, so it stays dead as long as its input does not change. If all
    units of a layer are silent, the tower gives the same embedding for every image.

    Parameters
    ----------
    tower : nn.Module
        It is run in the mode, training or evaluation, that it is in.
    images : float tensor [B, 3, H, W]
        The tower's input.

    Returns
    -------
    dict of str to float
        By the layer's name in the tower, in [0, 1].

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
