"""Scene features: a vector for each photograph, from a network that was trained to classify scenes.

The paper's filter (section 3.2) uses a VGG16 trained on Places365. The release of Places365 (CSAILVision/places365, CC BY)
has VGG16 for Caffe only, and AlexNet, ResNet18, ResNet50 and DenseNet161 for PyTorch.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader, Dataset

from cvig.files import digest, read_arrays, set_aside, write_arrays
from cvig.models import MEAN, STD, preprocess
from cvig.models.weights import load_state_dict

PLACES_CLASSES = 365
LAYERS = ("penultimate", "scores")
CAFFE = "caffe:"
CAFFE_MEAN = (103.939, 116.779, 123.68)  # ImageNet's mean of blue, green and red, which the paper's code also subtracts
CAFFE_LAYERS = {  # torchvision's name of each layer to its name in deploy_vgg16_places365.prototxt
    f"features.{at}": name
    for at, name in zip(
        (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
        [f"conv{block}_{i + 1}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for i in range(count)],
        strict=True,
    )
} | {"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8a"}


class SceneNetwork(nn.Module):
    """A network that maps images, float [B, 3, H, W] as `cvig.models.preprocess` gives them, to features, [B, width].

    Attributes
    ----------
    width : int
        How many numbers describe an image.
    digest : str
        Digest of the weights, the layer and the size of images; features of equal digest are comparable.
    """

    def __init__(self, network: nn.Module, layer: str, size: int, caffe: bool):
        super().__init__()
        self.network, self.layer, self.caffe = network, layer, caffe
        self.eval()
        with torch.inference_mode():
            self.width = self(torch.zeros(1, 3, size, size)).shape[1]
        weights = [value.numpy().tobytes() for value in network.state_dict().values()]
        self.digest = digest(type(network).__name__, layer, str(size), str(caffe), *weights)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features, float [B, width], of images [B, 3, H, W]."""
        if self.caffe:
            mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (MEAN, STD))
            # values from 0 to 255 again, blue first; other weights in the first layer instead would be wrong at its padding
            images = (255 * (images * std + mean)).flip(1) - images.new_tensor(CAFFE_MEAN).view(3, 1, 1)
        features = self.network(images)
        return features.softmax(dim=1) if self.layer == "scores" else features


def scene_network(
    trunk: str = "vgg16", weights: str = "none", *, layer: str = "penultimate", size: int = 224, seed: int = 0
) -> SceneNetwork:
    """A network that describes a scene by one vector.

    Parameters
    ----------
    trunk : str
        A torchvision classification model that ends in a linear layer; the paper's is ``"vgg16"``.
    weights : str
        One of these:

        - ``"none"``: random weights. Their 365 "scores" stand for no scenes but still differ between images.
        - ``"imagenet"``: torchvision's weights, with 1000 classes.
        - A path: a state dict (``.pt``, ``.pth``, ``.safetensors``) with torchvision's names and 365 classes, of a network
          whose input is that of `preprocess`. For VGG16 the names are ``features.0.weight`` … ``classifier.6.bias``. The
          PyTorch files of the release were saved from several GPUs: remove ``module.`` from the beginning of their keys.
        - ``caffe:PATH``, for VGG16 alone: a state dict with the layer names of the Caffe release, each with ``.weight`` and
          ``.bias`` (`CAFFE_LAYERS`: ``conv1_1`` is ``features.0``, …, ``fc8a`` is ``classifier.6``). The network's input is
          then values from 0 to 255, blue first, minus their mean.
    layer : {"penultimate", "scores"}
        ``"penultimate"``: the input of the last layer, 4096 numbers for VGG16. ``"scores"``: the class probabilities. The
        paper speaks of "feature vectors"; its public code uses the 365 class probabilities.
    size : int
        Pixels a side of the images that will be described.
    seed : int
        Seed of random weights.

    Raises
    ------
    ValueError
        An unknown layer or trunk, weights that cannot be found or do not fit, or a size that the trunk cannot take.
    """
    if layer not in LAYERS:
        raise ValueError(f"unknown feature layer '{layer}': expected one of {', '.join(LAYERS)}")
    if trunk not in torchvision.models.list_models(module=torchvision.models):
        raise ValueError(f"unknown trunk '{trunk}': expected the name of a torchvision classification model")
    caffe = weights.startswith(CAFFE)
    if caffe and trunk != "vgg16":
        raise ValueError(f"weights '{weights}': Caffe's layer names are known of vgg16, not of {trunk}")
    network = _classifier(trunk, weights, seed)
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError(f"trunk '{trunk}' has no linear layer to take features from; expected one like vgg16 or resnet18")
    if caffe:
        load_state_dict(_in_caffe_names(network), weights.removeprefix(CAFFE))
    elif weights not in ("none", "imagenet"):
        load_state_dict(network, weights)
    if layer == "penultimate":
        owner, _, name = linear[-1].rpartition(".")
        setattr(network.get_submodule(owner), name, nn.Identity())
    try:
        return SceneNetwork(network, layer, size, caffe)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"size {size}: {trunk} cannot take {size} × {size} images") from error


