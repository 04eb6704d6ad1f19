"""Folders of NumPy arrays that are whole or not there: what caches are built from.

A folder holds ``….npy`` files and ``sums.json``, the CRC-32 of each. It is read whole when it is opened, about a second a
gigabyte, and one that differs from its sums is set aside as ``….damaged`` and made anew. It is made in a folder beside its
own, which gets its name when all is on the disk: what is killed while it is made is lost and begins anew. A second process
that wants the same folder waits for the first.
"""

import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from cvig.files import read_json, set_aside, sync, write_json

SUMS = "sums.json"


def _sums(folder: Path) -> dict[str, int]:
    """The CRC-32 of each array."""
    sums = {}
    for path in sorted(folder.glob("*.npy")):
        sums[path.stem] = 0
        with path.open("rb") as stream:
            while block := stream.read(1 << 24):
                sums[path.stem] = zlib.crc32(block, sums[path.stem])
    return sums


def _whole(folder: Path) -> bool:
    """Whether there is a folder, and it holds what was written."""
    try:
        return read_json(folder / SUMS) == _sums(folder)
    except (OSError, ValueError):
        return False


def check_room(folder: Path, needed: int) -> None:
    """Raise ValueError where so many bytes do not fit on the disk that `folder` is to lie on."""
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise ValueError(f"cache '{folder}' needs {needed / 1e9:.1f} GB, and the disk has {free / 1e9:.1f} GB free")


def make_whole(folder: Path, make: Callable[[Path], None]) -> None:
    """Let `make` write the arrays of `folder` into the folder that it is given, unless they are there and whole.

    What `make` raises is raised, and then there is no folder.
    """
    if _whole(folder):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if _whole(folder):  # another process has made it in the meantime
            return
        if folder.exists():
            aside = set_aside(folder)
            print(f"cache '{folder}' is damaged: it is '{aside.name}' now, and is built anew", file=sys.stderr)
        building = folder.with_name(f".{folder.name}.building")
        shutil.rmtree(building, ignore_errors=True)  # of a process that was killed
        try:
            building.mkdir()
            make(building)
            write_json(building / SUMS, _sums(building))
            for path in (*building.iterdir(), building):
                sync(path)
            building.rename(folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(building, ignore_errors=True)
