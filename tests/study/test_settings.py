import json
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from cvig.datasets import load
from cvig.training.recipes import CONGEO, SAMPLE4GEO
from study.sessions.training import recipe_for
from study.settings import EvaluateSettings, TrainSettings
from study.tricks import FIELD, TRICKS
from study.watching import to_tensorboard

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def parameter_cell(name: str) -> dict:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    namespace: dict = {}
    exec(cell.source, namespace)
    namespace.pop("__builtins__")
    return namespace


def test_the_train_notebook_has_the_defaults_of_its_settings():
    assert parameter_cell("train") == TrainSettings().to_dict()


def test_the_evaluate_notebook_has_the_defaults_of_its_settings():
    assert parameter_cell("evaluate") == EvaluateSettings(run="x").to_dict() | {"run": ""}


def test_a_misspelt_parameter_is_an_error_that_names_the_right_one():
    with pytest.raises(ValueError, match=r"unknown parameter 'epoch': did you mean 'epochs'\?"):
        TrainSettings.from_notebook({"epoch": 3})


def test_a_notebooks_own_names_are_no_parameters():
    namespace = {
        "_": 1,
        "__name__": "x",
        "In": [],
        "Out": {},
        "json": json,
        "arch": "vgg16",
        "f": lambda: 0,
        "C": Path,
    }
    assert TrainSettings.from_notebook(namespace) == TrainSettings(arch="vgg16")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"arch": "vgg61"}, "unknown architecture 'vgg61'"),
        (
            {"recipe": "moden"},
            r"recipe='moden': did you mean 'modern'\? expected 'described', 'as-coded', 'as-coded-june-1', 'modern', ",
        ),
        ({"data": "cvusb"}, r"data='cvusb': did you mean 'cvusa'\? expected 'world', 'flat', "),
        ({"view": "45"}, "view='45': expected '90' or 'panorama'"),
        ({"device": "tpu"}, r"device='tpu': did you mean 'cpu'\? expected 'auto', 'cpu' or 'cuda'"),
        ({"precision": "64"}, "precision='64': expected 'auto', 'bf16' or '32'"),
        ({"epochs": 0}, "epochs=0: expected greater than 0"),
        ({"epochs": 2, "half_size_epochs": 2}, "half_size_epochs=2: expected fewer than epochs=2"),
        ({"epochs": 1.5}, "epochs=1.5: expected a valid integer"),
        ({"epochs": True}, "epochs=True: expected a valid integer"),
        ({"fresh": "yes"}, "fresh='yes': expected a valid boolean"),
        ({"out": True}, "out=True: expected a valid string"),
        ({"learning_rate": float("inf")}, "learning_rate=inf: expected a finite number"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: expected a finite number"),
        ({"learning_rate": "1e-5"}, "learning_rate='1e-5': expected a valid number"),
        ({"options": {"spacing": float("inf")}}, "options={'spacing': inf}: expected a finite number"),
        ({"switches": {"linear-head": 1}}, "switches={'linear-head': 1}: expected a valid boolean"),
        ({"switches": {"liner-head": True}}, "unknown switch 'liner-head': expected one of detached-negatives"),
        ({"batch": -1}, "batch=-1: expected greater than or equal to 0"),
    ],
)
def test_a_value_no_run_could_use_is_refused(given, message):
    with pytest.raises(ValueError, match=message) as error:
        TrainSettings(**given)
    assert "\n" not in str(error.value)


def test_papermill_reads_a_text_of_digits_as_a_number():
    settings = TrainSettings(view=90, precision=32, out=2026)
    assert (settings.view, settings.precision, settings.out) == ("90", "32", "2026")


def test_evaluation_needs_a_run():
    with pytest.raises(ValueError, match="parameter run='': expected the folder of a finished training run"):
        EvaluateSettings()


def test_the_field_s_recipes_are_the_library_s_with_every_trick_on():
    assert FIELD["sample4geo"].recipe == SAMPLE4GEO
    assert FIELD["congeo"].recipe == CONGEO
    for name, entry in FIELD.items():
        plain = vars(entry.plain)
        for trick in entry.on:
            without = vars(entry.turned({trick: False}).recipe)
            assert {key: without[key] for key in TRICKS[trick].change} == {key: plain[key] for key in TRICKS[trick].change}
            assert {key for key, value in vars(entry.recipe).items() if without[key] != value} == set(TRICKS[trick].change)
        assert name == entry.recipe.name


def test_what_the_field_s_recipes_need_is_asked_for():
    with pytest.raises(ValueError, match="parameter fresh=True: recipe 'sample4geo' samples places that looked alike"):
        TrainSettings(recipe="sample4geo")
    panoramas = load("world", split="val", count=4, size=16, spacing=16)
    turned = recipe_for(TrainSettings(recipe="sample4geo", fresh=False), panoramas)
    assert turned.quarter_turns  # of a view of unknown heading the tile alone is turned
    assert not turned.joint_turns
    assert recipe_for(TrainSettings(recipe="sample4geo", fresh=False, view="panorama"), panoramas).joint_turns
    with pytest.raises(ValueError, match="recipe 'congeo' makes second views of panoramas"):
        recipe_for(TrainSettings(recipe="congeo", fresh=False), panoramas)
    assert TrainSettings(recipe="sample4geo", fresh=False, view="panorama").split_options("val").get("square") is None


def test_tensorboard_is_asked_for_by_name_where_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r"parameter tensorboard='x': tensorboard is not installed \(pip install"):
        to_tensorboard("x", tmp_path)


def test_tensorboard_gets_every_number_of_an_epoch(tmp_path, monkeypatch):
    told = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            told.append((self.folder, name, value, step))

        def flush(self):
            told.append("flush")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    to_tensorboard(str(tmp_path), Path("results/x/run"))({"epoch": 3, "phase": "infonce", "loss": 0.5})
    assert told == [(str(tmp_path / "run"), "loss", 0.5, 3), "flush"]
