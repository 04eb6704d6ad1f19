"""Tables that pandas wrote, made to be read: headings of at most two lines, numbers on the right, intervals in one piece.

Cells are told by their text: what a page's style then does with them stands in ``_static/tables.css``.
"""

import html
import re

TABLE = re.compile(r'<table [^>]*(?:class="dataframe"|id="T_)[^>]*>.*?</table>', re.DOTALL)
ROW = re.compile(r"<tr[^>]*>.*?</tr>", re.DOTALL)
CELL = re.compile(r"<(t[hd])\b([^>]*)>(.*?)</\1>", re.DOTALL)
NUMBER = re.compile(
    r"(?:below |about |[<≤≥+−–±-] ?)?"
    r"\d[\d.,]*(?:e[+-]?\d+)?(?: of \d[\d,]*)? ?(?:%|°|px|m|km|s|MB)?"  # 3 of 4, 1e-300, 12 px
    r"(?: ?[\[(][\d.,\s+−–%e-]+[\])])?"  # an interval
)
NONE = ("", "not given", "unknown", "–", "nan", "NaN", "none")
LINE = 14  # letters of a heading that stay in one line
LONG = 36  # letters of a cell that stay in one line


def plain(inner: str) -> str:
    """A cell's text."""
    return html.unescape(re.sub(r"<[^>]*>", "", inner)).strip()


def is_number(text: str) -> bool:
    """Whether a cell holds a number, with its unit or its interval, or says that there is none.

    >>> [is_number(text) for text in ("0.500 [0.250, 0.750]", "12.3%", "below 1e-300", "3 of 4", "as-coded", "1 June 2023")]
    [True, True, True, True, False, False]
    """
    return text in NONE or bool(NUMBER.fullmatch(text))


def in_two_lines(inner: str) -> str:
    """A heading broken where its two lines are most alike in length; a short one, or one with marks in it, as it was.

    >>> in_two_lines("margin in percent of it"), in_two_lines("R@1%")
    ('margin in<br>percent of it', 'R@1%')
    """
    if "<" in inner or len(inner) <= LINE or " " not in inner:
        return inner
    spaces = [place for place, letter in enumerate(inner) if letter == " "]
    place = min(spaces, key=lambda space: max(space, len(inner) - space - 1))
    return f"{inner[:place]}<br>{inner[place + 1 :]}"


def _with(attributes: str, **more: str) -> str:
    """Attributes of an element with others in addition; classes come beside those that are there."""
    for name, value in more.items():
        if name == "class_" and (found := re.search(r'\bclass="([^"]*)"', attributes)):
            if value not in found[1].split():
                attributes = attributes.replace(found[0], f'class="{found[1]} {value}"')
        elif not re.search(rf'\b{name.rstrip("_")}="', attributes):
            attributes += f' {name.rstrip("_")}="{value}"'
    return attributes


def tidy_table(table: str) -> str:
    """One table: its cells with classes, its headings in two lines and with their scopes."""
    head, mark, body = table.partition("<tbody")
    if not mark:
        return table
    rows = [[cell for cell in CELL.findall(row) if cell[0] == "td"] for row in ROW.findall(body)]
    width = max(map(len, rows), default=0)
    numeric = []
    for column in range(width):
        texts = [plain(row[column][2]) for row in rows if len(row) == width]
        numeric.append(sum(map(is_number, texts)) * 2 > len(texts) and any(re.search(r"\d", text) for text in texts))

    def heading(row: re.Match) -> str:
        cells = CELL.findall(row[0])
        first = len(cells) - width
        spans = any("colspan" in attributes for _, attributes, _ in cells)
        place = iter(range(len(cells)))

        def cell(found: re.Match) -> str:
            column = next(place) - first
            right = not spans and 0 <= column < width and numeric[column]
            scope = "colgroup" if "colspan" in found[2] else "col"
            name = found[1] if plain(found[3]) else "td"  # an empty cell is nothing's heading
            attributes = found[2] if name == "td" else _with(found[2], scope=scope)
            return f"<{name}{_with(attributes, **({'class_': 'num'} if right else {}))}>{in_two_lines(found[3])}</{name}>"

        return CELL.sub(cell, row[0])

    def line(row: re.Match) -> str:
        place = iter(range(width))

        def cell(found: re.Match) -> str:
            if found[1] == "th":
                scope = "rowgroup" if "rowspan" in found[2] else "row"
                text = plain(found[3])
                long = len(text) > 2 * LINE
                inner = in_two_lines(found[3]).replace("<br>", " <br>") if long else found[3]  # where lines may run on
                return f"<th{_with(found[2], scope=scope, **({'class_': 'long'} if long else {}))}>{inner}</th>"
            column, text = next(place, 0), plain(found[3])
            kind = "long" if len(text) > LONG else "num" if numeric[column] or (text and is_number(text)) else ""
            return f"<td{_with(found[2], **({'class_': kind} if kind else {}))}>{found[3]}</td>"

        return CELL.sub(cell, row[0])

    head = ROW.sub(heading, head.replace(' style="text-align: right;"', ""))
    return head + mark + ROW.sub(line, body)


def tidy(text: str) -> str:
    """A page with its tables made to be read."""
    return TABLE.sub(lambda found: tidy_table(found[0]), text)
