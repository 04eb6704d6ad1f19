"""Read what a pickle holds without running it: lists, dictionaries, numbers, text and NumPy arrays.

A pickle is a program. Here every name that it looks up is answered by a stand-in of this module that only notes down data,
and any other name ends the reading: nothing that the file names is imported or called.
"""

import pickle
import re
from collections.abc import Callable
from typing import BinaryIO

import numpy as np


class NotPlainError(ValueError):
    """The pickle needs code: it holds more than lists, numbers, text and NumPy arrays."""


class _StandIn:
    """What a name of the pickle becomes: it can be called, and cannot be changed."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable):
        object.__setattr__(self, "_make", make)

    def __call__(self, *arguments):
        return self._make(*arguments)

    def __setattr__(self, name: str, value: object) -> None:
        raise NotPlainError("it changes what it names")

    def __setstate__(self, state: object) -> None:
        raise NotPlainError("it changes what it names")


class _Kind:
    """A NumPy type as a pickle writes it: a code, then the order of its bytes."""

    def __init__(self, code: object, *_: object):
        code = code.decode() if isinstance(code, bytes) else code
        if not (isinstance(code, str) and re.fullmatch(r"[|<>=]?[biufcOSU]\d+|[?bBhHiIlLqQefdO]", code)):
            raise NotPlainError(f"it holds an array of type {str(code)[:40]}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">") and state[3] is None:
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """A NumPy array as a pickle writes it: first empty, then shape, type, order and content."""

    value: object = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, columns_first, content = state
        self.value = _from_bytes(content, kind, shape, "F" if columns_first else "C")


class _Masked(_Array):
    """A masked array of NumPy's, none of whose entries is masked."""

    def __setstate__(self, state: tuple) -> None:
        *array, mask, _ = state
        if any(mask.encode("latin1") if isinstance(mask, str) else mask):
            raise NotPlainError("it holds an array with masked entries")
        super().__setstate__(tuple(array))


def _from_bytes(content: object, kind: _Kind, shape: tuple, order: str = "C") -> object:
    if kind.dtype.hasobject:
        filled = np.empty(len(content), dtype=object)
        filled[:] = content
        return filled.reshape(shape, order=order)
    content = content.encode("latin1") if isinstance(content, str) else bytes(content)
    return np.frombuffer(content, kind.dtype).reshape(shape, order=order)


def _number(kind: _Kind, content: object) -> object:
    return _from_bytes(content, kind, (1,))[0]


def _encode(text: str, codec: str = "latin1") -> bytes:
    return text.encode("latin1")


_PARTS: dict[str, Callable] = {
    "_reconstruct": lambda *_: _Array(),
    "_frombuffer": lambda content, kind, shape, order: _from_bytes(content, kind, shape, order),
    "scalar": _number,
}
_KNOWN: dict[tuple[str, str], Callable] = {
    (f"numpy.{core}.{module}", name): make
    for core in ("core", "_core")
    for module in ("multiarray", "numeric")
    for name, make in _PARTS.items()
} | {
    ("numpy", "ndarray"): lambda *_: None,
    **{(home, "_mareconstruct"): lambda *_: _Masked() for home in ("numpy.ma", "numpy.ma.core")},
    **{(home, "MaskedArray"): lambda *_: None for home in ("numpy.ma", "numpy.ma.core")},
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): lambda items=(): dict(items),
    ("collections", "defaultdict"): lambda *_: {},
    **{(home, "list"): lambda items=(): list(items) for home in ("builtins", "__builtin__")},
    **{(home, "set"): lambda items=(): list(items) for home in ("builtins", "__builtin__")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        make = _KNOWN.get((module, name))
        if make is None:
            raise NotPlainError(f"it holds {module}.{name}")
        return _StandIn(make)

    def persistent_load(self, pid: object) -> object:
        raise NotPlainError("it refers to things outside itself")


def _plain(value: object) -> object:
    """Without stand-ins: arrays, numbers, text, lists, tuples and dictionaries."""
    if isinstance(value, _Array):
        return _plain(value.value)
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        filled = np.empty(value.shape, dtype=object)
        for i in np.ndindex(value.shape):
            filled[i] = _plain(value[i])
        return filled
    if isinstance(value, dict):
        return {_plain(key): _plain(x) for key, x in value.items()}
    if isinstance(value, (list, set, frozenset)):
        return [_plain(x) for x in value]
    if isinstance(value, tuple):
        return tuple(_plain(x) for x in value)
    if isinstance(value, (_StandIn, _Kind)):
        raise NotPlainError("it holds more than data")
    return value


def read_pickle(stream: BinaryIO) -> object:
    """What the pickle holds, arrays as NumPy arrays and sets as lists.

    Raises
    ------
    NotPlainError
        It holds anything else; the message names the first such thing.
    Exception
        Of many kinds, where the stream is damaged.
    """
    try:
        return _plain(_Reader(stream, encoding="latin1").load())
    except (RecursionError, AttributeError, TypeError) as error:
        raise NotPlainError("it holds more than data") from error


def read_npy(stream: BinaryIO) -> object:
    """One array in NumPy's own format; of an array of objects, the objects."""
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    if not header(stream)[2].hasobject:
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    value = read_pickle(stream)
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
