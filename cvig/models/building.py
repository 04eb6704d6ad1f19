"""Networks by the name of their architecture, and networks that were saved.

The paper's three architectures (section 3.3) are `cvig.models.trunks.ARCHITECTURES`; the name of a torchvision
classification model with a convolutional feature map is an architecture too, with the same head as VGG16 and ResNet50.
"""

import copy
from pathlib import Path

import torch
from torch import nn

from cvig.models import checkpoint
from cvig.models.netvlad import NetVLAD
from cvig.models.siamese import SiameseNetwork, Tower
from cvig.models.trunks import build_trunk, feature_shape, zero_residuals


def dense_head(features: int, embedding: int, final_relu: bool, glorot: bool = False) -> dict[str, nn.Module]:
    """Fully connected layers of 512, 256 and `embedding` neurons, batch norm between them (paper, section 3.3).

    "All layers used the ReLU activation function": with `final_relu` the last one too, so that no embedding has a
    negative coordinate. The public code (S010MON/image-locate, src/models.py) leaves the last layer linear, and puts
    batch norm after the ReLU as here. With `glorot`, linear layers start as Keras starts them, as that code does: weights
    uniform within √(6 / (inputs + outputs)) (Glorot and Bengio 2010), biases zero.
    """
    last = [nn.Linear(256, embedding)] + [nn.ReLU()] * final_relu
    head = {
        "fc1": nn.Sequential(nn.Flatten(), nn.Linear(features, 512), nn.ReLU(), nn.BatchNorm1d(512)),
        "fc2": nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.BatchNorm1d(256)),
        "fc3": nn.Sequential(*last),
    }
    for layer in (layer for block in head.values() for layer in block if glorot and isinstance(layer, nn.Linear)):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return head


def pooled_head(channels: int, side: int, embedding: int) -> dict[str, nn.Module]:
    """The feature map averaged over `side` × `side` parts, and one linear layer: thousands of weights, not millions."""
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten())
    return {"pool": pool, "projection": nn.Linear(channels * side * side, embedding)}


def netvlad_heads(channels: int, embedding: int, zero: bool = False, project: bool = True) -> list[dict[str, nn.Module]]:
    """The two heads of CVM-Net-I: each its own NetVLAD of 64 clusters, and one linear projection for both, or none.

    So it is in the authors' code (david-husx/crossview_localisation): src/CVM-Net/cvm_net.py gives each branch a
    `netvlad` under its own variable scope, src/CVM-Net/siamese_fc.py reuses the variables of one 4096-d `fc1`.
    """
    vlads = [{"netvlad": NetVLAD(channels, clusters=64, zero=zero)} for _ in range(2)]
    if not project:
        return vlads
    projection = nn.Linear(64 * channels, embedding)
    # The authors start the bias at 0.1, which outweighs a projected unit vector and turns all embeddings one way.
    nn.init.zeros_(projection.bias)
    return [{**vlad, "projection": projection} for vlad in vlads]


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
    bgr: bool = False,
    projection: bool = True,
    glorot: bool = False,
    pool: int = 0,
    seed: int = 0,
) -> SiameseNetwork:
    """Build a Siamese network.

    Parameters
    ----------
    arch : str
        ``"vgg16"`` or ``"resnet50"``: trunk and fully connected head; ``"cvm-net-i"``: VGG16 trunk up to conv5_3 (as in
        the authors' src/CVM-Net/VGG.py), NetVLAD of 64 clusters and a projection (Hu et al. 2018); or any torchvision
        classification model but ViT, or ``"conv4"`` (`cvig.models.trunks.small_trunk`), with the fully connected head.
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
    dark, bgr : bool
        As `SiameseNetwork.prepare` has it.
    projection : bool
        CVM-Net-I has its projection. Without it the embedding is as wide as NetVLAD's output, whatever `embedding` says.
    glorot : bool
        Fully connected layers start as Keras starts them (`dense_head`).
    pool : int
        Above 0, `pooled_head` of so many parts a side takes the place of the fully connected head.
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
            width = width if projection else 64 * shape[0]
            heads = netvlad_heads(shape[0], width, zero_netvlad, projection)
        elif pool:
            heads = [pooled_head(shape[0], pool, width) for _ in range(2)]
        else:
            heads = [dense_head(shape[0] * shape[1] * shape[2], width, final_relu, glorot) for _ in range(2)]
    towers = [Tower(trunk, head, unit_norm or vlad) for trunk, head in zip(trunks, heads, strict=True)]
    design = {
        "arch": arch,
        "size": size,
        "embedding": width,
        "final_relu": final_relu,
        "unit_norm": unit_norm,
        "zero_netvlad": zero_netvlad,
        "dark": dark,
        "bgr": bgr,
        "projection": projection,
        "glorot": glorot,
        "pool": pool,
    }
    return SiameseNetwork(arch, *towers, width, size, dark, bgr, design).to(memory_format=torch.channels_last)


def load_network(folder: Path | str) -> SiameseNetwork:
    """Read a network that `SiameseNetwork.save` wrote, as training does at its end, on the CPU.

    Parameters
    ----------
    folder : path
        With ``network.json`` and ``checkpoint.safetensors``.

    Returns
    -------
    SiameseNetwork
        In evaluation mode. Every one of its tensors came from the file, whose digest is the one kept beside it.

    Raises
    ------
    FileNotFoundError
        No network there, or one without its weights.
    ValueError
        Weights that are missing, foreign, of another shape or type (the first of them, and how many), or not those that
        were saved.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     build("resnet18", embedding=16).save(folder)
    ...     network = load_network(folder)
    >>> network.arch, network.embedding_dim
    ('resnet18', 16)
    """
    design = checkpoint.read_design(folder)
    try:
        network = build(**design)
    except (TypeError, ValueError) as error:
        raise ValueError(f"'{Path(folder) / checkpoint.DESIGN}': {error}") from error
    checkpoint.read_weights(folder, network)
    return network.eval()