def _classifier(trunk: str, weights: str, seed: int) -> nn.Module:
    """The torchvision model, with ImageNet weights or with random weights and 365 classes."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if weights != "imagenet":
            return torchvision.models.get_model(trunk, weights=None, num_classes=PLACES_CLASSES)
        try:
            return torchvision.models.get_model(trunk, weights="DEFAULT")
        except (OSError, HTTPException, RuntimeError) as error:
            raise ValueError(
                f"ImageNet weights of {trunk} could not be fetched ({error}): give the path of a local state dict as weights"
            ) from error


def _in_caffe_names(network: nn.Module) -> nn.Module:
    """A module that holds the same layers under Caffe's names, into which a state dict with those names can be loaded."""
    renamed = nn.Module()
    for ours, theirs in CAFFE_LAYERS.items():
        renamed.add_module(theirs, network.get_submodule(ours))
    return renamed


class _Images(Dataset):
    """Images by index; None for an image that cannot be read."""

    def __init__(self, image: Callable[[int], torch.Tensor]):
        self.image = image

    def __getitem__(self, index: int) -> torch.Tensor | None:
        try:
            return self.image(index)
        except (ValueError, OSError):
            return None


def _describe(network: SceneNetwork, images: list[torch.Tensor | None], device: str) -> np.ndarray:
    """Features of a batch of images, float32 [B, width]; NaN for an image that is None."""
    features = np.full((len(images), network.width), np.nan, dtype=np.float32)
    there = [i for i, image in enumerate(images) if image is not None]
    if there:
        with torch.inference_mode():
            batch = preprocess(torch.stack([images[i] for i in there]).to(device))
            features[there] = network(batch).float().cpu().numpy()
    return features


def extract(
    network: SceneNetwork,
    image: Callable[[int], torch.Tensor],
    names: Sequence[str],
    folder: Path | str,
    *,
    data: str = "",
    chunk: int = 1024,
    batch: int = 64,
    workers: int = 0,
    device: str = "cpu",
) -> Iterator[tuple[slice, np.ndarray]]:
    """Features of all images, chunk by chunk; each chunk is kept in a file, so that an interrupted run can be continued.

    Only one chunk is in memory at a time, whatever the number of images: 17 MB for VGG16's 1024 × 4096 float32.

    Parameters
    ----------
    image : callable
        Maps an index to an image, uint8 [3, H, W].
    names : sequence of str
        A name for each image. The name of a chunk's file is a digest of the names of its images, the network and `data`, so
        that other images or another network have another file.
    folder : path
        The folder of the chunks' files.
    data : str
        A text that changes when the images change.
    chunk, batch : int
        Images in a file, and images that the network describes at a time.
    workers : int
        Number of processes that read images.
    device : str
        The network's device, ``"cpu"`` or ``"cuda"``.

    Yields
    ------
    rows : slice
        Indices of the chunk's images.
    features : float32 array [rows, width]
        NaN for an image that cannot be read. A damaged file is renamed and made anew, and one line on stderr says so.
    """
    chunks = [slice(first, min(first + chunk, len(names))) for first in range(0, len(names), chunk)]
    files = [Path(folder) / f"features-{digest(network.digest, data, *names[rows])}.npz" for rows in chunks]
    batches = [
        [list(range(first, min(first + batch, rows.stop))) for first in range(rows.start, rows.stop, batch)]
        for rows, file in zip(chunks, files, strict=True)
        if not file.exists()
    ]
    loader = DataLoader(
        _Images(image), batch_sampler=[b for part in batches for b in part], num_workers=workers, collate_fn=list
    )
    network.to(device)
    missing, fetched = iter(batches), iter(loader)
    for rows, file in zip(chunks, files, strict=True):
        if not file.exists():
            described = [_describe(network, next(fetched), device) for _ in next(missing)]
            write_arrays(file, features=np.concatenate(described))
        features = _read(file, rows.stop - rows.start, network.width)
        if features is None:
            aside = set_aside(file)
            print(f"features '{file}' are damaged: they are '{aside.name}' now, and are made anew", file=sys.stderr)
            images = _Images(image)
            parts = (range(first, min(first + batch, rows.stop)) for first in range(rows.start, rows.stop, batch))
            features = np.concatenate([_describe(network, [images[i] for i in part], device) for part in parts])
            write_arrays(file, features=features)
        yield rows, features


def _read(file: Path, count: int, width: int) -> np.ndarray | None:
    """Features of a chunk, from its file; None if the file is damaged."""
    try:
        features = read_arrays(file)["features"]
    except (ValueError, OSError, KeyError):
        return None
    return features if features.shape == (count, width) else None
