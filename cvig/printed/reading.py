"""Read a table of recalls as people have it: CSV with any separator, or a Markdown or LaTeX table pasted as it is."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cvig.printed.tables import CELL, check_table

UNITS = ("percent", "fraction")
NOT_GIVEN = {"", "-", "–", "—", "−", "--", "---", "n/a", "n.a.", "na", "nan", "none", "?"}
SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas"}
# Sample4Geo and its kin print the top 1% of the gallery as "Recall@top1"
HEADER = re.compile(
    r"(?:(?:recall|r|hit|hits)\s*[@-]\s*(?P<top>top)?|top)\s*-?(?P<k>\d+(?:\.\d+)?)\s*(?P<share>%)?(?:\s*\(%\))?",
    re.IGNORECASE,
)
LIKE_RECALL = re.compile(r"(?:recall|r|hits?)\s*@", re.IGNORECASE)
# a mean's spread over runs: ± 0.2, +/- 0.2, \pm 0.2, (±0.2), _{\pm 0.2}
ARROW = re.compile(r"\$?\s*(?:[↑↓⬆⬇]|\\(?:up|down)arrow)\s*\$?\s*$")  # better is above or below
SPREAD = re.compile(r"\s*\$?\s*_?\{?\(?\s*(?:±|\+/?-|\\pm)\s*\$?\s*\{?\d*[.,]?\d+\}?\s*%?\s*\)?\s*\$?\s*$")
MARKUP = re.compile(r"\\(?:textbf|textit|underline|emph|mathbf|textcolor\{[^{}]*\})\s*\{([^{}]*)\}")


class PrintedTable(NamedTuple):
    """A table of recalls, and how it was understood.

    Attributes
    ----------
    cells : DataFrame of str
        A row a model, a column a cut-off (``R@5``, ``R@1%``); percentages as printed, ``""`` where none is given.
    notes : list of str
        One line each for what was read in another sense than the letter, or left out.
    """

    cells: pd.DataFrame
    notes: list[str]


def read_table(path: Path | str, unit: str | None = None) -> PrintedTable:
    """Read recalls as they are printed, so that a trailing zero still counts as a decimal.

    Parameters
    ----------
    path : path of a text file
        CSV with commas, semicolons or tabs, or a Markdown or LaTeX table: first column the models' names, then columns
        such as ``R@5``, ``Recall@5``, ``R@1%`` and ``R@top1``. A column that is no recall is left out, and noted.
    unit : {"percent", "fraction"}, optional
        Needed only where every cell is at most 1, which could be either.

    Raises
    ------
    ValueError
        Names the row and column that are no recall, or both readings of what could mean two things.
    """
    try:
        return _understand(_rows(_text(path)), unit)
    except ValueError as error:
        raise ValueError(f"'{path}': {error}") from error


def _text(path: Path | str) -> str:
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("no table in text: expected UTF-8 or UTF-16") from error


def _rows(text: str) -> list[list[str]]:
    """Cells of every line; the separator is that of the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError("an empty file: expected a table of recalls")
    if "&" in text and "\\\\" in text:  # LaTeX: cells between &, rows end in two backslashes
        inside = re.sub(r"\\(?:hline|toprule|midrule|bottomrule|c(?:line|midrule)(?:\([a-z]*\))?\{[^{}]*\})", "", text)
        rows = [line.split("&") for line in re.split(r"\\\\(?:\[[^\]]*\])?", inside) if "&" in line]
        # what stands before the first row opens the table
        rows[0][0] = re.sub(r".*\\begin\{[a-z*]*\}(?:\{[^{}]*\})*", "", rows[0][0], flags=re.DOTALL)
    elif "|" in lines[0]:
        rows = [line.strip("|").split("|") for line in lines if "|" in line and not re.fullmatch(r"[|\s:-]+", line)]
    else:
        separator = max(SEPARATORS, key=lines[0].count)
        rows = [line.split(separator) for line in lines]
        rows = _quoted(lines, separator) if '"' in text else rows
    return [[_plain(cell) for cell in row] for row in rows]


def _quoted(lines: list[str], separator: str) -> list[list[str]]:
    import csv

    return list(csv.reader(lines, delimiter=separator))


def _plain(cell: str) -> str:
    """The cell without the markup of Markdown and LaTeX, footnote marks, or a percent sign."""
    cell = cell.strip()
    while MARKUP.search(cell):
        cell = MARKUP.sub(r"\1", cell)
    return cell.replace("\\%", "%").replace("\\_", "_").strip("$*_ \t†‡")


