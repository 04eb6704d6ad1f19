"""The filter: a random forest that judges from scene features whether a photograph is worth matching ("viable").

Many photographs show nothing that an aerial image could show: a face, a wall, a room. The paper (section 3.2) labels 10,000
images by hand, describes each by a VGG16 trained on Places365 (`cvig.filtering.scenes`), and trains a random forest that
removes the images that are not viable. It reports an accuracy of 87%, and keeps 201,051 of 552,817 images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import confusion_matrix, precision_recall_curve
from sklearn.model_selection import StratifiedGroupKFold

from cvig.files import digest, write
from cvig.filtering.names import as_text, read_rows
from cvig.filtering.scenes import extract, scene_network
from cvig.metrics.intervals import share_interval

__all__ = ["FilterReport", "extract", "read_labels", "scene_network", "score", "train_filter", "write_kept"]

TRUE, FALSE = ("true", "1", "yes", "viable"), ("false", "0", "no", "not viable")


@dataclass(frozen=True)
class FilterReport:
    """The forest's judgment of labelled images that it was not trained on.

    Attributes
    ----------
    row : int array [N]
        Indices of the images.
    label : bool array [N]
        True for viable.
    score : float array [N]
        The forest's probability of viable (the mean of the trees' probabilities), in [0, 1].
    threshold : float
        An image is judged viable if its score is at least this.
    """

    row: np.ndarray
    label: np.ndarray
    score: np.ndarray
    threshold: float = 0.5

    @property
    def judged(self) -> np.ndarray:
        """The judgment: bool [N], True for viable."""
        return self.score >= self.threshold

    @property
    def correct(self) -> int:
        """How many images are judged right."""
        return int((self.judged == self.label).sum())

    @property
    def accuracy(self) -> float:
        """The share of images that are judged right, in [0, 1]."""
        return self.correct / len(self.label)

    def accuracy_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Exact (Clopper–Pearson) interval of the accuracy; `confidence` is in (0, 1)."""
        return share_interval(self.judged == self.label, confidence=confidence)

    @property
    def majority(self) -> float:
        """The accuracy of a judge that always gives the commoner label."""
        return float(max(self.label.mean(), 1 - self.label.mean()))

    @property
    def confusion(self) -> pd.DataFrame:
        """Number of images by true label (rows) and judgment (columns)."""
        counts = confusion_matrix(self.label, self.judged, labels=[False, True])
        return pd.DataFrame(counts, index=["not viable", "viable"], columns=["judged not viable", "judged viable"])

    @property
    def precision_recall(self) -> pd.DataFrame:
        """Precision and recall of the viable label at each threshold: one row for each score that occurs."""
        precision, recall, threshold = precision_recall_curve(self.label, self.score)
        return pd.DataFrame({"threshold": threshold, "precision": precision[:-1], "recall": recall[:-1]})

    def mistakes(self, count: int = 8) -> np.ndarray:
        """Positions in the report of up to `count` images that are judged wrong, the most confident mistakes first."""
        wrong = np.flatnonzero(self.judged != self.label)
        return wrong[np.argsort(-np.abs(self.score[wrong] - self.threshold), kind="stable")[:count]]

    @property
    def sentence(self) -> str:
        """A sentence on the accuracy, its interval, and whether it exceeds the commoner label's share."""
        low, high = self.accuracy_interval()
        verdict = "better than" if low > self.majority else "**not** distinguishable from"
        return (
            f"Of {len(self.label)} images that it never saw, the forest judges {self.correct} right, "
            f"{100 * self.accuracy:.1f}% (95% interval {100 * low:.1f}% to {100 * high:.1f}%). Always giving the commoner "
            f"label would be right for {100 * self.majority:.1f}%: the forest is {verdict} that."
        )


def two_of_each(viable: np.ndarray) -> None:
    """Raise ValueError unless each label occurs at least twice: once to train on and once to judge."""
    for name, count in (("viable", viable.sum()), ("not viable", (~viable).sum())):
        if count < 2:
            raise ValueError(
                f"{count} images are labelled {name}: expected at least 2, to train on one and judge on another"
            )


