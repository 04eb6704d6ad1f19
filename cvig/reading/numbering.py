"""How a file of ground truth calls queries and gallery rows: by number, counted from 0 or 1, or by name."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cvig.reading.text import composed
from cvig.reading.truth import Truth, ordered_pairs

THINGS = {"query": "queries", "gallery": "gallery rows"}


def whole(array: np.ndarray, what: str) -> np.ndarray:
    """Whole numbers as int64, NaN as -1; ValueError where a number has a fraction."""
    if array.dtype.kind in "biu":
        return array.astype(np.int64)
    if array.dtype.kind != "f":
        raise ValueError(f"{what} of type {array.dtype}: expected whole numbers of gallery rows")
    filled = np.where(np.isnan(array), -1, array)
    wrong = np.argwhere(filled != np.floor(filled))
    if len(wrong):
        value = filled[tuple(wrong[0])]
        if array.ndim == 2 and array.shape[1] == 2:
            raise ValueError(
                f"{what} of shape {array.shape} hold {value:g}: coordinates are given as --query-coordinates and "
                "--gallery-coordinates with --radius"
            )
        raise ValueError(f"{what} of query {wrong[0][0]}: {value:g} is no number of a gallery row")
    if len(far := np.argwhere(np.abs(filled) >= 2.0**63)):
        raise ValueError(f"{what} of query {far[0][0]}: {filled[tuple(far[0])]:g} is no number of a gallery row")
    return filled.astype(np.int64)


@dataclass(frozen=True)
class Numbering:
    """Brings what queries and gallery rows are called to their numbers from 0.

    Attributes
    ----------
    queries, gallery : int
        Q and N.
    what : str
        What the file holds, for messages.
    first_row : int, optional
        What the first row is called, 0 or 1; None: 0, and an error where that is in doubt.
    names : dict
        Of ``"query"`` and ``"gallery"`` a list of names, or None.
    """

    queries: int
    gallery: int
    what: str = "positives"
    first_row: int | None = None
    names: dict[str, Sequence[str] | None] = field(default_factory=lambda: {"query": None, "gallery": None})

    def truth(self, query: np.ndarray, row: np.ndarray, origin: str) -> Truth:
        """Pairs of numbers from 0 as a truth; ValueError where one is out of range."""
        pairs = ordered_pairs(query, row)
        for values, size, thing in ((pairs[:, 0], self.queries, "queries"), (pairs[:, 1], self.gallery, "gallery rows")):
            wrong = np.flatnonzero((values < 0) | (values >= size))
            if len(wrong):
                of = f"{self.what} of query {pairs[wrong[0], 0]}" if thing == "gallery rows" else self.what
                raise ValueError(f"{of}: {values[wrong[0]]} is not within the {size} {thing} ({len(wrong)} such entries)")
        return Truth(pairs, self.queries, self.gallery, origin)

    def rows(self, query: np.ndarray, row: np.ndarray, origin: str) -> Truth:
        """Numbers of gallery rows a query, where -1 (and 0, counted from 1) is none."""
        kept = row >= 1 if self.first_row == 1 else row != -1
        return self.truth(query[kept], self.from_zero(row[kept], "gallery"), origin)

    def paired(self, query: np.ndarray, row: np.ndarray, origin: str) -> Truth:
        """Numbers of queries, and of the gallery row of each."""
        return self.truth(self.from_zero(query, "query"), self.from_zero(row, "gallery"), origin)

    def from_zero(self, numbers: np.ndarray, side: str) -> np.ndarray:
        """Numbers counted from 0; ValueError where they look counted from 1 and nothing says so."""
        size, thing = self.queries if side == "query" else self.gallery, THINGS[side]
        if self.first_row is not None:
            return numbers - self.first_row
        if len(numbers) == 0 or numbers.min() < 1 or size < 3 or numbers.max() > size:
            return numbers
        distinct = np.unique(numbers)
        run = len(distinct) == distinct[-1] and len(distinct) > 2  # 1, 2, … with none left out
        if numbers.max() == size or (run and (len(distinct) in (size - 1, self.queries))):
            raise ValueError(
                f"{self.what} hold numbers of {thing} from {numbers.min()} to {numbers.max()}, none is 0, and there are "
                f"{size} {thing}: --first-row 1 if they are counted from 1, --first-row 0 if from 0"
            )
        return numbers

    def called(self, words: Sequence, side: str) -> np.ndarray:
        """Numbers of things that are called by number or by name; Unicode's ways of writing one letter are one."""
        known, thing = self.names[side], THINGS[side]
        place = {composed(name): i for i, name in enumerate(known or ())}
        words = [composed(word) for word in words]
        if known is not None and len(place) < len(known) and any(word in place for word in words):
            self._refuse_twins(known, place, thing)
        missing = [word for word in words if word not in place]
        if words and not missing:
            return np.array([place[word] for word in words])
        if all(word.lstrip("-").isdecimal() for word in words):
            return self.from_zero(np.array(words, dtype=np.int64), side)
        if known is None:
            raise ValueError(
                f"{self.what} name {thing}, such as '{missing[0]}': give the {thing}' names with --{side}-names"
            )
        raise ValueError(
            f"{self.what}: {len(missing)} of {len(words)} names are none of the {len(known)} {thing}, the first is "
            f"'{missing[0]}'; they are called like '{known[0]}'"
        )

    @staticmethod
    def _refuse_twins(known: Sequence[str], place: dict[str, int], thing: str) -> None:
        """ValueError for two things of one name."""
        first = next(i for i, name in enumerate(known) if place[composed(name)] != i)
        name, other = known[first], known[place[composed(known[first])]]
        if str(name).strip() == str(other).strip():
            raise ValueError(f"names of {thing}: '{name}' occurs more than once")
        raise ValueError(
            f"names of {thing}: '{name}' of row {first} and '{other}' of row {place[composed(name)]} differ only in how "
            "Unicode composes their letters: rename one of them"
        )
