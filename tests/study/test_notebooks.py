"""The notebook templates: paired, free of outputs, and run by nbval cell by cell."""

import ast
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
import pytest
import torch
import yaml

from study.execute import execute, kept

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "notebooks").glob("*.ipynb"))
TINY = yaml.safe_load((ROOT / "tests" / "tiny.yaml").read_text())


def prepared(name: str, folder: Path, **parameters) -> Path:
    """A template with small parameters put in by papermill, not yet executed."""
    path = folder / f"{name}.ipynb"
    text = yaml.safe_dump(parameters, default_flow_style=True, width=10**6).strip()
    command = ["papermill", "--prepare-only", str(ROOT / "notebooks" / f"{name}.ipynb"), str(path)]
    subprocess.run([*command, "--parameters_yaml", text], stdin=subprocess.DEVNULL, check=True, capture_output=True)
    return path


def nbval(*paths: Path) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--rootdir",
        str(paths[0].parent),
        "-p",
        "no:cacheprovider",
    ]
    return subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, cwd=paths[0].parent)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_and_its_pair_say_the_same(path):
    notebook, pair = jupytext.read(path), jupytext.read(path.with_suffix(".py"))

    def cells(content):
        return [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in content.cells]

    assert cells(notebook) == cells(pair)
    assert notebook.metadata.kernelspec == pair.metadata.kernelspec


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_carries_no_output_and_one_cell_of_parameters(path):
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert all(not c.outputs and c.execution_count is None for c in code)
    assert sum("parameters" in c.metadata.get("tags", []) for c in code) == 1


def test_nbval_runs_every_cell_and_a_broken_cell_makes_it_red(tmp_path):
    run = tmp_path / "run"
    train = prepared("train", tmp_path, **TINY["train"], arch="resnet18", threads=1, out=str(run))
    evaluate = prepared("evaluate", tmp_path, **TINY["evaluate"], threads=1, run=str(run))
    small = {"options": {"spacing": 16}, "count": 60, "labelled": 40, "size": 32, "trees": 10, "threads": 1}
    sieve = prepared("filter", tmp_path, **small, out=str(tmp_path / "filter"), features=str(tmp_path / "features"))
    templates = (train, evaluate, sieve)
    cells = sum(c.cell_type == "code" for path in templates for c in nbformat.read(path, as_version=4).cells)
    green = nbval(*templates)
    assert green.returncode == 0, green.stdout[-3000:]
    assert f"{cells} passed" in green.stdout

    notebook = nbformat.read(train, as_version=4)
    last = next(c for c in reversed(notebook.cells) if c.cell_type == "code")
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert 1 == 2"), last])
    nbformat.write(broken, tmp_path / "broken.ipynb")
    red = nbval(tmp_path / "broken.ipynb")
    assert red.returncode == 1
    assert "failed" in red.stdout


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("train", {"epoch": 3}, "unknown parameter 'epoch': did you mean 'epochs'?"),
        ("train", {"arch": "vgg61"}, "unknown architecture 'vgg61'"),
        ("train", {"data": "flat", "root": "absent"}, "absent"),
        ("evaluate", {"run": "absent"}, "no finished training run in 'absent'"),
        ("filter", {"treshold": 0.3}, "unknown parameter 'treshold': did you mean 'threshold'?"),
    ],
)
def test_papermill_fails_on_a_bad_parameter_and_leaves_no_run(name, parameters, message, tmp_path):
    text = yaml.safe_dump(parameters, default_flow_style=True).strip()
    command = ["papermill", str(ROOT / "notebooks" / f"{name}.ipynb"), "out.ipynb", "--parameters_yaml", text]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert message in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["out.ipynb"]


def written(folder: Path, *cells: str) -> Path:
    """A notebook of code cells, the first of them its parameters."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells[0].metadata.tags = ["parameters"]
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "in.ipynb")
    return folder / "in.ipynb"


def test_kernels_of_a_study_listen_at_files_of_their_own_and_leave_none(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    notebook = written(
        tmp_path,
        "import ipykernel, json; where = json.load(open(ipykernel.get_connection_file()))",
        "[where[key] for key in ('transport', 'ip')]",
    )
    paths = [notebook, tmp_path / "out.ipynb", tmp_path / "parameters.json"]
    paths[2].write_text("{}")
    execute(*paths)
    last = nbformat.read(paths[1], as_version=4).cells[-1]
    transport, address = ast.literal_eval(last.outputs[0].data["text/plain"])
    assert transport == "ipc"
    assert Path(address).parent.parent == tmp_path
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_parameters_reach_a_notebook_as_they_are_whatever_a_shell_would_make_of_them(tmp_path):
    given = {
        "text": "a b; $(touch here) `touch here` {x} '\"\\n",
        "none": None,
        "yes": "yes",
        "nested": {"a b": [1, 0.5, True]},
    }
    notebook = written(tmp_path, "text = none = yes = nested = 0", "[text, none, yes, nested]")
    (tmp_path / "in put.json").write_text(json.dumps(given))
    command = [sys.executable, "-m", "study.execute", notebook, tmp_path / "out put.ipynb", tmp_path / "in put.json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    last = nbformat.read(tmp_path / "out put.ipynb", as_version=4).cells[-1]
    assert ast.literal_eval(last.outputs[0].data["text/plain"]) == list(given.values())
    assert not (ROOT / "here").exists()


def test_parameters_that_are_none_end_in_one_line(tmp_path):
    notebook = written(tmp_path, "x = 1")
    (tmp_path / "p.json").write_text("{")
    command = [sys.executable, "-m", "study.execute", notebook, tmp_path / "out.ipynb", tmp_path / "p.json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "not JSON" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1], "expected an object of names and values, got list"),
        ({"x = open('here', 'w'); y": 1}, "is no name of a parameter"),
        ({"import": 1}, "'import' is no name of a parameter"),
    ],
)
def test_no_name_of_a_parameter_reaches_a_notebook_as_code(given, message, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(given))
    with pytest.raises(ValueError, match=message):
        execute(written(tmp_path, "x = 1"), tmp_path / "out.ipynb", tmp_path / "p.json")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_training_that_fails_says_its_last_epoch_that_is_kept(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"out": str(tmp_path / "run")}))
    work = tmp_path / "run" / ".train-abc"
    work.mkdir(parents=True)
    assert kept(tmp_path / "p.json") == kept(tmp_path / "none.json") == ""
    torch.save({"epoch": 4, "kept": {"run": {}, "seconds": 1.0}}, work / "unfinished.ckpt")
    assert kept(tmp_path / "p.json") == f"epochs 1 to 5 are kept in '{tmp_path}/run': the same command goes on from there"
