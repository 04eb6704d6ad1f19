"""What a printed table of recall percentages can be: which test-set size explains it, and which orderings cannot be.

A recall is a count of queries, so a cell is 100 · count / n printed to some decimals, rounded or cut off. Most n cannot
print a given cell, which is why a table of enough cells gives its n away. Whole numbers decide; nothing is rounded here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cvig.metrics import places

PRINTING = ("either", "rounded", "cut")
CELL = re.compile(r"\d{1,3}(\.\d{1,9})?")
LEVEL = 0.001  # an n must be this improbable by chance, over the whole scan, to be taken for the test set's


def read_table(path: Path | str) -> pd.DataFrame:
    """Read recall percentages as they are printed, so that a trailing zero still counts as a decimal.

    Parameters
    ----------
    path : path of a CSV file
        First column the models' names, then columns such as ``R@5`` and ``R@1%``; an empty cell is not given.

    Returns
    -------
    DataFrame of str
        A row a model; cells not given are ``""``.

    Raises
    ------
    ValueError
        Names the row and column that are no recall percentage.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=0, skipinitialspace=True)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"'{path}': no CSV table ({str(error).splitlines()[0]})") from error
    table = table.rename(columns=str.strip).apply(lambda column: column.str.strip())
    try:
        check_table(table)
    except ValueError as error:
        raise ValueError(f"'{path}', {error}") from error
    return table


def check_table(table: pd.DataFrame) -> None:
    """ValueError where `table` is not one of printed recall percentages, as `read_table` gives it."""
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
            places(k if k.endswith("%") else int(k), 10**9)
            return k if k.endswith("%") else int(k)
    except ValueError:
        pass
    raise ValueError(f"column '{column}': expected R@k or R@k%, such as R@5 or R@1%")


def cutoffs(table: pd.DataFrame) -> dict[str, int | str]:
    """The k of each column."""
    return {name: _cutoff(name) for name in table.columns}


