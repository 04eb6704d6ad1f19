"""Ranks of a case, whatever they come from."""

import numpy as np

from cvig.ranking import Ranks, exact_ranks
from cvig.reading.truth import Truth
from cvig.scoring.case import Case


def rank_case(case: Case, *, similarity: str, closer: str | None, semi: bool = False, query=None, gallery=None) -> Ranks:
    """Exact ranks of a case; unanswered queries that count as lost come last in their gallery.

    Parameters
    ----------
    semi : bool
        Leave the semi-positives out too: the ranks of the hit rate.
    query, gallery : arrays, optional
        Another model's embeddings of the same queries and gallery.
    """
    ignored = _united(case.ignored, case.semi if semi else None)
    rows = None if ignored is None else ignored.listed()
    positives = case.truth.rows()
    if case.matrix is not None and query is None:
        from cvig.ranking.given import matrix_ranks

        ranks = matrix_ranks(case.matrix, positives, closer=closer, ignored=rows)
    else:
        query, gallery = (case.query, case.gallery) if query is None else (query, gallery)
        if similarity == "cosine":
            from cvig.ranking.cosine import cosine_ranks

            ranks = cosine_ranks(query, gallery, positives, ignored=rows)
        else:
            ranks = exact_ranks(query, gallery, positives, similarity=similarity, ignored=rows)
    return _with_lost(ranks, case) if case.lost else ranks


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
