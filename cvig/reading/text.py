"""Text files as people have them: byte-order marks, UTF-16, headers, any of the usual separators, blank lines at the end."""

import ast
import codecs
import csv
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from cvig.reading.parts import NoFileOfItsKindError

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|NaN|NAN|inf)")
_MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]


DECIMAL = re.compile(r"^([+-]?\d+),(\d+)$")
LIST = re.compile(r"[\[({](.*)[\])}]", re.DOTALL)
LATIN = "open('{stem}-utf8{kind}', 'w', encoding='utf-8').write(open('{file}', encoding='cp1252').read())"
PLAIN = re.compile(r"[\w./+,=@ -]+")  # what shells and Python take for itself between quotes


def command(text: str, path: Path) -> str:
    """The line that converts a file, for its owner to run; a name that would do more in there than name stands as FILE."""
    path = path if PLAIN.fullmatch(str(path)) else Path(f"FILE{path.suffix}")
    return f'python -c "{text.format(file=path, stem=path.with_suffix(""), kind=path.suffix)}"'


def composed(word: object) -> str:
    """A name as text without blanks around it, in Unicode's composed form: macOS writes é as e with an accent after it."""
    return unicodedata.normalize("NFC", str(word).strip())


def listed(word: str) -> list[str] | None:
    """The words of a list that was written as text, such as ``[3, 7]`` or ``['a.jpg']``; None where it is none.

    Examples
    --------
    >>> listed("[3, 7]"), listed("[3 7]"), listed("['a b.jpg']"), listed("[]"), listed("3")
    (['3', '7'], ['3', '7'], ['a b.jpg'], [], None)
    """
    word = word.strip().strip('"').strip()
    found = LIST.fullmatch(word)
    if found is None:
        return None
    inside = found[1].strip()
    if not inside or not set("'\"") & set(inside):
        return [part for part in re.split(r"[\s,;]+", inside) if part]
    try:
        return [str(part) for part in ast.literal_eval(word)]
    except (ValueError, SyntaxError, TypeError) as error:
        raise NoFileOfItsKindError(f"'{word[:40]}' is no list as Python writes it") from error


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 with a mark; UTF-16 without one is known by its zero bytes."""
    data = path.read_bytes()
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:100]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        said = f"byte {error.start} is no text in {encoding or 'UTF-8'}"
        if encoding is None:
            line = command(LATIN, path)
            said += f"; if it is Latin-1, as older programs of Windows write it, convert it: {line}"
        raise NoFileOfItsKindError(said) from error


def _lines(path: Path) -> tuple[list[str], int]:
    """The lines of a file without blank ones at the end, and how many of these there are."""
    lines = re.split(r"\r\n|\r|\n", read_text(path))
    if lines[-1] == "":
        lines.pop()  # what stands behind the last line's end is no line
    count = len(lines)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines, count - len(lines)


def read_lines(path: Path) -> list[str]:
    """The lines of a file, without blank ones at the end."""
    return _lines(path)[0]


@dataclass(frozen=True)
class Table:
    """A text file of words.

    Attributes
    ----------
    rows : list of list of str
        A line each.
    header : list of str, optional
        The first line, where its words are names and those below are not, or where it names known columns.
    blank : int
        Blank lines at the end, which are none of the rows.
    above : int
        Lines above the rows that are no header of theirs.
    """

    rows: list[list[str]]
    header: list[str] | None = None
    blank: int = 0
    above: int = 0

    def line(self, row: int) -> int:
        """The number of a row's line in the file, from 1."""
        return row + 1 + self.above + (self.header is not None)

    @property
    def is_numeric(self) -> bool:
        """Whether every word is a number."""
        return all(NUMBER.fullmatch(word) for row in self.rows for word in row)

    def column(self, names: tuple[str, ...]) -> int | None:
        """Which column has one of these names."""
        found = [i for i, word in enumerate(self.header or []) if word.strip().lower() in names]
        return found[0] if len(found) == 1 else None


def separator_of(line: str) -> str | None:
    """The mark that parts the words of a line: a tab, semicolon or comma; None where blanks do."""
    return next((mark for mark in ("\t", ";", ",") if mark in line), None)


def _split(line: str, separator: str | None) -> list[str]:
    bare = line.strip().strip(",;\t ")
    words = re.split(r"[\s,;]+", bare) if bare else []
    if all(NUMBER.fullmatch(word) for word in words):
        return words
    if listed(line) is not None and line.count(bare[0]) == 1 + (bare[0] == '"'):  # one list, not a row of them
        return [line.strip().strip('"')]
    if separator is None:
        return bare.split()
    return [word.strip() for word in next(csv.reader([line.strip("\r\n")], delimiter=separator))]


def _without_index(lines: list[str], separator: str) -> tuple[list[str], int] | None:
    """The one column that stands beside pandas' index, without its name, and how many lines that leaves out."""
    parts = [line.partition(separator) for line in lines]
    name, _, rest = parts[0]
    indexed = [head.strip() for head, _, _ in parts[1:]] == [str(i) for i in range(len(lines) - 1)]
    if name.strip() or separator in rest or not indexed or len(lines) < 2:
        return None
    return [end for _, _, end in parts[1:]], 1


def _by_header(rows: list[list[str]], lines: list[str], separator: str) -> list[list[str]]:
    """Cells as the header counts them, where numbers hold other marks: ``50,33;7,5`` are two numbers with decimal commas."""
    cells = [[word.strip() for word in next(csv.reader([line], delimiter=separator))] for line in lines]
    if len({len(row) for row in cells}) > 1 or {len(row) for row in rows} == {len(rows[0])} or len(cells[0]) != len(rows[0]):
        return rows
    if separator == ";":
        return [[DECIMAL.sub(r"\1.\2", word) for word in row] for row in cells]
    return cells


def read_table(path: Path, known: tuple[str, ...] = ()) -> Table:
    """The words of a file, line by line.

    Numbers may be parted by blanks, commas, semicolons or tabs; other words by the separator of the first line.

    Parameters
    ----------
    known : tuple of str
        Names of columns, in lower case, that make the first line a header whatever follows.
    """
    lines, blank = _lines(path)
    if not lines:
        raise ValueError("it is empty")
    separator = separator_of(lines[0])
    if separator and (numbered := _without_index(lines, separator)):
        lines, above = numbered
        return Table([_split(line, separator) for line in lines], blank=blank, above=above)
    rows = [_split(line, separator) for line in lines]
    if separator:
        rows = _by_header(rows, lines, separator)
    first = [word.lower() for word in rows[0]]
    numeric = [all(NUMBER.fullmatch(word) for word in row) for row in rows[:2]]
    if any(word in known for word in first) or (numeric == [False, True] and len(rows[0]) == len(rows[1])):
        return Table(rows[1:], rows[0], blank)
    return Table(rows, blank=blank)
