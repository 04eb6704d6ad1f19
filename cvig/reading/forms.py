"""The forms in which projects keep their ground truth, each brought to a `cvig.reading.truth.Truth`.

Read are rows (one number or several a query, filled up with -1 or NaN), a mask [Q, N], pairs of a query and a gallery row,
labels of both sides, and dictionaries, by number or by name. What could mean two things is refused with both readings.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cvig.reading.containers import TEXT, guarded, read_content, split_place
from cvig.reading.embeddings import LABELS, as_array
from cvig.reading.parts import NoFileOfItsKindError, Parts
from cvig.reading.text import Table, read_lines, read_table
from cvig.reading.truth import Truth, from_labels, ordered_pairs, tidy

FORMS = ("auto", "rows", "pairs", "mask")
QUERY_COLUMNS = ("query", "queries", "query_id", "query_index", "query_name", "query_path", "q", "ground", "qid")
GALLERY_COLUMNS = ("gallery", "gallery_id", "gallery_index", "gallery_name", "gallery_path", "g", "aerial", "reference")
GALLERY_COLUMNS += ("database", "db", "satellite", "positive", "positives", "answer", "docid", "row", "index")
COLUMNS = QUERY_COLUMNS + GALLERY_COLUMNS
WHOLE = ("positives", "positives_per_query", "ground_truth", "gt", "answers", "ignored")


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


class Reader:
    """Brings what a file holds to a `Truth`.

    Parameters
    ----------
    queries, gallery : int
        Q and N.
    what : str
        "positives" or "ignored", for messages.
    form : {"auto", "rows", "pairs", "mask"}
        What settles numbers that could be read in two ways.
    first_row : int, optional
        What the first row is called, 0 or 1; None: 0, and an error where that is in doubt.
    query_names, gallery_names : list of str, optional
        By which names in the file are found.
    """

    def __init__(
        self,
        queries: int,
        gallery: int,
        *,
        what: str = "positives",
        form: str = "auto",
        first_row: int | None = None,
        query_names: Sequence[str] | None = None,
        gallery_names: Sequence[str] | None = None,
    ):
        if form not in FORMS:
            raise ValueError(f"unknown form '{form}': expected one of {', '.join(FORMS)}")
        if first_row not in (None, 0, 1):
            raise ValueError(f"--first-row {first_row}: expected 0 or 1")
        self.queries, self.gallery, self.what, self.form, self.first_row = queries, gallery, what, form, first_row
        self.names = {"query": query_names, "gallery": gallery_names}

    def read(self, value: object) -> Truth:
        """The truth that `value` holds: a table, array, list or dictionary.

        Raises
        ------
        ValueError
            No reading or two; the message gives them, and how to settle it.
        """
        if isinstance(value, Table):
            return self._table(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, (list, tuple)):
            return self._list(list(value))
        array = np.atleast_1d(as_array(value))
        if array.dtype == object:
            return self._list(list(array.ravel() if 1 in array.shape else array))
        return self._names(list(array)) if array.dtype.kind in "US" else self._array(array)

    def _truth(self, query: np.ndarray, row: np.ndarray, origin: str) -> Truth:
        pairs = ordered_pairs(query, row)
        for values, size, thing in ((pairs[:, 0], self.queries, "queries"), (pairs[:, 1], self.gallery, "gallery rows")):
            wrong = np.flatnonzero((values < 0) | (values >= size))
            if len(wrong):
                of = f"{self.what} of query {pairs[wrong[0], 0]}" if thing == "gallery rows" else self.what
                raise ValueError(f"{of}: {values[wrong[0]]} is not within the {size} {thing} ({len(wrong)} such entries)")
        return Truth(pairs, self.queries, self.gallery, origin)

    def _from_zero(self, numbers: np.ndarray, size: int, thing: str) -> np.ndarray:
        """Numbers counted from 0; ValueError where they look counted from 1 and nothing says so."""
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

    def _rows(self, query: np.ndarray, row: np.ndarray, origin: str) -> Truth:
        """Row numbers a query, where -1 (and 0, counted from 1) is none."""
        kept = row >= 1 if self.first_row == 1 else row != -1
        return self._truth(query[kept], self._from_zero(row[kept], self.gallery, "gallery rows"), origin)

    def _paired(self, query: np.ndarray, row: np.ndarray, origin: str) -> Truth:
        query = self._from_zero(query, self.queries, "queries")
        return self._truth(query, self._from_zero(row, self.gallery, "gallery rows"), origin)

    def _array(self, array: np.ndarray) -> Truth:
        q, n = self.queries, self.gallery
        if array.ndim > 2:
            array = np.squeeze(array)
        if array.ndim == 2 and 1 in array.shape and q in (array.size, 1):
            array = array.reshape(q, -1)
        if array.ndim not in (1, 2) or array.size == 0:
            raise ValueError(f"{self.what} of shape {array.shape}: expected an entry for each of {q} queries")
        if self._is_mask(array):
            return self._mask(array)
        turned = ""
        if array.ndim == 2 and len(array) != q and (array.shape[1] == q or len(array) == 2 < array.shape[1]):
            array, turned = array.T, " in columns"
        if self.form != "rows" and self._is_trec(array):
            query, _, row, relevance = whole(array, self.what).T
            return self._paired(query[relevance > 0], row[relevance > 0], "qrels")
        if array.ndim == 2 and array.shape[1] == 2 and self.form != "rows":
            numbers = whole(array, self.what) if self.form == "pairs" or len(array) != q else None
            if numbers is None:
                self._refuse_pairs_or_rows(array)
            elif self.form == "pairs" or (numbers.min() >= 0 and numbers[:, 0].max() <= q and numbers[:, 1].max() <= n):
                return self._paired(*numbers.T, "pairs of a query and a gallery row")
        if self.form == "pairs":
            raise ValueError(f"{self.what} of shape {array.shape}: pairs have two columns, query and gallery row")
        if len(array) != q:
            raise ValueError(f"{self.what} of {len(array)} queries: expected one entry for each of {q}")
        numbers = whole(array, self.what).reshape(q, -1)
        query = np.repeat(np.arange(q), numbers.shape[1])
        return self._rows(query, numbers.ravel(), f"row numbers{turned}")

    def _is_trec(self, array: np.ndarray) -> bool:
        """Whether four columns are TREC's qrels: query, 0, gallery row and relevance."""
        if (
            array.ndim != 2
            or array.shape[1] != 4
            or np.any(array[:, 1] != 0)
            or not np.isin(array[:, 3], (0, 1, 2, 3)).all()
        ):
            return False
        if len(array) == self.queries and self.form != "pairs":
            raise ValueError(
                f"{self.what} have four columns, the second 0: qrels of query, 0, gallery row and relevance, which --form "
                "pairs says, or four gallery rows for each query, which --form rows says"
            )
        return True

    def _is_mask(self, array: np.ndarray) -> bool:
        """Whether an array is a mask by its type, or by its zeros and ones and its shape."""
        if self.form != "auto" or array.dtype == bool:
            return self.form in ("auto", "mask")
        if array.ndim != 2 or (self.queries, self.gallery) not in (array.shape, array.shape[::-1]):
            return False
        if not all(np.isin(array[at : at + 1024], (0, 1)).all() for at in range(0, len(array), 1024)):
            return False
        if self.gallery <= 2:
            raise ValueError(
                f"{self.what} of shape {array.shape} hold 0 and 1: gallery rows, which --form rows says, or a mask of those "
                "that answer, which --form mask says"
            )
        return True

    def _mask(self, array: np.ndarray) -> Truth:
        shape, turned = (self.queries, self.gallery), ""
        if array.shape != shape and array.shape == shape[::-1]:
            array, turned = array.T, ", transposed"
        if array.shape != shape:
            raise ValueError(f"{self.what}, a mask of shape {array.shape}: expected {shape}, a row a query")
        found = [
            np.argwhere(np.asarray(array[at : at + 1024]) != 0) + np.array([at, 0]) for at in range(0, len(array), 1024)
        ]
        return self._truth(*np.concatenate(found).T, f"a mask{turned}")

    def _refuse_pairs_or_rows(self, array: np.ndarray) -> None:
        """ValueError where two columns could be a query and its row as well as two rows a query."""
        first = np.sort(array[:, 0])
        if any(np.array_equal(first, np.arange(self.queries) + shift) for shift in (0, 1)) and np.min(array) >= 0:
            raise ValueError(
                f"{self.what} have two columns, and the first holds each query's number once: pairs of a query and its "
                "gallery row, which --form pairs says, or two gallery rows for each query, which --form rows says"
            )

    def _list(self, entries: list) -> Truth:
        q = self.queries
        if entries and all(isinstance(entry, Mapping) for entry in entries):
            keys = [key for key in entries[0] if all(key in entry for entry in entries)]
            return self._mapping({key: [entry[key] for entry in entries] for key in keys})
        entries = [[] if entry is None else entry for entry in entries]
        flat = [list(np.ravel(as_array(entry))) if not isinstance(entry, str) else [entry] for entry in entries]
        if any(isinstance(x, str) for entry in flat for x in entry):
            return self._names(entries)
        lengths = {len(entry) for entry in flat}
        if len(lengths) == 1 and lengths != {0}:
            return self._array(np.array(flat) if lengths != {1} or len(flat) == q else np.array(flat).ravel())
        if len(entries) != q:
            raise ValueError(f"{self.what} of {len(entries)} queries: expected one entry for each of {q}")
        query = np.repeat(np.arange(q), [len(entry) for entry in flat])
        numbers = whole(np.array([x for entry in flat for x in entry], dtype=None if lengths != {0} else int), self.what)
        return self._rows(query, numbers, "lists of row numbers")

    def _names(self, entries: list) -> Truth:
        """Names of gallery rows, one or several a query."""
        if len(entries) != self.queries:
            raise ValueError(f"{self.what} of {len(entries)} queries: expected one entry for each of {self.queries}")
        lists = [[str(x) for x in np.ravel(np.asarray(entry, dtype=object))] for entry in entries]
        query = np.repeat(np.arange(self.queries), [len(entry) for entry in lists])
        return self._truth(query, self._number([x for entry in lists for x in entry], "gallery"), "names of gallery rows")

    def _number(self, words: Sequence, side: str) -> np.ndarray:
        """Rows of things that are called by number or by name."""
        known, size = self.names[side], self.queries if side == "query" else self.gallery
        thing = "queries" if side == "query" else "gallery rows"
        place = {name: i for i, name in enumerate(known or ())}
        words = [str(word).strip() for word in words]
        if known is not None and len(place) < len(known):
            twice = next(name for i, name in enumerate(known) if place[name] != i)
            if any(word in place for word in words):
                raise ValueError(f"names of {thing}: '{twice}' occurs more than once")
        missing = [word for word in words if word not in place]
        if words and not missing:
            return np.array([place[word] for word in words])
        if all(word.lstrip("-").isdecimal() for word in words):
            return self._from_zero(np.array(words, dtype=np.int64), size, thing)
        if known is None:
            raise ValueError(
                f"{self.what} name {thing}, such as '{missing[0]}': give the {thing}' names with --{side}-names"
            )
        raise ValueError(
            f"{self.what}: {len(missing)} of {len(words)} names are none of the {len(known)} {thing}, the first is "
            f"'{missing[0]}'; they are called like '{known[0]}'"
        )

    def _mapping(self, value: Mapping) -> Truth:
        keys = {str(key).lower(): key for key in value}
        named = [keys[name] for name in WHOLE if name in keys]
        if len(named) == 1:
            return self.read(value[named[0]])
        labels = [[keys[name] for name in [*LABELS[side], f"{side}_l"] if name in keys] for side in ("query", "gallery")]
        if all(len(found) == 1 for found in labels):
            return from_labels(value[labels[0][0]], value[labels[1][0]], self.queries, self.gallery)
        columns = [[keys[name] for name in known if name in keys] for known in (QUERY_COLUMNS, GALLERY_COLUMNS)]
        if all(len(found) == 1 for found in columns):
            query, gallery = (np.ravel(as_array(value[found[0]])).tolist() for found in columns)
            return self._columns(query, gallery, "columns query and gallery")
        if len(value) == 1 and isinstance(value, Parts):
            return self.read(next(iter(value.values())))
        if isinstance(value, Parts):
            raise ValueError(f"which array holds the {self.what} is not plain: name one of {', '.join(sorted(value))}")
        return self._dictionary(value)

    def _columns(self, query: list, gallery: list, origin: str) -> Truth:
        if len(query) != len(gallery):
            raise ValueError(
                f"{self.what}: {len(query)} queries and {len(gallery)} gallery rows in two columns of one table"
            )
        return self._truth(self._number(tidy(query), "query"), self._number(tidy(gallery), "gallery"), origin)

    def _dictionary(self, value: Mapping) -> Truth:
        """Rows by query; as in qrels, a row may carry its relevance."""
        query = self._number(tidy(value), "query")
        rows = []
        for entry in value.values():
            if isinstance(entry, Mapping):
                entry = [row for row, relevance in entry.items() if relevance > 0]
            rows.append(tidy(np.ravel(np.asarray(as_array(entry) if not isinstance(entry, str) else [entry], dtype=object))))
        count = [len(row) for row in rows]
        flat = self._number([x for row in rows for x in row], "gallery") if sum(count) else np.empty(0, np.int64)
        return self._truth(np.repeat(query, count), flat, "a dictionary by query")

    def _table(self, table: Table) -> Truth:
        query, gallery = table.column(QUERY_COLUMNS), table.column(GALLERY_COLUMNS)
        if table.header is not None:
            columns = {row: len(words) for row, words in enumerate(table.rows)}
            wrong = [row for row, count in columns.items() if count != len(table.header)]
            if wrong:
                raise ValueError(
                    f"line {table.line(wrong[0])} has {columns[wrong[0]]} columns, the header {len(table.header)}"
                )
            if gallery is None and len(table.header) == self.gallery and table.is_numeric:
                return self.read(Table(table.rows))
            if gallery is None:
                raise ValueError(
                    f"columns {', '.join(table.header)}: expected one called gallery, and one called query or none"
                )
            relevance = table.column(("relevance", "rel"))
            rows = [row for row in table.rows if relevance is None or float(row[relevance]) > 0]
            if query is None:
                return self.read(Table([[row[gallery]] for row in rows]))
            return self._columns(
                [row[query] for row in rows],
                [row[gallery] for row in rows],
                f"columns {table.header[query]} and {table.header[gallery]}",
            )
        if table.rows and {word.lower() for row in table.rows for word in row} <= {"true", "false"}:
            return self._array(np.array([[word.lower() == "true" for word in row] for row in table.rows]))
        if table.is_numeric:
            empty = [row for row, words in enumerate(table.rows) if not words]
            if empty:
                raise ValueError(f"line {table.line(empty[0])}: '', expected numbers of gallery rows, -1 for none")
            numbers = [[float(word) for word in words] for words in table.rows]
            for row, words in enumerate(numbers):
                if any(x != int(x) for x in words if x == x) and len(words) != 2:
                    raise ValueError(
                        f"line {table.line(row)}: '{' '.join(table.rows[row])[:40]}', expected numbers of gallery rows"
                    )
            return self._list(numbers)
        if all(len(words) == 2 for words in table.rows) and self.names["query"] is not None:
            return self._columns(*map(list, zip(*table.rows, strict=True)), "pairs of names")
        wrong = next(row for row, words in enumerate(table.rows) if not Table([words]).is_numeric)
        if self.names["gallery"] is None:
            said = f"line {table.line(wrong)}: '{' '.join(table.rows[wrong])[:40]}', expected numbers of gallery rows"
            raise ValueError(f"{said}; names need --gallery-names, and pairs of names --query-names too")
        return self._names(table.rows)


