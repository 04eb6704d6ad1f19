"""Embeddings as projects write them, brought to rows [N, D]; names and labels that lie beside them come along.

An array is named ``FILE`` or ``FILE:NAME``. Without a name it is the file's only array, or the one whose name tells the
side (`cvig.reading.sides`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cvig.reading.containers import guarded, read_content, split_place
from cvig.reading.ordering import natural_order
from cvig.reading.parts import NoFileOfItsKindError, Parts, as_array, is_array, is_vector
from cvig.reading.rows import read_numbers
from cvig.reading.sides import (
    LABELS,
    LABELS_OF_EITHER,
    PATHS,
    PATHS_OF_EITHER,
    SIDES,
    beside,
    choose,
    listed_names,
    text_list,
)

LAYOUTS = ("auto", "rows", "columns", "batches")


@dataclass(frozen=True)
class Embeddings:
    """Rows of one side.

    Attributes
    ----------
    rows : array [N, D]
        A ``.npy`` file stays memory-mapped.
    names : list of str, optional
        What the file calls each row.
    labels : array [N] or [N, m], optional
        The labels that lie beside the rows.
    said : list of str
        What was understood, where that is more than reading an array [N, D].
    """

    rows: np.ndarray
    names: list[str] | None = None
    labels: np.ndarray | None = None
    said: list[str] = field(default_factory=list)


def _raw(path: Path, dimensions: int | None) -> np.ndarray:
    """Bare float32 numbers, `dimensions` a row; a file of torch's under this name is none of these."""
    with path.open("rb") as stream:
        if stream.read(2) == b"PK":
            raise NoFileOfItsKindError("it is an archive, as torch.save writes them: name it .pt")
    size = path.stat().st_size
    if dimensions is None:
        raise NoFileOfItsKindError("it holds bare float32 numbers, whose rows have no length there: give it with --dim")
    if size == 0 or size % (4 * dimensions):
        raise NoFileOfItsKindError(f"its {size} bytes are no whole number of rows of {dimensions} float32 numbers")
    return np.memmap(path, "<f4", "r").reshape(-1, dimensions)


def _stacked(vectors: list) -> np.ndarray:
    arrays = [as_array(vector).ravel() for vector in vectors]
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        raise NoFileOfItsKindError(f"its vectors have {min(lengths)} to {max(lengths)} numbers: expected one length")
    return np.stack(arrays)


def _by_item(parts: Mapping, side: str) -> Embeddings:
    """A vector an item, under its name, as in hloc's HDF5 files; a folder named for the side holds that side."""
    names = [str(name) for name in parts]
    inside = [name for name in names if name.split("/")[0].lower() in SIDES[side]]
    other = SIDES["gallery" if side == "query" else "query"]
    chosen = inside if inside and any(name.split("/")[0].lower() in other for name in names) else names
    order, how = natural_order(chosen)
    chosen = [chosen[i] for i in order]
    given = {str(name): name for name in parts}
    values = [parts[given[name]] for name in chosen]
    if not all(is_vector(value) for value in values):
        raise NoFileOfItsKindError(
            f"which array is the {side} is not plain: name one of {listed_names(parts)}, as in FILE:NAME"
        )
    ends = {name.rpartition("/")[2] for name in chosen}
    items = [name.rpartition("/")[0] for name in chosen] if len(ends) == 1 and "/" in chosen[0] else chosen
    return Embeddings(_stacked(values), items, said=[f"a vector an item, {how}"])


