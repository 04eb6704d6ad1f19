"""Is this photograph worth matching? A random forest on scene features.

Many photographs show nothing that an aerial image could (a face, a wall, a room). The paper (section 3.2) labels 10,000
images by hand, describes each by a VGG16 trained on Places365 (`cvig.filtering.scenes`), and lets a random forest throw out
the rest; it reports 87% accuracy and keeps 201,051 of 552,817 images.
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
    """Labelled images, and what a forest that never saw them says.

    Attributes
    ----------
    row : int array [N]
        Which images.
    label : bool array [N]
        Viable or not.
    score : float array [N]
        The forest's probability of viable, the mean of its trees', in [0, 1].
    threshold : float
        Smallest score that is judged viable.
    """

    row: np.ndarray
    label: np.ndarray
    score: np.ndarray
    threshold: float = 0.5

    @property
    def judged(self) -> np.ndarray:
        """Viable or not, as judged: bool [N]."""
        return self.score >= self.threshold

    @property
    def correct(self) -> int:
        """Images judged right."""
        return int((self.judged == self.label).sum())

    @property
    def accuracy(self) -> float:
        """Share of images judged right."""
        return self.correct / len(self.label)

    def accuracy_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Exact (Clopper–Pearson) interval of the accuracy."""
        return share_interval(self.judged == self.label, confidence=confidence)

    @property
    def majority(self) -> float:
        """Accuracy of always giving the commoner label."""
        return float(max(self.label.mean(), 1 - self.label.mean()))

    @property
    def confusion(self) -> pd.DataFrame:
        """Counts: a row a true label, a column a judgment."""
        counts = confusion_matrix(self.label, self.judged, labels=[False, True])
        return pd.DataFrame(counts, index=["not viable", "viable"], columns=["judged not viable", "judged viable"])

    @property
    def precision_recall(self) -> pd.DataFrame:
        """Columns threshold, precision and recall of the viable label, a row a score that occurs."""
        precision, recall, threshold = precision_recall_curve(self.label, self.score)
        return pd.DataFrame({"threshold": threshold, "precision": precision[:-1], "recall": recall[:-1]})

    def mistakes(self, count: int = 8) -> np.ndarray:
        """Positions in the report that are judged wrong, the most confident first."""
        wrong = np.flatnonzero(self.judged != self.label)
        return wrong[np.argsort(-np.abs(self.score[wrong] - self.threshold), kind="stable")[:count]]

    @property
    def sentence(self) -> str:
        """Accuracy, its interval, and whether it is better than the commoner label, in words."""
        low, high = self.accuracy_interval()
        verdict = "better than" if low > self.majority else "**not** distinguishable from"
        return (
            f"Of {len(self.label)} images that it never saw, the forest judges {self.correct} right, "
            f"{100 * self.accuracy:.1f}% (95% interval {100 * low:.1f}% to {100 * high:.1f}%). Always giving the commoner "
            f"label would be right for {100 * self.majority:.1f}%: the forest is {verdict} that."
        )


def two_of_each(viable: np.ndarray) -> None:
    """Raise ValueError unless both labels occur twice, the least that one can train and judge on."""
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
    """Fit a random forest on a stratified share of the labelled images, and judge it on the rest.

    Parameters
    ----------
    features : float array [N, D]
    viable : bool array [N]
    groups : int array [N], optional
        Images of one place share a number, and are never on both sides.
    trees : int
    held_out : float
        Share of the images that judge, as one part of round(1 / held_out).
    threshold : float
        Smallest score that is judged viable.

    Raises
    ------
    ValueError
        Fewer than two images or groups of a label, features that are not finite, or lengths that differ.
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
    """The forest's probability of viable, float64 [N]; NaN where features are (an image that cannot be read)."""
    probability = np.full(len(features), np.nan)
    there = np.isfinite(features).all(axis=1)
    if there.any():
        # one thread: several add the trees up in any order, and round differently from run to run
        probability[there] = forest.set_params(n_jobs=1).predict_proba(features[there])[:, 1]
    return probability


def read_labels(path: Path | str) -> pd.Series:
    """Labels by name from a CSV file with columns name and viable, as ``cvig label`` and ``cvig world`` write it.

    Returns
    -------
    Series of bool
        Where a name occurs twice with one label, it counts once.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Not such a table, a label that is neither true nor false, or two labels of one image: the line is named.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"labels '{path}': no such file; expected a CSV file with columns name and viable")
    given: dict[str, list[bool]] = {}
    for line, name, text in read_rows(path):
        word = text.strip().lower()
        if word == "":  # what was said of it before is taken back
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
    """Write the names of the images worth keeping, one a line.

    `cvig.filtering.names` says what becomes of names that hold a line break.

    Parameters
    ----------
    kept : bool array [N]

    Returns
    -------
    dict
        The counts, and a digest of the list.
    """
    chosen = [name for name, keep in zip(names, kept, strict=True) if keep]
    write(path, "".join(f"{as_text(name)}\n" for name in chosen))
    return {"kept": len(chosen), "of": len(names), "list": digest(*chosen)}
