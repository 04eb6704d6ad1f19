"""The paper's numbers, as printed (``published.json``)."""

import json
from functools import cache
from pathlib import Path

import pandas as pd

from cvig.printed.scan import scan


@cache
def numbers() -> dict:
    """The paper's numbers, as printed (``published.json``)."""
    return json.loads(Path(__file__).with_name("published.json").read_text())


def cells(number: int) -> pd.DataFrame:
    """Table 1 (cropped test set) or 2 (uncropped) of the paper, cells as printed: str, a row an architecture."""
    found = numbers()["tables"].get(str(number))
    if found is None:
        raise ValueError(f"table {number}: the paper has tables 1 and 2")
    return pd.DataFrame(found["rows"], index=found["columns"]).T


def table(number: int) -> pd.DataFrame:
    """Table 1 or 2 of the paper as numbers: recall in percent, a row an architecture."""
    return cells(number).astype(float)


def all_cells() -> pd.DataFrame:
    """Both tables as printed, one below the other; rows such as ``"T1 vgg16"``."""
    return pd.concat([cells(number).rename(index=f"T{number} {{}}".format) for number in (1, 2)])


SIZES = range(500, 20_001)  # scanned for the size that explains the printed cells, as in the book


@cache
def queries() -> int:
    """Size of the paper's test set: the one whose counts print both tables best (`cvig.printed.scan`)."""
    return scan(all_cells(), SIZES).best
