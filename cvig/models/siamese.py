"""Siamese networks: a trunk and a head make a tower, two towers make a network.

The paper's three architectures (section 3.3) are `cvig.models.trunks.ARCHITECTURES`; the name of a torchvision
classification model with a convolutional feature map is an architecture too, with the same head as VGG16 and ResNet50.
"""

import copy

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from cvig.models.netvlad import NetVLAD
from cvig.models.trunks import batch_norms, build_trunk, feature_shape, trunk_name, zero_residuals

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


def dense_head(features: int, embedding: int, final_relu: bool) -> dict[str, nn.Module]:
    """Fully connected layers of 512, 256 and `embedding` neurons, batch norm between them (paper, section 3.3).

    "All layers used the ReLU activation function": with `final_relu` the last one too, so that no embedding has a
    negative coordinate. The public code (S010MON/image-locate, src/models.py) leaves the last layer linear, and puts
    batch norm after the ReLU as here.
    """
    last = [nn.Linear(256, embedding)] + [nn.ReLU()] * final_relu
    return {
        "fc1": nn.Sequential(nn.Flatten(), nn.Linear(features, 512), nn.ReLU(), nn.BatchNorm1d(512)),
        "fc2": nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.BatchNorm1d(256)),
        "fc3": nn.Sequential(*last),
    }


def netvlad_heads(channels: int, embedding: int, zero: bool = False) -> list[dict[str, nn.Module]]:
    """The two heads of CVM-Net-I: each its own NetVLAD of 64 clusters, and one linear projection for both.

    So it is in the authors' code (david-husx/crossview_localisation): src/CVM-Net/cvm_net.py gives each branch a
    `netvlad` under its own variable scope, src/CVM-Net/siamese_fc.py reuses the variables of one 4096-d `fc1`.
    """
    projection = nn.Linear(64 * channels, embedding)
    # The authors start the bias at 0.1, which outweighs a projected unit vector and turns all embeddings one way.
    nn.init.zeros_(projection.bias)
    return [{"netvlad": NetVLAD(channels, clusters=64, zero=zero), "projection": projection} for _ in range(2)]


class Tower(nn.Module):
    """Trunk and head: normalized images [B, 3, H, W] to embeddings [B, D], of length 1 with `unit_norm`."""

    def __init__(self, trunk: nn.Module, head: dict[str, nn.Module], unit_norm: bool):
        super().__init__()
        self.trunk, self.head, self.unit_norm = trunk, nn.Sequential(), unit_norm
        for name, block in head.items():
            self.head.add_module(name, block)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed a batch."""
        embedding = self.head(self.trunk(images))
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
    half_size : bool
        See images at half their size; false unless set.
    """

    def __init__(self, arch: str, ground: Tower, aerial: Tower, embedding_dim: int, size: int, dark: bool = False):
        super().__init__()
        self.arch, self.ground, self.aerial = arch, ground, aerial
        self.embedding_dim, self.size, self.dark, self.half_size = embedding_dim, size, dark, False

    def prepare(self, images: torch.Tensor, *, training: bool = False) -> torch.Tensor:
        """Make uint8 images [B, 3, H, W] this network's input: `preprocess`, or what the paper's code makes of it.

        That code trains on images over 255 from which it then takes the mean of images from 0 to 255: black, but for a
        255th of the contrast. It tests on images over 255 alone, which to the same trunk are the mean gray, but for a
        255th of the contrast.
        """
        x = preprocess(images)
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


def build(
    arch: str,
    weights: str = "none",
    *,
    size: int = 64,
    embedding: int | None = None,
    final_relu: bool = False,
    unit_norm: bool = False,
    zero_netvlad: bool = False,
    zero_residual: bool = False,
    dark: bool = False,
    seed: int = 0,
) -> SiameseNetwork:
    """Build a Siamese network.

    Parameters
    ----------
    arch : str
        ``"vgg16"`` or ``"resnet50"``: trunk and fully connected head; ``"cvm-net-i"``: VGG16 trunk up to conv5_3 (as in
        the authors' src/CVM-Net/VGG.py), NetVLAD of 64 clusters and a projection (Hu et al. 2018); or any torchvision
        classification model but ViT, with the fully connected head.
    weights : str
        Where both trunks start: ``"imagenet"``, the path of a local state dict, or ``"none"``.
    size : int
        Pixels a side of the square input.
    embedding : int, optional
        Width of the embedding; by default 256, and 4096 for CVM-Net-I.
    final_relu : bool
        A ReLU after the last fully connected layer, as in the paper's text. CVM-Net-I has none.
    unit_norm : bool
        Put embeddings on the unit sphere, where Euclidean order is cosine order. CVM-Net-I always does.
    zero_netvlad : bool
        Start NetVLAD's clusters at zero, as the paper's public code does.
    zero_residual : bool
        Start a ResNet of random weights by `zero_residuals`.
    dark : bool
        As `SiameseNetwork.prepare` has it.
    seed : int
        Of random weights. The global random state is left as it was.

    Raises
    ------
    ValueError
        Unknown architecture, a size that it cannot take, or weights that cannot be had.
    """
    vlad = arch == "cvm-net-i"
    width = (4096 if vlad else 256) if embedding is None else embedding
    if width < 1:
        raise ValueError(f"embedding {width}: expected at least 1")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        trunk = build_trunk(arch, weights)
        shape = feature_shape(trunk, size)
        if shape is None:
            if feature_shape(trunk, 224) is None:
                raise ValueError(f"architecture '{arch}' has no convolutional feature map; expected one like resnet18")
            raise ValueError(f"size {size}: {arch} cannot take {size} × {size} images, though it can 224 × 224")
        trunks = [trunk, build_trunk(arch) if weights == "none" else copy.deepcopy(trunk)]
        if zero_residual and weights == "none":
            for part in trunks:
                zero_residuals(part)
        if vlad:
            heads = netvlad_heads(shape[0], width, zero_netvlad)
        else:
            heads = [dense_head(shape[0] * shape[1] * shape[2], width, final_relu) for _ in range(2)]
    towers = [Tower(trunk, head, unit_norm or vlad) for trunk, head in zip(trunks, heads, strict=True)]
    return SiameseNetwork(arch, *towers, width, size, dark).to(memory_format=torch.channels_last)
