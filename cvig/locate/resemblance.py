"""Do the photographs at hand resemble those of the calibration, and is their place in the gallery at all?

Both ask how far the nearest tile stands out among all: where a network is at a loss, all tiles are about as far. Under
exchangeability the rank of that number among the calibration's is uniform, so the share of squares that stand out as
little or less is a p-value, without any assumption on distances (Vovk, Gammerman and Shafer 2005).

Photographs of many places, one after the other, are watched by a conformal test martingale: a gambler bets against each
one's p-value among all before it, and as long as they are exchangeable no bet can win on average (Vovk, Nouretdinov and
Gammerman 2003, Testing exchangeability on-line, ICML). The bets are those of the Simple Jumper (Vovk, Petej, Nouretdinov,
Ahlberg, Carlsson and Gammerman 2021, Retrain or not retrain: conformal test martingales for change-point detection, COPA).
"""

from dataclasses import dataclass

import numpy as np

from cvig.locate.calibration import Calibration
from cvig.metrics.intervals import share_interval

UNLIKE = 0.05  # of a p-value: so many that do resemble are called unlike
JUMP = 0.01  # how readily the gambler changes his bet, the Simple Jumper's
BETS = np.array([-2.0, -1.0, 0.0])  # all that he can bet against small p-values, half of it, nothing


def p_unlike(calibration: Calibration, stands_out: np.ndarray) -> float:
    """p-value that the nearest tiles of photographs of one place [P] stand out as the calibration's do.

    Photographs of one place depend on each other; of several, twice the mean of their p-values is one all the same (Vovk
    and Wang 2020).
    """
    each = [_p_low(calibration, one) for one in np.atleast_1d(stands_out)]
    return float(min(1.0, 2 * np.mean(each))) if len(each) > 1 else each[0]


def _p_low(calibration: Calibration, stands_out: float) -> float:
    new = 1 / (calibration.count + 1)
    return float(new + calibration.weight[calibration.stands_out <= stands_out].sum())


def conformal_p(known: np.ndarray, new: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of each new number, the share of all up to it that are smaller, equal ones in part by lot: float64 [n].

    Uniform and independent of each other where all are exchangeable (Vovk, Gammerman and Shafer 2005, proposition 2.8).
    """
    p, seen = np.empty(len(new)), np.asarray(known, dtype=np.float64)
    for i, one in enumerate(np.asarray(new, dtype=np.float64)):
        seen = np.append(seen, one)
        p[i] = ((seen < one).sum() + rng.random() * (seen == one).sum()) / len(seen)
    return p


def simple_jumper(p: np.ndarray) -> np.ndarray:
    """What the gambler has after each p-value, of 1 that he began with: float64 [n]."""
    stakes, path = np.full(len(BETS), 1 / len(BETS)), np.empty(len(p))
    for i, one in enumerate(p):
        stakes = (1 - JUMP) * stakes + JUMP * stakes.sum() / len(BETS)
        stakes = stakes * (1 + BETS * (one - 0.5))
        path[i] = stakes.sum()
    return path


@dataclass
class Watch:
    """Whether photographs of many places go on as the calibration's were.

    Attributes
    ----------
    path : float64 array [n]
        The gambler's capital after each photograph.
    p : float
        One over the largest it ever was, at most 1: a p-value whenever one stops (Ville's inequality).
    first : int or None
        The photograph, from 0, from which on p is at most `UNLIKE`.
    """

    path: np.ndarray
    p: float
    first: int | None


def watch(calibration: Calibration, stands_out: np.ndarray, *, seed: int = 0) -> Watch:
    """Bet against photographs of as many places [n], one after the other, going on as the calibration.

    Squares of ground are exchangeable and views of one are not, so each square lends one of its photographs, by lot. New
    photographs are taken as of squares of their own.
    """
    rng = np.random.default_rng(seed)
    mixed = rng.permutation(len(calibration))
    _, one_each = np.unique(calibration.square[mixed], return_index=True)
    path = simple_jumper(conformal_p(calibration.stands_out[mixed[one_each]], stands_out, rng))
    late = np.flatnonzero(path >= 1 / UNLIKE)
    return Watch(path, float(1 / max(1.0, path.max(initial=0.0))), int(late[0]) if len(late) else None)


@dataclass
class OpenWorld:
    """Whether a place is in the gallery.

    Attributes
    ----------
    p_inside : float
        `p_unlike`; small where the place is likely outside.
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


def open_world(calibration: Calibration, stands_out: np.ndarray, level: float = UNLIKE) -> OpenWorld:
    """Judge by how far the nearest tile stands out; how well that works is measured with the tiles left out."""
    p = p_unlike(calibration, stands_out)
    without = calibration.stands_out_without
    noticed = np.array([_p_low(calibration, one) <= level for one in without], dtype=float)
    low, high = share_interval(noticed, calibration.square)
    return OpenWorld(p, p <= level, level, float(noticed.mean()), low, high)
