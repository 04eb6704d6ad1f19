"""Do the photographs at hand resemble those of the calibration, and is their place in the gallery at all?

Both ask how far the nearest tile is. Under exchangeability the rank of that distance among the calibration's is uniform, so
the share of squares at least as far is a p-value, without any assumption on distances (Vovk, Gammerman and Shafer 2005).
Photographs of several places are compared by the two-sample test of Kolmogorov and Smirnov.
"""

from dataclasses import dataclass

import numpy as np

from cvig.locate.calibration import Calibration
from cvig.metrics.intervals import share_interval

UNLIKE = 0.05  # of a p-value: so many that do resemble are called unlike
SEVERAL = 8  # photographs that a two-sample test takes


def p_far(calibration: Calibration, nearest: float) -> float:
    """How likely a photograph of the calibration's kind, its place in the gallery, is at least this far from every tile."""
    weight = calibration.weight
    new = 1 / (calibration.count + 1)
    return float(min(1.0, new + weight[calibration.nearest >= nearest].sum()))


def p_unlike(calibration: Calibration, nearest: np.ndarray) -> float:
    """p-value of the photographs' nearest distances [P] against the calibration's: both too near and too far are unlike."""
    nearest = np.atleast_1d(nearest)
    if len(nearest) >= SEVERAL:
        from scipy import stats

        return float(stats.ks_2samp(nearest, calibration.nearest).pvalue)
    each = []
    for distance in nearest:
        near = 1 / (calibration.count + 1) + calibration.weight[calibration.nearest <= distance].sum()
        each.append(min(1.0, 2 * min(p_far(calibration, distance), near)))
    return float(min(1.0, len(each) * min(each)))  # Bonferroni


@dataclass
class OpenWorld:
    """Whether a place is in the gallery.

    Attributes
    ----------
    p_inside : float
        `p_far`; small where the place is likely outside.
    abstains : bool
        `p_inside` is at most `level`.
    level : float
        So many photographs whose place is in the gallery are abstained from, at most.
    noticed, low, high : float
        Of calibration photographs whose tiles were taken out of the gallery, the share that is abstained from, and its 95%
        interval.
    """

    p_inside: float
    abstains: bool
    level: float
    noticed: float
    low: float
    high: float


def open_world(calibration: Calibration, nearest: float, level: float = UNLIKE) -> OpenWorld:
    """Judge by the distance of the nearest tile; how well that works is measured on the calibration with tiles left out."""
    p = p_far(calibration, nearest)
    noticed = np.array([p_far(calibration, distance) <= level for distance in calibration.nearest_without], dtype=float)
    low, high = share_interval(noticed, calibration.square)
    return OpenWorld(p, p <= level, level, float(noticed.mean()), low, high)
