"""Which size of the test set explains a printed table of recall percentages, and how probable such a fit is by chance.

Most n cannot print a given cell (`cvig.printed.tables`), so a table of enough cells gives its n away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cvig.printed.tables import check_table, count_range, digits

LEVEL = 0.001  # an n must be this improbable by chance, over the whole scan, to be taken for the test set's
AROUND = 12  # counts on each side of a value among which it is seen how many values n prints there


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

        It is the share of the printed values around it that n explains. A count prints as one value, n of them as n of
        100 · 10^decimals. Where its last decimal may be rounded or cut off it prints as two if its next decimal is at least
        5. That is every other count's for most n, but for some every one's: 4998 prints any value of two decimals near 100,
        for its counts lie just below the even ones. So it is counted among the counts around the value.
        """
        values = [digits(self.cells[i]) for i in self._distinct]
        shares = []
        for value, decimals in values:
            unit = 100 * 10**decimals
            second = 0.0
            if self.printing == "either":
                nearest = value * self.n // unit
                second = np.mean([(nearest + i) * unit % self.n * 2 >= self.n for i in range(-AROUND, AROUND + 1)], axis=0)
            shares.append(np.minimum(1, self.n / unit * (1 + second)))
        return np.array(shares)

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

    def unexplained(self, n: int) -> list[str]:
        """Cells that this n does not explain, in reading order."""
        column = int(np.flatnonzero(self.n == n)[0])
        return [cell for cell, fits in zip(self.cells, self.matches[:, column], strict=True) if not fits]

    @property
    def explains_anything(self) -> int | None:
        """The smallest scanned n from which on every cell is explained by chance alone, or None."""
        units = 100 * 10 ** max(digits(cell)[1] for cell in self.cells)  # printed values; 1.5 or 1 of them are one share's
        certain = self.n * (3 if self.printing == "either" else 2) >= 2 * units
        return int(self.n[certain.argmax()]) if certain.any() else None

    @property
    def median(self) -> float:
        """Cells that the median n explains."""
        return float(np.median(self.explained))

    @property
    def equals(self) -> list[int]:
        """Every n that explains as many cells as the best one."""
        return [int(n) for n in self.n[self.explained == self.at(self.best)]]

    @property
    def runner_up(self) -> tuple[int, int] | None:
        """Of the n up to one and a half times the best one, that which explains most cells after it, and how many.

        Larger n explain more by chance, and those beside a multiple of the best one share its success.
        """
        others = (self.n != self.best) & (2 * self.n <= 3 * self.best)
        if not others.any():
            return None
        explained = np.where(others, self.explained, -1)
        return int(self.n[explained.argmax()]), int(explained.max())

    def random_tables(self, draws: int, seed: int) -> np.ndarray:
        """The smallest p-value of the scan on tables with random last digits: float [draws].

        Each different value is replaced by one within a fifth (at least three units of its last decimal), uniformly. What
        the independence assumed in `tail` is worth shows in how these spread: none should come near the table's own.
        """
        rng = np.random.default_rng(seed)
        cells = [digits(self.cells[i]) for i in self._distinct]
        smallest = np.empty(draws)
        for draw in range(draws):
            explained = np.zeros(len(self.n), dtype=int)
            for value, decimals in cells:
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
