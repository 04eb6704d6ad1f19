"""What a run writes to disk, and how it is read back.

A run is a folder. Training writes ``log.csv``, ``validation.npz``, the network (`cvig.load_network`) and, last of all,
``train.json``; evaluation adds ranks, figures' data and, last of all, ``metrics.json`` and ``evaluate.json``. A folder
without its JSON files is unfinished and is never read as a result; nor is one whose evaluation is of another training, or a
file that is not the one that the run wrote. Runs made before identities were kept have neither, and are read as they are.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from cvig.files import digest_file, read_arrays
from cvig.metrics import per_query_pssr
from cvig.ranking import Ranks
from study.ground import AFTERWARDS, Squares, above_chance, file_of, kept
from study.switches import in_words
from study.tricks import ALL

TEST_SETS = ("uncropped", "cropped")
TITLES = {  # of the studies, by the names of their folders
    "quick": "committed",
    "apart": "study of places apart",
    "apart-6194": "places apart, 6,194 in the test",
    "apart-224": "places apart at 224 px",
    "dense-224": "dense study at 224 px",
    "causes": "causes study",
    "reference": "reference model",
    "local": "this machine",
}


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder on demand."""

    folder: Path

    @cached_property
    def train(self) -> dict:
        """Provenance of the training notebook."""
        return json.loads((self.folder / "train.json").read_text())

    @cached_property
    def evaluate(self) -> dict:
        """Provenance of the evaluation notebook."""
        return json.loads((self.folder / "evaluate.json").read_text())

    @property
    def of_one_piece(self) -> bool:
        """Whether the evaluation is of this very training, and of the weights that it wrote."""
        weights = self.train.get("files", {}).get("checkpoint.safetensors")
        return self.evaluate.get("trained", "") == self.train.get("identity", "") and (
            weights is None or self.evaluate.get("checkpoint") == weights
        )

    def _file(self, name: str) -> Path:
        """A file of the run; ValueError where it is not the one that the run wrote."""
        path = self.folder / name
        for record in (self.train, self.evaluate):
            if record.get("files", {}).get(name) not in (None, digest_file(path)):
                raise ValueError(f"'{path}' is not what the run wrote: make the run again")
        return path

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        return {key: value for key, value in read_arrays(self._file(name)).items() if key != "identity"}

    @property
    def parameters(self) -> dict:
        """Parameters of the training notebook."""
        return self.train["parameters"]

    @property
    def precision(self) -> str:
        """Of the towers in training: ``"bf16"`` or ``"32"``."""
        return self.train.get("precision") or self.parameters["precision"]  # early runs have it as a parameter alone

    @property
    def name(self) -> str:
        """The architecture."""
        return self.parameters["arch"]

    @property
    def recipe(self) -> str:
        """The recipe in words, with its turned switches: ``"as-coded without linear-head"``."""
        return in_words(self.parameters["recipe"], self.parameters["switches"])

    @property
    def label(self) -> str:
        """Its study's folder and its own: ``"world/vgg16-modern-0"``."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def title(self) -> str:
        """A run by its folder, and its description: the beginning of a caption."""
        return f"{self.label}: {self.description}."

    @property
    def commit(self) -> str:
        """The commit of the training in short, with "+" where files differed from it; "unknown" outside a repository."""
        whole = self.train["commit"] or "unknown"
        return whole[:8] + "+" * whole.endswith("+")

    @property
    def batch(self) -> int:
        """Pairs a step: as asked, else the recipe's."""
        return self.parameters["batch"] or ALL[self.parameters["recipe"]].recipe.batch

    @property
    def start(self) -> str:
        """Name of the run whose trunks this one started from, or ``""``."""
        return Path(self.parameters.get("start", "")).name  # the first runs lack the parameter

    @cached_property
    def log(self) -> pd.DataFrame:
        """One row an epoch, as `cvig.training.SiameseTraining` makes it."""
        return pd.read_csv(self._file("log.csv"))

    @cached_property
    def _over_squares(self) -> dict[str, dict]:
        """Of each test set the summary over squares of ground that was made after the evaluation; empty where none was."""
        path = self.folder.parent / AFTERWARDS
        return json.loads(path.read_text())["runs"].get(self.folder.name, {}) if path.exists() else {}

    @cached_property
    def metrics(self) -> dict[str, pd.DataFrame]:
        """`cvig.metrics.summary` of the uncropped and the cropped test set, over squares of ground where there are any."""
        stored = json.loads(self._file("metrics.json").read_text()) | self._over_squares
        return {name: pd.read_json(StringIO(json.dumps(stored[name]["summary"])), orient="split") for name in TEST_SETS}

    @cached_property
    def facts(self) -> dict[str, dict]:
        """Of each test set: queries, gallery size, tied fraction, collapse verdict and measures of both towers, and
        ``as_coded``, the same test scored by the rules of the paper's code (None where views have several answers)."""
        stored = json.loads(self._file("metrics.json").read_text())
        return {name: stored[name]["facts"] for name in TEST_SETS}

    def squares(self, test_set: str) -> Squares | None:
        """The squares of ground that the intervals and tests of a test set resample; None: places, one by one."""
        found = (self._over_squares.get(test_set) or self.facts[test_set]).get("squares")  # the first runs lack it
        return None if found is None else Squares(**found)

    def p_above_chance(self, test_set: str) -> float:
        """One-sided p of PSSR against chance: over squares of ground, if the run has them (`above_chance`), else places."""
        row, squares = self.metrics[test_set].loc["PSSR"], self.squares(test_set)
        if squares is None or self.coordinates is None:
            return float(row.p_value)
        values = per_query_pssr(self.ranks(test_set), ties="pessimistic")
        return above_chance(values - row.chance, self.coordinates, squares.side)

    @cached_property
    def coordinates(self) -> np.ndarray | None:
        """Metres east and north of each test view, float64 [Q, 2], where its study keeps them."""
        return kept(file_of(self.folder.parent, self.evaluate["data"]["test"]))

    @cached_property
    def validation(self) -> list[Ranks]:
        """Exact ranks of the validation views after each epoch."""
        stored = self._arrays("validation.npz")
        size = stored["gallery_size"][()]
        return [Ranks(closer, tied, size) for closer, tied in zip(stored["closer"], stored["tied"], strict=True)]

    def columns_as_coded(self, test_set: str) -> np.ndarray:
        """What the paper's code calls the PSSR of each pair, float [Q] (`cvig.metrics.conventions.pssr_as_coded`)."""
        return self._arrays(f"ranks-{test_set}.npz")["pssr_as_coded"]

    def ranks(self, test_set: str) -> Ranks:
        """Exact ranks of the ``"uncropped"`` or ``"cropped"`` test set."""
        stored = self._arrays(f"ranks-{test_set}.npz")
        return Ranks(stored["closer"], stored["tied"], stored["gallery_size"][()])

    @cached_property
    def projection(self) -> dict[str, np.ndarray]:
        """Principal components of both towers: ``ground``, ``aerial`` [N, 2] and ``explained`` [2]."""
        return self._arrays("projection.npz")

    @cached_property
    def retrievals(self) -> dict[str, np.ndarray]:
        """Thumbnails: ``queries``, ``retrieved``, ``positive_at``, ``rank`` and ``gallery_size``."""
        return self._arrays("retrievals.npz")

    @property
    def description(self) -> str:
        """One sentence for captions: which data and training a figure shows."""
        p, queries = self.parameters, self.facts["uncropped"]["queries"]
        views = {"90": "90° views of unknown heading", "panorama": "north-aligned panoramas"}[p["view"]]
        data = f"the procedural world ({views})" if p["data"] == "world" else f"the {p['data']} data"
        start = "from random weights" if p["weights"] == "none" else f"from weights '{p['weights']}'"
        if self.start:
            start = f"from the trunks of {self.start}"
        half = p.get("half_size_epochs")
        size = f"{p['size']} px" + (f", the first {half} at {p['size'] // 2} px," if half else "")
        return (
            f"{p['arch']} trained {start} with the '{self.recipe}' recipe for {len(self.log)} epochs at {size} "
            f"on {self.train['pairs_per_epoch']} pairs an epoch of {data}; tested on {queries} views of places it never saw"
        )


def find(folder: Path | str) -> dict[str, Run]:
    """The finished runs directly below `folder`, by the names of their own folders; an absent folder has none."""
    marks = sorted(Path(folder).glob("*/evaluate.json"))
    found = {mark.parent.name: Run(mark.parent) for mark in marks if (mark.parent / "train.json").exists()}
    return {name: run for name, run in found.items() if run.of_one_piece}


def find_all(root: Path | str) -> dict[str, dict[str, Run]]:
    """The finished runs of every study below `root` that has any: `find` by the study's title.

    Studies come in the order of `TITLES`; one that has no title there comes last, under the name of its folder.
    """
    folders = [path.name for path in sorted(Path(root).iterdir()) if path.is_dir()]
    order = [*(name for name in TITLES if name in folders), *(name for name in folders if name not in TITLES)]
    found = {TITLES.get(name, name): find(Path(root) / name) for name in order}
    return {title: runs for title, runs in found.items() if runs}
