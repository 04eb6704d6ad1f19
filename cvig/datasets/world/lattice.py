"""Random numbers of the points of an endless square lattice, and smooth noise that is interpolated between them.

The number of a point depends on its coordinates and a key alone. Any window of the land can therefore be made by itself and
in any order, and two windows agree to the last bit where they overlap. For this, no operation here or in
`cvig.datasets.world.countryside` may round a value differently for its position in an array.
"""

from typing import NamedTuple

import numpy as np


class Window(NamedTuple):
    """A rectangle of cells of one metre: `height` rows from `top` southward, `width` columns from `left` eastward."""

    top: int
    left: int
    height: int
    width: int

    def grown(self, margin: int) -> "Window":
        """The window with `margin` more metres on each side."""
        return Window(self.top - margin, self.left - margin, self.height + 2 * margin, self.width + 2 * margin)


def key_of(*parts: int) -> int:
    """A 32-bit key made of integers; their order and count matter."""
    return int(np.random.SeedSequence([len(parts), *parts]).generate_state(1)[0])


def hashes(key: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A random 32-bit number for each lattice point: uint32, of the shape that `y` and `x` broadcast to."""
    value = y.astype(np.int64).astype(np.uint32) * np.uint32(0x9E3779B1) + np.uint32(key)
    value = mixed(value) + x.astype(np.int64).astype(np.uint32) * np.uint32(0x85EBCA77)
    return mixed(value)


def mixed(value: np.ndarray) -> np.ndarray:
    """uint32 numbers each of whose bits depends on all bits of the given number (the finalizer of MurmurHash3)."""
    value = value ^ (value >> np.uint32(16))
    value *= np.uint32(0x85EBCA6B)
    value ^= value >> np.uint32(13)
    value *= np.uint32(0xC2B2AE35)
    value ^= value >> np.uint32(16)
    return value


def uniform(key: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each lattice point: float32."""
    return (hashes(key, y, x) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def normal(key: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A nearly normal number (a sum of four uniform ones) of mean 0 and deviation 1 for each lattice point: float32."""
    value = hashes(key, y, x)
    total = sum(((value >> np.uint32(8 * byte)) & np.uint32(255)).astype(np.float32) for byte in range(4))
    return (total - np.float32(510)) * np.float32(1 / 147.8)


def _taps(first: int, count: int, scale: float) -> tuple[int, np.ndarray, np.ndarray]:
    """For each of `count` metres from `first` on, the four lattice points around it and their cubic B-spline weights.

    Returns
    -------
    start : int
        The first lattice point that is needed.
    offset : int64 array [count]
        The first of each metre's four points, counted from `start`.
    weights : float32 array [4, count]
    """
    position = np.arange(first, first + count) / scale
    floor = np.floor(position)
    t = position - floor
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    start = int(floor[0]) - 1
    return start, floor.astype(np.int64) - 1 - start, weights.astype(np.float32)


SPREAD = 0.4794  # a cubic B-spline along one axis multiplies the variance of white noise by this, averaged over positions


def smooth(window: Window, scale: float, key: int) -> np.ndarray:
    """Noise of mean 0 and deviation 1 that varies over about twice `scale` metres: float32 [height, width]."""
    top, down, weights_y = _taps(window.top, window.height, scale)
    left, right, weights_x = _taps(window.left, window.width, scale)
    rows, columns = np.arange(top, top + down[-1] + 4), np.arange(left, left + right[-1] + 4)
    points = normal(key, rows[:, None], columns[None]) * np.float32(1 / SPREAD)
    across = sum(points[:, right + tap] * weights_x[tap] for tap in range(4))
    out = np.empty((window.height, window.width), np.float32)
    term = np.empty_like(out[:64])
    for row in range(0, window.height, 64):  # bands that stay in the cache
        band = slice(row, min(row + 64, window.height))
        part, spare = out[band], term[: band.stop - band.start]
        np.multiply(across[down[band]], weights_y[0, band, None], out=part)
        for tap in range(1, 4):
            np.multiply(across[down[band] + tap], weights_y[tap, band, None], out=spare)
            part += spare
    return out


def smooth_at(y: np.ndarray, x: np.ndarray, scale: float, key: int) -> np.ndarray:
    """The noise of `smooth` at single points, given in metres: float32 [N]."""
    total = np.zeros(len(y), np.float32)
    floors = [np.floor(value / scale) for value in (y, x)]
    t = [value / scale - floor for value, floor in zip((y, x), floors, strict=True)]
    weights = [
        [(1 - u) ** 3 / 6, (3 * u**3 - 6 * u**2 + 4) / 6, (-3 * u**3 + 3 * u**2 + 3 * u + 1) / 6, u**3 / 6] for u in t
    ]
    for dy in range(4):
        for dx in range(4):
            point = normal(key, floors[0] - 1 + dy, floors[1] - 1 + dx)
            total += (point * weights[0][dy] * weights[1][dx] / SPREAD).astype(np.float32)
    return total
