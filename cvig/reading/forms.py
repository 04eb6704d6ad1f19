"""The forms in which projects keep their ground truth, each brought to a `cvig.reading.truth.Truth`.

Read are rows (one number or several a query, filled up with -1 or NaN), a mask [Q, N], pairs of a query and a gallery row,
labels of both sides, and dictionaries, by number or by name. What could mean two things is refused with both readings.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cvig.reading import vigor
from cvig.reading.arrays import read_numbers, read_sparse
from cvig.reading.containers import TEXT, guarded, read_content, split_place
from cvig.reading.nested import flattened, is_nested, lines_by_query, only_set, printed_lists
from cvig.reading.numbering import Numbering, whole
from cvig.reading.parts import NoFileOfItsKindError, Parts, as_array
from cvig.reading.sides import LABELS
from cvig.reading.text import NUMBER, Table, listed, read_lines, read_table
from cvig.reading.truth import Truth, from_labels, tidy

FORMS = ("auto", "rows", "pairs", "mask")
QUERY_COLUMNS = ("query", "queries", "query_id", "query_index", "query_name", "query_path", "q", "ground", "qid")
GALLERY_COLUMNS = ("gallery", "gallery_id", "gallery_index", "gallery_name", "gallery_path", "g", "aerial", "reference")
GALLERY_COLUMNS += ("database", "db", "satellite", "positive", "positives", "answer", "docid", "row", "index")
COLUMNS = QUERY_COLUMNS + GALLERY_COLUMNS
WHOLE = ("positives", "positives_per_query", "ground_truth", "gt", "answers", "ignored")


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
        self.form, self.queries, self.gallery, self.what = form, queries, gallery, what
        self.names = {"query": query_names, "gallery": gallery_names}
        self.numbering = Numbering(queries, gallery, what, first_row, self.names)

    def read(self, value: object) -> Truth:
        """The truth that `value` holds: a table, array, list or dictionary.

        Raises
        ------
        ValueError
            No reading or two; the message gives them, and how to settle it.
        """
        if isinstance(value, Table):
            labels = value.header is None and value.rows and all(map(vigor.is_label, value.rows))
            return vigor.read_labels(value.rows, self.numbering) if labels else self._table(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, (list, tuple)):
            return self._list(list(value))
        if getattr(value, "is_sparse", False):  # of torch
            from scipy.sparse import coo_array

            value = value.coalesce()
            value = coo_array((value.values().numpy(), value.indices().numpy()), shape=tuple(value.shape))
        if hasattr(value, "tocoo"):
            return read_sparse(value, self.numbering)
        array = np.atleast_1d(as_array(value))
        if array.dtype == object:
            return self._list(list(array.ravel() if 1 in array.shape else array))
        return self._names(list(array)) if array.dtype.kind in "US" else self._numbers(array)

    def _numbers(self, array: np.ndarray) -> Truth:
        return read_numbers(array, self.numbering, self.form)

    def _list(self, entries: list) -> Truth:
        q = self.queries
        if entries and all(map(is_nested, entries)):
            return self.read(only_set(entries, self.what))
        if entries and all(isinstance(entry, Mapping) for entry in entries):
            keys = [key for key in entries[0] if all(key in entry for entry in entries)]
            return self._mapping({key: [entry[key] for entry in entries] for key in keys})
        entries = [[] if entry is None else entry for entry in entries]
        flat = [list(np.ravel(as_array(entry))) if not isinstance(entry, str) else [entry] for entry in entries]
        if any(isinstance(x, str) for entry in flat for x in entry):
            return self._names(entries)
        lengths = {len(entry) for entry in flat}
        if len(lengths) == 1 and lengths != {0}:
            return self._numbers(np.array(flat) if lengths != {1} or len(flat) == q else np.array(flat).ravel())
        if len(entries) != q:
            raise ValueError(f"{self.what} of {len(entries)} queries: expected one entry for each of {q}")
        query = np.repeat(np.arange(q), [len(entry) for entry in flat])
        numbers = whole(np.array([x for entry in flat for x in entry], dtype=None if lengths != {0} else int), self.what)
        return self.numbering.rows(query, numbers, "lists of row numbers")

    def _names(self, entries: list) -> Truth:
        """Names of gallery rows, one or several a query."""
        if len(entries) != self.queries:
            raise ValueError(f"{self.what} of {len(entries)} queries: expected one entry for each of {self.queries}")
        lists = [[str(x) for x in np.ravel(np.asarray(entry, dtype=object))] for entry in entries]
        query = np.repeat(np.arange(self.queries), [len(entry) for entry in lists])
        rows = self.numbering.called([x for entry in lists for x in entry], "gallery")
        return self.numbering.truth(query, rows, "names of gallery rows")

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
            both = (value[found[0]] for found in columns)  # pandas writes a column as a dictionary by row
            both = (list(column.values()) if isinstance(column, Mapping) else column for column in both)
            query, gallery = (np.ravel(as_array(column)).tolist() for column in both)
            return self._columns(query, gallery, "columns query and gallery")
        if len(value) == 1 and isinstance(value, Parts):
            return self.read(next(iter(value.values())))
        if isinstance(value, Parts):
            raise ValueError(f"which array holds the {self.what} is not plain: name one of {', '.join(sorted(value))}")
        return self._dictionary(flattened(value, self.what) if is_nested(value) else value)

    def _columns(self, query: list, gallery: list, origin: str) -> Truth:
        if len(query) != len(gallery):
            raise ValueError(
                f"{self.what}: {len(query)} queries and {len(gallery)} gallery rows in two columns of one table"
            )
        called = self.numbering.called
        return self.numbering.truth(called(tidy(query), "query"), called(tidy(gallery), "gallery"), origin)

    def _dictionary(self, value: Mapping) -> Truth:
        """Rows by query; as in qrels, a row may carry its relevance."""
        query = self.numbering.called(tidy(value), "query")
        rows = []
        for entry in value.values():
            if isinstance(entry, Mapping):
                entry = [row for row, relevance in entry.items() if relevance > 0]
            rows.append(tidy(np.ravel(np.asarray(as_array(entry) if not isinstance(entry, str) else [entry], dtype=object))))
        count = [len(row) for row in rows]
        flat = self.numbering.called([x for row in rows for x in row], "gallery") if sum(count) else np.empty(0, np.int64)
        return self.numbering.truth(np.repeat(query, count), flat, "a dictionary by query")

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
            lists = [listed(row[gallery]) for row in rows]
            if any(entry is not None for entry in lists):
                entries = [[row[gallery]] if entry is None else entry for row, entry in zip(rows, lists, strict=True)]
                return self._lists_of_words(entries, None if query is None else [row[query] for row in rows])
            if query is None:
                return self.read(Table([[row[gallery]] for row in rows]))
            return self._columns(
                [row[query] for row in rows],
                [row[gallery] for row in rows],
                f"columns {table.header[query]} and {table.header[gallery]}",
            )
        if table.rows and all(len(row) == 1 and listed(row[0]) is not None for row in table.rows):
            return self._lists_of_words([listed(row[0]) for row in table.rows], None)
        if table.rows and {word.lower() for row in table.rows for word in row} <= {"true", "false"}:
            return self._numbers(np.array([[word.lower() == "true" for word in row] for row in table.rows]))
        if table.is_numeric:
            rows = self._with_blank(table)
            numbers = [[float(word) for word in words] for words in rows]
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

    def _lists_of_words(self, entries: list[list[str]], query: list[str] | None) -> Truth:
        """Rows in lists that were written as text, by query where a column names it."""
        if query is None and len(entries) == 1 and len(entries[0]) == self.queries:
            entries = [[word] for word in entries[0]]  # a list of all answers in one line
        if query is None and all(NUMBER.fullmatch(word) for entry in entries for word in entry):
            return self._list([[float(word) for word in entry] for entry in entries])
        count = [len(entry) for entry in entries]
        if query is None and len(entries) != self.queries:
            raise ValueError(f"{self.what} of {len(entries)} queries: expected one entry for each of {self.queries}")
        asked = np.arange(self.queries) if query is None else self.numbering.called(tidy(query), "query")
        words = [word for entry in entries for word in entry]
        if all(NUMBER.fullmatch(word) for word in words):
            numbers = whole(np.array(words, dtype=np.float64), self.what)
            return self.numbering.rows(np.repeat(asked, count), numbers, "lists of row numbers")
        return self.numbering.truth(np.repeat(asked, count), self.numbering.called(words, "gallery"), "lists of names")

    def _with_blank(self, table: Table) -> list[list[str]]:
        """Rows of numbers, blank lines among them where they are queries without an answer."""
        rows, lengths = table.rows, {len(words) for words in table.rows}
        if len(lengths) > 1 and len(rows) + table.blank == self.queries:
            rows = rows + table.blank * [[]]
        empty = [row for row, words in enumerate(rows) if not words]
        if empty and (len(rows) != self.queries or self.form == "pairs"):
            raise ValueError(
                f"line {table.line(empty[0])}: '', expected numbers of gallery rows; a blank line is a query without an "
                f"answer where there is a line for each of {self.queries} queries, and here are {len(rows)}"
            )
        if empty and lengths <= {0, 2} and self.form == "auto":
            raise ValueError(
                f"line {table.line(empty[0])} is blank and the others hold two numbers: pairs of a query and its gallery "
                "row, which --form pairs says of a file without blank lines, or two gallery rows for each query and none "
                "for this one, which --form rows says"
            )
        return rows


def _table(path: Path) -> Table | dict | list:
    try:
        lines = read_lines(path)
        found = printed_lists(lines)
        found = lines_by_query(lines) if found is None else found
        if found is not None:
            return found
        words = [line.split() for line in lines]  # VIGOR's names hold commas
        if words and all(map(vigor.is_label, words)):
            return Table(words)
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
    path = split_place(place)[0]
    named = f"{reader.what} file '{path}'"
    try:
        return reader.read(content)
    except ValueError as error:  # what the reader, which knows no file, would have its owner do calls it FILE
        raise ValueError(f"{named}: {str(error).replace('FILE', str(path))}") from error
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
