"""Training by the command, in processes of its own, as the notebook starts them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from small_training import small_settings

from cvig.training.starting import ProcessFailed
from study import train, watching
from study.sessions.training import open_training


def small(folder, **options):
    return small_settings(folder, **{"val_count": 5, "epochs": 2, "batch": 8} | options)


def test_a_notebook_trains_in_two_processes_what_it_trains_in_one(tmp_path):
    logs, rows = {}, []
    for devices in (1, 2):
        session = open_training(small(tmp_path / str(devices), devices=devices))
        logs[devices] = session.fit(rows.append)
        record = session.finish()
        assert record["parameters"]["devices"] == devices
        assert record["device_seconds"] == pytest.approx(devices * record["seconds"])
    assert [row["epoch"] for row in rows] == [1, 2, 1, 2]
    np.testing.assert_allclose(logs[2].loss, logs[1].loss, rtol=0.02)
    there = open_training(small(tmp_path / "2", devices=2))  # the very same run, finished
    assert there.fit().equals(logs[2])
    for file in ("checkpoint.safetensors", "validation.npz", "log.csv", "train.json"):
        assert (tmp_path / "2" / file).exists()


def test_another_number_of_processes_does_not_go_on_from_what_one_has_kept(tmp_path, monkeypatch):
    class CutShort(Exception):
        pass

    def cut(row):
        if row["epoch"] == 2:
            raise CutShort

    session = open_training(small(tmp_path))
    session.keep.every = 0
    with pytest.raises(CutShort):
        session.fit(cut)
    with pytest.raises(ValueError, match=r"keeps epochs of this training by devices=1: go on with as many, or delete it"):
        open_training(small(tmp_path, devices=2))
    session = open_training(small(tmp_path))
    assert len(session.fit()) == 2
    session.finish()


def test_a_batch_that_devices_cannot_share_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(ValueError, match="batch of 8 for 3 processes: expected a multiple of their number"):
        open_training(small(tmp_path / "run", devices=3))
    assert not (tmp_path / "run").exists()


def test_a_process_that_fails_ends_the_notebooks_training_with_its_reason(tmp_path):
    session = open_training(small(tmp_path, devices=2, recipe="described", learning_rate=1e30))
    with pytest.raises((FloatingPointError, ProcessFailed), match="loss is "):
        session.fit()
    assert json.loads((tmp_path / "diverged.json").read_text())["error"].startswith("loss is ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object of names and values, got list"),
        ('{"epoch": 3}', "unknown parameter 'epoch'"),
    ],
)
def test_settings_that_are_none_are_one_line(tmp_path, monkeypatch, content, said):
    (tmp_path / "settings.json").write_text(content)
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path / "settings.json")])
    with pytest.raises(SystemExit, match=said) as ended:
        train.main()
    assert "\n" not in ended.value.code


def test_a_tower_that_collapses_is_told_at_once(capsys):
    row = {"epoch": 1, "phase": "infonce", "loss": 1.0, "val_recall_1pct": 1.0, "val_pssr": 0.5, "seconds": 1.0}
    row |= {"ground_distinct": 1.0, "ground_spread": 0.5, "aerial_distinct": 0.03, "aerial_spread": 0.5}
    watching.print_row(row)
    assert "collapsing: aerial tower: 3% distinct rows" in capsys.readouterr().out
    watching.print_row(row | {"aerial_distinct": 0.25})
    assert "collapsing" not in capsys.readouterr().out


def test_settings_of_several_processes_lie_in_the_runs_own_folder_and_leave_it(tmp_path, monkeypatch):
    seen = []

    def start(command, number, say):
        path = Path(command[command.index("study.train") + 1])
        seen.append(json.loads(path.read_text()) | {"lies in": path.parent})
        raise KeyboardInterrupt

    session = open_training(small(tmp_path / "run", devices=2))
    monkeypatch.setattr("study.sessions.training.start", start)
    with pytest.raises(KeyboardInterrupt):
        session.fit(print)
    assert [(one["lies in"], one["devices"]) for one in seen] == [(tmp_path / "run", 2)]
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".lock"}
