"""What is likely a mistake in embeddings, noticed and asked about."""

from typing import TYPE_CHECKING

import numpy as np

from cvig.reading import vigor
from cvig.reading.truth import Truth

if TYPE_CHECKING:
    from cvig.scoring.case import Case

SAMPLE = 64  # queries whose own row is looked for in the gallery
UNIT = 1e-3  # how far from 1 lengths of normalised embeddings may lie


def ask_if_turned(query: np.ndarray, gallery: np.ndarray) -> list[str]:
    """Notes on embeddings that may lie in columns.

    Raises
    ------
    ValueError
        Columns of both sides have length 1 and rows have not.
    """
    turned = []
    for rows in (query, gallery):
        if len(rows) >= rows.shape[1]:
            return []
        columns = np.linalg.norm(np.asarray(rows[:, : 8 * SAMPLE], dtype=np.float64), axis=0)
        lengths = np.linalg.norm(np.asarray(rows, dtype=np.float64), axis=1)
        turned.append(np.abs(columns - 1).max() < UNIT < np.abs(lengths - 1).max())
    (q, d), n = query.shape, len(gallery)
    if all(turned):
        raise ValueError(
            f"columns of query and gallery have length 1, rows have not: {d} queries in columns [D, N], which --layout "
            f"columns says, or {q} queries and {n} gallery rows of {d} numbers, which --layout rows says"
        )
    return [f"{q} rows of {d} numbers a side: if the files hold columns [D, N], say --layout columns."] if q == n else []


def ask_if_vigor(truth: Truth) -> None:
    """ValueError where rows could be four answers a query, or VIGOR's labels: one positive and three semi-positives.

    VIGOR's evaluator looks for the first of them, and its hit rate leaves the other three out. Where the queries' rows are
    either the same or apart, as those of classes are, they are four answers.
    """
    if truth.origin != "row numbers" or not (truth.counts == vigor.TILES).all() or truth.queries == 1:
        return
    rows = np.sort(truth.pairs[:, 1].reshape(-1, vigor.TILES), axis=1)
    if len(np.unique(rows, axis=0)) * vigor.TILES == len(np.unique(rows)):
        return
    raise ValueError(
        "positives: four gallery rows for each query, which overlap: VIGOR's labels, one positive and three semi-positives, "
        "which --semi rest says, or four answers each, which --semi none says"
    )


def _own_rows(query: np.ndarray, gallery: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """For each query of the sample the one gallery row of the same numbers, -1 where there is none or several."""
    first = np.asarray(gallery[:, 0])
    own = np.full(len(sample), -1)
    for i, row in enumerate(np.asarray(query[sample])):
        near = np.flatnonzero(first == row[0])[: 4 * SAMPLE]
        same = near[(np.asarray(gallery[near]) == row).all(axis=1)]
        own[i] = same[0] if len(same) == 1 else -1
    return own


def look_for_own_rows(case: "Case", asked: str) -> None:
    """Leave out or keep gallery rows that are the queries themselves; note it where they are the only answers.

    Parameters
    ----------
    asked : {"ask", "keep", "ignore"}

    Raises
    ------
    ValueError
        There are such rows and nobody said what to do with them.
    """
    query, gallery, truth = case.query, case.gallery, case.truth
    sample = np.unique(np.linspace(0, len(query) - 1, SAMPLE).astype(np.int64))
    own = _own_rows(query, gallery, sample)
    there = own >= 0
    if 2 * there.sum() <= len(sample):
        return
    key = truth.pairs[:, 0] * truth.gallery + truth.pairs[:, 1]
    only = there & (truth.counts[sample] == 1) & np.isin(sample * truth.gallery + own, key)
    if 2 * only.sum() > there.sum():
        case.notes.append("Queries and their only answers are the same numbers: is one file given for both sides?")
    elif asked == "ask":
        raise ValueError(
            f"{there.sum()} of {len(sample)} queries looked at lie in the gallery themselves: --own-row ignore leaves each "
            "query's own row out, --own-row keep ranks it"
        )
    elif asked == "ignore":
        pairs = _own_pairs(query, gallery)
        case.truth = truth.without(pairs)
        case.ignored = Truth(pairs, truth.queries, truth.gallery, "the queries' own rows")
        case.said.append(f"own rows: {len(pairs)} queries lie in the gallery themselves; their own rows are left out")


def _own_pairs(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Each query with the gallery row of the same numbers: int64 [P, 2]."""
    place = {np.ascontiguousarray(row).tobytes(): i for i, row in enumerate(gallery)}
    found = [place.get(np.ascontiguousarray(row).astype(gallery.dtype, copy=False).tobytes(), -1) for row in query]
    pairs = np.column_stack([np.arange(len(query)), found])
    return pairs[pairs[:, 1] >= 0]
