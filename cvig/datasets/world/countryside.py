"""A procedural countryside: a colour map and a height map with cells of one metre.

Irregular parcels are fields, meadows, woods, villages or bare ground. Roads or hedges run along the edges of parcels and
meet at their corners. Buildings, single trees and water are added on a gentle relief. A seed and a country determine all of
it. The land has no end: any window of it can be made, and does not depend on the windows that were made before.
"""

from collections import OrderedDict
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from cvig.datasets.world.countries import CROP, LARGEST_CROWN, LARGEST_HOUSE, VILLAGE, WOOD, Country, country
from cvig.datasets.world.lattice import Window, key_of, mixed, normal, smooth, uniform
from cvig.datasets.world.parcels import cells_of, nearest

PIECE = 512  # metres: the side of the land that is made at a time
SHADE = (1, 2, 3, 5, 7, 9)  # distances toward the sun, in metres, at which something may cast a shadow
MARGIN = LARGEST_HOUSE // 2 + SHADE[-1] + LARGEST_CROWN  # what stands so many metres outside a piece may change it
KEPT = 288 * 2**20  # bytes of pieces that are kept in memory


@dataclass(frozen=True)
class Countryside:
    """A rectangle of land, row 0 in the north.

    Attributes
    ----------
    color : uint8 tensor [h, w, 3]
        The colour of the surface without shadows, for ground views.
    overhead : uint8 tensor [h, w, 3]
        The same colour with the shadows of a sun in the south-east, for aerial tiles.
    height : float32 tensor [h, w]
        Elevation of the top of whatever stands there, in metres.
    terrain : float32 tensor [h, w]
        Elevation of the ground, in metres.
    road, water : bool tensors [h, w]
    top, left : int
        Position of the first row and column, in metres south and east of the world's origin.
    """

    color: torch.Tensor
    overhead: torch.Tensor
    height: torch.Tensor
    terrain: torch.Tensor
    road: torch.Tensor
    water: torch.Tensor
    top: int = 0
    left: int = 0

    @property
    def layers(self) -> dict[str, torch.Tensor]:
        """The maps by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("top", "left")}

    def to(self, device: str) -> "Countryside":
        """The same land on another device."""
        return replace(self, **{name: layer.to(device) for name, layer in self.layers.items()})


def _put_buildings(height, color, terrain, window: Window, allowed, land: Country, key: int) -> None:
    """Put houses on jittered lots where it is `allowed`, each with a roof of its own colour and height."""
    first_y, first_x = window.top // land.lot, window.left // land.lot
    last_y, last_x = (window.top + window.height) // land.lot, (window.left + window.width) // land.lot
    lot_y, lot_x = np.meshgrid(np.arange(first_y, last_y + 1), np.arange(first_x, last_x + 1), indexing="ij")

    def drawn(layer: int) -> np.ndarray:
        return uniform(key_of(key, layer), lot_y, lot_x)

    stray = land.lot // 6
    y, x = (
        at * land.lot + land.lot // 2 + np.floor(drawn(layer) * (2 * stray + 1)).astype(int) - stray - corner
        for layer, (at, corner) in enumerate(((lot_y, window.top), (lot_x, window.left)))
    )
    inside = (y >= 0) & (y < window.height) & (x >= 0) & (x < window.width)
    built = inside & (drawn(2) < land.built) & allowed[y.clip(0, window.height - 1), x.clip(0, window.width - 1)]
    low, high = land.house
    half = [(low + drawn(layer) * (high - low + 1)).astype(int).clip(low, high) // 2 for layer in (3, 4)]
    eaves = land.house_height[0] + drawn(5) * (land.house_height[1] - land.house_height[0])
    roof = np.asarray(land.roofs, np.float32)[(drawn(6) * len(land.roofs)).astype(int)]
    tint = np.stack([normal(key_of(key, 7, channel), lot_y, lot_x) for channel in range(3)], axis=-1)
    roof = roof + np.float32(0.04) * tint
    for at in zip(*built.nonzero(), strict=True):
        tall, wide = half[0][at], half[1][at]
        y0, y1, x0, x1 = y[at] - tall, y[at] + tall, x[at] - wide, x[at] + wide
        across = np.linspace(-1, 1, 2 * tall)[:, None] if wide > tall else np.linspace(-1, 1, 2 * wide)[None]
        across = np.broadcast_to(across, (2 * tall, 2 * wide)).astype(np.float32)
        # the part of the house beyond the window is cut off
        rows, columns = slice(max(y0, 0), min(y1, window.height)), slice(max(x0, 0), min(x1, window.width))
        across = across[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
        height[rows, columns] = terrain[y[at], x[at]] + eaves[at] + np.float32(land.ridge) * (1 - np.abs(across))
        shade = 0.12 if land.ridge > 1 else 0.03
        color[:, rows, columns] = roof[at][:, None, None] * (1 - np.float32(shade) * np.sign(across))


def _put_trees(height, color, terrain, window: Window, allowed, land: Country, key: int, side: int, stray: float) -> None:
    """Put single round trees, at most one in each square of `side` metres, where the middle of the tree is `allowed`."""
    reach = land.crown
    outer = window.grown(reach)
    rows = np.arange(outer.top // side, (outer.top + outer.height) // side + 1)
    columns = np.arange(outer.left // side, (outer.left + outer.width) // side + 1)
    square_y, square_x = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))

    def drawn(layer: int) -> np.ndarray:
        return uniform(key_of(key, layer), square_y, square_x)

    y, x = (
        at * side + np.floor(side / 2 + (drawn(layer) - 0.5) * side * stray).astype(int) - corner
        for layer, (at, corner) in enumerate(((square_y, window.top), (square_x, window.left)))
    )
    keep = (y >= reach) & (y < window.height - reach) & (x >= reach) & (x < window.width - reach)
    keep[keep] = allowed[y[keep], x[keep]]
    rise = land.tree_height[0] + drawn(2) * (land.tree_height[1] - land.tree_height[0])
    tint = np.stack([normal(key_of(key, 3, channel), square_y, square_x) for channel in range(3)])
    leaf = np.asarray(land.leaf, np.float32)[:, None] + np.float32(0.04) * tint
    y, x, rise, leaf = y[keep], x[keep], rise[keep], leaf[:, keep]
    top = terrain[y, x] + rise
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            far = float(np.hypot(dy, dx))
            if far <= reach:
                # where crowns overlap, the last tree gives both colour and height
                height[y + dy, x + dx] = top - np.float32(0.25 * far * far + land.pointed * far)
                color[:, y + dy, x + dx] = leaf * np.float32(1 - 0.06 * (dx - dy))


def _shadows(height: np.ndarray) -> np.ndarray:
    """Brightness under a sun in the south-east at 45°: float32 [h, w], 1 in the sun and less in the shade."""
    light = np.ones_like(height)
    for step in SHADE:
        toward_sun, here = height[step:, step:], height[:-step, :-step]
        light[:-step, :-step] -= np.float32(0.12) * (toward_sun - here > np.float32(1.4 * step))
    return np.maximum(light, np.float32(0.4), out=light)


def _to_bytes(color: np.ndarray) -> torch.Tensor:
    """Colours in [0, 1], float32 [3, h, w], as uint8 [h, w, 3]."""
    out = np.empty((*color.shape[1:], 3), np.uint8)
    for channel in range(3):
        plane = np.clip(color[channel], 0, 1)
        plane *= np.float32(255)
        out[..., channel] = np.rint(plane, out=plane)
    return torch.from_numpy(out)


def make_countryside(window: Window, number: int = 0, seed: int = 0) -> Countryside:
    """Make a window of the land. Two windows of one country and seed hold the same bytes where they overlap.

    Parameters
    ----------
    window : Window
        Position and size in metres; the position is south and east of the world's origin.
    number : int
        The country's number.
    seed : int

    Raises
    ------
    ValueError
        A negative number of the country.
    """
    land, key = country(number), key_of(seed, number, 4)
    outer = Window(*window).grown(MARGIN)
    rows = np.arange(outer.top, outer.top + outer.height)[:, None]
    columns = np.arange(outer.left, outer.left + outer.width)[None]
    cells, squares = cells_of(outer, land, key)
    cell, neighbour, edge = nearest(outer, land, key, cells, squares)
    kind = cells.kind.astype(np.int8)[cell]

    terrain = smooth(outer, 230, key_of(key, 21)) * np.float32(land.relief[0])
    terrain += smooth(outer, 45, key_of(key, 22)) * np.float32(land.relief[1])
    grain, patches = smooth(outer, 1.8, key_of(key, 23)), smooth(outer, 12, key_of(key, 24))
    water = smooth(outer, 170, key_of(key, 25)) > land.water
    wood = (kind == WOOD) & (edge > 5)

    shade = patches * np.float32(0.03)
    shade += np.float32(0.02) * normal(key_of(key, 26), rows, columns)
    striped = np.flatnonzero((kind == CROP).ravel())
    who = cell.ravel()[striped]
    from_middle = (
        rows.repeat(outer.width, 1).ravel()[striped] - cells.y[who],
        columns.repeat(outer.height, 0).ravel()[striped] - cells.x[who],
    )
    rates = cells.stripes[who]
    waves = np.sin(from_middle[0].astype(np.float32) * rates[:, 0] + from_middle[1].astype(np.float32) * rates[:, 1])
    shade.ravel()[striped] += rates[:, 2] * waves
    shade += np.float32(0.06) * grain * wood
    color = np.stack([cells.color[:, channel][cell] for channel in range(3)])
    color += shade

    height = terrain.copy()
    height[wood] += np.maximum(9 + 2.5 * grain + 1.5 * patches, 3)[wood].astype(np.float32)

    # whether an edge is a road or a hedge depends on the names of its two cells, so it is one along its whole length
    near = np.flatnonzero((edge < land.road_half_width + 1).ravel() & ~water.ravel())
    lot = mixed(cells.name[cell.ravel()[near]] + cells.name[neighbour.ravel()[near]]) >> np.uint32(8)
    lot = lot.astype(np.float32) * np.float32(2**-24)
    close = edge.ravel()[near]
    along_road = lot < land.road
    road_at = near[along_road & (close < land.road_half_width)]
    line_at = near[along_road & (close < 0.7)]
    hedge_at = near[~along_road & (lot < land.road + land.hedge) & (close < 1.5)]
    hedge_at = hedge_at[patches.ravel()[hedge_at] > -0.8]

    open_ground = (edge > 8) & (kind != WOOD) & ~water
    village = (kind == VILLAGE) & (edge > 14) & ~water
    farm = open_ground & (edge > 25) & cells.farm[cell]
    _put_trees(height, color, terrain, outer, open_ground, land, key_of(key, 31), land.tree, 1.0)
    if land.orchard:
        _put_trees(height, color, terrain, outer, open_ground & cells.orchard[cell], land, key_of(key, 32), 9, 0.12)
    _put_buildings(height, color, terrain, outer, village | farm, land, key_of(key, 33))

    flat_height, flat_color, flat_terrain, flat_grain = height.ravel(), color.reshape(3, -1), terrain.ravel(), grain.ravel()

    def paint(at: np.ndarray, what: tuple[float, float, float], rough: float = 0.0) -> None:
        flat_color[:, at] = np.asarray(what, np.float32)[:, None] + np.float32(rough) * flat_grain[at]

    flat_height[hedge_at] = flat_terrain[hedge_at] + np.float32(land.hedge_height) + np.float32(0.4) * flat_grain[hedge_at]
    paint(hedge_at, land.hedge_color, 0.03)
    flat_height[road_at] = flat_terrain[road_at]
    paint(road_at, land.road_color, 0.01)
    if land.line_color:
        paint(line_at, land.line_color)
    wet = np.flatnonzero(water.ravel())
    flat_height[wet] = flat_terrain[wet] - np.float32(0.3)
    paint(wet, (0.15, 0.28, 0.42), 0.02)
    road = np.zeros_like(water)
    road.ravel()[road_at] = True

    inner = (slice(MARGIN, MARGIN + window[2]), slice(MARGIN, MARGIN + window[3]))
    light = _shadows(height)[inner]
    color = color[:, *inner]
    return Countryside(
        _to_bytes(color),
        _to_bytes(color * light),
        *(torch.from_numpy(layer[inner].copy()) for layer in (height, terrain, road, water)),
        window[0],
        window[1],
    )


_pieces: OrderedDict[tuple[int, int, int, int], Countryside] = OrderedDict()  # in the order of their last use


def _piece(number: int, seed: int, row: int, column: int) -> Countryside:
    name = (number, seed, row, column)
    if name in _pieces:
        _pieces.move_to_end(name)
        return _pieces[name]
    piece = make_countryside(Window(row * PIECE, column * PIECE, PIECE, PIECE), number, seed)
    _pieces[name] = piece
    size = sum(layer.nbytes for layer in piece.layers.values())
    while len(_pieces) * size > KEPT:
        _pieces.popitem(last=False)
    return piece


def land_of(window: Window, number: int = 0, seed: int = 0) -> Countryside:
    """The window of the land that `make_countryside` would make, put together from pieces.

    A piece is made when it is first needed. The most recently used pieces are kept, up to `KEPT` bytes, so that
    neighbouring windows share pieces and a land of any size takes the same memory.
    """
    top, left, height, width = window
    rows = []
    for row in range(top // PIECE, (top + height - 1) // PIECE + 1):
        columns = range(left // PIECE, (left + width - 1) // PIECE + 1)
        cut = []
        for piece in (_piece(number, seed, row, column) for column in columns):
            y = slice(max(top - piece.top, 0), min(top + height - piece.top, PIECE))
            x = slice(max(left - piece.left, 0), min(left + width - piece.left, PIECE))
            cut.append({name: layer[y, x] for name, layer in piece.layers.items()})
        rows.append({name: torch.cat([part[name] for part in cut], dim=1) for name in cut[0]})
    return Countryside(**{name: torch.cat([part[name] for part in rows]) for name in rows[0]}, top=top, left=left)
