"""The notebooks' parameters: checked by name, type and value before anything runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from cvig.datasets import DATASETS
from cvig.models import SiameseNetwork, build
from cvig.models.trunks import trunk_name
from cvig.training.recipes import Recipe
from study.switches import RECIPES, SwitchedRecipe

# Names that a running notebook holds without anybody having set them.
NOTEBOOK_NAMES = {"In", "Out", "exit", "quit", "open", "get_ipython"}


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Settings:
    """Shared behavior of the parameter classes."""

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, kind = getattr(self, entry.name), entry.type
            if kind == "str" and _number(value):  # papermill reads "-p view 90" as a number
                value = str(value)
                object.__setattr__(self, entry.name, value)
            fits = {
                "str": isinstance(value, str),
                "int": isinstance(value, int) and not isinstance(value, bool),
                "float": _number(value),
                "bool": isinstance(value, bool),
                "dict": isinstance(value, dict),
            }[kind]
            if not fits:
                raise ValueError(f"parameter {entry.name}={value!r}: expected {kind}, got {type(value).__name__}")
        self.check()

    def check(self) -> None:
        """Raise ValueError for a value that no run could use."""

    def at_least(self, smallest: float, *names: str) -> None:
        """Raise ValueError where a named parameter is below `smallest`."""
        for name in names:
            if getattr(self, name) < smallest:
                raise ValueError(f"parameter {name}={getattr(self, name)!r}: expected at least {smallest}")

    @classmethod
    def from_notebook(cls, namespace: dict) -> Settings:
        """Take the parameters out of a notebook's namespace, and refuse names that are no parameter.

        papermill only warns of a misspelt ``-p`` and then runs with the default; here it is an error. Imports, private
        names and what IPython itself defines are passed over.
        """
        given = {
            name: value
            for name, value in namespace.items()
            if not name.startswith("_")
            and name not in NOTEBOOK_NAMES
            and not isinstance(value, (ModuleType, type))
            and not callable(value)
        }
        known = [entry.name for entry in fields(cls)]
        unknown = [name for name in given if name not in known]
        if unknown:
            close = get_close_matches(unknown[0], known, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise ValueError(f"unknown parameter '{unknown[0]}': {hint}expected one of {', '.join(known)}")
        return cls(**given)

    def to_dict(self) -> dict:
        """The parameters as plain data, for the provenance file."""
        return asdict(self)


@dataclass(frozen=True)
class TrainSettings(Settings):
    """Parameters of ``notebooks/train.ipynb``; zero or an empty string means "as the recipe or architecture has it"."""

    arch: str = "resnet50"
    recipe: str = "modern"
    switches: dict = field(default_factory=dict)  # of the recipe, turned on or off
    data: str = "world"
    root: str = ""
    options: dict = field(default_factory=dict)  # further options of the data set
    view: str = "90"  # of the world: "90" or "panorama"
    out: str = ""
    size: int = 64
    weights: str = "none"
    start: str = ""  # folder of a finished run, for its trunks
    embedding: int = 0
    train_count: int = 2048  # pairs an epoch and validation views; the world renders as many as asked
    val_count: int = 512
    fresh: bool = True
    epochs: int = 4
    half_size_epochs: int = 0  # of these, the first, at half the size
    batch: int = 0
    learning_rate: float = 0.0
    seed: int = 0
    threads: int = 2
    workers: int = 0
    cache: str = ""  # folder of decoded images, or none
    device: str = "auto"
    precision: str = "auto"

    def check(self) -> None:
        """Raise ValueError for a value that no run could use."""
        trunk_name(self.arch)
        if self.recipe not in RECIPES:
            raise ValueError(f"unknown recipe '{self.recipe}': expected one of {', '.join(RECIPES)}")
        RECIPES[self.recipe].turned(self.switches)  # raises where a switch is unknown
        if self.data not in DATASETS:
            raise ValueError(f"unknown data set '{self.data}': expected one of {', '.join(DATASETS)}")
        if self.start and self.weights != "none":
            raise ValueError(f"parameters start='{self.start}' and weights='{self.weights}': expected one of them")
        if self.cache and self.data == "world":
            raise ValueError(f"parameter cache='{self.cache}': the world is rendered in memory, leave it empty")
        if self.view not in ("90", "panorama"):
            raise ValueError(f"unknown view '{self.view}': expected '90' or 'panorama'")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"unknown device '{self.device}': expected auto, cpu or cuda")
        if self.precision not in ("auto", "bf16", "32"):
            raise ValueError(f"unknown precision '{self.precision}': expected auto, bf16 or 32")
        self.at_least(2, "train_count", "val_count")
        self.at_least(1, "size", "epochs", "threads")
        self.at_least(0, "embedding", "half_size_epochs", "batch", "learning_rate", "workers", "seed")
        if self.half_size_epochs >= self.epochs:
            raise ValueError(
                f"parameter half_size_epochs={self.half_size_epochs}: expected fewer than epochs={self.epochs}, "
                "for the network is tested at the full size"
            )

    @property
    def switched(self) -> SwitchedRecipe:
        """The recipe and the switches that are on."""
        return RECIPES[self.recipe].turned(self.switches)

    @property
    def trained_by(self) -> Recipe:
        """The recipe as its switches change it."""
        return self.switched.recipe

    def build(self, weights: str | None = None) -> SiameseNetwork:
        """The network that training is to begin with; `weights` overrides where its trunk starts from."""
        recipe = self.trained_by
        return build(
            self.arch,
            self.weights if weights is None else weights,
            size=self.size,
            embedding=self.embedding or None,
            final_relu=recipe.final_relu,
            unit_norm=recipe.unit_norm,
            zero_netvlad=recipe.zero_netvlad,
            zero_residual=recipe.zero_residual,
            dark=recipe.dark,
            seed=self.seed,
        )

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return Path(self.out or f"out/{self.data}-{self.arch}-{self.recipe}-{self.seed}")

    def split_options(self, split: str, device: str = "cpu") -> dict:
        """Options for `cvig.datasets.load` of one split; the world's views are rendered on `device`."""
        options = {"size": self.size, **self.options}
        if self.data == "world":
            options |= {"view": self.view, "seed": self.seed_of_data, "device": device}
            if split == "train":
                options |= {"count": self.train_count, "fresh": self.fresh}
            elif split == "val":
                options |= {"count": self.val_count}
        if self.trained_by.duplicate_tiles:
            options["duplicates"] = True
        return options

    @property
    def seed_of_data(self) -> int:
        """The world is one and the same for every training seed, unless ``options`` say otherwise."""
        return self.options.get("seed", 0)


