"""A finished run is damaged by nothing, and a mixture of two is taken for none."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_training import small_settings

from cvig import files, locks
from study import folder as folders
from study import provenance
from study import runs as study_runs
from study.sessions.evaluation import open_evaluation
from study.sessions.training import open_training
from study.settings import EvaluateSettings

ROOT = Path(__file__).parents[2]


def train(folder, **options):
    session = open_training(small_settings(folder, **options))
    session.fit()
    return session.finish()


def evaluate(folder, **options):
    session = open_evaluation(EvaluateSettings(**{"run": str(folder), "test_count": 8, "threads": 1, **options}))
    session.score()
    return session.finish()


def content(folder):
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "run"
    train(folder)
    evaluate(folder)
    return folder


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def test_the_same_command_says_that_it_is_finished_and_writes_nothing(run, capsys):
    before = content(run)
    times = {path.name: path.stat().st_mtime_ns for path in run.glob("[!.]*")}
    assert train(run) == json.loads(before["train.json"])
    assert evaluate(run) == json.loads(before["evaluate.json"])
    assert content(run) == before
    assert {path.name: path.stat().st_mtime_ns for path in run.glob("[!.]*")} == times
    assert capsys.readouterr().out.count("this very run is finished") == 2
    session = open_evaluation(EvaluateSettings(run=str(run), test_count=8, threads=1))
    session.score()
    assert session.scored["cropped"].summary.equals(study_runs.Run(run).metrics["cropped"])
    assert set(session.retrievals) == {"queries", "retrieved", "positive", "positive_at", "rank", "gallery_size"}


@pytest.mark.parametrize(
    ("options", "what"), [({"seed": 1}, "seed=0 there, 1 here"), ({"threads": 2}, "threads=1 there, 2 here")]
)
def test_another_command_is_refused_and_says_what_differs(run, options, what):
    before = content(run)
    with pytest.raises(ValueError, match=f"holds a finished run, {what}: name another folder, or set overwrite"):
        train(run, **options)
    with pytest.raises(ValueError, match="holds a finished run, test_count=8 there, 9 here"):
        evaluate(run, test_count=9)
    assert content(run) == before


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"crop_min": 0.5}, {"crops": "."}])
def test_an_evaluation_that_cannot_be_made_leaves_the_one_that_was(run, options, monkeypatch):
    train_again = open_evaluation  # the crop beside the run is of 0.7
    evaluate(run)
    before = content(run)
    if options.get("device") == "cuda":
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises((ValueError, OSError)):
        train_again(EvaluateSettings(**{"run": str(run), "test_count": 8, "threads": 1, "overwrite": True, **options}))
    assert content(run) == before


def test_overwriting_leaves_the_finished_run_until_the_new_one_is_whole(run):
    before = content(run)
    session = open_training(small_settings(run, seed=1, overwrite=True))
    session.fit()
    assert content(run) == before
    record = session.finish()
    assert record["parameters"]["seed"] == 1
    assert sorted(content(run)) == ["checkpoint.safetensors", "log.csv", "network.json", "train.json", "validation.npz"]
    assert study_runs.find(run.parent) == {}  # its evaluation was of other weights


def written(folder, identity, names):
    """A part of a run, all of whose files are there but its mark."""
    work = folders.open_work(folder, "train", {"identity": identity}, overwrite=True)
    for name in names:
        files.write(work.path / name, f"{name} of {identity}")
    return work


@pytest.mark.parametrize("step", range(20))
def test_killed_while_files_take_their_place_the_next_start_ends_it(tmp_path, step, monkeypatch):
    """Killed before any of the moves: there is no mark, or it is a whole run's."""
    names = ["checkpoint.safetensors", "log.csv", "validation.npz"]
    written(tmp_path, "old", names).place("train.json", {"identity": "old"})
    files.write(tmp_path / "metrics.json", "of old")
    files.write(tmp_path / "evaluate.json", "{}")
    files.write(tmp_path / "notes.txt", "the user's own")
    work, steps = written(tmp_path, "new", names), []
    files.write(work.path / folders.KEPT, "the last epoch")

    def dying(real):
        def call(self, *arguments, **options):
            steps.append(self)
            if len(steps) > step:
                raise KeyboardInterrupt
            return real(self, *arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for method in ("unlink", "replace"):
            patch.setattr(Path, method, dying(getattr(Path, method)))
        patch.setattr(folders.shutil, "rmtree", dying(shutil.rmtree))
        try:
            work.place("train.json", {"identity": "new"})
        except KeyboardInterrupt:
            locks.let_go(tmp_path)
    mark = tmp_path / "train.json"
    if mark.exists():
        assert len({(tmp_path / name).read_text().split(" of ")[1] for name in names}) == 1
        found = json.loads(mark.read_text())
        assert all(files.digest_file(tmp_path / name) == digest for name, digest in found["files"].items())
    if not (work.path / "train.json").exists() and mark.exists() and json.loads(mark.read_text())["identity"] == "old":
        work = written(tmp_path, "new", names)  # the same command, from what was kept
        work.place("train.json", {"identity": "new"})
    again = folders.open_work(tmp_path, "train", {"identity": "new"}, overwrite=False)
    assert again.finished
    there = [path.name for path in tmp_path.iterdir() if ".part" not in path.name]  # this process still locks its own
    assert sorted(there) == sorted([".lock", "notes.txt", "train.json", *names])
    assert {(tmp_path / name).read_text() for name in names} == {f"{name} of new" for name in names}


def test_a_training_after_the_evaluation_makes_it_no_result(run):
    record = json.loads((run / "evaluate.json").read_text())
    assert record["checkpoint"] == files.digest_file(run / "checkpoint.safetensors")
    assert len(study_runs.find(run.parent)) == 1
    for name, value in (("checkpoint", "0" * 16), ("trained", "0" * 16)):
        files.write_json(run / "evaluate.json", record | {name: value})
        assert study_runs.find(run.parent) == {}


@pytest.mark.parametrize("name", ["log.csv", "metrics.json", "ranks-cropped.npz"])
def test_a_file_of_another_run_is_not_read(run, name):
    (run / name).write_bytes((run / name).read_bytes() + b"\n")
    (found,) = study_runs.find(run.parent).values()
    with pytest.raises(ValueError, match=f"{name}' is not what the run wrote"):
        _ = found.log, found.metrics, found.ranks("cropped")


def test_weights_that_the_training_did_not_write_are_not_evaluated(run, tmp_path):
    train(tmp_path / "other", seed=1)
    for name in ("checkpoint.safetensors", "network.json"):  # a network that is whole, of another training
        shutil.copy(tmp_path / "other" / name, run)
    with pytest.raises(ValueError, match="is not what the training in"):
        open_evaluation(EvaluateSettings(run=str(run), test_count=8, threads=1, overwrite=True))


def test_a_folder_that_another_process_holds_is_refused_with_its_number(run):
    code = f"from cvig import locks; locks.hold({str(run)!r}); print('held', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        other.stdout.readline()
        assert locks.holder(run).startswith(f"pid {other.pid}, since ")
        with pytest.raises(ValueError, match=rf"is being written \(pid {other.pid}, since 20.*\): wait"):
            train(run, seed=1, overwrite=True)
    finally:
        other.kill()
        other.wait()
    assert locks.holder(run) is None
    train(run)


def test_the_identity_is_of_parameters_data_source_and_versions(monkeypatch):
    def identity(**changes):
        given = {"parameters": {"seed": 0, "out": "a"}, "data": {"train": "x"}, "device": "cpu", "threads": 1} | changes
        return provenance.provenance(given.pop("parameters"), **given)["identity"]

    first = identity()
    assert identity(parameters={"seed": 0, "out": "b"}, seconds=3.0) == first
    assert identity(parameters={"seed": 1, "out": "a"}) != first
    assert identity(data={"train": "y"}) != first
    assert identity(threads=2) != first
    monkeypatch.setattr(provenance, "version", lambda name: "0")
    assert identity() != first
    monkeypatch.undo()
    monkeypatch.setattr(provenance, "source", lambda: "another")
    assert identity() != first


def test_an_edited_loss_is_another_source_with_git_or_without(tmp_path, monkeypatch):
    for package in ("cvig", "study"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance.cvig, "__file__", str(tmp_path / "cvig" / "__init__.py"))
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "study" / "provenance.py"))
    source = provenance.source.__wrapped__  # as another process sees it
    first = source()
    with (tmp_path / "study" / "chapters" / "__init__.py").open("a") as stream:
        stream.write("# a page")
    assert source() == first
    with (tmp_path / "cvig" / "losses.py").open("a") as stream:
        stream.write("# another loss")
    assert source() != first
    # installed below another project's tree, whose commit says nothing
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "theirs"], check=True)
    assert provenance.commit() is None


