"""The file of ``cvig score --per-query``: what each query's ranks are, written and read back."""

from pathlib import Path

import numpy as np
import pandas as pd

from cvig.ranking import Ranks
from cvig.scoring.case import Case

COLUMNS = ("query", "closer", "tied", "gallery", "answers", "answers_tied")  # that ranks are read back from
FIRST = 5  # gallery rows that are named for each query
SPARE = 16  # candidates beyond these whose distances are computed anew
BLOCK = 512


def first_rows(case: Case, *, similarity: str, closer: str | None, count: int = FIRST) -> np.ndarray:
    """The closest gallery rows of each query, the lowest first where they tie: int64 [Q, min(count, N)].

    Of a matrix exactly as stored; of embeddings by float64 distances, equal rows being equally far.
    """
    count = min(count, case.truth.gallery)
    queries = len(case.matrix) if case.matrix is not None else len(case.query)
    found = np.empty((queries, count), dtype=np.int64)
    gallery = None if case.matrix is not None else np.asarray(case.gallery, dtype=np.float64)
    if similarity == "cosine" and gallery is not None:
        gallery = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    half = None if gallery is None else np.einsum("nd,nd->n", gallery, gallery) / 2 * (similarity == "euclidean")
    for start in range(0, queries, BLOCK):
        if gallery is None:
            scores = np.asarray(case.matrix[start : start + BLOCK])
            order = np.argsort(scores if closer == "smaller" else -scores.astype(np.float64), axis=1, kind="stable")
            found[start : start + BLOCK] = order[:, :count]
            continue
        rows = np.asarray(case.query[start : start + BLOCK], dtype=np.float64)
        coarse = half - rows @ gallery.T
        near = min(count + SPARE, coarse.shape[1])
        candidates = np.sort(np.argpartition(coarse, near - 1, axis=1)[:, :near], axis=1)
        for i, row in enumerate(rows):
            others = gallery[candidates[i]]
            distance = np.square(others - row).sum(axis=1) if similarity == "euclidean" else -(others * row).sum(axis=1)
            found[start + i] = candidates[i][np.argsort(distance, kind="stable")[:count]]
    return found


def per_query(case: Case, ranks: Ranks, *, similarity: str, closer: str | None) -> pd.DataFrame:
    """A row a query, as it is numbered in its file.

    Columns query, name (where the file has names), best_rank and worst_rank (of its best placed answer, under the two tie
    rules), closer, tied, gallery, answers, answers_tied (as far as the best placed, itself among them), first_1 … first_5
    (the closest gallery rows), and right (whether the closest row
    answers). A query without an answer that counts as lost has answers 0.
    """
    answers = np.zeros(case.given, np.int64)
    answers[case.kept] = case.truth.counts
    index = np.arange(case.given) if case.lost else case.kept
    table = pd.DataFrame(
        {
            "query": index,
            "best_rank": ranks.closer + 1,
            "worst_rank": ranks.closer + ranks.tied + 1,
            "closer": ranks.closer,
            "tied": ranks.tied,
            "gallery": ranks.sizes,
            "answers": answers[index],
            "answers_tied": ranks.each("best"),
        }
    )
    if case.names[0] is not None and not case.lost:
        table.insert(1, "name", case.names[0])
    first = first_rows(case, similarity=similarity, closer=closer)
    whole = np.full((case.given, first.shape[1]), -1)
    whole[case.kept] = first
    for column, rows in enumerate(whole[index].T, start=1):
        table[f"first_{column}"] = rows
    pairs = case.truth.pairs
    right = np.zeros(case.given, bool)
    key = pairs[:, 0] * case.truth.gallery + pairs[:, 1]
    right[case.kept] = np.isin(np.arange(len(case.kept)) * case.truth.gallery + first[:, 0], key)
    table["right"] = right[index]
    return table


def read_per_query(path: Path) -> tuple[np.ndarray, Ranks]:
    """The queries of a file that `per_query` wrote, and their ranks.

    Raises
    ------
    ValueError
        Another kind of file.
    """
    try:
        table = pd.read_csv(path)
        wrong = [name for name in COLUMNS if table[name].dtype != np.int64]
        numbers = {name: table[name].to_numpy() for name in COLUMNS}
    except (ValueError, KeyError) as error:
        raise ValueError(f"'{path}' is no file that --per-query wrote: expected columns {', '.join(COLUMNS)}") from error
    if wrong or table.empty:
        raise ValueError(
            f"'{path}' is no file that --per-query wrote: expected whole numbers as {', '.join(wrong or COLUMNS)}"
        )
    query, closer, tied, gallery, answers, best = numbers.values()
    # rows that are closer than the best answer and as far as it are different ones of the gallery
    possible = (closer >= 0) & (tied >= 0) & (gallery > 0) & (closer <= gallery) & (tied <= gallery - closer)
    possible &= (answers >= 0) & (answers <= gallery) & (best >= 0) & (best <= np.maximum(answers, 1))
    if not possible.all():
        raise ValueError(f"'{path}', line {int(np.flatnonzero(~possible)[0]) + 2}: ranks that no query can have")
    return query, Ranks(closer, tied, gallery, np.maximum(answers, 1), best)
