"""HDF5 files: arrays by name, an array an item as hloc writes them, and MATLAB's 7.3, whose arrays lie there transposed."""

from functools import partial
from pathlib import Path

import numpy as np

from cvig.reading.parts import NoFileOfItsKindError, Parts


def _matlab_value(dataset, file) -> object:
    """An array as MATLAB has it; cells become an array of arrays, text becomes text."""
    if dataset.attrs.get("MATLAB_empty", 0):
        return np.empty((0, 0))
    kind = dataset.attrs.get("MATLAB_class", b"")
    value = dataset[()].T
    if kind == b"cell":
        cells = np.empty(value.shape, dtype=object)
        for i in np.ndindex(value.shape):
            cells[i] = _matlab_value(file[value[i]], file)
        return cells
    if kind == b"char":
        return "".join(map(chr, value.ravel(order="C")))
    return value.astype(bool) if kind == b"logical" else value


def _value(dataset) -> object:
    value = dataset[()]
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return np.array([x.decode() if isinstance(x, bytes) else x for x in value.ravel()], dtype=object).reshape(
            value.shape
        )
    return value


def read_hdf(path: Path, matlab: bool = False) -> Parts:
    """The arrays of an HDF5 file by name, groups parted by slashes.

    Raises
    ------
    NoFileOfItsKindError
        It holds none, or one whose numbers lie elsewhere: HDF5 lets a file name any other one, or a device, to be read.
    """
    import h5py

    file = h5py.File(path, "r")  # stays open for the arrays that are read later, and closes with the last of them
    found = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) and name[0] != "#" else None)
    if not found:
        raise NoFileOfItsKindError("it holds no array")
    for name in found:
        if file[name].external or file[name].is_virtual:
            raise NoFileOfItsKindError(f"its array '{name}' lies in another file: expected numbers that lie in this one")

    def read(name: str) -> object:
        return _matlab_value(file[name], file) if matlab else _value(file[name])

    return Parts({name: partial(read, name) for name in found})