@dataclass(frozen=True)
class EvaluateSettings(Settings):
    """Parameters of ``notebooks/evaluate.ipynb``."""

    run: str = ""
    test_count: int = 6194  # of the world; the size of the paper's test set
    crops: str = ""  # file of the test crop; drawn once, saved and reused
    crop_min: float = 0.7
    threads: int = 2
    device: str = "auto"

    def check(self) -> None:
        """Raise ValueError for a value that no run could use."""
        if not self.run:
            raise ValueError("parameter run is empty: expected the folder of a finished training run (-p run FOLDER)")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"unknown device '{self.device}': expected auto, cpu or cuda")
        self.at_least(2, "test_count")
        self.at_least(1, "threads")
        if not 0 < self.crop_min <= 1:
            raise ValueError(f"parameter crop_min={self.crop_min}: expected a fraction of the side in (0, 1]")


@dataclass(frozen=True)
class FilterSettings(Settings):
    """Parameters of ``notebooks/filter.ipynb``."""

    data: str = "world"
    root: str = ""
    split: str = "train"
    options: dict = field(default_factory=dict)  # further options of the data set
    labels: str = ""
    count: int = 2400  # of the world's views
    labelled: int = 1200  # how many of those have a label
    trunk: str = "resnet18"
    weights: str = "none"
    layer: str = "penultimate"
    size: int = 48
    trees: int = 300
    held_out: float = 0.25
    threshold: float = 0.5
    seed: int = 0
    out: str = ""
    features: str = ""
    chunk: int = 1024
    batch: int = 64
    workers: int = 0
    threads: int = 2
    device: str = "auto"

    def check(self) -> None:
        """Raise ValueError for a value that no run could use."""
        sources = ("folder", *DATASETS)
        if self.data not in sources:
            raise ValueError(f"unknown data '{self.data}': expected one of {', '.join(sources)}")
        if self.data != "world" and not self.root:
            raise ValueError(f"data '{self.data}' lies in a folder: give its root (-p root FOLDER)")
        if self.data != "world" and not self.labels:
            raise ValueError("parameter labels is empty: expected a CSV file of name and viable, as cvig label makes")
        if self.data == "world" and self.labels:
            raise ValueError("parameter labels: the world knows its labels; leave it empty, or name other data")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"unknown device '{self.device}': expected auto, cpu or cuda")
        if not 0 < self.held_out <= 0.5:
            raise ValueError(f"parameter held_out={self.held_out}: expected a share, more than 0 and at most 0.5")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"parameter threshold={self.threshold}: expected a score, more than 0 and at most 1")
        if self.labelled > self.count:
            raise ValueError(f"parameter labelled={self.labelled}: expected at most count={self.count}")
        self.at_least(4, "labelled")
        self.at_least(1, "size", "trees", "chunk", "batch", "threads")
        self.at_least(0, "workers", "seed")

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return Path(self.out or f"out/{self.data}-filter-{self.trunk}-{self.layer}-{self.seed}")

    @property
    def features_folder(self) -> Path:
        """Where chunks of features are kept, for this run and others on the same images."""
        return Path(self.features or "out/features")
