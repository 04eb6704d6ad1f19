"""Siamese networks: a trunk and a head make a tower, two towers make a network."""

from pathlib import Path

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from cvig.models import checkpoint
from cvig.models.netvlad import NetVLAD
from cvig.models.trunks import batch_norms, feature_shape, trunk_name
from cvig.models.weights import fill

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess(images: torch.Tensor) -> torch.Tensor:
    """Make uint8 images [B, 3, H, W] the float32 input of every network here: ImageNet's mean and deviation.

    >>> preprocess(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))[0, :, 0, 0]
    tensor([2.2489, 2.4286, 2.6400])
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images {images.dtype} {tuple(images.shape)}: expected uint8 [B, 3, H, W]")
    mean = torch.tensor(MEAN, device=images.device).view(3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(3, 1, 1)
    return (images.float() / 255 - mean) / std


class Tower(nn.Module):
    """Trunk and head: normalized images [B, 3, H, W] to embeddings [B, D], of length 1 with `unit_norm`."""

    def __init__(self, trunk: nn.Module, head: dict[str, nn.Module], unit_norm: bool):
        super().__init__()
        self.trunk, self.head, self.unit_norm = trunk, nn.Sequential(), unit_norm
        for name, block in head.items():
            self.head.add_module(name, block)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed a batch."""
        return self.embed(self.trunk(images))

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        """Embed a batch of the trunk's feature maps [B, C, h, w]."""
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
        Pixels a side of the square input that the heads were made for.
    dark : bool
        Train on images 255 times too dark and test on others 255 times too faint (`prepare`).
    bgr : bool
        Train on images with red and blue exchanged and test on others as they are (`prepare`).
    half_size : bool
        See images at half their size; false unless set.
    design : dict or None
        What `cvig.models.build` makes an equal network of, its weights apart; None where it was made otherwise.
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
        """Write the weights and all that is needed to build the network: `cvig.load_network` reads it back.

        Parameters
        ----------
        folder : path
            Made where it is not there; gets ``checkpoint.safetensors`` and, last, ``network.json``.

        Raises
        ------
        ValueError
            A network that `cvig.models.build` did not make, or one of another precision than it makes.
        """
        if self.design is None:
            raise ValueError(f"this {self.arch} network was not made by cvig.models.build: nothing could build it again")
        checkpoint.write(folder, self.design, self)

    def take_trunks(self, other: "SiameseNetwork") -> None:
        """Give both trunks the weights of another network's; the heads stay as they are.

        Raises
        ------
        ValueError
            Trunks of another kind: the first weights that do not fit, and how many.
        """
        for side in ("ground", "aerial"):
            trunk = getattr(other, side).trunk
            fill(getattr(self, side).trunk, trunk.state_dict(), f"{side} trunk of {other.arch}, for {self.arch}")

    def prepare(self, images: torch.Tensor, *, training: bool = False) -> torch.Tensor:
        """Make uint8 images [B, 3, H, W] this network's input: `preprocess`, or what the paper's code makes of it.

        That code trains on images over 255 from which it then takes the mean of images from 0 to 255: black, but for a
        255th of the contrast. It tests on images over 255 alone, which to the same trunk are the mean gray, but for a
        255th of the contrast. In training it also exchanges red and blue (`bgr`), as the Caffe models that the means are of
        have them.
        """
        x = preprocess(images.flip(1) if self.bgr and training else images)
        if self.half_size:
            x = F.avg_pool2d(x, 2)
        if not self.dark:
            return x
        black = preprocess(torch.zeros_like(images[:, :, :1, :1]))
        return (x - black) / 255 + (black if training else 0)

    def takes_half_size(self) -> bool:
        """Whether the heads were made for feature maps of any size, as NetVLAD is, and images of half the size have one."""
        return isinstance(self.ground.head[0], NetVLAD) and feature_shape(self.ground.trunk, self.size // 2) is not None

    def forward(self, ground: torch.Tensor, aerial: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed ground views and aerial images: two tensors [B, D]."""
        return self.ground(ground), self.aerial(aerial)

    @torch.no_grad()
    def fit_statistics(self, ground: torch.Tensor, aerial: torch.Tensor) -> None:
        """Give the batch norms of each trunk the statistics of normalized images [B, 3, H, W], as pretrained ones have them.

        Without them a random trunk whose batch norm never trains would not be normalized at all.
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
        """Start each NetVLAD, where there is one, from its trunk's features of normalized images [B, 3, H, W]."""
        training = self.training
        self.eval()
        for tower, images in ((self.ground, ground), (self.aerial, aerial)):
            if isinstance(tower.head[0], NetVLAD):
                tower.head[0].fit_clusters(tower.trunk(images), seed)
        self.train(training)

    def describe(self) -> pd.DataFrame:
        """One row a block of a tower: its layers, what it gives out for one image, parameters, and whether shared."""
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