def _table(path: Path) -> Table:
    try:
        return read_table(path, COLUMNS)
    except ValueError as error:
        raise NoFileOfItsKindError(str(error)) from error


def read_truth(place: str, reader: Reader) -> Truth:
    """Read ground truth from ``FILE`` or ``FILE:NAME``.

    Raises
    ------
    ValueError
        A file of another kind, a damaged one, or one that has no reading, or two.
    OSError
        No such file.
    """
    content = read_content(place, reader.what, dict.fromkeys(TEXT, _table))
    named = f"{reader.what} file '{split_place(place)[0]}'"
    try:
        return reader.read(content)
    except ValueError as error:
        raise ValueError(f"{named}: {error}") from error
    except (TypeError, AttributeError, OverflowError, IndexError) as error:
        raise ValueError(
            f"{named} has none of the forms that are read: rows, a mask, pairs, labels, a dictionary"
        ) from error


def read_list(place: str, what: str) -> list:
    """Names or labels, a line or an entry each."""
    content = read_content(place, what, dict.fromkeys(TEXT, read_lines))
    path = split_place(place)[0]
    if isinstance(content, Mapping):
        if len(content) != 1:
            raise ValueError(f"{what} file '{path}': name one of {', '.join(map(str, content))}, as in FILE:NAME")
        content = next(iter(content.values()))
    if isinstance(content, list) and all(isinstance(x, str) for x in content):
        return [x.strip() for x in content]
    return guarded(lambda: as_array(content), path, what)
