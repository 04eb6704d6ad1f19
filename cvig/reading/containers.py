"""What a file holds, by its kind: one array, several by name, or lists and dictionaries. Nothing in a file is ever run."""

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from cvig.extras import needing
from cvig.reading.hdf import read_hdf
from cvig.reading.parts import NoFileOfItsKindError, Parts, by_field
from cvig.reading.pickles import NotPlainError, read_npy, read_pickle
from cvig.reading.text import command, read_lines

RAW = "; bare float32 numbers are read from a name in .bin, with --dim"
PICKLE = b"\x80"  # how a pickle begins
TEXT = (".csv", ".tsv", ".txt")
CONVERT = {
    ".parquet": "import pandas; pandas.read_parquet('{file}').to_csv('{stem}.csv', index=False)",
    ".feather": "import pandas; pandas.read_feather('{file}').to_csv('{stem}.csv', index=False)",
    ".xlsx": "import pandas; pandas.read_excel('{file}').to_csv('{stem}.csv', index=False)",
    ".joblib": "import joblib, numpy; numpy.save('{stem}.npy', joblib.load('{file}'))",
    ".gz": "import gzip, shutil; shutil.copyfileobj(gzip.open('{file}'), open('{stem}', 'wb'))",
    ".jsonl": "import json; json.dump([json.loads(x) for x in open('{file}') if x.strip()], open('{stem}.json', 'w'))",
}
_ITEMS = "x.items() if isinstance(x, dict) else [('rows', x)]"
_FILLED = "numpy.ma.filled(v, float('nan') if numpy.asarray(v).dtype.kind == 'f' else -1)"  # what is masked is no answer
AS_ARRAYS = "; numpy.savez('{stem}.npz', **{{k: " + _FILLED + " for k, v in (" + _ITEMS + ")}})"
NUMPY = "import pickle, numpy; x = pickle.load(open('{file}', 'rb'))" + AS_ARRAYS
TORCH = "import torch, numpy; x = torch.load('{file}', weights_only=False, map_location='cpu')" + AS_ARRAYS


def _npy(path: Path) -> object:
    with path.open("rb") as stream:
        if stream.read(1) == PICKLE:  # as array.dump writes under whatever name, and numpy.load reads
            stream.seek(0)
            return read_pickle(stream)
    try:
        return by_field(np.lib.format.open_memmap(path, mode="r"))
    except ValueError:
        with path.open("rb") as stream:
            return read_npy(stream)


def _npz(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]

    def read(name: str) -> object:
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            return by_field(read_npy(stream))

    parts = Parts({name.removesuffix(".npy"): partial(read, name) for name in names})
    if {"format", "shape", "data"} <= set(parts):  # as scipy.sparse.save_npz writes
        from scipy.sparse import load_npz

        return load_npz(path)
    return parts


def _pt(path: Path) -> object:
    import torch

    core = (np._core if hasattr(np, "_core") else np.core).multiarray  # NumPy 2 and NumPy 1
    kinds = {type(np.dtype(code)) for code in "?bBhHiIlLqQefdSU"}
    # what torch itself names for NumPy arrays beside tensors; none of it does anything but hold data
    known = [core._reconstruct, core.scalar, np.ndarray, np.dtype, *kinds]
    for name in ("numpy.core.multiarray", "numpy._core.multiarray"):  # files of either
        known += [(core._reconstruct, f"{name}._reconstruct"), (core.scalar, f"{name}.scalar")]
    with torch.serialization.safe_globals(known), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the cost of checking sparse tensors
        return torch.load(path, weights_only=True, map_location="cpu", mmap=zipfile.is_zipfile(path))


def _safetensors(path: Path) -> Parts:
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        names = list(file.keys())

    def read(name: str) -> object:
        with safe_open(path, framework="np") as file:
            part = file.get_slice(name)
            if part.get_dtype() != "BF16":
                return file.get_tensor(name)
        with path.open("rb") as stream:  # NumPy has no bfloat16: it is the upper half of a float32
            start = 8 + int.from_bytes(stream.read(8), "little")
            first, last = json.loads(stream.read(start - 8))[name]["data_offsets"]
            stream.seek(start + first)
            upper = np.frombuffer(stream.read(last - first), "<u2").astype(np.uint32)
        return (upper << 16).view(np.float32).reshape(part.get_shape())

    return Parts({name: partial(read, name) for name in names})


def _fields_of(value: np.ndarray) -> object:
    """A struct of MATLAB's as a dictionary, of an array of structs a list in each field; anything else as it is."""
    if not isinstance(value, np.ndarray) or value.dtype.names is None:
        return value
    fields = {name: [_fields_of(x) for x in value[name].ravel()] for name in value.dtype.names}
    return {name: items[0] for name, items in fields.items()} if value.size == 1 else fields


def _mat(path: Path) -> Parts:
    with path.open("rb") as stream:
        if stream.read(19) == b"MATLAB 7.3 MAT-file":
            return read_hdf(path, matlab=True)
    from scipy.io import loadmat, whosmat

    def read(name: str) -> np.ndarray:
        return _fields_of(loadmat(path, variable_names=[name])[name])

    return Parts({name: partial(read, name) for name, _, _ in whosmat(path)})


def _json(path: Path) -> object:
    return json.loads("\n".join(read_lines(path)))


def _pickle(path: Path) -> object:
    with path.open("rb") as stream:
        return read_pickle(stream)


