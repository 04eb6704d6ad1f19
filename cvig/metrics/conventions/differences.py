"""image-locate's distances: SciPy's ``cdist``, whose rounding orders rows that are exactly or nearly as far.

A product in float64 says which rows are surely closer or farther than the answer; the few that it cannot tell are given to
``cdist`` itself. Its differences are summed one after another here, and may be summed in another order elsewhere: rows
within the rounding of such a sum are counted as open. Copies of a row, and rows whose differences are the same one by one,
are as far in any order, and so are all ties of whole numbers, whose sums do not round.
"""

import numpy as np

from cvig.metrics.conventions.counts import Counts
from cvig.ranking.arithmetic import common_factor, merge_equal_rows

UNIT = 2.0**-53  # float64 rounds by at most this share
WHOLE = 2**50  # squared distances of whole numbers up to here stay apart through root and square
LEAST = 2.0**-960  # squares below this may have underflowed


def _square(rows: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", rows, rows)


def _sums_are_exact(query: np.ndarray, gallery: np.ndarray) -> bool:
    found = common_factor(query, gallery)
    if found is None:
        return False
    factor, largest = found
    odd = factor.numerator // (factor.numerator & -factor.numerator)
    return query.shape[1] * (2 * largest * odd) ** 2 < WHOLE


class Differences:
    """Counts a tile at a time; what concerns whole sides is found once.

    Parameters
    ----------
    query, gallery : float arrays [n, D]
    """

    def __init__(self, query: np.ndarray, gallery: np.ndarray):
        self.query, self.gallery = query, gallery
        _, self.group = merge_equal_rows(gallery)
        self.missing = np.isnan(gallery).any(axis=1)
        finite = np.isfinite(query).all() and np.isfinite(gallery).all()
        self.exact = bool(finite) and _sums_are_exact(query, gallery)
        dimensions = query.shape[1]
        self.of_product = 0.0 if self.exact else 4 * (dimensions + 8) * UNIT
        self.of_sum = 0.0 if self.exact else 2 * (dimensions + 8) * UNIT

    def add(self, counts: Counts, product: np.ndarray, start: int, column: int) -> None:
        """Add a tile to the counts of its b queries.

        Parameters
        ----------
        product : float64 array [b, c]
        start, column : int
            The first query and the first gallery row of the tile.
        """
        b, c = product.shape
        part, tile = slice(start, start + b), slice(column, column + c)
        rows, answers, others = (x.astype(np.float64) for x in (self.query[part], self.gallery[part], self.gallery[tile]))
        own = _square(rows - answers)
        counts.lost[:] = np.isnan(own)
        counts.nan[:] += np.count_nonzero(self.missing[tile])
        # half of everything, so that the product stands as it is
        squares, halves = _square(rows), _square(others) / 2
        rest, doubt = (own - squares) / 2, self.of_product * (squares + own) / 2
        half = halves * (1 + self.of_product) - product
        closer = half < (rest - doubt)[:, None]
        farther = np.subtract(halves * (1 - self.of_product), product, out=half) > (rest + doubt)[:, None]
        some = counts.lost == 0
        counts.closer[:] += np.where(some, np.count_nonzero(closer, axis=1), 0)
        open_ = ~(closer | farther | self.missing[tile])
        itself = np.arange(start, start + b) - column
        inside = np.flatnonzero((itself >= 0) & (itself < c))
        open_[inside, itself[inside]] = False
        if self.exact:
            counts.tied[:] += np.count_nonzero(open_, axis=1)
            return
        for i in np.flatnonzero(open_.any(axis=1) & some):
            columns = np.flatnonzero(open_[i])
            copies = self.group[tile][columns] == self.group[start + i]
            counts.tied[i] += np.count_nonzero(copies)
            if not copies.all():
                self._look(counts, i, rows[i], answers[i], others[columns[~copies]])

    def _look(self, counts: Counts, i: int, row: np.ndarray, answer: np.ndarray, others: np.ndarray) -> None:
        """Let ``cdist`` decide between the answer of query i of the tile and rows that the product cannot tell from it."""
        from scipy.spatial.distance import cdist  # a tenth of a second that most embeddings never need

        own, *found = np.square(cdist(row[None], np.concatenate([answer[None], others])))[0]
        found = np.array(found)
        closer, tied = found < own, found == own
        counts.closer[i] += np.count_nonzero(closer)
        counts.tied[i] += np.count_nonzero(tied)
        counts.nan[i] += np.count_nonzero(np.isnan(found))
        near = np.flatnonzero((np.abs(found - own) <= self.of_sum * (found + own) + LEAST) & np.isfinite(found + own))
        near = near[(np.abs(others[near] - row) != np.abs(answer - row)).any(axis=1)]
        counts.open[i] += len(near)
        counts.open_closer[i] += np.count_nonzero(closer[near])
        counts.open_tied[i] += np.count_nonzero(tied[near])