def _understand(rows: list[list[str]], unit: str | None) -> PrintedTable:
    notes = []
    header, *body = rows
    names = [_cutoff_name(name) for name in header[1:]]
    for name, given in zip(names, header[1:], strict=True):
        if name is None and LIKE_RECALL.match(given):
            raise ValueError(f"column '{given}': expected R@k or R@k%, such as R@5 or R@1%")
    if not names:
        raise ValueError(
            f"a first line of one cell, '{header[0]}': expected the models' column and recalls such as R@5, parted by "
            "commas, semicolons, tabs, & or |"
        )
    other = [given or "without a name" for name, given in zip(names, header[1:], strict=True) if name is None]
    if len(other) == len(names):
        raise ValueError(
            f"no column of recalls among {', '.join(map(repr, other))}: expected R@k or R@k%, such as R@5 or R@1%"
        )
    if other:
        notes.append(f"left out, for it is no recall at k: {', '.join(other)}")
    read = {n: g for n, g in zip(names, header[1:], strict=True) if n is not None and n != g}
    if read:
        notes.append("columns read: " + ", ".join(f"{given} as {name}" for name, given in read.items()))
    doubled = next((name for name in names if name is not None and names.count(name) > 1), None)
    if doubled:
        raise ValueError(f"column '{doubled}' twice: expected different cut-offs")
    if short := [row[0] for row in body if len(row) < len(header)]:
        notes.append(f"rows of fewer cells than the first, whose last cells count as not given: {', '.join(short)}")
    cells = [_fitted(row, len(header), number) for number, row in enumerate(body, start=2)]
    table = pd.DataFrame([row[1:] for row in cells], columns=names, dtype=str).loc[:, [n for n in names if n is not None]]
    table.index = _distinct([row[0] for row in cells], notes)
    table = _without_spreads(table, notes)
    return PrintedTable(_in_percent(table.map(_number), unit, notes), notes)


def _cutoff_name(given: str) -> str | None:
    found = HEADER.fullmatch(ARROW.sub("", given).strip())
    if not found or float(found["k"]) == 0:
        return None
    share = "%" if found["share"] or found["top"] else ""
    return f"R@{found['k']}{share}" if share or found["k"].isdecimal() else None


def _fitted(row: list[str], length: int, number: int) -> list[str]:
    if len(row) > length and any(row[length:]):
        raise ValueError(
            f"row {number} has {len(row)} cells, the header {length} (is a comma a separator and a decimal mark?)"
        )
    return (row + [""] * length)[:length]


def _distinct(names: list[str], notes: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    if repeated := [name for name, times in seen.items() if times > 1]:
        notes.append(f"rows of one name are numbered: {', '.join(repeated)}")
    return found


def _without_spreads(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The values of cells that carry a spread, ``55.11 ± 0.2``."""
    bare = table.map(lambda cell: SPREAD.sub("", cell))
    if count := int((bare != table).to_numpy().sum()):
        said = "which is left out; a mean of several runs need be no count of queries"
        notes.append(f"{count} cells carry a spread (±), {said}")
    return bare


def _suspects(table: pd.DataFrame) -> list[str]:
    """Percentages that look like fractions: at most 1, and a hundred times as much fits the column's other cells."""
    found = []
    for column in table:
        values = pd.to_numeric(table[column], errors="coerce").to_numpy()
        for row, value in enumerate(values):
            others = np.delete(values, row)
            middle = np.nanmedian(others) if np.isfinite(others).any() else 0.0
            if 0 < value <= 1 and middle > 1 and middle / 2 <= 100 * value <= 2 * middle:
                found.append(f"{table.index[row]}, {column}: {table.iloc[row][column]}")
    return found


def _number(cell: str) -> str:
    """A printed number with a decimal point and without a percent sign; ``""`` where none is given."""
    cell = cell.removesuffix("%").strip()
    if re.sub(r"\s", "", cell.lower()) in NOT_GIVEN:
        return ""
    return re.sub(r"^(\d{1,3}),(\d+)$", r"\1.\2", cell)


def _in_percent(table: pd.DataFrame, unit: str | None, notes: list[str]) -> pd.DataFrame:
    table = table.map(lambda cell: "0" + cell if re.fullmatch(r"\.\d+", cell) else cell)
    check_table(table)
    given = [cell for cell in table.to_numpy().ravel() if cell]
    small = all(float(cell) <= 1 for cell in given) and any("." in cell for cell in given)
    if unit is None and small:
        low, high = min(given, key=float), max(given, key=float)
        raise ValueError(
            f"every cell is at most 1 ({low} to {high}): fractions of 1, or percentages below 1%? "
            "Say --unit fraction or --unit percent"
        )
    if unit != "fraction":
        if suspects := _suspects(table):
            notes.append(f"read as percentages, though they look like fractions among them: {'; '.join(suspects)}")
        return table
    if not small and any(float(cell) > 1 for cell in given):
        raise ValueError(f"--unit fraction: {max(given, key=float)} is above 1")
    notes.append("fractions, read as percentages of two decimals less")
    return table.map(lambda cell: _percentage(cell) if cell else "")


def _percentage(fraction: str) -> str:
    """A fraction of 1 as the percentage with the same digits: the decimal point moves by two places."""
    whole, _, decimals = fraction.partition(".")
    decimals = decimals.ljust(2, "0")
    percent = f"{int(whole + decimals[:2])}.{decimals[2:]}".rstrip(".")
    assert CELL.fullmatch(percent), percent
    return percent
