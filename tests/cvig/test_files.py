"""The one writer: whatever stands at the path, nothing of the user's is damaged."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

from cvig import files, locks

ROOT = Path(__file__).parents[2]


def run(code: str, folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_a_device_is_written_to_and_stays():
    ours, theirs = os.openpty()  # a device of our own: a broken writer must not damage the machine's
    device = os.ttyname(theirs)
    before = os.stat(device)
    files.write(device, "x")
    assert os.read(ours, 10) == b"x"
    with pytest.raises(ValueError, match="is a device or a pipe: expected the name of a file"), files.atomic(device):
        pass
    after = os.stat(device)
    os.close(ours)
    os.close(theirs)
    assert (after.st_mode, after.st_rdev) == (before.st_mode, before.st_rdev)


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    files.write_csv(pipe, pd.DataFrame({"a": [1]}))
    reader.join()
    assert read == ["a\n1\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_standard_output_is_written_to_even_where_it_is_a_file(tmp_path):
    code = "from cvig import files; print('before', flush=True); files.write('/dev/stdout', 'x\\n'); print('after')"
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert (tmp_path / "out").read_text() == "before\nx\nafter\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_to_its_target(tmp_path, there):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "real.json", tmp_path / "link.json"
    if there:
        target.write_text("old")
    link.symlink_to(target)
    files.write_json(link, {"a": 1})
    assert link.is_symlink()
    assert json.loads(target.read_text()) == {"a": 1}
    assert not list(tmp_path.glob(".*"))


def test_a_folder_is_refused_in_one_line(tmp_path):
    with pytest.raises(ValueError, match="is a folder: expected the name of a file") as caught:
        files.write(tmp_path, "x")
    assert "\n" not in str(caught.value)


def test_a_file_keeps_its_mode_and_a_new_one_has_the_processs(tmp_path):
    old = tmp_path / "old"
    old.write_text("")
    old.chmod(0o640)
    files.write(old, "x")
    before = os.umask(0o077)
    try:
        files.write(tmp_path / "new", "x")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "new")] == [0o640, 0o600]


def test_file_and_folder_reach_the_disk_in_that_order(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(stat.S_IFMT(os.fstat(fd).st_mode)), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda self, other: (calls.append("rename"), replace(self, other)))
    files.write(tmp_path / "a", "x")
    assert calls == [stat.S_IFREG, "rename", stat.S_IFDIR]


@pytest.mark.parametrize("name", ["é" * 127, "x" * 250 + ".json", "with space 'n quote\n.csv"])
def test_any_name_that_the_system_allows_can_be_written(tmp_path, name):
    files.write(tmp_path / name, "x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_after_an_error_the_old_file_stays(tmp_path):
    files.write(tmp_path / "a", "old")

    def fail():
        with files.atomic(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_left_is_taken_away_and_what_another_is_writing_is_not(tmp_path):
    code = """
import sys, time
from cvig import files
with files.atomic("{}") as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    time.sleep(60)
"""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code.format(name)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("dead.json", "alive.json")
    ]
    dead, alive = (Path(process.stdout.readline().strip()) for process in running)
    running[0].send_signal(signal.SIGKILL)
    running[0].wait()
    mine = tmp_path / ".mine-0123.json"
    mine.write_text("a user's own")
    try:
        assert dead.exists()
        files._cleaned.discard(tmp_path)
        files.write(tmp_path / "other.json", "x")
        assert not dead.exists()
        assert alive.exists()
        assert mine.exists()
    finally:
        running[1].kill()
        running[1].wait()


def test_a_damaged_file_is_set_aside_under_a_name_that_says_so(tmp_path):
    for _ in range(2):
        (tmp_path / "a.ckpt").write_text("x")
        files.set_aside(tmp_path / "a.ckpt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ckpt.damaged", "a.ckpt.damaged-2"]


def test_an_error_of_writing_names_the_file(tmp_path, monkeypatch):
    there, here = os.pipe()
    os.close(there)
    with pytest.raises(OSError, match=f"Broken pipe: '/dev/fd/{here}'"):
        files.write(f"/dev/fd/{here}", "x")
    os.close(here)
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=r"No space left on device: .*table\.csv"):
        files.write(tmp_path / "table.csv", "1")
    monkeypatch.setattr("os.open", lambda path, *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied", path)))
    with pytest.raises(PermissionError, match=r"Permission denied: '.*/table\.csv'"):
        files.write(tmp_path / "table.csv", "1")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_has_a_lock_without_a_word_of_who_holds_it(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        locks.hold(tmp_path)
    code = f"from cvig import locks; print(locks.holder({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "another process\n"
    locks.let_go(tmp_path)
    assert locks.holder(tmp_path) is None


def test_a_meeting_folder_of_a_killed_process_is_taken_away_and_that_of_a_living_one_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("cvig.locks.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"kernel-of-{dead.pid}-a", f"kernel-of-{os.getppid()}-b", "kernel-of-users", f"other-of-{dead.pid}-c"):
        (tmp_path / name).mkdir()
    with locks.meeting_folder("kernel") as folder:
        there = {path.name for path in tmp_path.iterdir()}
    assert there == {f"kernel-of-{os.getppid()}-b", "kernel-of-users", f"other-of-{dead.pid}-c", folder.name}
    assert not folder.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"a": NaN}', "[" * 100_000, '{"a": 1', b"\xff"])
def test_what_is_no_json_object_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"a\.json' is no JSON"):
        files.read_json(tmp_path / "a.json")
    os.mkfifo(tmp_path / "pipe")
    for read in (files.read_json, files.digest_file):
        with pytest.raises(ValueError, match=r"pipe' is no regular file"):
            read(tmp_path / "pipe")
