"""Do intervals and tests from squares of ground keep their level? Outcomes that neighbours share, drawn anew and again."""

from collections.abc import Iterator

import numpy as np
from scipy import special
from scipy.spatial.distance import cdist

from cvig.metrics import cluster_interval, share_interval
from cvig.metrics.comparison import sign_flip_test
from cvig.metrics.ground import measured_side, spread_by_side, squares
from study.levels import DIFFERS

EXTENT = 10_000.0  # metres
QUERIES = 1000
LENGTHS = (0, 50, 100, 200, 400, 800)  # metres in which the correlation falls to 1/e
ALONE = (0.0, 0.8)  # share of the variance that is a place's own
SIDES = (128, 256, 512, 1024, 2048)
FOUND = 0.2  # the true recall


def field(points: np.ndarray, length: float, alone: float) -> np.ndarray:
    """A matrix [Q, Q] that makes standard normal numbers into a field on the points, with exponential correlation."""
    near = np.exp(-cdist(points, points) / length) if length else np.eye(len(points))
    return np.linalg.cholesky((1 - alone) * near + (alone + 1e-9) * np.eye(len(points)))


def keeps(values: np.ndarray, other: np.ndarray, group: np.ndarray) -> tuple[bool, bool, bool]:
    """Of one draw: does the interval of recall hold the truth, does that of the mean, does the paired test keep still?"""
    hit = (values > 1 - FOUND).astype(float)
    share, mean = share_interval(hit, group), cluster_interval(values, group, limits=(0.0, 1.0), resamples=300)
    p_value = sign_flip_test(np.bincount(group, values - other), draws=199)
    return share[0] <= FOUND <= share[1], mean[0] <= 0.5 <= mean[1], p_value > DIFFERS


def simulate(draws: int, *, queries: int = QUERIES, seed: int = 0) -> Iterator[dict]:
    """A row for each length, share and side: how often intervals at 95% hold the truth, and paired tests at 5% keep still.

    Values are uniform on [0, 1], a normal field's, and the field of the other model is independent of it: there is no
    difference between the two. ``side`` is that of the squares, 0 for places one by one, or "measured" (`measured_side` of
    the values); ``squares`` the median number of them, ``settled`` the share of draws in which
    the measured side was.
    """
    rng = np.random.default_rng(seed)
    for alone in ALONE:
        for length in LENGTHS:
            points = rng.uniform(0, EXTENT, (queries, 2))
            root = field(points, length, alone)
            groups = {0: np.arange(queries)} | {side: squares(points, side) for side in SIDES}
            kept = {side: [] for side in [*groups, "measured"]}
            counts, settled, sides = [], [], []
            for _ in range(draws):
                values, other = special.ndtr(root @ rng.normal(size=(queries, 2))).T
                for side, group in groups.items():
                    kept[side].append(keeps(values, other, group))
                chosen = measured_side(spread_by_side(values, points))
                group = squares(points, chosen.side)
                kept["measured"].append(keeps(values, other, group))
                counts.append(int(group.max()) + 1)
                settled.append(chosen.settled)
                sides.append(chosen.side)
            for side, found in kept.items():
                recall, mean, paired = np.mean(found, axis=0)
                row = {"alone": alone, "length": length, "side": side, "recall": recall, "mean": mean, "paired": paired}
                row["squares"] = int(np.median(counts)) if side == "measured" else int(groups[side].max()) + 1
                row["settled"] = float(np.mean(settled)) if side == "measured" else None
                row["median_side"] = float(np.median(sides)) if side == "measured" else float(side)
                yield row