def _from_parts(parts: Mapping, side: str, layout: str) -> Embeddings:
    of_side = [key for key in parts if str(key).lower() in SIDES[side] and not isinstance(parts, Parts)]
    if len(of_side) == 1 and isinstance(parts[of_side[0]], Mapping):
        return _from_parts(parts[of_side[0]], side, layout)
    name = choose(parts, side)
    if name is None:
        # two or three arrays that nothing tells apart are no items
        if len(parts) > 3 and all(is_vector(parts[key]) for key in list(parts)[:50]):
            return _by_item(parts, side)
        raise NoFileOfItsKindError(
            f"which array is the {side} is not plain: name one of {listed_names(parts)}, as in FILE:NAME"
        )
    if isinstance(parts, Parts) and len(parts) == 1 and "/" in name and is_vector(parts[name]):
        return _by_item(parts, side)
    found = normalised(parts[name], side, layout)
    labels = beside(parts, [*LABELS[side], *LABELS_OF_EITHER])
    names = text_list(beside(parts, [*PATHS[side], *PATHS_OF_EITHER]))
    labels = found.labels if labels is None else np.squeeze(as_array(labels))
    return Embeddings(found.rows, found.names or names, labels, found.said)


def _joined(batches: list) -> object:
    """Batches of arrays or lists, one after another; anything else as it is."""
    if batches and all(isinstance(x, list) and is_vector(x) and isinstance(x[0], float) for x in batches):
        batches = [np.array(x) for x in batches]
    if batches and all(is_array(x) and x.ndim > 0 for x in batches):
        arrays = [as_array(x) for x in batches]
        if all(x.ndim == 1 and x.dtype.kind == "f" for x in arrays) and len({len(x) for x in arrays}) == 1 < len(arrays[0]):
            return np.stack(arrays)  # a vector an item
        return np.concatenate(arrays) if len({x.shape[1:] for x in arrays}) == 1 else batches
    if batches and all(isinstance(x, (list, tuple)) for x in batches):
        return [y for x in batches for y in x]
    return batches


def _from_sequence(parts: list | tuple, side: str, layout: str) -> Embeddings:
    """Batches, vectors, or features with labels and names beside them."""
    if not parts:
        raise NoFileOfItsKindError("it holds an empty list")
    if all(isinstance(x, Mapping) for x in parts):
        keys = set(parts[0])
        if all(set(x) == keys for x in parts) and choose(parts[0], side) is not None:
            name = choose(parts[0], side)
            return normalised([x[name] for x in parts], side, "batches")
    if all(is_vector(x) for x in parts) and len({np.size(as_array(x)) for x in parts}) == 1 and len(parts) > 2:
        return Embeddings(_stacked(list(parts)))
    arrays = [
        (i, as_array(x))
        for i, x in enumerate(parts)
        if is_array(x) or (isinstance(x, list) and x and not isinstance(x[0], str))
    ]
    matrices = [(i, x) for i, x in arrays if x.ndim >= 2 and x.dtype.kind == "f"]
    if len(matrices) == len(parts):
        two_sides = len(parts) == 2 and matrices[0][1].shape == matrices[1][1].shape  # queries and gallery, as easily
        if (isinstance(parts, tuple) or two_sides) and layout != "batches" and len(parts) > 1:
            raise NoFileOfItsKindError(
                f"it holds {len(parts)} arrays: parts, of which FILE:0 names the first, or batches, which "
                "--layout batches joins"
            )
        if len({x.shape[1:] for _, x in matrices}) > 1:
            raise NoFileOfItsKindError(f"its batches have {len({x.shape[1:] for _, x in matrices})} shapes: expected one")
        found = normalised(np.concatenate([x for _, x in matrices]), side, "auto" if layout == "batches" else layout)
        return Embeddings(found.rows, said=[f"{len(parts)} batches joined", *found.said])
    if len(parts) > 0 and all(isinstance(x, tuple) and len(x) == len(parts[0]) for x in parts):  # (features, labels) a batch
        return _from_sequence(tuple(_joined(list(column)) for column in zip(*parts, strict=True)), side, layout)
    joined = [_joined(x) if isinstance(x, list) else x for x in parts]
    candidates = [(i, x) for i, x in enumerate(joined) if is_array(x) and x.ndim >= 2 and as_array(x).dtype.kind == "f"]
    if len(candidates) != 1:
        raise NoFileOfItsKindError(f"which part is the {side} is not plain: name one of 0 to {len(parts) - 1}, as in FILE:0")
    at, value = candidates[0]
    found = normalised(value, side, layout)
    labels = names = None
    for i, other in enumerate(joined):
        if i == at or not hasattr(other, "__len__") or len(other) != len(found.rows):
            continue
        values = as_array(other)
        if values.dtype.kind in "iu" and labels is None:
            labels = values
        elif values.dtype.kind in "USO" and names is None:
            names = text_list(values)
    return Embeddings(found.rows, names, labels, found.said)


