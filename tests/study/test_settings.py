import json
from dataclasses import asdict
from pathlib import Path

import nbformat
import pytest

from study.settings import EvaluateSettings, TrainSettings

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def parameter_cell(name: str) -> dict:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    namespace: dict = {}
    exec(cell.source, namespace)
    namespace.pop("__builtins__")
    return namespace


def test_the_train_notebook_has_the_defaults_of_its_settings():
    assert parameter_cell("train") == asdict(TrainSettings())


def test_the_evaluate_notebook_has_the_defaults_of_its_settings():
    assert parameter_cell("evaluate") == asdict(EvaluateSettings(run="x")) | {"run": ""}


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
        ({"recipe": "x"}, "unknown recipe 'x'"),
        ({"data": "cvusb"}, "unknown data set 'cvusb'"),
        ({"view": "45"}, "unknown view '45'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"precision": "16"}, "unknown precision '16'"),
        ({"epochs": 0}, "epochs=0: expected at least 1"),
        ({"epochs": 2, "half_size_epochs": 2}, "half_size_epochs=2: expected fewer than epochs=2"),
        ({"epochs": 1.5}, "epochs=1.5: expected int, got float"),
        ({"fresh": "yes"}, "fresh='yes': expected bool, got str"),
        ({"cache": "cache"}, "cache='cache': the world is rendered in memory"),
        ({"batch": -1}, "batch=-1: expected at least 0"),
    ],
)
def test_a_value_no_run_could_use_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings(**given)


def test_papermill_reads_a_view_of_90_as_a_number():
    assert TrainSettings(view=90).view == "90"


def test_evaluation_needs_a_run():
    with pytest.raises(ValueError, match="parameter run is empty"):
        EvaluateSettings()
