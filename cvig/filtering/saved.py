"""A trained filter as a file: which network describes a photograph, and the forest that judges the description.

The trees lie in the file as arrays of numbers, so that nothing in it is run when it is read.
Of the same features they say what scikit-learn's forest says, to the last bit.
"""

import json
import zlib
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier

from cvig.files import read_arrays, write_arrays
from cvig.filtering.forest import FilterReport
from cvig.filtering.scenes import SceneNetwork, scene_network
from cvig.models import preprocess

FILTER = "filter.npz"  # in the folder of a run
FORMAT = 1
NODES = {"left": np.int32, "right": np.int32, "feature": np.int32, "cut": np.float64, "viable": np.float64}
LARGEST = 4096  # pixels a side


@dataclass(frozen=True)
class Scenes:
    """The arguments of `cvig.filtering.scenes.scene_network`."""

    trunk: str
    weights: str
    layer: str
    size: int
    seed: int

    def build(self) -> SceneNetwork:
        """The network that they give."""
        return scene_network(self.trunk, self.weights, layer=self.layer, size=self.size, seed=self.seed)


@torch.inference_mode()
def _describe_probe(network: SceneNetwork, size: int) -> np.ndarray:
    """Features, float32 [width], of a picture that is always the same: they tell other weights from another rounding."""
    picture = (np.arange(3 * size * size) * 7919 % 256).astype(np.uint8).reshape(1, 3, size, size)
    return network(preprocess(torch.from_numpy(picture)))[0].float().cpu().numpy()


