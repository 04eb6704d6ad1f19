"""One way to write files: whole or not at all, and on the disk when it is said to be; and digests of content.

All output goes through `atomic` or `write`. What takes the place of a regular file is written beside it, reaches the disk
before it is renamed, and has the mode of the file before it, or the one that the process gives new files. A link is
followed to its target. A device, a pipe or a socket is written to, and is never replaced.

A process that is killed leaves its half-written file behind, under a name of this module's own; the next process that
writes into the folder takes away those that nobody is writing any more.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
import zlib
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_PART = re.compile(r"\..*-[0-9a-f]{16}\.part(\..*)?", re.DOTALL)
_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_cleaned: set[Path] = set()


def _descriptor(path: str) -> int | None:
    """The process's own descriptor that `path` names, as /dev/stdout and /dev/fd/3 do."""
    found = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", path)
    return int(found[1]) if found else _STREAMS.get(path)


def names_stdout(name: str | None) -> bool:
    """Whether an output's name means the process's standard output: ``-``, or a device that leads there."""
    return name is not None and (name == "-" or _descriptor(name) == 1)


@contextlib.contextmanager
def naming(name: Path | str) -> Iterator[None]:
    """Let errors of writing say what could not be written: a full disk's own say nothing of it.

    Examples
    --------
    >>> with naming("table.csv"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    OSError: [Errno 28] No space left on device: 'table.csv'
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(name)) from error


def _kind(path: str) -> int | None:
    """What kind of file `path` is, links followed; None where there is none yet."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def clean(folder: Path | str) -> None:
    """Take away what processes that were killed left half-written in `folder`; who writes holds a lock on his file."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if not _PART.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            with contextlib.suppress(OSError):
                descriptor = os.open(entry.path, os.O_RDONLY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)
                finally:
                    os.close(descriptor)


def _begin(target: Path) -> tuple[Path, int]:
    """A new file beside `target`, locked, with the mode that the process gives new files; and its descriptor."""
    while True:
        # a name may be as long as the system allows: not all of it fits beside a mark
        temporary = target.with_name(f".{target.stem[:40]}-{secrets.token_hex(8)}.part{target.suffix[:15]}")
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:  # a folder that takes no files; whoever named the target knows nothing of this one
            raise OSError(error.errno, error.strerror, os.fspath(target)) from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:  # else another process took it away before it was locked
            return temporary, descriptor
        os.close(descriptor)


def sync(path: Path | str) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary path that takes the place of `path` only when the block ends well.

    A reader sees the old file or the new one, never half of one; after an error or Ctrl-C the old one stays, and after a
    failure of power as well. The file keeps its mode, and a new one has that of the process.

    Raises
    ------
    ValueError
        `path` is there and is no regular file: a folder, a device or a pipe.
    """
    kind = _kind(os.fspath(path))
    if kind not in (None, stat.S_IFREG):
        what = "a folder" if kind == stat.S_IFDIR else "a device or a pipe"
        raise ValueError(f"'{path}' is {what}: expected the name of a file to write")
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.parent not in _cleaned:
        _cleaned.add(target.parent)
        clean(target.parent)
    temporary, descriptor = _begin(target)
    try:
        with naming(target):
            yield temporary
            if kind:
                before = target.stat()
                temporary.chmod(stat.S_IMODE(before.st_mode))
            sync(temporary)
            temporary.replace(target)
            sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def write(path: Path | str, content: bytes | str) -> None:
    """Write `content`, text as UTF-8, atomically; what is no regular file, such as /dev/stdout or a pipe, is written to.

    Raises
    ------
    ValueError
        `path` is a folder.
    """
    # bytes of file names that are no UTF-8 come out as they came in
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    descriptor = _descriptor(os.fspath(path))
    if descriptor is not None:  # also where it leads to a file, which others write at the same time
        with naming(path), os.fdopen(os.dup(descriptor), "wb") as stream:
            stream.write(data)
    elif _kind(os.fspath(path)) in (None, stat.S_IFREG, stat.S_IFDIR):
        with atomic(path) as temporary:
            temporary.write_bytes(data)
    else:
        with naming(path), open(path, "wb") as stream:
            stream.write(data)


def write_json(path: Path | str, content: dict) -> None:
    """`write` `content` as JSON; NaN and infinity are refused, for they are no JSON."""
    write(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def write_csv(path: Path | str, frame: "pd.DataFrame") -> None:
    """`write` a data frame as CSV without its index."""
    text = StringIO()
    frame.to_csv(text, index=False, lineterminator="\n")
    write(path, text.getvalue())


def write_arrays(path: Path | str, **arrays: np.ndarray) -> None:
    """`write` arrays as one compressed ``.npz`` file."""
    content = BytesIO()
    np.savez_compressed(content, **arrays)
    write(path, content.getvalue())


def read_json(path: Path | str) -> dict:
    """Read a JSON object.

    Raises
    ------
    ValueError
        Another content, NaN and infinity among it, or brackets in brackets without end; the file is named.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} in it")

    if _kind(os.fspath(path)) not in (None, stat.S_IFREG):
        raise ValueError(f"'{path}' is no regular file: expected JSON")
    try:
        content = json.loads(Path(path).read_bytes(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"'{path}' is no JSON object")
    return content


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read an ``.npz`` file whole.

    Raises
    ------
    FileNotFoundError
    ValueError
        Anything else, or a damaged one; the file is named.
    """
    if _kind(os.fspath(path)) not in (None, stat.S_IFREG):
        raise ValueError(f"'{path}' is no regular file: expected arrays, as .npz")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (ValueError, TypeError, AttributeError, KeyError, EOFError, NotImplementedError, BadZipFile, zlib.error) as error:
        raise ValueError(f"'{path}' is damaged, or holds no arrays as .npz has them") from error


def set_aside(path: Path | str) -> Path:
    """Rename a file that cannot be used to ``NAME.damaged``, or ``.damaged-2`` and so on; give its new path."""
    path, number = Path(path), 1
    while (aside := path.with_name(f"{path.name}.damaged{f'-{number}' * (number > 1)}")).exists():
        number += 1
    path.rename(aside)
    return aside


def digest(*parts: bytes | str) -> str:
    """Sixteen hexadecimal digits that change when any part does."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()[:16]


def digest_file(path: Path | str) -> str:
    """Sixteen hexadecimal digits that change when the file's content does; ValueError where it is a pipe or a device."""
    if _kind(os.fspath(path)) not in (None, stat.S_IFREG):
        raise ValueError(f"'{path}' is no regular file")
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
