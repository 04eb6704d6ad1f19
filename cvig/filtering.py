"""Is this photograph worth matching? Scene features and a random forest.

Many photographs show nothing that an aerial image could (a face, a wall, a room). The paper (section 3.2) labels 10,000
images by hand, describes each by a VGG16 trained on Places365, and lets a random forest throw out the rest; it reports
87% accuracy and keeps 201,051 of 552,817 images.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
from scipy.stats import beta
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import confusion_matrix, precision_recall_curve
from sklearn.model_selection import train_test_split
from torch import nn

from cvig.models import load_state_dict, preprocess
from cvig.results import atomic, digest, read_arrays, write_arrays, write_json

PLACES_CLASSES = 365
LAYERS = ("penultimate", "scores")


def scene_network(trunk: str = "vgg16", weights: str = "none", *, layer: str = "penultimate", seed: int = 0) -> nn.Module:
    """A network that describes a scene by one vector.

    Parameters
    ----------
    trunk : str
        A torchvision classification model; the paper's is ``"vgg16"``.
    weights : str
        ``"none"`` for random weights, ``"imagenet"`` for torchvision's own, or the path of a local state dict whose last
        layer has one row a class: 365 for Places365, in torchvision's names (``features.0.weight`` …
        ``classifier.6.bias`` for VGG16).
    layer : {"penultimate", "scores"}
        What the last layer reads (4096 numbers for VGG16), or the class probabilities it gives. The paper says "feature
        vectors"; its public code has the 365 class probabilities.
    seed : int
        Of random weights.

    Returns
    -------
    nn.Module
        Float images [B, 3, H, W], as `cvig.models.preprocess` makes them, to features [B, D].
    """
    if layer not in LAYERS:
        raise ValueError(f"unknown feature layer '{layer}': expected one of {', '.join(LAYERS)}")
    if trunk not in torchvision.models.list_models(module=torchvision.models):
        raise ValueError(f"unknown trunk '{trunk}': expected the name of a torchvision classification model")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if weights == "imagenet":
            network = torchvision.models.get_model(trunk, weights="DEFAULT")
        else:
            network = torchvision.models.get_model(trunk, weights=None, num_classes=PLACES_CLASSES)
    if weights not in ("none", "imagenet"):
        load_state_dict(network, weights)
    owner, name = _last_layer(network)
    if layer == "penultimate":
        setattr(owner, name, nn.Identity())
    else:
        network = nn.Sequential(network, nn.Softmax(dim=1))
    return network.eval()


def _last_layer(network: nn.Module) -> tuple[nn.Module, str]:
    """The module that holds the last linear layer, and that layer's name in it."""
    path = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
    owner, _, name = path.rpartition(".")
    return network.get_submodule(owner), name


def extract(
    network: nn.Module,
    image: Callable[[int], torch.Tensor],
    names: list[str],
    folder: Path | str,
    *,
    key: str,
    chunk: int = 1024,
    batch: int = 64,
    device: str = "cpu",
    progress: Callable[[Iterator], Iterator] = lambda chunks: chunks,
) -> np.ndarray:
    """Features of every image, one file a chunk, so that an interrupted extraction goes on where it was.

    Parameters
    ----------
    image : callable
        Index to uint8 [3, H, W].
    names : list of str
        One an image. A chunk's file is named by its images and by `key`; whatever changes either makes another file.
    key : str
        What else the features depend on: network, weights, layer, image size.
    folder : path
        Where the chunks are kept.

    Returns
    -------
    float32 array [N, D]
    """
    parts = []
    network = network.to(device)
    for first in progress(range(0, len(names), chunk)):
        members = names[first : first + chunk]
        path = Path(folder) / f"features-{digest(key, *members)}.npz"
        if not path.exists():
            described = []
            for start in range(first, first + len(members), batch):
                stop = min(start + batch, first + len(members))
                images = torch.stack([image(i) for i in range(start, stop)]).to(device)
                with torch.inference_mode():
                    described.append(network(preprocess(images)).float().cpu().numpy())
            write_arrays(path, features=np.concatenate(described))
        parts.append(read_arrays(path)["features"])
    return np.concatenate(parts)


