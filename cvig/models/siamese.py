"""Siamese networks: two towers, each of which is a trunk and a head."""

from pathlib import Path

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from cvig.models import checkpoint
from cvig.models.names import trunk_name
from cvig.models.netvlad import NetVLAD
from cvig.models.trunks import batch_norms, feature_shape
from cvig.models.weights import fill

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess(images: torch.Tensor) -> torch.Tensor:
    """Normalize uint8 images [B, 3, H, W] by ImageNet's mean and standard deviation: float32 [B, 3, H, W].

    Raises
    ------
    ValueError
        Images of another shape or type.

    >>> preprocess(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))[0, :, 0, 0]
    tensor([2.2489, 2.4286, 2.6400])
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images {images.dtype} {tuple(images.shape)}: expected uint8 [B, 3, H, W]")
    mean = torch.tensor(MEAN, device=images.device).view(3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(3, 1, 1)
    return (images.float() / 255 - mean) / std


class Tower(nn.Module):
    """A trunk and a head, which map normalized images [B, 3, H, W] to embeddings [B, D]; of length 1 with `unit_norm`."""

    def __init__(self, trunk: nn.Module, head: dict[str, nn.Module], unit_norm: bool):
        super().__init__()
        self.trunk, self.head, self.unit_norm = trunk, nn.Sequential(), unit_norm
        for name, block in head.items():
            self.head.add_module(name, block)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed normalized images [B, 3, H, W]: [B, D]."""
        return self.embed(self.trunk(images))

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        """Embed feature maps [B, C, h, w] of the trunk: [B, D]."""
        embedding = self.head(features)
        return F.normalize(embedding.float(), dim=1) if self.unit_norm else embedding


class SiameseNetwork(nn.Module):
    """Two towers of one architecture; their trunks share no weights.

    Attributes
    ----------
    arch : str
    ground, aerial : Tower
    embedding_dim : int
    size : int
        Pixels a side of the square images that the heads were made for.
    dark : bool
        Train on images that are 255 times too dark, and test on images of 255 times too little contrast (`prepare`).
    bgr : bool
        Train on images with red and blue exchanged, and test on images as they are (`prepare`).
    half_size : bool
        Scale images to half their size first; False at the start, and set by training.
    design : dict or None
        The arguments by which `cvig.models.build` builds this network, apart from its weights; None if it was not built
        that way.
    """

    def __init__(
        self,
        arch: str,
        ground: Tower,
        aerial: Tower,
        embedding_dim: int,
        size: int,
        dark: bool = False,
        bgr: bool = False,
        design: dict | None = None,
    ):
        super().__init__()
        self.arch, self.ground, self.aerial = arch, ground, aerial
        self.embedding_dim, self.size, self.dark, self.bgr, self.half_size = embedding_dim, size, dark, bgr, False
        self.design = design

    def save(self, folder: Path | str) -> None:
        """Write the weights and all that is needed to build the network again; `cvig.load_network` reads the folder.

        Parameters
        ----------
        folder : path
            Made if it does not exist. ``checkpoint.safetensors`` is written first, ``network.json`` last.

        Raises
        ------
        ValueError
            The network was not built by `cvig.models.build`, or is not float32 any more.
        """
        if self.design is None:
            raise ValueError(f"this {self.arch} network was not made by cvig.models.build: nothing could build it again")
        checkpoint.write(folder, self.design, self)

    def take_trunks(self, other: "SiameseNetwork") -> None:
        """Copy the weights of another network's trunks into this network's; the heads do not change.

        Raises
        ------
        ValueError
            The trunks are of different kinds; the message names the first weights that do not fit, and counts them.
        """
        for side in ("ground", "aerial"):
            trunk = getattr(other, side).trunk
            fill(getattr(self, side).trunk, trunk.state_dict(), f"{side} trunk of {other.arch}, for {self.arch}")

    def prepare(self, images: torch.Tensor, *, training: bool = False) -> torch.Tensor:
        """Make this network's input, float32 [B, 3, H, W], from uint8 images [B, 3, H, W].

        The input is that of `preprocess`, unless `dark` or `bgr` imitate what the paper's public code does. That code
        divides training images by 255 and then subtracts the mean of images from 0 to 255: they are black, with a 255th of
        the contrast. It divides test images by 255 alone: for the same trunk they are mean gray, with a 255th of the
        contrast (`dark`). In training it also exchanges red and blue, as the Caffe models that its means come from (`bgr`).
        With `half_size`, images are scaled to half their height and width.
        """
        x = preprocess(images.flip(1) if self.bgr and training else images)
        if self.half_size:
            x = F.avg_pool2d(x, 2)
        if not self.dark:
            return x
        black = preprocess(torch.zeros_like(images[:, :, :1, :1]))
        return (x - black) / 255 + (black if training else 0)

    def takes_half_size(self) -> bool:
        """Whether images of half the size can be embedded: NetVLAD takes feature maps of any size, other heads do not."""
        return isinstance(self.ground.head[0], NetVLAD) and feature_shape(self.ground.trunk, self.size // 2) is not None

    def forward(self, ground: torch.Tensor, aerial: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed prepared ground views and aerial images, float [B, 3, H, W] each: two tensors [B, D]."""
        return self.ground(ground), self.aerial(aerial)

    @torch.no_grad()
    def fit_statistics(self, ground: torch.Tensor, aerial: torch.Tensor) -> None:
        """Set the batch norm statistics of each trunk to those of normalized images [B, 3, H, W].

        A pretrained trunk has such statistics. A random trunk whose batch norm is frozen needs them, because otherwise its
        features would not be normalized at all.
        """
        for tower, images in ((self.ground, ground), (self.aerial, aerial)):
            norms = batch_norms(tower.trunk)
            momenta = [norm.momentum for norm in norms]
            for norm in norms:
                norm.momentum = 1.0
            training = tower.training
            tower.train()
            if norms:
                tower.trunk(images)
            tower.train(training)
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum

    @torch.no_grad()
    def fit_clusters(self, ground: torch.Tensor, aerial: torch.Tensor, seed: int = 0) -> None:
        """Start each NetVLAD from its trunk's features of normalized images [B, 3, H, W]; other heads do not change."""
        training = self.training
        self.eval()
        for tower, images in ((self.ground, ground), (self.aerial, aerial)):
            if isinstance(tower.head[0], NetVLAD):
                tower.head[0].fit_clusters(tower.trunk(images), seed)
        self.train(training)

    def describe(self) -> pd.DataFrame:
        """The blocks of a tower, one row each: layers, shape of the output, parameters, and whether both towers share it."""
        tower, training = self.ground.eval(), self.training
        aerial = {id(parameter) for parameter in self.aerial.parameters()}
        output = torch.zeros(1, 3, self.size, self.size, device=next(tower.parameters()).device)
        rows = {}
        for name, block in {"trunk": tower.trunk, **dict(tower.head.named_children())}.items():
            with torch.inference_mode():
                output = block(output)
            layers = [type(layer).__name__ for layer in block.children()] if isinstance(block, nn.Sequential) else []
            rows[name] = {
                "layers": trunk_name(self.arch) if name == "trunk" else ", ".join(layers) or type(block).__name__,
                "output": " × ".join(str(length) for length in output.shape[1:]),
                "parameters": sum(parameter.numel() for parameter in block.parameters()),
                "shared": all(id(parameter) in aerial for parameter in block.parameters()),
            }
        self.train(training)
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("block")
