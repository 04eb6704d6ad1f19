"""Batches of pairs that are hard to tell apart: places near one another, and later places that look alike.

Restated from Sample4Geo (Deuser et al. 2023; github.com/Skyy93/Sample4Geo, sample4geo/dataset/, evaluate/). More than
there, nothing in a batch answers another view of it, or is neither right nor wrong for it.
"""

from collections import deque
from collections.abc import Callable
from itertools import chain

import numpy as np
import torch
from scipy.spatial import cKDTree

from cvig.datasets import PairedViews
from cvig.reading.coordinates import as_points
from cvig.training.batches import EpochBatches
from cvig.training.recipes import Recipe

BLOCK = 1024  # views whose likeness to all others is held at a time


def at_odds(data: PairedViews) -> list[set[int]]:
    """For each view those that must not be its negatives: of one place with it, or whose tile answers it or is ignored.

    Either way round: of two views in one batch each is a negative of the other.
    """
    shown: dict[int, list[int]] = {}
    for view in range(len(data)):
        shown.setdefault(data.partner(view), []).append(view)
    of_place: dict[int, list[int]] = {}
    for view, place in enumerate(data.places.tolist()):
        of_place.setdefault(place, []).append(view)
    found: list[set[int]] = [set() for _ in range(len(data))]
    for view in range(len(data)):
        tiles = np.atleast_1d(data.positives[view]).tolist()
        if data.ignored is not None:
            tiles += np.atleast_1d(data.ignored[view]).tolist()
        others = chain(of_place[int(data.places[view])], *(shown.get(tile, ()) for tile in tiles))
        for other in set(others) - {view}:
            found[view].add(other)
            found[other].add(view)
    return found


def _nearest(candidates: np.ndarray, odds: list[set[int]], first: int, count: int) -> np.ndarray:
    """Of views in the order of their nearness to view `first`, and to the next, the first `count` that go with it."""
    rows = np.full((len(candidates), count), -1, dtype=np.int32)
    for view, row in enumerate(candidates, start=first):
        barred = odds[view] | {view}
        kept = [other for other in row.tolist() if other not in barred][:count]
        rows[view - first, : len(kept)] = kept
    return rows


def near_by(coordinates: np.ndarray, unit: str, odds: list[set[int]], count: int) -> np.ndarray:
    """The `count` views nearest to each on the ground that go with it, int32 [views, count]; -1 where there are fewer.

    Coordinates and their unit are those of `PairedViews`.
    """
    points = as_points(coordinates, "metres" if unit == "metres" else "lat-lon")
    wanted = min(len(points), count + max(map(len, odds)) + 1)
    return _nearest(cKDTree(points).query(points, wanted)[1].reshape(len(points), wanted), odds, 0, count)


def alike(ground: np.ndarray, partners: np.ndarray, odds: list[set[int]], count: int) -> np.ndarray:
    """The `count` views whose tiles are most like each view, of those that go with it, int32 [views, count].

    Parameters
    ----------
    ground, partners : float arrays [views, D]
        Embeddings of the views and of each one's own tile.
    """
    g, a = (torch.nn.functional.normalize(torch.from_numpy(x), dim=1) for x in (ground, partners))
    wanted = min(len(a), count + max(map(len, odds)) + 1)
    parts = []
    for first in range(0, len(g), BLOCK):
        best = torch.topk(g[first : first + BLOCK] @ a.T, wanted, dim=1).indices
        parts.append(_nearest(best.numpy(), odds, first, count))
    return np.concatenate(parts)


