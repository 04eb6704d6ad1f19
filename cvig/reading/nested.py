"""Ground truth in dictionaries of dictionaries, as PointNetVLAD's scripts pickle it, and as text, a query a line."""

import ast
import re
from collections.abc import Mapping, Sequence

from cvig.reading.rows import LEFT_OUT
from cvig.reading.text import listed

POSITIVES = ("positives", "positive", "true_neighbors", "positives_per_query", "ground_truth", "gt", "answers")
LISTED = re.compile(r"(.+?)\s*:\s*([\[({].*[\])}])\s*,?")
NUMBERED = re.compile(r"(\d+)\s*:\s*((?:\d+[\s,;]*)*)")
NAMED = re.compile(r"(\S+):\s+(\S+)")
CONVERT = (
    "python -c \"import pickle, json; x = pickle.load(open('FILE', 'rb')); "
    "json.dump({{i: q[{key!r}] for i, q in {value}.items() if {key!r} in q}}, open('positives.json', 'w'), default=list)\""
)


def is_nested(value: object) -> bool:
    """Whether it is a dictionary whose values are dictionaries that hold more than numbers: qrels hold relevances."""
    if not isinstance(value, Mapping) or not value or not all(isinstance(entry, Mapping) for entry in value.values()):
        return False
    return any(not isinstance(x, (int, float)) for entry in value.values() for x in entry.values())


def only_set(sets: Sequence[Mapping], what: str) -> Mapping:
    """The one set of queries of a list of them; ValueError where there are several."""
    if len(sets) == 1:
        return sets[0]
    raise ValueError(f"it holds {len(sets)} sets of queries, one a run: name one, as in FILE:0 to FILE:{len(sets) - 1}")


def flattened(value: Mapping, what: str) -> dict:
    """What each query's dictionary says of its answers: those called positives, or those by number of one database.

    PointNetVLAD trains on {query: {"query": file, "positives": rows, "negatives": rows}}, and tests on {query: {"query":
    file, "northing": y, "easting": x, database: rows, …}}, without the databases that no row of answers.

    Raises
    ------
    ValueError
        Neither, or the rows of several databases.
    """
    keys = {key for entry in value.values() for key in entry}
    named = [key for name in POSITIVES for key in keys if str(key).lower() == name]
    numbered = sorted((key for key in keys if str(key).isdecimal()), key=lambda key: int(str(key)))
    if not named and not numbered:
        some = ", ".join(sorted(map(str, keys))[:6])
        raise ValueError(
            f"each query has a dictionary of {some}: expected one of positives, or rows by number of a database"
        )
    if len(named or numbered) > 1:
        found = named or numbered
        which = "answers by several names" if named else f"rows of {len(found)} databases"
        line = CONVERT.format(key=found[0], value="x")
        raise ValueError(
            f"each query has {which}, {', '.join(map(str, found[:6]))}: {what} are of one gallery; take one, such as "
            f"{found[0]!r}, with {line} (x[0] for x where the file holds a list of sets)"
        )
    key = (named or numbered)[0]
    return {query: entry.get(key, []) for query, entry in value.items()}


def printed_lists(lines: Sequence[str]) -> list[list] | None:
    """A list of lists, or an array, as Python and NumPy print it, over however many lines; None where the lines are not.

    Examples
    --------
    >>> printed_lists(["[[ 0 20]", " [ 1 21]]"]), printed_lists(["[['a.jpg'], []]"]), printed_lists(["[3, 7]"])
    ([[0, 20], [1, 21]], [['a.jpg'], []], None)
    """
    text = re.sub(r"^(np\.)?array\(|(,\s*dtype=\w+)?\)$", "", "\n".join(lines).strip())
    if not (text.startswith("[[") and text.endswith("]]")):
        return None
    if "..." in text:
        raise ValueError(LEFT_OUT)
    words = [listed(f"[{inside}]") for inside in re.findall(r"\[([^\[\]]*)\]", text)]
    return [[int(word) if re.fullmatch(r"-?\d+", word) else word for word in row] for row in words]


def lines_by_query(lines: Sequence[str]) -> dict[str, list[str]] | None:
    """Rows by query of lines such as ``0: [3, 7]``, ``0: 3 7`` or ``a.jpg: b.jpg``, or of a printed dictionary.

    None where the lines are anything else.

    Examples
    --------
    >>> lines_by_query(["0: [3, 7]", "1: []"]), lines_by_query(["{0: [3, 7], 1: []}"]), lines_by_query(["3 7"])
    ({'0': ['3', '7'], '1': []}, {0: [3, 7], 1: []}, None)
    """
    if lines and lines[0].lstrip().startswith("{") and lines[-1].rstrip().endswith("}"):
        try:
            found = ast.literal_eval("\n".join(lines))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
    forms = (LISTED, NUMBERED, NAMED)
    matches = [next((found for form in forms if (found := form.fullmatch(line.strip()))), None) for line in lines]
    if not lines or not all(matches):
        return None
    found = {}
    for match in matches:
        words = listed(match[2])
        words = [word for word in re.split(r"[\s,;]+", match[2]) if word] if words is None else words
        found.setdefault(match[1].strip().strip("'\""), []).extend(words)
    return found
