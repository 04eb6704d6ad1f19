"""Tables of recall percentages as they are printed: what counts a cell can stand for, and what orderings it cannot.

A recall is a count of queries, so a cell is 100 · count / n printed to some decimals, rounded or cut off. Whole numbers
decide what prints as what; nothing is rounded here.
"""

import re

import numpy as np
import pandas as pd

from cvig.metrics import top_size
from cvig.metrics.values import check_top

PRINTING = ("either", "rounded", "cut")
CELL = re.compile(r"\d{1,3}(\.\d{1,9})?")


def check_table(table: pd.DataFrame) -> None:
    """ValueError where `table` is not one of printed recall percentages, as `cvig.printed.reading.read_table` gives it."""
    if table.empty:
        raise ValueError("table without cells: expected models as rows and R@k as columns")
    for axis, names in (("column", table.columns), ("row", table.index)):
        if not names.is_unique:
            raise ValueError(f"{axis} '{names[names.duplicated()][0]}' twice: expected different names")
    for name in table.columns:
        _cutoff(name)
    for model, row in table.iterrows():
        for name, cell in row.items():
            if cell and not (CELL.fullmatch(cell) and float(cell) <= 100):
                raise ValueError(f"row '{model}', column '{name}': '{cell}' is not a percentage such as 34.614")
    if not (table != "").any(axis=None):
        raise ValueError("table of empty cells: expected recall percentages")


def _cutoff(column: str) -> int | str:
    """The k of a column ``R@k``: a count, or a percentage with its sign."""
    k = column.removeprefix("R@")
    try:
        if k != column:
            cutoff = k if k.endswith("%") else int(k)
            check_top(cutoff, 10**9)
            return cutoff
    except ValueError:
        pass
    raise ValueError(f"column '{column}': expected R@k or R@k%, such as R@5 or R@1%")


def cutoffs(table: pd.DataFrame) -> dict[str, int | str]:
    """The k of each column."""
    return {name: _cutoff(name) for name in table.columns}


def digits(cell: str) -> tuple[int, int]:
    """A printed percentage as a whole number of its last decimal, and how many decimals it has."""
    whole, _, decimals = cell.partition(".")
    return int(whole + decimals), len(decimals)


def count_range(cell: str, n: int | np.ndarray, printing: str = "either") -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest count whose share of n prints as `cell`; the smallest exceeds the largest where none does.

    Parameters
    ----------
    cell : str
        A printed percentage, such as ``"34.614"``.
    n : int or int array
        Size of the test set.
    printing : {"either", "rounded", "cut"}
        How the last decimal came about; of a half, rounding may go either way.

    Examples
    --------
    >>> count_range("34.614", 6194), count_range("34.614", 6149)
    ((2144, 2144), (2129, 2128))
    """
    if printing not in PRINTING:
        raise ValueError(f"unknown printing '{printing}': expected one of {', '.join(PRINTING)}")
    value, decimals = digits(cell)
    unit = 200 * 10**decimals  # twice the last decimal, so that halves are whole
    low = 2 * value if printing == "cut" else 2 * value - 1
    first = -(-low * n // unit)
    last = (2 * value + 1) * n // unit if printing == "rounded" else -(-(2 * value + 2) * n // unit) - 1
    return first, last if np.ndim(last) else min(last, n)


def counts(table: pd.DataFrame, n: int, printing: str = "either") -> pd.DataFrame:
    """The count of each cell at a test set of n: nullable integers, missing where none or more than one prints so."""
    found = {}
    for name, column in table.items():
        ranges = [count_range(cell, n, printing) if cell else (1, 0) for cell in column]
        found[name] = pd.array([int(low) if low == high else pd.NA for low, high in ranges], dtype="Int64")
    return pd.DataFrame(found, index=table.index)


def impossible_orderings(table: pd.DataFrame, n: int | None = None) -> pd.DataFrame:
    """Pairs of cells of one row that no list of ranks can give: a larger recall in a smaller top.

    Cells count as different only where no common count prints as both. Without n, counts of rows are compared with
    counts, and percentages with percentages.

    Returns
    -------
    DataFrame
        Columns ``row``, ``smaller``, ``larger`` (column names by their k), ``at_smaller``, ``at_larger`` (the cells).
    """
    ks = cutoffs(table)
    kinds = [ks] if n else [{c: k for c, k in ks.items() if isinstance(k, kind)} for kind in (int, str)]
    found = []
    for kind in kinds:
        size = {c: top_size(min(k, n) if n and isinstance(k, int) else k, n or 10**9) for c, k in kind.items()}
        order = sorted(size, key=size.get)
        for model, row in table.iterrows():
            for i, fewer in enumerate(order):
                for more in order[i + 1 :]:
                    if size[fewer] < size[more] and row[fewer] and row[more] and _exceeds(row[fewer], row[more]):
                        found.append((model, fewer, more, row[fewer], row[more]))
    return pd.DataFrame(found, columns=["row", "smaller", "larger", "at_smaller", "at_larger"])


def _exceeds(cell: str, other: str) -> bool:
    """Whether the smallest share that prints as `cell` is above the largest that prints as `other`."""
    (value, decimals), (limit, limit_decimals) = digits(cell), digits(other)
    return (2 * value - 1) * 10**limit_decimals >= (2 * limit + 2) * 10**decimals
