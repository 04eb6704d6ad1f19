"""Building a network by the name of its architecture, and loading a network that was saved.

The paper's three architectures (section 3.3) are `cvig.models.names.ARCHITECTURES`. The name of any torchvision
classification model with a convolutional feature map is an architecture as well, with the same head as VGG16 and ResNet50.
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
    """Fully connected layers of 512, 256 and `embedding` neurons, with batch norm between them (paper, section 3.3).

    The paper says: "All layers used the ReLU activation function". With `final_relu` the last layer has one too, and no
    embedding has a negative coordinate. The public code (S010MON/image-locate, src/models.py) leaves the last layer linear,
    and puts batch norm after the ReLU, as is done here. With `glorot`, linear layers are initialized as Keras and that code
    do it: weights uniform within ±√(6 / (inputs + outputs)) (Glorot and Bengio 2010), and biases zero.
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


def pooled_head(channels: int, side: int, embedding: int, project: bool = True) -> dict[str, nn.Module]:
    """A head that averages the feature map over `side` × `side` parts and ends in one linear layer, with few weights.

    Without `project` it ends in a layer norm, as ConvNeXt has one between its mean and its classifier.
    """
    width = channels * side * side
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten())
    return {"pool": pool} | ({"projection": nn.Linear(width, embedding)} if project else {"norm": nn.LayerNorm(width)})


def netvlad_heads(channels: int, embedding: int, zero: bool = False, project: bool = True) -> list[dict[str, nn.Module]]:
    """The two heads of CVM-Net-I: each has a NetVLAD of 64 clusters, and they share one linear projection, if any.

    The authors' code (david-husx/crossview_localisation) does the same: src/CVM-Net/cvm_net.py gives each branch a
    `netvlad` in its own variable scope, and src/CVM-Net/siamese_fc.py reuses the variables of one 4096-d `fc1`.
    """
    vlads = [{"netvlad": NetVLAD(channels, clusters=64, zero=zero)} for _ in range(2)]
    if not project:
        return vlads
    projection = nn.Linear(64 * channels, embedding)
    # The authors start the bias at 0.1. It would outweigh a projected unit vector, and all embeddings would be alike.
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
    shared: bool = False,
    seed: int = 0,
) -> SiameseNetwork:
    """Build a Siamese network.

    Parameters
    ----------
    arch : str
        ``"vgg16"`` or ``"resnet50"``: this trunk and a fully connected head. ``"cvm-net-i"``: VGG16 up to conv5_3 (as in
        the authors' src/CVM-Net/VGG.py), NetVLAD of 64 clusters and a projection (Hu et al. 2018). The name of any other
        torchvision classification model but ViT, or ``"conv4"`` (`cvig.models.trunks.small_trunk`): this trunk and the
        fully connected head.
    weights : str
        Initial weights of both trunks: ``"imagenet"``, the path of a local state dict, or ``"none"`` for random ones.
    size : int
        Pixels a side of the square input.
    embedding : int, optional
        Number of dimensions D of the embedding; by default 256, and 4096 for CVM-Net-I.
    final_relu : bool
        Add a ReLU after the last fully connected layer, as in the paper's text. CVM-Net-I never has one.
    unit_norm : bool
        Scale embeddings to length 1, so that ranking by distance and by cosine agree. CVM-Net-I always does.
    zero_netvlad : bool
        Start NetVLAD's clusters at zero, as the paper's public code does.
    zero_residual : bool
        Initialize a ResNet without given weights by `zero_residuals`.
    dark, bgr : bool
        Prepare images as the paper's public code does (`SiameseNetwork.prepare`).
    projection : bool
        False: CVM-Net-I and `pooled_head` have no projection. The embedding is NetVLAD's output or the pooled features,
        whatever `embedding` says.
    glorot : bool
        Initialize fully connected layers as Keras does (`dense_head`).
    pool : int
        Above 0: use `pooled_head` with so many parts a side in place of the fully connected head.
    shared : bool
        One tower embeds ground views and aerial images. A trunk with batch norm then mixes the statistics of both.
    seed : int
        Seed of random weights. The global random state is not changed.

    Raises
    ------
    ValueError
        An unknown architecture, a size that it cannot take, or weights that cannot be found or do not fit.
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
        trunks = [trunk] if shared else [trunk, build_trunk(arch) if weights == "none" else copy.deepcopy(trunk)]
        if zero_residual and weights == "none":
            for part in trunks:
                zero_residuals(part)
        if vlad:
            width = width if projection else 64 * shape[0]
            heads = netvlad_heads(shape[0], width, zero_netvlad, projection)
        elif pool:
            width = width if projection else shape[0] * pool * pool
            heads = [pooled_head(shape[0], pool, width, projection) for _ in trunks]
        else:
            heads = [dense_head(shape[0] * shape[1] * shape[2], width, final_relu, glorot) for _ in trunks]
    towers = [Tower(trunk, head, unit_norm or vlad) for trunk, head in zip(trunks, heads, strict=False)]
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
        "shared": shared,
    }
    return SiameseNetwork(arch, towers[0], towers[-1], width, size, dark, bgr, design).to(memory_format=torch.channels_last)


def load_network(folder: Path | str) -> SiameseNetwork:
    """Load a network that `SiameseNetwork.save` wrote, onto the CPU. A training run of the study also ends in such a folder.

    Parameters
    ----------
    folder : path
        Holds ``network.json`` and ``checkpoint.safetensors``.

    Returns
    -------
    SiameseNetwork
        In evaluation mode. Each of its tensors was read from the file, and the file has the digest that was saved with it.

    Raises
    ------
    FileNotFoundError
        There is no network, or its weights are missing.
    ValueError
        The weights lack a tensor, have a foreign one or one of another shape or type (the message names the first and
        counts them), or are not the weights that were saved with this design.

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
