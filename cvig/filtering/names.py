"""Text files that list file names, one a line, whatever characters a name holds.

A name is written as it is if it is a line of text. It is written as a JSON string if it contains a line break or bytes that
are not UTF-8, or begins with a quotation mark or a byte-order mark.
"""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

HEADER = ["name", "viable"]


def as_text(name: str) -> str:
    """A file's name as one line of text, as the module's docstring says.

    >>> as_text("a b.jpg"), as_text("c\\u2028d.jpg")
    ('a b.jpg', '"c\\\\u2028d.jpg"')
    """
    odd = name.splitlines() != [name] or name[0] in '"\ufeff' or any("\ud800" <= letter <= "\udfff" for letter in name)
    return json.dumps(name) if odd else name


def as_name(text: str) -> str:
    """The name that `as_text` wrote as `text`; ValueError if `text` begins as a JSON string and is none."""
    return json.loads(text) if text.startswith('"') else text


def as_row(name: str, word: str) -> str:
    """One line of a table of labels: the name and its label, `word`."""
    text = as_text(name)
    return ('"' + text.replace('"', '""') + '"' if set(text) & set('",') else text) + f",{word}\n"


def read_rows(path: Path, *, no_more: bool = False) -> Iterator[tuple[int, str, str]]:
    """Line number, name and label of each line in a CSV file with the columns name and viable.

    A line that was cut short, with too few columns or with only the beginning of a label, is skipped, and stderr names it.
    A last line without its line break counts if it is complete otherwise.

    Parameters
    ----------
    path : Path
    no_more : bool
        Accept no other column than these two.

    Raises
    ------
    ValueError
        The file is no such table; the message names the line.
    """

    def wrong(why: str) -> ValueError:
        return ValueError(f"labels '{path}'{why}; expected lines of name,viable with true or false")

    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise wrong(f": byte {error.start} is not UTF-8") from None
    header = next(csv.reader([lines[0].removesuffix("\r")]), [])
    if not set(HEADER) <= set(header) or (no_more and header != HEADER):
        raise ValueError(f"labels '{path}' have columns {', '.join(header) or '(none)'}: expected name and viable")
    at = [header.index(column) for column in HEADER]
    for number, line in enumerate(lines[1:], 2):
        text = line.removesuffix("\r")
        if not text:
            continue
        try:
            fields = next(csv.reader([text], strict=True))
        except csv.Error:
            fields = []
        word = fields[at[1]] if len(fields) == len(header) else None
        if word is None or (word not in ("true", "false", "") and any(full.startswith(word) for full in ("true", "false"))):
            if len(fields) > len(header):
                raise wrong(f", line {number}: {len(fields)} columns")
            print(f"labels '{path}', line {number} is cut short: no label", file=sys.stderr)
            continue
        try:
            yield number, as_name(fields[at[0]]), word
        except ValueError:
            raise wrong(f", line {number}: no name") from None
