"""Packages that the core does without, and the extra that installs each."""

from collections.abc import Iterator
from contextlib import contextmanager

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