@dataclass(frozen=True)
class FilterReport:
    """A forest judged on labelled images it never saw.

    Attributes
    ----------
    forest : RandomForestClassifier
        Trained on the training share alone.
    held_out : int array
        Rows that judged it.
    label, score : arrays
        Of the held-out rows: viable or not, and the share of trees that say viable.
    """

    forest: RandomForestClassifier
    held_out: np.ndarray
    label: np.ndarray
    score: np.ndarray

    @property
    def correct(self) -> int:
        """Held-out images judged right at one half."""
        return int(((self.score >= 0.5) == self.label).sum())

    @property
    def accuracy(self) -> float:
        """Share of held-out images judged right at one half."""
        return self.correct / len(self.label)

    def accuracy_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Exact (Clopper–Pearson) interval of the accuracy."""
        n, k, tail = len(self.label), self.correct, (1 - confidence) / 2
        return float(beta.ppf(tail, k, n - k + 1)) if k else 0.0, float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0

    @property
    def majority(self) -> float:
        """Accuracy of always giving the commoner label."""
        return float(max(self.label.mean(), 1 - self.label.mean()))

    @property
    def confusion(self) -> pd.DataFrame:
        """Counts: a row a true label, a column a judgment."""
        counts = confusion_matrix(self.label, self.score >= 0.5, labels=[False, True])
        return pd.DataFrame(counts, index=["not viable", "viable"], columns=["judged not viable", "judged viable"])

    @property
    def precision_recall(self) -> pd.DataFrame:
        """Columns threshold, precision and recall of the viable label."""
        precision, recall, threshold = precision_recall_curve(self.label, self.score)
        return pd.DataFrame({"threshold": threshold, "precision": precision[:-1], "recall": recall[:-1]})

    def worst_mistakes(self, count: int = 8) -> np.ndarray:
        """Held-out rows judged wrong, the most confident first."""
        wrong = np.flatnonzero((self.score >= 0.5) != self.label)
        order = np.argsort(-np.abs(self.score[wrong] - 0.5), kind="stable")
        return self.held_out[wrong[order[:count]]]


def train_filter(
    features: np.ndarray, viable: np.ndarray, *, trees: int = 300, held_out: float = 0.25, seed: int = 0, jobs: int = 2
) -> FilterReport:
    """Fit a random forest on a stratified share of the labelled images, and judge it on the rest.

    Parameters
    ----------
    features : float array [N, D]
    viable : bool array [N]
    trees : int
    held_out : float
        Share of the images that judge.

    Raises
    ------
    ValueError
        Fewer than two images of a label, features that are not finite, or lengths that differ.
    """
    viable = np.asarray(viable, dtype=bool)
    if len(features) != len(viable):
        raise ValueError(f"{len(features)} features for {len(viable)} labels: expected one label an image")
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise ValueError(f"features of {len(rows)} images are not finite, the first of image {rows[0]}")
    for name, count in (("viable", viable.sum()), ("not viable", (~viable).sum())):
        if count < 2:
            raise ValueError(
                f"{count} images are labelled {name}: expected at least 2, to train on one and judge on another"
            )
    rows = np.arange(len(viable))
    fit, judge = train_test_split(rows, test_size=held_out, stratify=viable, random_state=seed)
    forest = RandomForestClassifier(trees, random_state=seed, n_jobs=jobs).fit(features[fit], viable[fit])
    return FilterReport(forest, judge, viable[judge], forest.predict_proba(features[judge])[:, 1])


def write_kept(path: Path | str, names: list[str], score: np.ndarray, threshold: float, record: dict) -> int:
    """Write the names of the images worth keeping, one a line, and beside it why (``.json``); give their number.

    Parameters
    ----------
    score : float array [N]
        Share of trees that say viable.
    threshold : float
        Smallest score that is kept, in [0, 1].
    record : dict
        Provenance of the forest.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold}: expected a share of trees in [0, 1]")
    kept = [name for name, value in zip(names, score, strict=True) if value >= threshold]
    with atomic(path) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in kept))
    facts = {"kept": len(kept), "of": len(names), "threshold": threshold, "list": digest(*kept)}
    write_json(Path(path).with_suffix(".json"), record | facts)
    return len(kept)
