"""Parcels: which cell of a jittered grid each metre belongs to, and how far its edge is."""

from typing import NamedTuple

import numpy as np

from cvig.datasets.world.countries import BARE, CROP, MEADOW, VILLAGE, WOOD, Country
from cvig.datasets.world.lattice import Window, hashes, key_of, normal, smooth, smooth_at, uniform

BENDS = 27  # half the metres over which edges swing
IDENTITY = (1 << 11) - 1  # low bits of a metre's candidate that say which cell; the bits above are the distance


class Cells(NamedTuple):
    """Some cells of the grid, each array [K] or [K, ·]: where their middles are, what grows there, and how it looks."""

    y: np.ndarray
    x: np.ndarray
    name: np.ndarray  # uint32, the same whatever else is made
    kind: np.ndarray
    color: np.ndarray
    stripes: np.ndarray  # cycles a metre south and east, and strength
    farm: np.ndarray
    orchard: np.ndarray


def cells_of(window: Window, land: Country, key: int) -> tuple[Cells, tuple[int, int, int, int]]:
    """All cells that can be the nearest or second nearest of a metre in `window`, and the squares they lie in."""
    swing = int(np.ceil(4 * land.bend))  # the noise that bends edges stays within 4 deviations
    first = [(start - swing) // land.cell - 1 for start in window[:2]]
    last = [(start + size - 1 + swing) // land.cell + 1 for start, size in zip(window[:2], window[2:], strict=True)]
    rows, columns = (np.arange(low, high + 1) for low, high in zip(first, last, strict=True))
    square_y, square_x = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))

    def drawn(layer: int) -> np.ndarray:
        return uniform(key_of(key, layer), square_y, square_x)

    # whole 64ths of a metre: their differences are exact from whatever corner they are counted
    y, x = (
        np.rint((at + 0.5 + land.jitter * (2.0 * drawn(layer) - 1)) * land.cell * 64) / 64
        for layer, at in enumerate((square_y, square_x))
    )
    # villages and woods gather, the rest is dealt out
    meadow, crop, _ = np.cumsum(land.shares)
    dealt = drawn(2)
    kind = np.select([dealt < meadow, dealt < crop], [MEADOW, CROP], BARE)
    kind[smooth_at(y, x, 260, key_of(key, 3)) > land.wood] = WOOD
    kind[smooth_at(y, x, 260, key_of(key, 4)) > land.village] = VILLAGE
    tint = np.stack([normal(key_of(key, 5, channel), square_y, square_x) for channel in range(3)], axis=1)
    color = np.asarray(land.ground, np.float32)[kind] + np.float32(0.05) * tint
    turn, low, high = np.pi * drawn(6), *land.crop_stripes
    rate = 2 * np.pi / (low + (high - low) * drawn(7))
    strength = np.where(kind == CROP, 0.06, 0.0)
    stripes = np.stack([rate * np.sin(turn), rate * np.cos(turn), strength], axis=1).astype(np.float32)
    cells = Cells(
        y,
        x,
        hashes(key_of(key, 8), square_y, square_x),
        kind,
        color.astype(np.float32),
        stripes,
        drawn(9) < land.farms,
        (kind == CROP) & (drawn(10) < land.orchard),
    )
    return cells, (first[0], first[1], len(rows), len(columns))


def nearest(window: Window, land: Country, key: int, cells: Cells, squares) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest and second nearest cell of each metre, int32 [height, width], and the distance to the edge between them.

    A metre is compared with the cells of the 3 × 3 squares round its own, so the time does not depend on how many there are.
    Each cell looks at the rectangle of metres that can be so near: whole arrays, no look-ups. Distances are compared as
    whole numbers, eighths of a square metre, whose low bits carry the cell: smallest and second smallest are then minima.
    """
    bend = [smooth(window, BENDS, key_of(key, 11, axis)) * np.float32(land.bend * 256) for axis in range(2)]
    for part in bend:  # whole 256ths of a metre, for the same reason
        np.rint(part, out=part)
        part *= np.float32(1 / 256)
    rows = np.arange(window.height, dtype=np.float32)[:, None]
    columns = np.arange(window.width, dtype=np.float32)[None]
    y, x = rows + bend[0], columns + bend[1]  # from the window's corner, where few bits are needed
    middle_y, middle_x = (cells.y - window.top).astype(np.float32), (cells.x - window.left).astype(np.float32)
    far = np.int32(np.iinfo(np.int32).max)
    best, second = (np.full((window.height, window.width), far) for _ in range(2))
    swing = int(np.ceil(4 * land.bend))
    top, left, down, across = squares
    for index in range(down * across):
        row, column = top + index // across, left + index % across
        y0 = max((row - 1) * land.cell - swing - window.top, 0)
        y1 = min((row + 2) * land.cell + swing - window.top, window.height)
        x0 = max((column - 1) * land.cell - swing - window.left, 0)
        x1 = min((column + 2) * land.cell + swing - window.left, window.width)
        if y0 >= y1 or x0 >= x1:
            continue
        part = (slice(y0, y1), slice(x0, x1))
        distance = y[part] - middle_y[index]
        distance *= distance
        step = x[part] - middle_x[index]
        step *= step
        distance += step
        distance *= np.float32(8)
        candidate = distance.astype(np.int32)
        candidate <<= 11
        candidate |= index
        np.minimum(second[part], np.maximum(best[part], candidate), out=second[part])
        np.minimum(best[part], candidate, out=best[part])
    best &= IDENTITY
    second &= IDENTITY
    y1, x1, y2, x2 = middle_y[best], middle_x[best], middle_y[second], middle_x[second]
    apart = np.sqrt((y2 - y1) ** 2 + (x2 - x1) ** 2)
    # how far beyond the line in the middle between both: the difference of the squares over twice the distance
    edge = (y2 - y1) * ((y1 + y2) * np.float32(0.5) - y) + (x2 - x1) * ((x1 + x2) * np.float32(0.5) - x)
    edge /= np.maximum(apart, np.float32(1))
    return best, second, np.maximum(edge, np.float32(0), out=edge)
