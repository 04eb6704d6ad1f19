"""What a file holds: its arrays by name, what counts as one, and our own word on a file that is none of its kind."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np


class NoFileOfItsKindError(ValueError):
    """Our own words on why a file is refused; what other libraries say is never passed on."""


class Parts(Mapping):
    """The arrays of a file by name, each read when it is asked for."""

    def __init__(self, readers: dict[str, Callable[[], object]]):
        self.readers = readers

    def __getitem__(self, name: str) -> object:
        return self.readers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.readers)

    def __len__(self) -> int:
        return len(self.readers)


def as_array(value: object) -> np.ndarray:
    """A tensor, list or array as a NumPy array; bfloat16 becomes float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    return np.asanyarray(value)


def is_array(value: object) -> bool:
    """Whether it is an array or a tensor."""
    return isinstance(value, np.ndarray) or hasattr(value, "detach")


def is_vector(value: object) -> bool:
    """Whether it is one row of numbers: a list of them, or an array with one axis longer than 1."""
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(isinstance(x, (int, float, np.number)) and not isinstance(x, bool) for x in value)
    return is_array(value) and sum(length != 1 for length in value.shape) <= 1 and np.prod(value.shape) > 1


def by_field(value: object) -> object:
    """A structured array, as pandas' ``to_records`` gives, as a dictionary of its fields; anything else as it is.

    Fields of one float each are the columns of an array [N, D], pandas' index is left out, and one field alone is all.
    """
    if not isinstance(value, np.ndarray) or value.dtype.names is None:
        return value
    fields = {name: value[name] for name in value.dtype.names}
    if len(fields) > 1 and value.ndim == 1 and np.array_equal(fields.get("index"), np.arange(len(value))):
        del fields["index"]
    columns = [name for name, field in fields.items() if field.ndim == 1 and field.dtype.kind == "f"]
    if len(columns) > 2:  # two may be coordinates
        fields["features"] = np.stack([fields.pop(name) for name in columns], axis=1)
    return next(iter(fields.values())) if len(fields) == 1 else fields
