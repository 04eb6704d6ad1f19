"""From searches and a calibration to an answer: tiles in order, and the coverage from which each is in the region."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvig.locate.calibration import SCORES, Calibration
from cvig.locate.gallery import Found
from cvig.locate.geometry import ground_of_first
from cvig.metrics.conformal import check_coverage

FLAT = 1e-9  # of levels, which are sums of weights


@dataclass
class Region:
    """Where a place may be.

    Attributes
    ----------
    order : int64 array [N]
        Tiles, the likeliest first.
    level : float64 array [N]
        A tile is in the region of every coverage above its level.
    rank : int64 array [N]
        Of each tile, how many fit as well or better, itself included.
    distance : float64 array [N]
        To each tile, the mean over the photographs.
    ground : float64 array [N]
        Square metres that the first tiles of `order` cover, by how many.
    """

    order: np.ndarray
    level: np.ndarray
    rank: np.ndarray
    distance: np.ndarray
    ground: np.ndarray

    def count(self, coverage: float) -> int:
        """How many tiles, the first ones of `order`, are in the region of a coverage."""
        return int((self.level < check_coverage(coverage) - FLAT).sum())

    def area(self, coverage: float) -> float:
        """Square kilometres of the region."""
        count = self.count(coverage)
        return float(self.ground[count - 1]) / 1e6 if count else 0.0

    @property
    def whole(self) -> float:
        """Square kilometres of the gallery."""
        return float(self.ground[-1]) / 1e6


def region(found: Sequence[Found], calibration: Calibration, corners: np.ndarray, *, score: str = "gap") -> Region:
    """The regions of all coverages, of one photograph or of several of one place.

    Each photograph gives each tile a p-value, one minus its level. Of several photographs twice the mean of theirs is one,
    however they depend on each other (Vovk and Wang 2020, Combining p-values via averaging, Biometrika 107).

    Parameters
    ----------
    found : sequence of Found
        A search for each photograph, in the gallery of `corners` [N, 4, 2].
    calibration : Calibration
    score : {"gap", "share"}

    Raises
    ------
    ValueError
        An unknown score.
    """
    if score not in SCORES:
        raise ValueError(f"score '{score}': expected one of {', '.join(SCORES)}")
    levels = np.array([calibration.level(score, getattr(one, score)) for one in found])
    distance = np.mean([one.distance for one in found], axis=0)
    if len(found) == 1:
        level, order, rank = levels[0], found[0].order, found[0].rank
    else:
        level = np.maximum(0.0, 1 - 2 * (1 - levels).mean(axis=0))
        order = np.lexsort([distance, level])
        rank = _pessimistic(level, distance, order)
    return Region(order, level, rank, distance, ground_of_first(corners, order))


def _pessimistic(level: np.ndarray, distance: np.ndarray, order: np.ndarray) -> np.ndarray:
    """How many stand up to the last that is as good, in an order by two keys."""
    new = (np.diff(level[order]) != 0) | (np.diff(distance[order]) != 0)
    ends = np.append(np.flatnonzero(new) + 1, len(order))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.repeat(ends, np.diff(ends, prepend=0))
    return rank