def _digits(cell: str) -> tuple[int, int]:
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
    value, decimals = _digits(cell)
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
    """Pairs of cells of one row that no list of ranks can give: a larger recall in fewer places.

    Cells count as different only where no common count prints as both. Without n, counts of places are compared with
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
        size = {c: places(min(k, n) if n and isinstance(k, int) else k, n or 10**9) for c, k in kind.items()}
        order = sorted(size, key=size.get)
        for model, row in table.iterrows():
            for i, fewer in enumerate(order):
                for more in order[i + 1 :]:
                    if size[fewer] < size[more] and row[fewer] and row[more] and _exceeds(row[fewer], row[more]):
                        found.append((model, fewer, more, row[fewer], row[more]))
    return pd.DataFrame(found, columns=["row", "smaller", "larger", "at_smaller", "at_larger"])


def _exceeds(cell: str, other: str) -> bool:
    """Whether the smallest share that prints as `cell` is above the largest that prints as `other`."""
    (value, decimals), (limit, limit_decimals) = _digits(cell), _digits(other)
    return (2 * value - 1) * 10**limit_decimals >= (2 * limit + 2) * 10**decimals


@dataclass(frozen=True)
class Scan:
    """How well each n explains a table.

    Attributes
    ----------
    n : int array [N]
        Sizes of the test set.
    matches : bool array [cells, N]
        Whether some count of n prints as the cell.
    cells : list of str
        Every cell that is given, in reading order.
    printing : str
        As in `count_range`.
    """

    n: np.ndarray
    matches: np.ndarray
    cells: list[str]
    printing: str

    @cached_property
    def explained(self) -> np.ndarray:
        """Cells that each n explains: int [N]."""
        return self.matches.sum(0)

    @cached_property
    def _distinct(self) -> np.ndarray:
        """Rows of `matches`, one for each printed value: equal cells are explained together, which proves nothing twice."""
        return np.array([self.cells.index(cell) for cell in dict.fromkeys(self.cells)])

    @cached_property
    def distinct_explained(self) -> np.ndarray:
        """Different printed values that each n explains: int [N]."""
        return self.matches[self._distinct].sum(0)

    @cached_property
    def chance(self) -> np.ndarray:
        """Probability that an n with no part in the table explains each different value: float [values, N].

        The shares that print as one value are an interval, n · width counts long. If where it lies among the whole
        numbers is uniform, it holds one of them with probability min(1, n · width).
        """
        width = {"either": 1.5, "rounded": 1.0, "cut": 1.0}[self.printing]
        decimals = np.array([_digits(self.cells[i])[1] for i in self._distinct])
        return np.minimum(1, self.n * width / (100 * 10.0 ** decimals[:, None]))

    @cached_property
    def tail(self) -> np.ndarray:
        """Probability that as many different values or more are explained by chance: float [values + 1, N].

        The Poisson binomial distribution of independent matches with the probabilities of `chance`.
        """
        mass = np.zeros((len(self.chance) + 1, len(self.n)))
        mass[0] = 1
        for p in self.chance:
            mass[1:] = mass[1:] * (1 - p) + mass[:-1] * p
            mass[0] *= 1 - p
        return np.minimum(1, mass[::-1].cumsum(0)[::-1])

    @cached_property
    def p_value(self) -> np.ndarray:
        """Probability of explaining so many different values by chance, at each n taken alone: float [N]."""
        return self.tail[self.distinct_explained, np.arange(len(self.n))]

    @property
    def best(self) -> int:
        """The n whose fit is least probable by chance."""
        return int(self.n[self.p_value.argmin()])

    @property
    def adjusted(self) -> float:
        """Probability that any scanned n fits so improbably well by chance, at most (Bonferroni)."""
        return min(1.0, float(self.p_value.min()) * len(self.n))

    def at(self, n: int) -> int:
        """Cells that this n explains."""
        where = np.flatnonzero(self.n == n)
        if len(where) == 0:
            raise ValueError(f"n = {n}: the scan went from {self.n[0]} to {self.n[-1]}")
        return int(self.explained[where[0]])

    @property
    def equals(self) -> list[int]:
        """Every n that explains as many cells as the best one."""
        return [int(n) for n in self.n[self.explained == self.at(self.best)]]

    @property
    def runner_up(self) -> tuple[int, int]:
        """Of the n up to one and a half times the best one, that which explains most cells after it, and how many.

        Larger n explain more by chance, and those beside a multiple of the best one share its success.
        """
        others = (self.n != self.best) & (2 * self.n <= 3 * self.best)
        if not others.any():
            raise ValueError("a scan of one n has no runner-up")
        explained = np.where(others, self.explained, -1)
        return int(self.n[explained.argmax()]), int(explained.max())

    def random_tables(self, draws: int, seed: int) -> np.ndarray:
        """The smallest p-value of the scan on tables with random last digits: float [draws].

        Each different value is replaced by one within a fifth (at least three units of its last decimal), uniformly. What
        the independence assumed in `tail` is worth shows in how these spread: none should come near the table's own.
        """
        rng = np.random.default_rng(seed)
        digits = [_digits(self.cells[i]) for i in self._distinct]
        smallest = np.empty(draws)
        for draw in range(draws):
            explained = np.zeros(len(self.n), dtype=int)
            for value, decimals in digits:
                spread = max(3, value // 5)
                other = int(rng.integers(max(1, value - spread), min(value + spread, 100 * 10**decimals) + 1))
                first, last = count_range(f"{other / 10**decimals:.{decimals}f}", self.n, self.printing)
                explained += first <= last
            smallest[draw] = self.tail[explained, np.arange(len(self.n))].min()
        return smallest


def scan(table: pd.DataFrame, sizes: Sequence[int], printing: str = "either") -> Scan:
    """Ask of every n in `sizes` which cells of a printed table it explains."""
    check_table(table)
    n = np.asarray(sizes, dtype=np.int64)
    if n.ndim != 1 or len(n) == 0 or n.min() < 1 or n.max() > 10**6:
        raise ValueError(f"sizes {sizes!r}: expected test-set sizes from 1 to 1000000")
    cells = [cell for cell in table.to_numpy().ravel() if cell]
    ranges = [count_range(cell, n, printing) for cell in cells]
    return Scan(n, np.array([first <= last for first, last in ranges]), cells, printing)