def _vectors(path: Path) -> np.ndarray:
    """FAISS's .fvecs, .ivecs and .bvecs: each vector after its length."""
    kind = {"f": np.dtype("<f4"), "i": np.dtype("<i4"), "b": np.dtype("u1")}[path.suffix[1].lower()]
    data = np.memmap(path, np.uint8, "r")
    dimensions = int(data[:4].view("<i4")[0]) if len(data) >= 4 else 0
    width = 4 + dimensions * kind.itemsize
    rows = data.reshape(-1, width) if dimensions > 0 and len(data) % width == 0 else None
    if rows is None or not (rows[:, :4] == rows[0, :4]).all():
        raise NoFileOfItsKindError(
            f"its vectors do not each begin with their length, the first would have {dimensions} numbers; "
            "if it holds bare float32 numbers, name it .bin and give --dim"
        )
    return np.ascontiguousarray(rows[:, 4:]).view(kind)


READERS: dict[str, Callable[[Path], object]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".pth": _pt,
    ".safetensors": _safetensors,
    ".mat": _mat,
    ".h5": read_hdf,
    ".hdf5": read_hdf,
    ".json": _json,
    ".pkl": _pickle,
    ".pickle": _pickle,
    ".fvecs": _vectors,
    ".ivecs": _vectors,
    ".bvecs": _vectors,
}


def split_place(place: str) -> tuple[Path, str | None]:
    """``FILE`` or ``FILE:NAME`` to a path and the name, which may be missing; a file of that whole name comes first."""
    if not Path(place).exists():
        for at in (i for i, mark in enumerate(place) if mark == ":"):
            if Path(place[:at]).suffix.lower() in READERS and place[at + 1 :]:
                return Path(place[:at]), place[at + 1 :]
    return Path(place), None


def check_file(path: Path, what: str, also: tuple[str, ...] = ()) -> None:
    """One line of error unless `path` is a file of a kind that is read."""
    kind = path.suffix.lower()
    if kind in CONVERT and path.is_file():
        raise ValueError(f"{what} file '{path}': {kind} is not read; convert it: {command(CONVERT[kind], path)}")
    if kind not in READERS and kind not in also:
        raise ValueError(
            f"{what} file '{path}': expected a name ending in {', '.join([*READERS, *also])}{RAW * ('.bin' in also)}"
        )
    if not path.is_file():
        missing = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{what} file '{path}' {missing}")


def guarded(read: Callable[[], object], path: Path, what: str) -> object:
    """What `read` gives; whatever goes wrong in it is told in one line of our own."""
    kind = path.suffix.lower()
    try:
        return read()
    except NotPlainError as error:
        torch_file = kind in (".pt", ".pth")
        line = command(TORCH if torch_file else NUMPY, path)
        raise ValueError(
            f"{what} file '{path}' can only be unpickled, which runs what it says and is not done here: {error}; "
            f"where you trust it, convert it: {line}"
        ) from error
    except NoFileOfItsKindError as error:
        raise ValueError(f"{what} file '{path}': {error}") from error
    except ModuleNotFoundError:
        with needing(f"reading {what} file '{path}'"):
            raise
    except MemoryError as error:
        size = path.stat().st_size / 1e9
        raise ValueError(f"{what} file '{path}' of {size:.1f} GB does not fit into memory") from error
    except Exception as error:  # each format's reader has its own errors for a damaged file
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):  # torch says what it would not unpickle
            named = re.search(r"GLOBAL ([\w.]+)", str(error))[1]
            return guarded(lambda: _refuse(f"it holds {named}"), path, what)
        raise ValueError(f"{what} file '{path}' is damaged, cut short, or no {kind} file") from error


def _refuse(reason: str) -> None:
    raise NotPlainError(reason)


def read_content(place: str, what: str, also: dict[str, Callable[[Path], object]] | None = None) -> object:
    """What a file holds, or the part of it that ``FILE:NAME`` names.

    Parameters
    ----------
    what : str
        What it is to hold, for messages.
    also : dict of str to callable, optional
        Further readers, by the end of the name.
    """
    path, name = split_place(place)
    also = also or {}
    check_file(path, what, tuple(also))
    kind = path.suffix.lower()
    content = guarded(lambda: (also.get(kind) or READERS[kind])(path), path, what)
    return content if name is None else guarded(lambda: part_of(content, name), path, what)


def part_of(content: object, name: str) -> object:
    """The part of a dictionary, or of a tuple or list by number, that `name` names; slashes lead further in.

    Of an HDF5 file a group's name gives all that lies in the group.
    """
    name = name.strip("/") or name
    if isinstance(content, Mapping) and name in content:
        return content[name]
    if isinstance(content, (list, tuple)) and name.isdecimal() and int(name) < len(content):
        return content[int(name)]
    if isinstance(content, Mapping):
        inside = [key for key in content if str(key).startswith(f"{name}/")]
        if isinstance(content, Parts) and inside:
            return Parts({key[len(name) + 1 :]: content.readers[key] for key in inside})
        head, slash, rest = name.partition("/")
        if slash and head in content:
            return part_of(content[head], rest)
        listed = ", ".join(sorted(map(str, content))) or "none"
        raise NoFileOfItsKindError(f"no array named '{name}'; it has: {listed}")
    if isinstance(content, (list, tuple)):
        raise NoFileOfItsKindError(f"no part '{name}'; it has 0 to {len(content) - 1}")
    raise NoFileOfItsKindError(f"it holds one array without a name: leave ':{name}' out")
