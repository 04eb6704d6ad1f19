"""Packages that the core does without, the extra that installs each, and names that are imported when they are asked for."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

EXTRAS = dict.fromkeys(("PIL", "lightning", "sklearn", "torch", "torchmetrics", "torchvision"), "train")
EXTRAS |= {"h5py": "formats", "matplotlib": "figures", "rasterio": "locate", "pyarrow": "geoparquet"}


@contextmanager
def needing(what: str) -> Iterator[None]:
    """Where the block lacks a package of an extra, say in one line that `what` needs it, and what to install.

    Raises
    ------
    ModuleNotFoundError

    Examples
    --------
    >>> with needing("cvig.load_network"):
    ...     raise ModuleNotFoundError("No module named 'torch'", name="torch")
    Traceback (most recent call last):
    ModuleNotFoundError: cvig.load_network needs torch, which is not installed: pip install 'cvig[train]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        said = f"{what} needs {package}, which is not installed: pip install 'cvig[{EXTRAS[package]}]'"
        raise ModuleNotFoundError(said, name=error.name) from None


def late(package: str, places: Mapping[str, tuple[str, str]]) -> Callable[[str], object]:
    """The ``__getattr__`` of a package some of whose names are imported when they are first asked for.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    places : dict of str to (str, str)
        For each name the module that has it, and what it is called there.
    """

    def find(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        module, there = places[name]
        with needing(f"{package}.{name}"):
            found = getattr(import_module(module), there)
        setattr(sys.modules[package], name, found)
        return found

    return find
