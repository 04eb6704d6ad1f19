"""The notebooks' parameters: checked by name, type and value before anything runs."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from cvig.datasets import DATASETS
from cvig.models.names import trunk_name
from cvig.training.recipes import Recipe
from study.switches import SwitchedRecipe, check_switches
from study.tricks import ALL

if TYPE_CHECKING:
    from cvig.models import SiameseNetwork

# Names that a running notebook holds without anybody having set them.
NOTEBOOK_NAMES = {"In", "Out", "exit", "quit", "open", "get_ipython"}


def _as_text(value: object) -> object:
    """papermill reads ``-p view 90`` as a number."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _architecture(name: str) -> str:
    trunk_name(name)  # raises where it is unknown
    return name


Text = Annotated[str, BeforeValidator(_as_text)]
Architecture = Annotated[Text, AfterValidator(_architecture)]
Device = Literal["auto", "cpu", "cuda"]
Options = dict[str, JsonValue]


def _did_you_mean(given: object, known: list[str]) -> str:
    close = get_close_matches(str(given), known, n=1)
    return f"did you mean '{close[0]}'? " if close else ""


def _in_one_line(error: ValidationError, given: dict, known: list[str]) -> str:
    """The first fault that pydantic found, a misspelt parameter before all others."""
    first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    if first["type"] == "extra_forbidden":
        name = first["loc"][0]
        return f"unknown parameter '{name}': {_did_you_mean(name, known)}expected one of {', '.join(known)}"
    if first["type"] == "value_error":
        message = str(first["ctx"]["error"])
    else:
        message = first["msg"].replace("Input should be", "expected")
        message = _did_you_mean(first["input"], re.findall(r"'([^']+)'", message)) + message
    return f"parameter {first['loc'][0]}={given[first['loc'][0]]!r}: {message}" if first["loc"] else message


class Settings(BaseModel):
    """Shared behavior of the parameter classes. Numbers are finite; a text may be given as a number.

    Raises
    ------
    ValueError
        One line that names the parameter, its value and what is expected.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, **given: Any):
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ValueError(_in_one_line(error, given, list(type(self).model_fields))) from None

    @classmethod
    def from_notebook(cls, namespace: dict) -> Self:
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
        return cls(**given)

    def to_dict(self) -> dict:
        """The parameters as plain data, for the provenance file."""
        return self.model_dump()


class TrainSettings(Settings):
    """Parameters of ``notebooks/train.ipynb``; zero or an empty string means "as the recipe or architecture has it"."""

    arch: Architecture = "resnet50"
    recipe: Literal[*ALL] = "modern"
    switches: dict[str, bool] = {}  # of the recipe, turned on or off
    data: Literal[*DATASETS] = "world"
    root: Text = ""
    options: Options = {}  # further options of the data set
    view: Annotated[Literal["90", "panorama"], BeforeValidator(_as_text)] = "90"  # of the world
    out: Text = ""
    size: PositiveInt = 64
    weights: Text = "none"
    start: Text = ""  # folder of a finished run, for its trunks
    embedding: NonNegativeInt = 0
    train_count: int = Field(2048, ge=2)  # pairs an epoch and validation views; the world renders as many as asked
    val_count: int = Field(512, ge=2)
    fresh: bool = True
    epochs: PositiveInt = 4
    half_size_epochs: NonNegativeInt = 0  # of these, the first, at half the size
    batch: NonNegativeInt = 0
    micro_batch: NonNegativeInt = 0  # of these, whose activations are held at a time
    learning_rate: NonNegativeFloat = 0.0
    seed: NonNegativeInt = 0
    threads: PositiveInt = 2
    workers: NonNegativeInt = 0
    cache: Text = ""  # folder of decoded or rendered images, or none
    device: Device = "auto"
    devices: PositiveInt = 1  # processes that train together, each with a device of its own
    precision: Annotated[Literal["auto", "bf16", "32"], BeforeValidator(_as_text)] = "auto"
    tensorboard: Text = ""  # folder of TensorBoard's files, or none
    overwrite: bool = False  # make anew what lies finished in the folder, and replace it at the end

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_switches(self.switches, ALL[self.recipe].known)
        if self.start and self.weights != "none":
            raise ValueError(f"parameters start='{self.start}' and weights='{self.weights}': expected one of them")
        if self.data == "world" and self.fresh and self.trained_by.mine_every:
            raise ValueError(
                f"parameter fresh=True: recipe '{self.recipe}' samples places that looked alike in an earlier epoch; "
                "expected false, for fresh views are of other places every epoch"
            )
        if self.half_size_epochs >= self.epochs:
            raise ValueError(
                f"parameter half_size_epochs={self.half_size_epochs}: expected fewer than epochs={self.epochs}, "
                "for the network is tested at the full size"
            )
        return self

    @property
    def switched(self) -> SwitchedRecipe:
        """The recipe and the switches that are on."""
        return ALL[self.recipe].turned(self.switches)

    @property
    def trained_by(self) -> Recipe:
        """The recipe as its switches change it."""
        return self.switched.recipe

    @property
    def pixels(self) -> int:
        """Side of the images, after the recipe's `scale`."""
        return round(self.trained_by.scale * self.size)

    def build(self) -> SiameseNetwork:
        """The network that training is to begin with."""
        from cvig.models import build  # torchvision takes seconds, and most who read settings build nothing

        recipe = self.trained_by
        return build(
            self.arch,
            self.weights,
            size=self.pixels,
            embedding=self.embedding or None,
            final_relu=recipe.final_relu,
            unit_norm=recipe.unit_norm,
            zero_netvlad=recipe.zero_netvlad,
            zero_residual=recipe.zero_residual,
            dark=recipe.dark,
            bgr=recipe.bgr,
            projection=recipe.projection,
            glorot=recipe.glorot,
            pool=recipe.pool,
            shared=recipe.shared,
            seed=self.seed,
        )

    def folder_of(self, identity: str) -> Path:
        """Where the run of this identity is written (`study.provenance`)."""
        return Path(self.out or f"out/{self.data}-{self.arch}-{self.recipe}-{self.seed}-{identity[:8]}")

    def split_options(self, split: str, device: str = "cpu") -> dict:
        """Options for `cvig.datasets.load` of one split; the world's views are rendered on `device`."""
        options = {"size": self.pixels, **self.options}
        if self.data == "world":
            options |= {"view": self.view, "seed": self.seed_of_data, "device": device}
            if self.view == "panorama" and not self.trained_by.pool:
                options["square"] = True  # as the networks, and the paper's code, take all images
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


