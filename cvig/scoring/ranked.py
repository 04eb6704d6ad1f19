"""Ranks of a case, whatever they come from."""

import numpy as np

from cvig.ranking import Ranks, exact_ranks
from cvig.reading.truth import Truth
from cvig.scoring.case import Case


def rank_case(
    case: Case, *, similarity: str, closer: str | None, semi: bool = False, query=None, gallery=None, every=False
) -> Ranks:
    """Exact ranks of a case; unanswered queries that count as lost come last in their gallery.

    Parameters
    ----------
    semi : bool
        Leave the semi-positives out too: the ranks of the hit rate.
    query, gallery : arrays, optional
        Another model's embeddings of the same queries and gallery.
    every : bool
        Rank every positive too, for average precision.
    """
    ignored = _united(case.ignored, case.semi if semi else None)
    ranks = rank_rows(
        case,
        case.truth.rows(),
        similarity=similarity,
        closer=closer,
        ignored=None if ignored is None else ignored.listed(),
        query=query,
        gallery=gallery,
        every=every,
    )
    return _with_lost(ranks, case) if case.lost else ranks


def rank_rows(
    case: Case,
    positives,
    *,
    similarity: str,
    closer: str | None,
    ignored=None,
    query=None,
    gallery=None,
    every: bool = False,
) -> Ranks:
    """Exact ranks of any positives by a case's embeddings, those of another model, or its matrix.

    Raises
    ------
    ValueError
        `every` of a matrix or of cosines, of which the best placed positive alone is ranked.
    """
    of_matrix = case.matrix is not None and query is None
    if every and (of_matrix or similarity == "cosine"):
        raise ValueError("--average-precision needs embeddings and a similarity other than cosine: normalise them first")
    if of_matrix:
        from cvig.ranking.given import matrix_ranks

        return matrix_ranks(case.matrix, positives, closer=closer, ignored=ignored)
    query, gallery = (case.query, case.gallery) if query is None else (query, gallery)
    if similarity == "cosine":
        from cvig.ranking.cosine import cosine_ranks

        return cosine_ranks(query, gallery, positives, ignored=ignored)
    return exact_ranks(query, gallery, positives, similarity=similarity, ignored=ignored, every=every)


def _united(a: Truth | None, b: Truth | None) -> Truth | None:
    if a is None or b is None:
        return a or b
    pairs = np.unique(np.concatenate([a.pairs, b.pairs]), axis=0)
    return Truth(pairs, a.queries, a.gallery, a.origin)


def _with_lost(ranks: Ranks, case: Case) -> Ranks:
    """The ranks of all queries given; those without an answer are last."""
    n = case.truth.gallery
    lost = {"closer": n - 1, "tied": 0, "gallery_size": n, "positives": 1, "best": 1}
    whole = {name: np.full(case.given, value) for name, value in lost.items()}
    for name, values in whole.items():
        values[case.kept] = ranks.each(name)
    places = np.arange(len(ranks), len(ranks) + case.given)
    places[case.kept] = np.arange(len(ranks)) if ranks.places is None else ranks.places
    return Ranks(**whole, places=places)


def places_of(case: Case, ranks: Ranks) -> np.ndarray | None:
    """The places that the caller gave, or those that shared answers tell; None where each query is a place of its own."""
    if case.places is not None:
        return case.places if case.lost else case.places[case.kept]
    return ranks.places