def test_the_data_of_a_resumed_run_are_those_of_the_run(tmp_path, monkeypatch):
    """Fresh views change with every epoch: their digest is taken before the first."""
    options = {"fresh": True, "epochs": 2}
    whole = train(tmp_path / "whole", **options)
    session = open_training(small_settings(tmp_path / "cut", **options))
    session.keep.every = 0
    session.fit()  # killed here, all epochs kept
    locks.let_go(tmp_path / "cut")
    resumed = train(tmp_path / "cut", **options)
    assert resumed["data"] == whole["data"]
    assert resumed["identity"] == whole["identity"]
    assert resumed["seconds"] > 0


def test_the_default_folder_names_the_identity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = [train("", seed=0, **options) for options in ({}, {"size": 64})]
    names = [f"world-resnet18-modern-0-{record['identity'][:8]}" for record in records]
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(names)


def test_other_parameters_leave_what_a_training_keeps(tmp_path):
    session = open_training(small_settings(tmp_path / "run", epochs=2))
    session.keep.every = 0
    session.fit()
    (kept,) = (tmp_path / "run").glob(".train-*/unfinished.ckpt")
    before = kept.read_bytes()
    other = open_training(small_settings(tmp_path / "run", epochs=2, threads=2))
    other.keep.every = 0
    other.fit()
    other.finish()
    assert kept.read_bytes() == before
