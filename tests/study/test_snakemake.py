"""A tiny study through papermill and Snakemake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cvig.locks import holder
from study.runs import find

ROOT = Path(__file__).parents[2]


def snakemake(*words: str, out: Path, config: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "2",
        "--nolock",
        "--config",
        "study=tests/tiny.yaml",
        f"out={out}",
    ]
    return subprocess.run(
        [*command[:-3], *words, *command[-3:], *config], cwd=ROOT, capture_output=True, text=True, env=os.environ
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("a study") / "of two; runs"
    done = snakemake("study", out=out)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def test_every_run_is_finished_and_readable(study):
    runs = find(study)
    assert set(runs) == {"resnet18 described", "resnet18 modern"}
    for run in runs.values():
        assert len(run.log) == 2
        assert run.metrics["cropped"].loc["PSSR", "value"] <= 1
        assert run.ranks("uncropped").gallery_size == 24
        assert "procedural world" in run.description


def test_both_runs_met_the_same_test_crop(study):
    assert len(list(study.glob("test-crop-*.npz"))) == 1


def test_nothing_is_done_twice(study):
    done = snakemake("study", "--dry-run", out=study)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_what_a_checkout_brings_is_finished_and_the_rest_is_made(study, tmp_path):
    """A checkout has no checkpoints, and all its files are new."""
    for name in ("resnet18 described", "resnet18 modern"):
        (tmp_path / name).mkdir()
        for file in (study / name).iterdir():
            if file.suffix != ".safetensors" and not (name.endswith("modern") and file.name == "evaluate.json"):
                (tmp_path / name / file.name).write_bytes(file.read_bytes())
    done = snakemake("study", "--dry-run", out=tmp_path, config=("resume=1",))
    assert "resnet18 modern" in done.stdout
    assert "resnet18 described" not in done.stdout


def test_an_unfinished_run_is_made_again_and_gives_the_same_metrics(study):
    folder = study / "resnet18 modern"
    before = (folder / "metrics.json").read_bytes()
    weights = (folder / "checkpoint.safetensors").read_bytes()
    source = json.loads((folder / "train.json").read_text())["source"]
    (folder / "train.json").unlink()
    done = snakemake("study", out=study)
    assert done.returncode == 0, done.stderr[-3000:]
    again = json.loads((folder / "train.json").read_text())
    assert again["source"] == source  # code that somebody edits while the tests run makes another run, and says so
    assert (folder / "checkpoint.safetensors").read_bytes() == weights
    assert (folder / "metrics.json").read_bytes() == before
    assert again["parameters"]["recipe"] == "modern"


def test_a_study_that_is_cut_short_goes_on_by_the_same_command(study, tmp_path):
    """Ctrl-C reaches all processes of a command; a kill the one alone, and no other may go on without it."""
    run = "resnet18 modern"
    words = [sys.executable, "-m", "snakemake", "--cores", "2", f"{tmp_path}/.done/{run}/evaluate"]
    words += ["--config", "study=tests/tiny.yaml", f"out={tmp_path}"]
    for how, whom in ((signal.SIGINT, "all"), (signal.SIGKILL, "one")):
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            # jobs in the background ignore SIGINT, and what they start inherits it: nothing would be cut short
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while holder(tmp_path / run) is None:  # what holds the run's folder trains there
            assert process.poll() is None
            time.sleep(0.1)
        (os.killpg if whom == "all" else os.kill)(process.pid, how)
        assert process.wait() != 0  # it was cut short
        deadline = time.monotonic() + 60
        while holder(tmp_path / run) is not None:
            assert time.monotonic() < deadline, "what was started goes on without the command that started it"
            time.sleep(0.1)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for file in ("checkpoint.safetensors", "metrics.json"):
        assert (tmp_path / run / file).read_bytes() == (study / run / file).read_bytes()


def test_make_book_hands_to_snakemake_what_it_understands_and_makes_runs_that_are_gone(tmp_path):
    """As `make book` has it, with --dry-run behind it, where a book is there, and newer than all else."""
    made = subprocess.run(
        ["make", "--dry-run", "--old-file", ".venv/.complete", "book"], cwd=ROOT, capture_output=True, text=True
    )
    (command,) = [line for line in made.stdout.splitlines() if line.startswith("snakemake ")]
    for name in ("Snakefile", "_config.yml", "_toc.yml", "cvig", "study", "notebooks", "profiles"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "book" / "_build" / "html").mkdir(parents=True)
    for name in ("execute.py", "check.py"):
        (tmp_path / "book" / name).symlink_to(ROOT / "book" / name)
    for name in ("html/index.html", "complete"):
        (tmp_path / "book" / "_build" / name).touch()
    words = [sys.executable, "-m", *command.split(), "--nolock", "--dry-run"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    assert "results/local/.done/vgg16/train" in done.stdout
