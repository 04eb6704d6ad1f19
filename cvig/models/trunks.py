"""Trunks: torchvision's convolutional networks without their classifiers, and how their training is prepared."""

from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from itertools import pairwise

import torch
import torchvision
from torch import nn
from torchvision.models import resnet

from cvig.models.names import SMALL, trunk_name
from cvig.models.weights import load_state_dict

# The parts of torchvision's models that come after the feature map, or beside it.
CLASSIFIER_PARTS = ("avgpool", "flatten", "dropout", "fc", "head", "heads", "classifier", "aux1", "aux2", "AuxLogits")


def small_trunk(norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    """Four blocks of convolution, norm and ReLU with 16, 32, 64 and 128 channels; the first three halve the image.

    >>> small_trunk()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 128, 4, 4])
    """
    trunk, channels = nn.Sequential(), (3, 16, 32, 64, 128)
    for block, (before, after) in enumerate(pairwise(channels), start=1):
        layers = [nn.Conv2d(before, after, 3, padding=1, bias=False), norm(after), nn.ReLU()]
        trunk.add_module(f"block{block}", nn.Sequential(*layers, *[nn.MaxPool2d(2)] * (block < 4)))
    return trunk


def build_trunk(arch: str, weights: str = "none") -> nn.Sequential:
    """A torchvision model without pooling and classifier, which maps images [B, 3, H, W] to feature maps [B, C, h, w].

    Layers keep torchvision's names and initialization.

    Parameters
    ----------
    arch : str
        ``"cvm-net-i"``: VGG16 up to conv5_3. A name of `SMALL`: `small_trunk`. Otherwise a torchvision classification model
        whose parts follow one another up to the feature map, which is all of them but ViT.
    weights : str
        ``"imagenet"`` (torchvision's IMAGENET1K_V1, which `SMALL` do not have), the path of a state dict of the
        model, with or without its classifier, or ``"none"``.

    Raises
    ------
    ValueError
        An unknown architecture, or weights that cannot be found, fetched or read, or that do not fit.
    """
    name, pretrained = trunk_name(arch), None
    if name in SMALL:
        trunk = small_trunk(partial(nn.GroupNorm, 1) if name == "conv4-layernorm" else nn.BatchNorm2d)
        if weights == "imagenet":
            raise ValueError(f"torchvision has no {name}: give a path, or weights='none'")
        if weights != "none":
            load_state_dict(trunk, weights)
        return trunk
    if weights == "imagenet":
        pretrained = "IMAGENET1K_V1"
        if pretrained not in torchvision.models.get_model_weights(name).__members__:
            raise ValueError(f"torchvision has no {pretrained} weights of {name}: give a path, or weights='none'")
    try:
        model = torchvision.models.get_model(name, weights=pretrained)
    except (OSError, HTTPException, RuntimeError) as error:  # no network, a cut download, or a wrong hash
        raise ValueError(
            f"ImageNet weights of {name} could not be fetched ({error}): "
            "give the path of a local state dict as weights, or weights='none' to start from random ones"
        ) from error
    trunk = nn.Sequential()
    for key, part in model.named_children():
        if key not in CLASSIFIER_PARTS:
            trunk.add_module(key, nn.Sequential(*part) if isinstance(part, nn.ModuleList) else part)
    if weights not in ("none", "imagenet"):
        load_state_dict(trunk, weights, ignore=CLASSIFIER_PARTS)
    if arch == "cvm-net-i":
        trunk.features = trunk.features[:-1]  # the last pooling
    return trunk


def feature_shape(trunk: nn.Module, size: int) -> tuple[int, ...] | None:
    """Channels, height and width of the feature map of a `size` × `size` image; None if the trunk cannot make one."""
    training = trunk.training
    trunk.eval()
    try:
        with torch.inference_mode():
            shape = tuple(trunk(torch.zeros(1, 3, size, size, device=next(trunk.parameters()).device)).shape[1:])
    except (RuntimeError, AssertionError):
        return None
    finally:
        trunk.train(training)
    return shape if len(shape) == 3 and 0 not in shape else None


def freeze(trunk: nn.Module, trained_from: str | None) -> None:
    """Train a trunk from one of its layers on, and freeze all before it.

    Parameters
    ----------
    trunk : nn.Module
    trained_from : str or None
        The layer from which on weights are trained: ``"layer4.2"`` is the last block of a ResNet. None: train all weights.
        Empty: train none.

    Raises
    ------
    ValueError
        The trunk has no such layer.
    """
    names = [name for name, _ in trunk.named_parameters()]
    if trained_from is None:
        first = 0
    elif not trained_from:
        first = len(names)
    else:
        found = [at for at, name in enumerate(names) if name.startswith(f"{trained_from}.")]
        if not found:
            raise ValueError(f"trained_from '{trained_from}': no such layer; the trunk begins with '{names[0]}'")
        first = found[0]
    for at, (_, weights) in enumerate(trunk.named_parameters()):
        weights.requires_grad_(at >= first)


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """All batch norm layers of a module."""
    return [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


@torch.no_grad()
def zero_residuals(trunk: nn.Module) -> None:
    """Start every residual block of a ResNet as the identity: its last batch norm scales by zero (Goyal et al. 2017, 5.1).

    A deep ResNet then starts as a shallow network of its shortcuts, and learns from far fewer pairs. Images should have at
    least 64 pixels a side: in a smaller one the feature map has one position, and there the shortcuts alone see only a
    corner of the image. Other trunks do not change.
    """
    for block in trunk.modules():
        if isinstance(block, resnet.Bottleneck):
            nn.init.zeros_(block.bn3.weight)
        elif isinstance(block, resnet.BasicBlock):
            nn.init.zeros_(block.bn2.weight)
