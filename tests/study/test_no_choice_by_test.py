"""No run's choices saw the test split: training opens two splits alone, and no committed run's training read its test."""

import json
from pathlib import Path

import pytest

from cvig import datasets
from study.sessions import training
from study.settings import TrainSettings

ROOT = Path(__file__).parents[2]
RUNS = sorted(path.parent for path in (ROOT / "results").glob("*/*/train.json") if path.parts[-3] != "local")
TINY = {"data": "world", "arch": "resnet18", "size": 32, "train_count": 16, "val_count": 8, "epochs": 1, "batch": 8}


def read_splits(monkeypatch, opened: list[str]) -> None:
    """Note every split that is opened in `opened`, by whatever name the session has the loader."""
    load = datasets.load

    def noting(name, root, split, *args, **options):
        opened.append(split)
        return load(name, root, split, *args, **options)

    monkeypatch.setattr(datasets, "load", noting)
    for name, value in vars(training).items():
        if value is load:
            monkeypatch.setattr(training, name, noting)


def test_training_opens_train_and_validation_alone(monkeypatch, tmp_path):
    opened = []
    read_splits(monkeypatch, opened)
    settings = TrainSettings(**TINY, out=str(tmp_path), threads=1)
    session = training.open_training(settings)
    session.fit()
    assert set(opened) == {"train", "val"}


def test_there_are_committed_runs():
    assert len(RUNS) > 5


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.parent.name}/{run.name}")
def test_a_committed_run_was_trained_without_its_test(run):
    """Everything that a training read has its digest in the record: none of it is what the evaluation read."""
    train = json.loads((run / "train.json").read_text())["data"]
    assert set(train) <= {"train", "val", "start", "weights"}
    evaluate = run / "evaluate.json"
    if evaluate.exists():
        tested = json.loads(evaluate.read_text())["data"]["test"]
        assert tested not in train.values()
        assert train["train"] != train["val"]
