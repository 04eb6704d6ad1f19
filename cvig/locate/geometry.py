"""Ground on a sphere: corners of tiles in degrees, areas, what lies in which tile, squares that places fall into."""

import numpy as np
from scipy.spatial import cKDTree

from cvig.metrics import ground
from cvig.reading.coordinates import EARTH, as_points

SAMPLES = 8  # points a side of a tile that say how much of it others cover
TOUCH = 1e-9  # degrees: tiles that share no more than an edge do not overlap
PAIRS = 1 << 15  # of overlapping tiles at a time


def plane(lonlat: np.ndarray, latitude: np.ndarray | float) -> np.ndarray:
    """Metres east and north [..., 2] of degrees [..., 2], true near `latitude`."""
    return EARTH * np.radians(np.stack([lonlat[..., 0] * np.cos(np.radians(latitude)), lonlat[..., 1]], axis=-1))


def square_corners(lonlat: np.ndarray, side: np.ndarray | float) -> np.ndarray:
    """Squares of `side` metres, north up, round points [N, 2]: corners from the upper left on clockwise, [N, 4, 2]."""
    half = np.degrees(np.broadcast_to(side, len(lonlat)) / 2 / EARTH)
    east, north = half / np.cos(np.radians(lonlat[:, 1])), half
    signs = np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]])
    return lonlat[:, None] + signs * np.stack([east, north], axis=1)[:, None]


def centers(corners: np.ndarray) -> np.ndarray:
    """Middles of tiles [N, 4, 2]: degrees [N, 2]."""
    return corners.mean(axis=1)


def areas(corners: np.ndarray) -> np.ndarray:
    """Square metres of tiles [N, 4, 2]: float64 [N]."""
    flat = plane(corners - centers(corners)[:, None], corners[:, :, 1].mean(axis=1)[:, None])
    x, y = flat[..., 0], flat[..., 1]
    return np.abs((x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1)) / 2


def sides(corners: np.ndarray) -> np.ndarray:
    """Metres a side of squares as large as the tiles: float64 [N]."""
    return np.sqrt(areas(corners))


def holds(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether tiles [N, 4, 2] hold their points [N, P, 2], edges included: bool [N, P]."""
    latitude = corners[:, :, 1].mean(axis=1)[:, None]
    ring, at = plane(corners, latitude), plane(points, latitude)
    edge = np.roll(ring, -1, axis=1) - ring
    apart = at[:, :, None] - ring[:, None]
    turn = edge[:, None, :, 0] * apart[..., 1] - edge[:, None, :, 1] * apart[..., 0]
    slack = 1e-6 * np.abs(edge).max()  # metres times metres: a point on an edge is in both tiles
    return (turn >= -slack).all(axis=2) | (turn <= slack).all(axis=2)


def _tree(lonlat: np.ndarray) -> cKDTree:
    return cKDTree(as_points(lonlat, "lon-lat"))


def _reach(corners: np.ndarray) -> float:
    """Metres from the middle of the largest tile to its farthest corner, and a little."""
    flat = plane(corners - centers(corners)[:, None], corners[:, :, 1].mean(axis=1)[:, None])
    return 1.001 * float(np.linalg.norm(flat, axis=2).max()) + 1e-3


def tiles_that_hold(corners: np.ndarray, lonlat: np.ndarray) -> list[np.ndarray]:
    """Rows of the tiles that hold each point [Q, 2], the one whose middle is nearest first."""
    middle = centers(corners)
    found = _tree(middle).query_ball_point(as_points(lonlat, "lon-lat"), _reach(corners))
    answers = []
    for point, near in zip(lonlat, found, strict=True):
        rows = np.array(sorted(near), dtype=np.int64)
        rows = rows[holds(corners[rows], np.broadcast_to(point, (len(rows), 1, 2)))[:, 0]] if len(rows) else rows
        apart = np.linalg.norm(plane(middle[rows] - point, point[1]), axis=1)
        answers.append(rows[np.argsort(apart, kind="stable")])
    return answers


def ground_of_first(corners: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Square metres that the first tiles of `order` cover together, whatever their overlaps: float64 [N], by how many.

    A tile adds the part of its `SAMPLES`² points that lies in no tile before it.
    """
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    step = (np.arange(SAMPLES) + 0.5) / SAMPLES
    across, down = (x.ravel()[:, None] for x in np.meshgrid(step, step))
    weight = np.stack([(1 - across) * (1 - down), across * (1 - down), across * down, (1 - across) * down], axis=1)[..., 0]
    covered = np.zeros((len(corners), SAMPLES**2), dtype=bool)
    pairs = _tree(centers(corners)).query_pairs(2 * _reach(corners), output_type="ndarray")
    low, high = corners.min(axis=1), corners.max(axis=1)
    one, other = pairs.T
    apart = (np.maximum(low[one], low[other]) > np.minimum(high[one], high[other]) - TOUCH).any(axis=1)
    pairs = pairs[~apart]  # of a grid without overlap nothing is left
    for at in range(0, len(pairs), PAIRS):
        first, later = pairs[at : at + PAIRS].T
        swap = place[first] > place[later]
        first, later = np.where(swap, later, first), np.where(swap, first, later)
        inside = holds(corners[first], weight @ corners[later])
        np.logical_or.at(covered, later, inside)
    added = areas(corners) * (~covered).mean(axis=1)
    return np.cumsum(added[order])


def squares(lonlat: np.ndarray, side: float) -> np.ndarray:
    """Which square of `side` metres each point [Q, 2] falls into, numbered: int64 [Q]."""
    return ground.squares(plane(lonlat - lonlat.min(axis=0), float(lonlat[:, 1].mean())), side)
