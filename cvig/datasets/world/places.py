"""Where cameras stand: one place in each square of a lattice, so that places keep their distance.

The lattice of a split has no end in the south. There is land for any number of places, and the places of a smaller set are
the first places of a larger one.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from cvig.datasets.world.countryside import Countryside, land_of
from cvig.datasets.world.lattice import Window
from cvig.datasets.world.views import EYE, REACH

SPLITS = ("train", "val", "test")
WIDTH = 4096  # metres from the western to the eastern side of a split's land
GUARD = 2048  # metres between the lands of two splits: more than two views can see and a new epoch can shift the lattice
CLEARANCE = 3  # metres around a camera where nothing stands
BLOCK = 512  # metres, about: the side of the land in which places are chosen at a time
SPACINGS = (12, 512)
ON_ROADS = 0.7  # of the squares that have a road, the share whose place is on it
MARGIN = int(REACH) + 8  # metres around a block that its views can see


class Places(NamedTuple):
    """Some places and the land that can be seen from them.

    Attributes
    ----------
    land : Countryside
    where : float32 tensor [N, 2]
        Metres east and south of the world's origin.
    heading : float32 tensor [N]
        Azimuth in radians, clockwise from north. A place that was chosen in front of an obstacle looks at it.
    seed : int
        Seed of all that is random in the views of these places.
    """

    land: Countryside
    where: torch.Tensor
    heading: torch.Tensor
    seed: int


def western_side(split: str) -> int:
    """The western border of a split's land, in metres east; the land is WIDTH metres wide and endless in the south."""
    return SPLITS.index(split) * (WIDTH + GUARD)


def pitch_of(spacing: int) -> int:
    """The side, in metres, of the squares that hold one place each.

    A place may lie anywhere in a corner of its square, whose side is a fifth of the square's side or three metres.
    """
    return spacing + max(3, spacing // 4)


def _zones(layer: np.ndarray, side: int, pitch: int, zone: int) -> np.ndarray:
    """The cells of each square in which a camera may stand: [side, side, zone · zone]."""
    squares = layer.reshape(side, pitch, side, pitch)[:, :zone, :, :zone]
    return squares.transpose(0, 2, 1, 3).reshape(side, side, zone * zone)


def _obstacles(above: np.ndarray, stand: np.ndarray) -> np.ndarray:
    """Whether something that fills a view stands two metres north, east, south or west of a camera: bool [4, h, w].

    Parameters
    ----------
    above : float array [h + 4, w + 4]
        Height above the ground, in metres, with a margin of two cells.
    stand : bool array [h, w]
        Where a camera may stand.
    """
    height, width = stand.shape
    found = []
    for south, east in ((-1, 0), (0, 1), (1, 0), (0, -1)):
        before, wall = (
            above[2 + south * far : 2 + south * far + height, 2 + east * far : 2 + east * far + width] for far in (1, 2)
        )
        found.append(stand & (before < 0.2) & (wall > EYE + 2))
    return np.stack(found)


def places_of(
    split: str, *, spacing: int, country: int = 0, seed: int = 0, epoch: int = 0, useless: float = 0.0
) -> Iterator[Places]:
    """All places of a split, a block of land at a time, from west to east and then row by row to the south.

    A place is on open ground, not in water, and more than CLEARANCE metres from buildings, trees and hedges. In squares that
    have a road, most places are on the road.

    Parameters
    ----------
    spacing : int
        The least distance in metres between two places, to the east or to the south; tiles of this side do not overlap.
    epoch : int
        In epochs after 0 the lattice is shifted by up to a square, and places are chosen anew.
    useless : float
        The share of cameras that are moved, within their squares, to two metres from a wall, a hedge or the edge of a wood,
        and look at it. The share is smaller if too few squares have an obstacle.
    """
    pitch = pitch_of(spacing)
    zone = pitch - spacing + 1
    side = max(1, BLOCK // pitch)
    across = WIDTH // (side * pitch)
    key = [seed, country, SPLITS.index(split), epoch]
    shift = np.random.default_rng([*key, 1]).integers(0, pitch, 2) if epoch else (0, 0)
    block = -1
    while True:
        block += 1
        row, column = divmod(block, across)
        rng = np.random.default_rng([*key, 2, block])
        top, left = int(row * side * pitch + shift[0]), int(western_side(split) + column * side * pitch + shift[1])
        land = land_of(Window(top, left, side * pitch, side * pitch).grown(MARGIN), country, seed)
        near = slice(MARGIN - CLEARANCE, -(MARGIN - CLEARANCE))
        above = (land.height - land.terrain)[near, near]
        clear = F.max_pool2d(above[None, None], 2 * CLEARANCE + 1, stride=1)[0, 0] < 0.2
        inner = slice(MARGIN, -MARGIN)
        water, road = (layer[inner, inner].numpy() for layer in (land.water, land.road))
        shape = (side, side, zone * zone)
        score = rng.random(shape, dtype=np.float32)
        score += _zones(road, side, pitch, zone) & (rng.random((side, side, 1)) < ON_ROADS)
        score[~_zones(clear.numpy() & ~water, side, pitch, zone)] = -1
        at = score.argmax(axis=2)
        found = score.max(axis=2) >= 0
        heading = rng.uniform(0, 2 * math.pi, (side, side))
        turn = rng.permutation(side * side)
        blocked = int(useless * found.sum() + rng.random())
        if useless and blocked:
            above = above[1:-1, 1:-1].numpy()
            spots = _obstacles(above, (above[2:-2, 2:-2] < 0.2) & ~water)
            spots = np.stack([_zones(spot, side, pitch, zone) for spot in spots], axis=-1).reshape(side, side, -1)
            score = rng.random(spots.shape, dtype=np.float32) * spots
            chosen = [square for square in turn if spots.any(axis=2).flat[square] and found.flat[square]][:blocked]
            spot = score.argmax(axis=2).flat[chosen]
            at.flat[chosen], heading.flat[chosen] = spot // 4, spot % 4 * (math.pi / 2)
        squares = np.argwhere(found)
        stray = np.stack(np.divmod(at[found], zone), axis=1)
        south, east = (squares * pitch + stray + [top, left]).T
        yield Places(
            land,
            torch.from_numpy(np.stack([east, south], axis=1)).float(),
            torch.from_numpy(heading[found]).float(),
            int(rng.integers(2**63)),
        )