@dataclass(frozen=True)
class Filter:
    """A filter that was trained.

    Attributes
    ----------
    scenes : Scenes
    nodes : dict of arrays [N]
        All trees' nodes: rows of ``left`` and ``right``, which are 0 at a leaf; the number of the ``feature`` that decides,
        and the ``cut`` up to which one goes left; at a leaf the share ``viable``.
    roots : int array [T]
        The row of each tree's first node.
    probe : float32 array [D]
        What the network says of a picture that is always the same.
    threshold : float
        A photograph is viable if its score is at least this.
    correct, judged : int
        Of how many photographs that the forest never saw it judged how many right.
    """

    scenes: Scenes
    nodes: dict[str, np.ndarray]
    roots: np.ndarray
    probe: np.ndarray
    threshold: float
    correct: int
    judged: int

    @classmethod
    def of(cls, forest: RandomForestClassifier, report: FilterReport, scenes: Scenes, network: SceneNetwork) -> "Filter":
        """Take over the trees of `cvig.filtering.train_filter`, which learned from what `network`, of `scenes`, says."""
        parts: dict[str, list[np.ndarray]] = {name: [] for name in NODES}
        roots, rows = [], 0
        for tree in (one.tree_ for one in forest.estimators_):
            inner = tree.children_left >= 0
            share = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
            for name, values in (
                ("left", np.where(inner, tree.children_left + rows, 0)),
                ("right", np.where(inner, tree.children_right + rows, 0)),
                ("feature", np.where(inner, tree.feature, 0)),
                ("cut", np.where(inner, tree.threshold, 0.0)),
                ("viable", np.where(inner, 0.0, share[:, 1])),
            ):
                parts[name].append(values.astype(NODES[name]))
            roots.append(rows)
            rows += tree.node_count
        nodes = {name: np.concatenate(values) for name, values in parts.items()}
        probe, starts = _describe_probe(network, scenes.size), np.array(roots, dtype=np.int32)
        return cls(scenes, nodes, starts, probe, report.threshold, report.correct, len(report.label))

    def write(self, path: Path | str) -> None:
        """Write one ``.npz`` file."""
        about = {"format": FORMAT, "scenes": asdict(self.scenes), "threshold": self.threshold}
        about |= {"correct": self.correct, "judged": self.judged}
        write_arrays(path, about=np.array(json.dumps(about)), roots=self.roots, probe=self.probe, **self.nodes)

    @classmethod
    def read(cls, path: Path | str) -> "Filter":
        """Read what `write` wrote, or ``filter.npz`` of a folder.

        Raises
        ------
        FileNotFoundError, ValueError
            Nothing there, or something else.
        """
        path = Path(path)
        path = path / FILTER if path.is_dir() else path
        if not path.is_file():
            raise FileNotFoundError(f"no filter '{path}': notebooks/filter.ipynb makes one of photographs with labels")
        try:
            content = read_arrays(path)
            about = json.loads(str(content.pop("about")))
            if about.pop("format") != FORMAT:
                raise ValueError("another format")
            roots, probe = content.pop("roots"), content.pop("probe")
            made = cls(Scenes(**about.pop("scenes")), content, roots, probe, **about)
            made.check()
        except (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, BadZipFile, zlib.error) as error:
            said = (str(error) or type(error).__name__).splitlines()[0]
            raise ValueError(f"'{path}' is no filter that notebooks/filter.ipynb wrote ({said})") from error
        return made

    def check(self) -> None:
        """ValueError where the trees lead nowhere, or round and round, or a number is out of its range."""
        rows = len(self.nodes["left"])
        if set(self.nodes) != set(NODES) or any(
            self.nodes[name].shape != (rows,) or self.nodes[name].dtype != kind for name, kind in NODES.items()
        ):
            raise ValueError("trees of another form")
        left, right, here = self.nodes["left"], self.nodes["right"], np.arange(rows)
        leaf = (left == 0) & (right == 0)
        if not (leaf | ((left > here) & (left < rows) & (right > here) & (right < rows))).all():
            raise ValueError("a tree that leads nowhere")
        roots = self.roots
        if roots.ndim != 1 or roots.dtype != np.int32 or not len(roots) or not ((roots >= 0) & (roots < rows)).all():
            raise ValueError("no trees")
        feature, share = self.nodes["feature"], self.nodes["viable"]
        if self.probe.ndim != 1 or not ((feature >= 0) & (feature < len(self.probe))).all():
            raise ValueError("a tree that asks for a feature that is not there")
        if not ((share >= 0) & (share <= 1)).all():
            raise ValueError("shares out of range")
        of, numbers = self.scenes, (self.threshold, self.correct, self.judged)
        if not all(isinstance(text, str) for text in (of.trunk, of.weights, of.layer)):
            raise ValueError("a network without a name")
        if not all(isinstance(number, int) for number in (of.size, of.seed, *numbers[1:])) or not 1 <= of.size <= LARGEST:
            raise ValueError("numbers of another kind")
        if not 0 < self.threshold <= 1 or not 0 <= self.correct <= self.judged:
            raise ValueError("numbers out of range")

    @cached_property
    def network(self) -> SceneNetwork:
        """What describes a photograph; ValueError where today's is another than the forest learned from."""
        network = self.scenes.build()
        probe = _describe_probe(network, self.scenes.size)
        if probe.shape != self.probe.shape or not np.allclose(probe, self.probe, rtol=1e-3, atol=1e-3 * np.abs(probe).max()):
            raise ValueError(
                f"{self.scenes.trunk} with weights '{self.scenes.weights}' is not the network that the filter learned from: "
                "give the same weights, or train the filter again"
            )
        return network

    def judge(self, features: np.ndarray) -> np.ndarray:
        """The forest's probability of viable for each row of finite features [P, D]: float64 [P]."""
        asked, rows = features.astype(np.float32), np.arange(len(features))
        total = np.zeros(len(features))
        for root in self.roots.tolist():
            at = np.full(len(features), root)
            while (inner := self.nodes["left"][at] > 0).any():
                goes_left = asked[rows, self.nodes["feature"][at]] <= self.nodes["cut"][at]
                at = np.where(inner, np.where(goes_left, self.nodes["left"][at], self.nodes["right"][at]), at)
            total += self.nodes["viable"][at]
        return total / len(self.roots)

    @torch.inference_mode()
    def score(self, images: torch.Tensor) -> np.ndarray:
        """The same of photographs, uint8 [P, 3, size, size] with the side of `scenes`: float64 [P] in [0, 1]."""
        return self.judge(self.network(preprocess(images)).float().numpy())