class EvaluateSettings(Settings):
    """Parameters of ``notebooks/evaluate.ipynb``."""

    run: Text = ""
    test_count: int = Field(6194, ge=2)  # of the world; the size of the paper's test set
    crops: Text = ""  # file of the test crop; drawn once, saved and reused
    crop_min: float = Field(0.7, gt=0, le=1)  # a fraction of the side
    threads: PositiveInt = 2
    device: Device = "auto"
    overwrite: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.run:
            raise ValueError("parameter run='': expected the folder of a finished training run (-p run FOLDER)")
        return self


class FilterSettings(Settings):
    """Parameters of ``notebooks/filter.ipynb``."""

    data: Literal["folder", *DATASETS] = "world"
    root: Text = ""
    split: Text = "train"
    options: Options = {}  # further options of the data set
    labels: Text = ""
    count: int = 2400  # of the world's views
    labelled: int = Field(1200, ge=4)  # how many of those have a label
    trunk: Text = "resnet18"
    weights: Text = "none"
    layer: Text = "penultimate"
    size: PositiveInt = 48
    trees: PositiveInt = 300
    held_out: float = Field(0.25, gt=0, le=0.5)  # a share
    threshold: float = Field(0.5, gt=0, le=1)  # a score
    seed: NonNegativeInt = 0
    out: Text = ""
    features: Text = ""
    chunk: PositiveInt = 1024
    batch: PositiveInt = 64
    workers: NonNegativeInt = 0
    threads: PositiveInt = 2
    device: Device = "auto"
    overwrite: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.data != "world" and not self.root:
            raise ValueError(f"parameter root='': expected the folder of data '{self.data}' (-p root FOLDER)")
        if self.data != "world" and not self.labels:
            raise ValueError("parameter labels='': expected a CSV file of name and viable, as cvig label makes")
        if self.data == "world" and self.labels:
            raise ValueError(f"parameter labels='{self.labels}': expected '', for the world knows its labels, or other data")
        if self.labelled > self.count:
            raise ValueError(f"parameter labelled={self.labelled}: expected at most count={self.count}")
        return self

    def folder_of(self, identity: str) -> Path:
        """Where the run of this identity is written (`study.provenance`)."""
        return Path(self.out or f"out/{self.data}-filter-{self.trunk}-{self.layer}-{self.seed}-{identity[:8]}")

    @property
    def features_folder(self) -> Path:
        """Where chunks of features are kept, for this run and others on the same images."""
        return Path(self.features or "out/features")
