"""Files below a data set's folder: expected ones, names that do not lead out of it, and files with the same bytes."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def inside(root: Path, name: str) -> Path:
    """The path of the file `name` below `root`; ValueError if the name, or a symbolic link, leads out of `root`."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"'{name}' leads out of the data set's folder '{root}', by its name or by a link")
    return path


def expect(root: str | Path, what: str, source: str, names: Sequence[str]) -> Path:
    """`root` as a path, after a check that it holds all of `names`.

    Parameters
    ----------
    what : str
        What the error calls the data set.
    source : str
        The address at which the data can be requested, for the error.

    Raises
    ------
    FileNotFoundError
        One line says what is missing, what was expected and found, and where the data can be requested.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{what}: no folder '{root}'; expected one with {', '.join(names)}; the data are requested at {source}"
        )
    found = [name for name in names if (folder / name).exists()]
    if len(found) < len(names):
        lacking = next(name for name in names if name not in found)
        kind = "file" if Path(lacking).suffix else "folder"
        if not found:
            there = sorted(entry.name for entry in os.scandir(folder))
            found = ["none of them" + (f", but {', '.join(there[:5])}{', ...' * (len(there) > 5)}" if there else "")]
        raise FileNotFoundError(
            f"{what}: no {kind} '{folder / lacking}'; expected in '{root}': {', '.join(names)}; found {', '.join(found)}; "
            f"the data are requested at {source}"
        )
    return folder


class Paths(Sequence):
    """A sequence of the files `names` below `root`, which makes each `Path` when it is asked for.

    Lists of a million names stay small this way. A name whose text leads out of `root`, or that lies in a folder that does,
    raises ValueError at once; each folder is looked up once and no file is opened. A file that is itself a link out of
    `root` raises ValueError when it is asked for.
    """

    def __init__(self, root: Path, names: Sequence[str]):
        self.root, self.names = root, list(names)
        for name in self.names:
            if not os.path.basename(name):
                raise ValueError(f"'{name}' names no file below '{root}'")
            if ".." in name or os.path.isabs(name):
                inside(root, name)
        for folder in {os.path.dirname(name) for name in self.names}:
            inside(root, folder)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        path = self.root / self.names[index]
        return inside(self.root, self.names[index]) if path.is_symlink() else path

    def exist(self) -> np.ndarray:
        """Which of the files exist, bool [N]; each folder is listed once."""
        folders = {}
        for folder in {os.path.dirname(name) for name in self.names}:
            path = self.root / folder
            folders[folder] = set(os.listdir(path)) if path.is_dir() else set()
        return np.array([os.path.basename(name) in folders[os.path.dirname(name)] for name in self.names], dtype=bool)


def unique_files(paths: Sequence[Path]) -> np.ndarray:
    """For each file the index of the first file with the same content, int64 [N].

    Only files that agree in their size and in their last 4096 bytes are read whole.
    """
    first = np.arange(len(paths))
    alike = {}
    for i, path in enumerate(paths):
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 4096))
            alike.setdefault((size, stream.read()), []).append(i)
    for group in alike.values():
        seen = {}
        for i in group if len(group) > 1 else ():
            first[i] = seen.setdefault(hashlib.sha256(paths[i].read_bytes()).digest(), i)
    return first