class Neighbours:
    """Which views of a data set are near which, epoch by epoch.

    Parameters
    ----------
    data : PairedViews
    recipe : Recipe
    batch : int
    embed : callable
        Gives embeddings of all ground views and of all tiles, as the network is now.

    Attributes
    ----------
    rows : int32 array [views, range] or None
        As `near_by` or `alike` has them; None while nothing says what is near: batches are random then.
    """

    def __init__(self, data: PairedViews, recipe: Recipe, batch: int, embed: Callable[[], tuple[np.ndarray, np.ndarray]]):
        self.data, self.recipe, self.embed = data, recipe, embed
        self.select, self.range = recipe.neighbours or batch // 2, recipe.neighbour_range or batch
        self.rows: np.ndarray | None = None
        self._mined = -1  # the epoch at whose start it was
        self._odds: tuple[object, list[set[int]]] = (None, [])

    @property
    def odds(self) -> list[set[int]]:
        """`at_odds` of the data as they are now."""
        if self._odds[0] is not self.data.coordinates or not self._odds[1]:
            self._odds = (self.data.coordinates, at_odds(self.data))
            if self._mined < 0:
                self.rows = self._by_place()
        return self._odds[1]

    def _by_place(self) -> np.ndarray | None:
        if not self.recipe.geographic or self.data.coordinates is None:
            return None
        coordinates = np.asarray(self.data.coordinates, dtype=np.float64)
        return near_by(coordinates, self.data.coordinate_unit, self._odds[1], self.range)

    def of(self, epoch: int) -> np.ndarray | None:
        """`rows` of an epoch, whose views are there already."""
        odds, every = self.odds, self.recipe.mine_every
        if every and epoch and epoch % every == 0 and self._mined != epoch:
            ground, aerial = self.embed()
            partners = aerial[[self.data.partner(view) for view in range(len(self.data))]]
            self.rows, self._mined = alike(ground, partners, odds, self.range), epoch
        return self.rows

    @property
    def state(self) -> dict:
        """What was mined, for a training that is cut short."""
        return {"rows": torch.from_numpy(self.rows) if self._mined >= 0 else None, "mined": self._mined}

    @state.setter
    def state(self, kept: dict) -> None:
        if kept["rows"] is not None:
            self.rows, self._mined = kept["rows"].numpy(), kept["mined"]


class NeighbourBatches(EpochBatches):
    """Batches of neighbours; a view comes once an epoch, and nothing in a batch is at odds (`at_odds`).

    A random view brings its nearest neighbours, half of as many as are selected, and as many random ones of the next. Then
    another random view does, until the batch is full. What does not go with the batch waits for another one. Views that fill
    no batch at the end of an epoch are left out, so that there may be fewer batches than `len` says.
    """

    def __init__(self, data: PairedViews, batch: int, seed: int, epoch: Callable[[], int], near: Neighbours):
        super().__init__(data, batch, seed, epoch)
        self.near = near

    def order(self, epoch: int) -> np.ndarray:
        """The batches of an epoch, one after another: int64 [batches · batch]."""
        draw = np.random.default_rng([self.seed, epoch])
        rows, odds, half = self.near.of(epoch), self.near.odds, self.near.select // 2
        pool = deque(draw.permutation(len(self.data)).tolist())
        free = np.ones(len(self.data), dtype=bool)
        found: list[int] = []
        while True:
            batch, barred, waiting = [], set(), []
            while pool and len(batch) < self.batch:
                seed = pool.popleft()
                if not free[seed]:
                    continue
                if seed in barred:
                    waiting.append(seed)
                    continue
                bring = [seed]
                if rows is not None:
                    row = rows[seed][rows[seed] >= 0]
                    bring += row[:half].tolist() + draw.permutation(row[half:])[:half].tolist()
                for view in bring:
                    if len(batch) < self.batch and free[view] and view not in barred:
                        batch.append(view)
                        free[view] = False
                        barred |= odds[view]
            pool.extendleft(reversed(waiting))
            if len(batch) < self.batch:
                break
            found += batch
        if not found:
            raise ValueError(
                f"batch of {self.batch} of {len(self.data)} pairs of {self.data.name}: "
                "no so many go together, for too many are of one place or neither right nor wrong for one another"
            )
        return np.array(found)


def batches_for(
    data: PairedViews, recipe: Recipe, batch: int, seed: int, epoch: Callable[[], int], near: Neighbours
) -> EpochBatches:
    """Batches as the recipe samples them; where data have views that are neither right nor wrong, none is a negative."""
    if recipe.geographic or recipe.mine_every or data.ignored is not None:
        batches = NeighbourBatches(data, batch, seed, epoch, near)
        batches.order(0)  # raises now, not in the trainer's hands
        return batches
    return EpochBatches(data, batch, seed, epoch)
