"""Who works where, of several processes: locks on folders and files, who is alive, and where processes meet."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock

_held: dict[Path, "FileLock"] = {}


def _lock(path: Path | str) -> Path:
    """The file that is locked for a folder, in it, or for a file, beside it."""
    path = Path(os.path.realpath(path))
    return path / ".lock" if path.is_dir() else path.with_name(f".{path.name}.lock")


def hold(path: Path | str, wait: float = 3.0) -> None:
    """Keep a folder, or a file and what becomes of it, for this process until it lets go, or ends in whatever way.

    A process that holds it already may ask again. `wait` is in seconds: who has just been killed is not yet gone.

    Raises
    ------
    ValueError
        Another process holds it: its number and since when.
    """
    from filelock import FileLock, Timeout

    lock = _lock(path)
    if lock in _held:
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    taken = FileLock(lock)
    try:
        taken.acquire(timeout=wait)
    except Timeout:
        who = lock.read_text().strip() or "another process"
        raise ValueError(f"'{path}' is being written ({who}): wait until it is done, or end it") from None
    _held[lock] = taken
    with contextlib.suppress(OSError):  # a full disk has a lock all the same; who is refused is not told by whom
        lock.write_text(f"pid {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")


def let_go(path: Path | str) -> None:
    """End what `hold` began."""
    if taken := _held.pop(_lock(path), None):
        taken.release()


def holder(path: Path | str) -> str | None:
    """Which process holds `path`, as ``"pid 12, since 2026-01-02 03:04:05"``; None where none does."""
    from filelock import FileLock, Timeout

    lock = _lock(path)
    if not lock.exists():
        return None
    try:
        with FileLock(lock).acquire(timeout=0):
            return None
    except Timeout:
        return lock.read_text().strip() or "another process"


def alive(process: int) -> bool:
    """Whether a process runs, by its number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:  # one that has ended and that nobody has asked about yet, where the system says so
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return True


@contextlib.contextmanager
def meeting_folder(kind: str) -> Iterator[Path]:
    """A folder for sockets and the like, by which processes meet, in the system's temporary one: names there are short.

    Its name says which process it belongs to. Those of this kind whose process was killed are taken away.
    """
    for folder in Path(gettempdir()).glob(f"{kind}-of-*"):
        process = folder.name.removeprefix(f"{kind}-of-").split("-")[0]
        if process.isdigit() and not alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(prefix=f"{kind}-of-{os.getpid()}-") as name:
        yield Path(name)
