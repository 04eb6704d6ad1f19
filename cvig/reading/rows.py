"""Rows of numbers in text files: CSV of pandas, NumPy and others, word2vec's, and arrays and lists as they are printed."""

import re
from pathlib import Path

import numpy as np

from cvig.reading.text import NUMBER, read_lines, separator_of

LEFT_OUT = "it is a printed array whose middle was left out as ...; numpy.savetxt('rows.csv', x) writes it whole"
BRACKETS = re.compile(r"([^\[\]\n]*)\[+([^\[\]]+)\]")
NUMBERING = ("", "id", "idx", "index", "row", "unnamed: 0")  # headers of a column that numbers the rows


def _printed(lines: list[str]) -> tuple[np.ndarray, list[str] | None] | None:
    """Rows that stand in brackets each, as Python, NumPy and torch print them, and names before them; None without brackets.

    A list of pandas' in quotes is one too; a row may go on over several lines.
    """
    text = "\n".join(lines)
    rows = BRACKETS.findall(text)
    if not rows:
        return None
    if "..." in text:
        raise ValueError(
            "it is a printed array whose middle was left out as ...; numpy.savetxt('rows.csv', x) writes it whole"
        )
    try:
        numbers = [[float(word) for word in re.split(r"[\s,;]+", inside.strip(" \n,;"))] for _, inside in rows]
    except ValueError:
        return None
    lengths = {len(row) for row in numbers}
    if min(lengths) < 3:  # image[1].jpg
        return None
    if len(lengths) > 1:
        raise ValueError(f"its lists have {min(lengths)} to {max(lengths)} numbers: expected one length")
    before = [re.split(r"[,;\t]", head.strip("\"' ,;\t"))[-1].strip("\"' ") for head, _ in rows]
    return np.array(numbers), before if len(numbers) > 1 and all(before) else None


def read_numbers(path: Path) -> tuple[np.ndarray, list[str] | None]:
    """Rows of numbers [N, D], and the names that stand before or behind them, if any.

    A header is left out: words, pandas' 0 … D - 1, or word2vec's N and D; so is a column that numbers the rows.
    """
    lines = read_lines(path)
    blank = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    lines = lines[blank:]
    if not lines:
        raise ValueError("it is empty")
    if (printed := _printed(lines)) is not None:
        return printed
    separator = separator_of(lines[0])
    first = _words(lines[0], separator)
    if separator == ";":
        first = [word.replace(",", ".") for word in first]
    skip, numbered = 0, False
    if len(lines) > 1 and _is_header(first, lines, separator):
        skip, numbered = 1, first[0].lower() in NUMBERING
    body = [line.rstrip(f"{separator or ''} ") for line in lines[skip:]]
    separator = separator_of(body[0])
    if separator == ";" and "," in body[0]:
        body = [line.replace(",", ".") for line in body]
    names, body = _without_names(body, separator, numbered)
    separator = separator and separator_of(body[0])  # blanks after a name and a tab
    body = [line.replace('"', "") for line in body]
    try:
        return np.loadtxt(body, delimiter=separator, ndmin=2, comments=None), names
    except ValueError as error:
        wrong = next((i for i, line in enumerate(body) if not all(map(NUMBER.fullmatch, _words(line, separator)))), None)
        at = None if wrong is None else wrong + 1 + skip + blank
        where = "its lines are of several lengths" if at is None else f"line {at} holds more than numbers"
        raise ValueError(f"{where}: expected a line of numbers for each row") from error


def _is_header(first: list[str], lines: list[str], separator: str | None) -> bool:
    count = [str(i) for i in range(len(first))]
    named = [not NUMBER.fullmatch(word) for word in first]
    beside = (named[0] and first[1:] == count[:-1]) or (named[-1] and first[:-1] == count[:-1])
    if first == count or (beside and len(first) > 1):
        return True  # pandas' names of columns, alone or beside that of the rows
    if len(first) == 2 and first[0] == str(len(lines) - 1) and first[1].isdecimal():
        return len(_words(lines[1], separator)) == int(first[1]) + 1  # word2vec's N and D
    return all(named) and not any(all(map(NUMBER.fullmatch, word.split())) for word in first if word)


def _without_names(body: list[str], separator: str | None, numbered: bool) -> tuple[list[str] | None, list[str]]:
    """The names at the lines' beginnings or ends, if any, and the lines without them and without the rows' numbers."""
    mark = separator or " "
    words = _words(body[0], separator)
    if not NUMBER.fullmatch(words[0]) or numbered:
        parts = [line.partition(mark)[::2] for line in body]
        names = None if NUMBER.fullmatch(words[0]) else [head.strip().strip('"') for head, _ in parts]
        return names, [rest for _, rest in parts]
    if not NUMBER.fullmatch(words[-1]) and len(words) > 1:
        parts = [line.rpartition(mark)[::2] for line in body]
        return [end.strip().strip('"') for _, end in parts], [rest for rest, _ in parts]
    return None, body


def _words(line: str, separator: str | None) -> list[str]:
    return [word.strip().strip('"') for word in (line.split(separator) if separator else line.split())] or [""]
