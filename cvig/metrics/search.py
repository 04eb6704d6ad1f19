"""The share of the search space that holds the answer with a chosen coverage: the operational twin of PSSR."""

from typing import NamedTuple

import numpy as np

from cvig.metrics.conformal import conformal_bound, quantile_interval
from cvig.metrics.values import per_query_rank
from cvig.ranking import Ranks


class SearchShare(NamedTuple):
    """A share of the gallery, and an interval of what it is over all queries like these.

    Attributes
    ----------
    share : float
        In (0, 1]; 1 where nothing can be ruled out, for the answer is too often last or the queries are too few.
    low, high : float
    """

    share: float
    low: float
    high: float


def search_share(
    ranks: Ranks, coverage: float, *, places: np.ndarray | None = None, confidence: float = 0.95
) -> SearchShare:
    """The smallest share of the gallery, nearest rows first, that holds the answer of a new query with `coverage`.

    Where PSSR is the mean of what a query rules out, one minus this is what may be ruled out if the answer is to be lost no
    more often than `coverage` allows. It is the split conformal bound of the queries' ranks over the gallery's size, ties
    counted against the query (`cvig.metrics.conformal`): it holds for new queries that are exchangeable with these, with
    their answer in a gallery of the same kind.

    Parameters
    ----------
    ranks : Ranks
    coverage : float
        In (0, 1).
    places : array [Q], optional
        Views of one place share it; the new query is of a new place.
    confidence : float
        Of the interval.

    Raises
    ------
    ValueError
        Coverage or confidence outside (0, 1).

    Examples
    --------
    >>> search_share(Ranks(range(99), [0] * 99, 200), 0.9).share
    0.45
    """
    shares = per_query_rank(ranks, ties="pessimistic") / ranks.gallery_size
    bound = conformal_bound(shares, coverage, places)
    low, high = quantile_interval(
        shares, coverage, places, limits=(float(1 / ranks.sizes.max()), 1.0), confidence=confidence
    )
    return SearchShare(min(bound, 1.0), low, high)
