"""The folder of an answer: whole or as it was, whoever is killed, and nothing of the user's is mixed with it."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cvig.files import write
from cvig.locate.answer import folder as answers
from cvig.locate.answer.folder import MARK, check_folder, write_answer, write_answers

FILES = {MARK, "index.html", "levels.tif", "region.geojson", "region.kml"}


def case(number, name="photo.jpg"):
    return SimpleNamespace(number=number, photographs=[SimpleNamespace(path=Path(name))])


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Every file of an answer holds the case's number alone."""
    monkeypatch.setattr(answers, "report", lambda case: {"number": case.number})
    monkeypatch.setattr(answers, "geojson", lambda case, answer: answer)
    monkeypatch.setattr(answers, "page", lambda case, answer: json.dumps(answer))
    monkeypatch.setattr(answers, "watched", lambda watch: {})
    for name in ("write_kml", "write_geotiff"):
        monkeypatch.setattr(answers, name, lambda path, case, *_: write(path, json.dumps({"number": case.number})))
    monkeypatch.setattr(answers.importlib.util, "find_spec", lambda name: True)


def numbers(folder):
    """What each visible file says."""
    return {path.name: json.loads(path.read_text())["number"] for path in folder.iterdir() if path.name[0] != "."}


@pytest.mark.parametrize("step", range(10))
def test_killed_at_any_moment_the_same_command_answers_and_no_mixture_is_an_answer(tmp_path, step, monkeypatch):
    """Renamings are the moments at which a folder changes: five write the new files, five put them in place."""
    out = tmp_path / "answer"
    write_answer(out, case(1))
    if os.fork() == 0:
        renamed, replace = [], Path.replace

        def end_at(path, target):
            if len(renamed) == step:
                os._exit(9)
            renamed.append(path)
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", end_at)
        write_answer(out, case(2))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 9
    if (out / MARK).exists():
        assert numbers(out) == dict.fromkeys(FILES, 1)
    write_answer(out, case(2))
    assert numbers(out) == dict.fromkeys(FILES, 2)
    assert {path.name for path in out.iterdir()} <= {*FILES, ".lock"}


def test_a_full_disk_leaves_the_answer_that_was(tmp_path, monkeypatch):
    write_answer(tmp_path / "answer", case(1))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "levels.tif")

    monkeypatch.setattr(answers, "write_geotiff", full)
    with pytest.raises(OSError, match="No space left"):
        write_answer(tmp_path / "answer", case(2))
    assert numbers(tmp_path / "answer") == dict.fromkeys(FILES, 1)


def test_a_folder_of_the_users_beside_the_answer_stays(tmp_path):
    for name in (".answer.part", "answer.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("mine")
    write_answer(tmp_path / "answer", case(1))
    assert (tmp_path / ".answer.part" / "notes.txt").read_text() == "mine"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no answer"):
        write_answer(tmp_path / "other", case(1))


def test_the_folder_that_one_stands_in_can_be_the_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_answer(Path(), case(1))
    assert numbers(tmp_path) == dict.fromkeys(FILES, 1)


def test_what_is_no_folder_is_refused_before_any_work(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    for name in ("pipe", "link", "file"):
        with pytest.raises(ValueError, match=f"{name}' is (a file|no folder): expected a folder"):
            check_folder(tmp_path / name)


def test_two_at_once_do_not_mix(tmp_path):
    write_answer(tmp_path / "answer", case(1))
    code = "import sys; from cvig import locks; locks.hold(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", code, str(tmp_path / "answer")]
    other = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(ValueError, match=rf"is being written \(pid {other.pid}, since"):
        write_answer(tmp_path / "answer", case(2))
    other.communicate("")
    assert numbers(tmp_path / "answer") == dict.fromkeys(FILES, 1)


def test_the_name_of_a_photograph_leads_out_of_no_folder_and_an_answer_of_each_is_looked_at_before_any_is_written(tmp_path):
    out = tmp_path / "all" / "answers"
    made = write_answers(out, [case(1, "...jpg"), case(2, "a.jpg"), case(3, "a.png")], None)
    assert list(made) == ["photograph", "a", "a-2"]
    assert {path.name for path in (tmp_path / "all").iterdir()} == {"answers"}
    (out / "b").mkdir()
    (out / "b" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"b' is not empty and holds no answer"):
        write_answers(out, [case(4, "a.jpg"), case(5, "b.jpg")], None)
    assert numbers(out / "a") == dict.fromkeys(FILES, 2)
    assert (out / "answers.json").exists()
