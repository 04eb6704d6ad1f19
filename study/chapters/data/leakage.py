"""How much leaks between splits: one simple matcher is tested after training sets that share more or less with its test.

The matcher does not learn what both views show. It finds the training view that looks most like the query, and takes the
aerial image of that view's place as its guess of the query's.
"""

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist
from torch.nn import functional as F

from cvig.datasets import load
from cvig.ranking import exact_ranks
from study.ground import summarized

SIZE = 32  # pixels of a panorama's height and a tile's sides
SPACING = 12  # metres between places: tiles of 128 m overlap many others, as those of photographs from one town do
ROWS = 8  # blocks from top to bottom that an image is described by


def describe(images: torch.Tensor, columns: int) -> np.ndarray:
    """Mean colors of ROWS × `columns` blocks of uint8 images [N, 3, H, W]: float64 [N, 3 · ROWS · columns]."""
    return F.adaptive_avg_pool2d(images.float(), (ROWS, columns)).flatten(1).double().numpy()


def photographs(split: str, count: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """North-aligned panoramas, uint8 [N, 3, SIZE, 5 · SIZE], their tiles, described and of length 1: float64 [N, D], and
    where they are, in metres: float64 [N, 2].

    In an order that does not go by place. The four quarters of a panorama share its light and weather, as crops of one
    photograph do.
    """
    views = load("world", split=split, count=count, size=SIZE, spacing=SPACING, view="panorama")
    order = np.random.default_rng(0).permutation(count)
    tiles = describe(views.aerial[order], ROWS)
    tiles -= tiles.mean(axis=1, keepdims=True)
    return views.ground[order], tiles / np.linalg.norm(tiles, axis=1, keepdims=True), views.coordinates[order]


def remember(queries: np.ndarray, ground: np.ndarray, aerial: np.ndarray) -> np.ndarray:
    """The aerial description that goes with the training view nearest to each query: float64 [Q, D].

    Parameters
    ----------
    queries : float array [Q, E]
    ground, aerial : float arrays [N, E], [N, D]
        The training pairs.
    """
    return aerial[cdist(queries, ground).argmin(axis=1)]


def crops(panorama: torch.Tensor) -> np.ndarray:
    """The four quarters of each panorama, described by row: float64 [N, 4, E]."""
    return np.stack([describe(quarter, 1) for quarter in panorama.chunk(4, dim=3)], axis=1)


def experiment(count: int = 300, others: int = 900) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Two comparisons, each with the same queries and gallery throughout.

    The first asks with one crop of each of `count` panoramas of the world's test land, after training on three crops
    of the same panoramas, or of as many in another split's land. The second asks with the whole panoramas, after training on
    `others` that stand between them, or on as many in another split's land.

    Returns
    -------
    two dicts of data frame
        `cvig.metrics.summary` by training set, over squares of ground.
    """
    here, here_tiles, where = photographs("test", count + others)
    far, far_tiles, _ = photographs("train", others)
    test, tiles, near, near_tiles = here[:count], here_tiles[:count], here[count:], here_tiles[count:]

    def after(queries: np.ndarray, ground: np.ndarray, aerial: np.ndarray) -> pd.DataFrame:
        return summarized(exact_ranks(remember(queries, ground, aerial), tiles), np.arange(count), where[:count])[0]

    own, foreign = crops(test), crops(far[:count])
    by_crop = {
        name: after(own[:, 0], views[:, 1:].reshape(3 * len(views), -1), aerial.repeat(3, axis=0))
        for name, views, aerial in (
            ("the same panoramas", own, tiles),
            ("panoramas elsewhere", foreign, far_tiles[:count]),
        )
    }
    queries = describe(test, 4 * ROWS)
    by_region = {
        name: after(queries, describe(views, 4 * ROWS), aerial)
        for name, views, aerial in (("places between them", near, near_tiles), ("places elsewhere", far, far_tiles))
    }
    return by_crop, by_region


def scores(found: dict[str, pd.DataFrame], metrics: tuple[str, ...] = ("R@1", "PSSR")) -> pd.DataFrame:
    """A row a metric and training set: columns metric, training, value, low, high and chance."""
    rows = [
        {"metric": metric, "training": name, **table.loc[metric, ["value", "low", "high", "chance"]]}
        for metric in metrics
        for name, table in found.items()
    ]
    return pd.DataFrame(rows)
