"""Read embeddings that any project stored: ``.npy``, ``.npz``, ``.pt``, ``.safetensors``, MATLAB's ``.mat``; and positives.

An array is named ``FILE`` or ``FILE:NAME``. Without a name it is the file's only array, or the one whose
name tells the side (`NAMES`).
"""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

NAMES = {
    "query": [
        "query",
        "queries",
        "query_f",
        "query_features",
        "query_embeddings",
        "ground",
        "ground_embeddings",
        "grd",
        "gnd",
        "grd_global_descriptor",
        "grd_descriptor",
        "street",
        "surface",
    ],
    "gallery": [
        "gallery",
        "gallery_f",
        "gallery_features",
        "gallery_embeddings",
        "reference",
        "reference_features",
        "aerial",
        "aerial_embeddings",
        "sat",
        "satellite",
        "sat_global_descriptor",
        "sat_descriptor",
        "overhead",
    ],
    "positives": ["positives"],
}
TEXT = (".csv", ".txt", ".tsv")

Arrays = dict[str, Callable[[], object]]  # by name, each read when called


def _npy(path: Path) -> np.ndarray:
    return np.lib.format.open_memmap(path, mode="r")


def _npz(path: Path) -> Arrays:
    archive = np.load(path, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError("it is no archive of arrays")
    return {name: lambda name=name: archive[name] for name in archive.files}


def _pt(path: Path) -> torch.Tensor | Arrays:
    content = torch.load(path, weights_only=True, map_location="cpu", mmap=zipfile.is_zipfile(path))
    if isinstance(content, torch.Tensor):
        return content
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}, expected a tensor or a dictionary of tensors")
    return {str(name): lambda x=x: x for name, x in content.items() if isinstance(x, (torch.Tensor, np.ndarray))}


def _safetensors(path: Path) -> Arrays:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        names = list(file.keys())

    def read(name: str) -> torch.Tensor:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(name)

    return {name: lambda name=name: read(name) for name in names}


def _mat(path: Path) -> Arrays:
    from scipy.io import loadmat, whosmat

    return {name: lambda name=name: loadmat(path, variable_names=[name])[name] for name, _, _ in whosmat(path)}


READERS: dict[str, Callable[[Path], object]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".pth": _pt,
    ".safetensors": _safetensors,
    ".mat": _mat,
}


def split_place(place: str) -> tuple[Path, str | None]:
    """``FILE`` or ``FILE:NAME`` to a path and the name, which may be missing; a file of that whole name comes first."""
    file, colon, name = place.rpartition(":")
    if colon and name and Path(file).suffix.lower() in READERS and not Path(place).exists():
        return Path(file), name
    return Path(place), None


def _choose(arrays: Arrays, name: str | None, side: str) -> str:
    listed = ", ".join(sorted(arrays)) or "none"
    if name is not None:
        if name not in arrays:
            raise ValueError(f"no array named '{name}'; it has: {listed}")
        return name
    if len(arrays) == 1:
        return next(iter(arrays))
    known = [known for known in NAMES[side] if known in arrays]
    if len(known) != 1:
        raise ValueError(f"which array is the {side} is not plain: name one of {listed}, as in FILE:NAME")
    return known[0]


def _as_array(value: object) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return np.asanyarray(value)


def read_array(place: str, side: str) -> np.ndarray:
    """Read one array.

    Parameters
    ----------
    place : str
        ``FILE`` or ``FILE:NAME``.
    side : {"query", "gallery", "positives"}
        What it is to hold, by which an array without a given name is found.

    Returns
    -------
    ndarray
        As stored, bfloat16 as float32; a ``.npy`` file is memory-mapped.

    Raises
    ------
    ValueError
        A file of another kind, a damaged one, or one without such an array; the message lists the arrays there are.
    OSError
        No such file.
    """
    path, name = split_place(place)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{side} file '{path}': expected a name ending in {', '.join(READERS)}")
    if not path.is_file():
        raise FileNotFoundError(f"{side} file '{path}' does not exist")
    try:
        content = reader(path)
        if not isinstance(content, dict):
            if name is not None:
                raise ValueError(f"it holds one array without a name: leave ':{name}' out")
            return _as_array(content)
        return _as_array(content[_choose(content, name, side)]())
    except Exception as error:  # each format's reader has its own errors for a damaged file
        reason = re.split(r"\.\s|\n", str(error).strip())[0].rstrip(".")
        raise ValueError(f"{side} file '{path}': {reason}") from error


def _read_text(path: Path) -> np.ndarray | list[np.ndarray]:
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        words = re.split(r"[\s,;]+", line.strip(" \t,;"))
        if not all(re.fullmatch(r"[+-]?\d+", word) for word in words):
            raise ValueError(f"positives file '{path}' line {number}: '{line[:40]}', expected numbers of gallery rows")
        rows.append(np.array(words, dtype=np.int64))
    if not rows:
        raise ValueError(f"positives file '{path}' is empty")
    return np.concatenate(rows) if all(len(row) == 1 for row in rows) else rows


def read_positives(place: str) -> np.ndarray | list[np.ndarray]:
    """Read the gallery rows, counted from 0, that answer each query.

    Parameters
    ----------
    place : str
        A text file (``.csv``, ``.txt``, ``.tsv``) with a line a query, one number or several; or an array as in
        `read_array`, integers [Q] or [Q, m] in which -1 fills rows of fewer than m.

    Returns
    -------
    int array [Q], or list of Q int arrays
    """
    if Path(place).suffix.lower() in TEXT:
        return _read_text(Path(place))
    rows = read_array(place, "positives")
    if rows.dtype.kind not in "iu" or rows.ndim not in (1, 2):
        raise ValueError(f"positives '{place}' of type {rows.dtype} and shape {rows.shape}: expected integers [Q] or [Q, m]")
    return np.asarray(rows) if rows.ndim == 1 else [row[row != -1] for row in np.asarray(rows)]
