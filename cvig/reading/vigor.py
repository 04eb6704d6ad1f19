"""VIGOR's own label files: a panorama a line, then its tiles, each with how far off its centre the panorama stands."""

from collections.abc import Sequence

from cvig.reading.numbering import Numbering
from cvig.reading.text import NUMBER
from cvig.reading.truth import Truth

ORIGIN = "VIGOR's labels"
TILES = 4  # the first holds the panorama in its middle, the others, semi-positives, hold it elsewhere


def is_label(words: Sequence[str]) -> bool:
    """Whether a line's words are a panorama and four times a tile and two numbers."""
    if len(words) != 1 + 3 * TILES:
        return False
    tiles = [words[at : at + 3] for at in range(1, len(words), 3)]
    return all(not NUMBER.fullmatch(tile) and NUMBER.fullmatch(dx) and NUMBER.fullmatch(dy) for tile, dx, dy in tiles)


def read_labels(rows: Sequence[Sequence[str]], numbering: Numbering) -> Truth:
    """The four tiles of each panorama by name, the positive first; the panoramas by name too, or a line for each query.

    Raises
    ------
    ValueError
        No names of the gallery are given, or not a line for each query.
    """
    tiles = [tile for row in rows for tile in row[1::3]]
    if numbering.names["query"] is not None:
        query = numbering.called([row[0] for row in rows], "query")
    elif len(rows) != numbering.queries:
        raise ValueError(
            f"{numbering.what} of {len(rows)} panoramas: expected a line for each of {numbering.queries} queries, or their "
            "names with --query-names"
        )
    else:
        query = range(len(rows))
    return numbering.truth([i for i in query for _ in range(TILES)], numbering.called(tiles, "gallery"), ORIGIN)