def normalised(value: object, side: str, layout: str = "auto") -> Embeddings:
    """Rows [N, D] of whatever a file held.

    Raises
    ------
    NoFileOfItsKindError
        Several readings, or none; the message says how to settle it.
    """
    if isinstance(value, Mapping):
        return _from_parts(value, side, layout)
    if isinstance(value, (list, tuple)):
        return _from_sequence(value, side, layout)
    if hasattr(value, "toarray"):
        return Embeddings(value.toarray(), said=["a sparse matrix, made dense"])
    if not is_array(value):
        raise NoFileOfItsKindError(f"it holds a {type(value).__name__}: expected an array of embeddings")
    array = as_array(value)
    if array.dtype == object:
        return _from_sequence(list(array.ravel() if array.ndim == 1 or 1 in array.shape else array), side, layout)
    shape, said = array.shape, []
    if layout == "batches" and array.ndim >= 3:
        array = array.reshape(-1, *shape[2:])
    while array.ndim > 2 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim > 2 and array.shape[:-2] == (1,) * (array.ndim - 2):
        array = array.reshape(array.shape[-2:])  # MatConvNet's [1, 1, D, N] too
    elif array.ndim == 3 and array.shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 3 and layout != "rows":
        a, b, c = array.shape
        raise NoFileOfItsKindError(
            f"its shape is {shape}: {a} rows of {b * c} numbers, which --layout rows says, or {a} batches of {b} "
            "rows, which --layout batches says"
        )
    if array.ndim > 2:
        array = array.reshape(len(array), -1)
    if layout == "columns" and array.ndim == 2:
        array, said = array.T, ["columns of the file taken as rows"]
    if array.shape != shape and layout != "columns":
        said = [f"{list(shape)} taken as {list(array.shape)}"]
    return Embeddings(array, said=said)


def read_embeddings(place: str, side: str, *, dimensions: int | None = None, layout: str = "auto") -> Embeddings:
    """Read the embeddings of one side.

    Parameters
    ----------
    place : str
        ``FILE`` or ``FILE:NAME``.
    side : {"query", "gallery"}
        By which an array without a given name is found.
    dimensions : int, optional
        Numbers a row of a ``.bin`` file.
    layout : {"auto", "rows", "columns", "batches"}
        What settles a shape that could be read in two ways: "columns" is MATLAB's [D, N].

    Raises
    ------
    ValueError
        A file of another kind, a damaged one, or one without such an array; the message lists the arrays there are.
    OSError
        No such file.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout '{layout}': expected one of {', '.join(LAYOUTS)}")
    if dimensions is not None and dimensions < 1:
        raise ValueError(f"--dim {dimensions}: expected at least 1")
    path, _ = split_place(place)

    def numbers(path: Path) -> object:
        try:
            rows, names = read_numbers(path)
        except ValueError as error:
            raise NoFileOfItsKindError(str(error)) from error
        return Embeddings(rows, names)

    also = dict.fromkeys((".csv", ".tsv", ".txt"), numbers) | {".bin": lambda path: _raw(path, dimensions)}
    content = read_content(place, side, also)
    if isinstance(content, Embeddings):
        rows = content.rows.T if layout == "columns" else content.rows
        return Embeddings(rows, content.names, said=content.said)
    return guarded(lambda: normalised(content, side, layout), path, side)


def read_array(place: str, side: str) -> np.ndarray:
    """The rows of `read_embeddings`."""
    return read_embeddings(place, side).rows
