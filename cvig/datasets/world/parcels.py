"""Parcels of land: each square metre belongs to the nearest cell of a jittered grid, at some distance from its edge."""

from typing import NamedTuple

import numpy as np

from cvig.datasets.world.countries import BARE, CROP, MEADOW, VILLAGE, WOOD, Country
from cvig.datasets.world.lattice import Window, hashes, key_of, normal, smooth, smooth_at, uniform

BENDS = 27  # metres: the scale of the noise that bends the cells' edges
IDENTITY = (1 << 11) - 1  # the low bits of a candidate, which hold the cell's index; the higher bits hold its distance


class Cells(NamedTuple):
    """Cells of the grid, each array [K] or [K, ·]: their middles in metres, what grows on them, and how it looks."""

    y: np.ndarray
    x: np.ndarray
    name: np.ndarray  # uint32, the cell's own number, which does not depend on the window
    kind: np.ndarray
    color: np.ndarray
    stripes: np.ndarray  # radians a metre to the south and to the east, and strength
    farm: np.ndarray
    orchard: np.ndarray


def cells_of(window: Window, land: Country, key: int) -> tuple[Cells, tuple[int, int, int, int]]:
    """All cells that can be nearest or second nearest to a metre in `window`, and the grid squares that hold them.

    The squares are given as their first row, first column, number of rows and number of columns.
    """
    swing = int(np.ceil(4 * land.bend))  # the noise that bends edges stays within 4 standard deviations
    first = [(start - swing) // land.cell - 1 for start in window[:2]]
    last = [(start + size - 1 + swing) // land.cell + 1 for start, size in zip(window[:2], window[2:], strict=True)]
    rows, columns = (np.arange(low, high + 1) for low, high in zip(first, last, strict=True))
    square_y, square_x = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))

    def drawn(layer: int) -> np.ndarray:
        return uniform(key_of(key, layer), square_y, square_x)

    # rounded to whole 64ths of a metre, so that differences are exact in windows of any corner
    y, x = (
        np.rint((at + 0.5 + land.jitter * (2.0 * drawn(layer) - 1)) * land.cell * 64) / 64
        for layer, at in enumerate((square_y, square_x))
    )
    # villages and woods form groups; the other kinds are drawn cell by cell
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
    """The nearest and second nearest cell of each metre, and the distance to the edge between them.

    A metre is compared with the cells of the 3 × 3 squares around its own. For speed, the loop is over cells: each cell is
    compared with the whole rectangle of metres that it can be near to. Squared distances are whole numbers, in eighths of a
    square metre, whose low bits hold the cell's index; the nearest and second nearest cell are then found by minima.

    Returns
    -------
    best, second : int32 arrays [height, width]
        Indices of `cells`.
    edge : float32 array [height, width]
        Metres.
    """
    bend = [smooth(window, BENDS, key_of(key, 11, axis)) * np.float32(land.bend * 256) for axis in range(2)]
    for part in bend:  # rounded to whole 256ths of a metre, so that windows agree
        np.rint(part, out=part)
        part *= np.float32(1 / 256)
    rows = np.arange(window.height, dtype=np.float32)[:, None]
    columns = np.arange(window.width, dtype=np.float32)[None]
    y, x = rows + bend[0], columns + bend[1]  # counted from the window's corner, so that float32 has bits enough
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
    # distance to the line half-way between both: the difference of squared distances over twice the cells' distance
    edge = (y2 - y1) * ((y1 + y2) * np.float32(0.5) - y) + (x2 - x1) * ((x1 + x2) * np.float32(0.5) - x)
    edge /= np.maximum(apart, np.float32(1))
    return best, second, np.maximum(edge, np.float32(0), out=edge)