def train_filter(
    features: np.ndarray,
    viable: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    trees: int = 300,
    held_out: float = 0.25,
    threshold: float = 0.5,
    seed: int = 0,
    jobs: int = 2,
) -> tuple[RandomForestClassifier, FilterReport]:
    """Train a random forest on a stratified part of the labelled images, and let it judge the other part.

    Parameters
    ----------
    features : float array [N, D]
    viable : bool array [N]
        The labels.
    groups : int array [N], optional
        Images of one place share a number and are never in both parts. By default each image is a group of its own.
    trees : int
        Number of trees.
    held_out : float
        The share of images that the forest judges, in (0, 0.5]; it is rounded to one part of round(1 / held_out).
    threshold : float
        An image is judged viable if its score is at least this.
    seed : int
        Seed of the division and of the forest.
    jobs : int
        Number of threads that train.

    Raises
    ------
    ValueError
        Fewer than two images or two groups of a label, features that are not finite, a `held_out` out of range, or arrays of
        different lengths.
    """
    viable = np.asarray(viable, dtype=bool)
    groups = np.arange(len(viable)) if groups is None else np.asarray(groups)
    if not len(features) == len(viable) == len(groups):
        raise ValueError(f"{len(features)} features and {len(groups)} groups for {len(viable)} labels: expected one each")
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise ValueError(f"features of {len(rows)} images are not finite, the first of image {rows[0]}")
    if not 0 < held_out <= 0.5:
        raise ValueError(f"held out share {held_out}: expected more than 0 and at most 0.5")
    two_of_each(viable)
    fewest = min(len(np.unique(groups[viable])), len(np.unique(groups[~viable])))
    parts = min(round(1 / held_out), fewest)
    if parts < 2:
        raise ValueError("all images of one label are of one place: none is left to judge on")
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    fit, judge = next(folds.split(features, viable, groups))
    if any(len(np.unique(viable[side])) < 2 for side in (fit, judge)):
        raise ValueError(f"{len(viable)} labels of {len(np.unique(groups))} places do not give both sides both labels")
    forest = RandomForestClassifier(trees, random_state=seed, n_jobs=jobs).fit(features[fit], viable[fit])
    return forest, FilterReport(judge, viable[judge], score(forest, features[judge]), threshold)


def score(forest: RandomForestClassifier, features: np.ndarray) -> np.ndarray:
    """The forest's probability of viable for each row of features: float64 [N]; NaN for rows that are not finite."""
    probability = np.full(len(features), np.nan)
    there = np.isfinite(features).all(axis=1)
    if there.any():
        # several threads would add up the trees in varying order, and the sums would be rounded differently
        probability[there] = forest.set_params(n_jobs=1).predict_proba(features[there])[:, 1]
    return probability


def read_labels(path: Path | str) -> pd.Series:
    """Labels by name from a CSV file with columns name and viable, as ``cvig label`` and ``cvig world`` write it.

    Returns
    -------
    Series of bool
        True for viable; the index is the name. A name that occurs twice with the same label is given once, and a name whose
        last line has no label is left out.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        The file is no such table, a label is neither true nor false (the message names the line), or an image has two
        different labels.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"labels '{path}': no such file; expected a CSV file with columns name and viable")
    given: dict[str, list[bool]] = {}
    for line, name, text in read_rows(path):
        word = text.strip().lower()
        if word == "":  # `cvig label` writes this when a label is taken back
            given.pop(name, None)
        elif word not in TRUE + FALSE:
            raise ValueError(f"labels '{path}', line {line}: viable is '{text}', expected true or false")
        else:
            given.setdefault(name, []).append(word in TRUE)
    pairs = [(name, viable) for name, words in given.items() for viable in words]
    named = pd.Index([name for name, _ in pairs], dtype=object)
    labels = pd.Series([viable for _, viable in pairs], index=named, dtype=bool)
    labels = labels[~pd.MultiIndex.from_arrays([labels.index, labels]).duplicated()]
    twice = labels.index.duplicated()
    if twice.any():
        raise ValueError(f"labels '{path}': '{labels.index[twice][0]}' is labelled viable and not viable")
    return labels


def write_kept(path: Path | str, names: Sequence[str], kept: np.ndarray) -> dict:
    """Write the names of the images to keep into a text file, one a line (`cvig.filtering.names`).

    Parameters
    ----------
    path : path
    names : sequence of N str
    kept : bool array [N]
        Which images to keep.

    Returns
    -------
    dict
        ``kept`` and ``of``, how many of how many images are kept, and ``list``, a digest of the names.
    """
    chosen = [name for name, keep in zip(names, kept, strict=True) if keep]
    write(path, "".join(f"{as_text(name)}\n" for name in chosen))
    return {"kept": len(chosen), "of": len(names), "list": digest(*chosen)}
