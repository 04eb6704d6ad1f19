"""A procedural countryside: one colour map and one height map, a metre a cell.

Fields, meadows, woods, villages and bare ground fill irregular cells; roads or hedges run along the cells' edges and meet
where cells do; buildings, single trees and water come on top of a gentle relief. Everything follows from one seed.
"""

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional as F

MEADOW, CROP, WOOD, VILLAGE, BARE = range(5)
CELL = 90  # metres between the middles of neighbouring cells
GROUND = torch.tensor([[0.36, 0.52, 0.25], [0.62, 0.58, 0.30], [0.16, 0.32, 0.15], [0.42, 0.47, 0.34], [0.60, 0.50, 0.38]])
ROOFS = torch.tensor([[0.55, 0.25, 0.20], [0.40, 0.40, 0.45], [0.75, 0.72, 0.68], [0.30, 0.22, 0.20], [0.35, 0.45, 0.55]])


@dataclass(frozen=True)
class Countryside:
    """A square map, row 0 in the north.

    Attributes
    ----------
    color : uint8 tensor [n, n, 3]
        Surface colour without shadows, as a ground view meets it.
    overhead : uint8 tensor [n, n, 3]
        The same from above, with the shadows of a sun in the south-east.
    height : float32 tensor [n, n]
        Top of whatever stands there, in metres.
    terrain : float32 tensor [n, n]
        The ground below it, in metres.
    road, water : bool tensors [n, n]
    """

    color: torch.Tensor
    overhead: torch.Tensor
    height: torch.Tensor
    terrain: torch.Tensor
    road: torch.Tensor
    water: torch.Tensor

    @property
    def extent(self) -> int:
        """Metres a side."""
        return len(self.height)

    def to(self, device: str) -> "Countryside":
        """The same map on another device."""
        return Countryside(*(getattr(self, layer.name).to(device) for layer in fields(self)))


def _noise(n: int, scale: float, rng: np.random.Generator) -> torch.Tensor:
    """Smooth noise [n, n] of mean 0 and deviation 1 that varies over `scale` metres."""
    coarse = max(4, int(np.ceil(n / scale)) + 3)
    grid = torch.from_numpy(rng.standard_normal((1, 1, coarse, coarse), dtype=np.float32))
    smooth = F.interpolate(grid, size=(n, n), mode="bicubic", align_corners=True)[0, 0]
    whole = smooth.numpy()  # summed in one order however many threads torch has
    return (smooth - whole.mean(dtype=np.float64).item()) / whole.std(dtype=np.float64, ddof=1).item()


def _cells(n: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Nearest and second nearest cell of each metre, int64 [n, n], and the distance to the edge between them, float32.

    Each square of CELL metres holds one middle, so the nearest two of any point lie among its 3 × 3 squares.
    """
    side = n // CELL + 3
    middles = torch.from_numpy(rng.uniform(0.1, 0.9, (side, side, 2)).astype(np.float32))
    squares = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), dim=-1)
    middles = ((middles + squares - 1) * CELL).reshape(-1, 2)
    bend = [_noise(n, 40, rng) * 7 for _ in range(2)]
    first, second = torch.empty(n, n, dtype=torch.int64), torch.empty(n, n, dtype=torch.int64)
    edge = torch.empty(n, n)
    column = torch.arange(n, dtype=torch.float32)[None]
    for top in range(0, n, 128):  # bands that stay in the cache
        band = slice(top, min(top + 128, n))
        y = torch.arange(band.start, band.stop, dtype=torch.float32)[:, None] + bend[0][band]
        x = column + bend[1][band]
        row, col = (y / CELL).floor().long() + 1, (x / CELL).floor().long() + 1
        best, next_best = torch.full_like(x, torch.inf), torch.full_like(x, torch.inf)
        who, next_who = torch.zeros_like(row), torch.zeros_like(row)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                index = (row + dy).clamp(0, side - 1) * side + (col + dx).clamp(0, side - 1)
                distance = (middles[index, 0] - y).square() + (middles[index, 1] - x).square()
                nearer, near = distance < best, distance < next_best
                next_best = torch.where(nearer, best, torch.where(near & (index != who), distance, next_best))
                next_who = torch.where(nearer, who, torch.where(near & (index != who), index, next_who))
                best, who = torch.where(nearer, distance, best), torch.where(nearer, index, who)
        apart = (middles[who] - middles[next_who]).norm(dim=-1).clamp(min=1)
        first[band], second[band], edge[band] = who, next_who, (next_best - best) / (2 * apart)
    return first, second, edge


def _put_buildings(height, color, terrain, allowed, rng: np.random.Generator) -> None:
    """Houses on jittered lots where `allowed`, each with a ridged roof of its own colour and height."""
    n, lot = len(height), 24
    middles = [
        (y + int(rng.integers(-4, 5)), x + int(rng.integers(-4, 5)))
        for y in range(lot, n - lot, lot)
        for x in range(lot, n - lot, lot)
    ]
    for y, x in middles:
        if not allowed[y, x] or rng.random() < 0.25:
            continue
        tall, wide = (int(side) for side in rng.integers(8, 18, 2))
        area = (slice(y - tall // 2, y + tall // 2), slice(x - wide // 2, x + wide // 2))
        roof = ROOFS[int(rng.integers(len(ROOFS)))] + torch.from_numpy(rng.normal(0, 0.04, 3).astype(np.float32))
        across = (
            torch.linspace(-1, 1, 2 * (tall // 2))[:, None] if wide > tall else torch.linspace(-1, 1, 2 * (wide // 2))[None]
        )
        height[area] = terrain[y, x] + float(rng.uniform(3.5, 12)) + 2.5 * (1 - across.abs())
        color[area] = roof * (1 - 0.12 * torch.sign(across))[..., None]


def _put_trees(height, color, terrain, allowed, rng: np.random.Generator) -> None:
    """Single round trees, one to about 700 square metres of allowed ground."""
    n = len(height)
    y, x = (torch.from_numpy(rng.integers(4, n - 4, n * n // 700)) for _ in range(2))
    keep = allowed[y, x]
    y, x = y[keep], x[keep]
    top = terrain[y, x] + torch.from_numpy(rng.uniform(4, 10, len(y)).astype(np.float32))
    leaf = torch.tensor([0.18, 0.36, 0.16]) + torch.from_numpy(rng.normal(0, 0.04, (len(y), 3)).astype(np.float32))
    for dy in range(-3, 4):
        for dx in range(-3, 4):
            far = (dy * dy + dx * dx) ** 0.5
            if far <= 3:
                # Where crowns meet, the last tree wins in colour and height alike. NumPy says so of repeated indices;
                # torch, with more than one thread, lets any of them win.
                height.numpy()[y + dy, x + dx] = top - 0.25 * far * far
                color.numpy()[y + dy, x + dx] = leaf * (1 - 0.06 * (dx - dy))


def _shadows(height: torch.Tensor) -> torch.Tensor:
    """Light from the south-east at 45°: float32 [n, n], 1 in the sun and less in the shade."""
    light = torch.ones_like(height)
    for step in (1, 2, 3, 5, 7, 9):
        toward_sun = torch.roll(height, (-step, -step), (0, 1))
        light -= 0.12 * (toward_sun - height > 1.4 * step)
    return light.clamp(min=0.4)


@lru_cache(maxsize=2)
def make_countryside(extent: int = 4096, seed: int = 0) -> Countryside:
    """Make the map; the same extent and seed give the same bytes, with any number of threads.

    Parameters
    ----------
    extent : int
        Metres a side, at least 1536.
    seed : int
    """
    if extent < 1536:
        raise ValueError(f"extent {extent}: expected at least 1536 metres, for three split regions and what lies between")
    n, rng = extent, np.random.default_rng([seed, 4])
    terrain = 7 * _noise(n, 350, rng) + 1.5 * _noise(n, 70, rng)
    cell, neighbour, edge = _cells(n, rng)
    count = int(max(cell.max(), neighbour.max())) + 1
    settled, wooded = (_noise(n, 500, rng) for _ in range(2))
    # what a cell is: villages and woods gather, the rest is dealt out
    kind = torch.from_numpy(rng.choice([MEADOW, CROP, BARE], count, p=[0.4, 0.45, 0.15]))
    for noise, level, which in ((wooded, 0.55, WOOD), (settled, 0.6, VILLAGE)):
        mean = torch.zeros(count).scatter_reduce(0, cell.ravel(), noise.ravel(), "mean", include_self=False)
        kind[mean > level] = which
    cover = kind[cell]
    color = (GROUND[kind] + torch.from_numpy(rng.normal(0, 0.05, (count, 3)).astype(np.float32)))[cell]

    axis = torch.arange(n, dtype=torch.float32)
    turn = torch.from_numpy(rng.uniform(0, np.pi, count).astype(np.float32))[cell]
    period = torch.from_numpy(rng.uniform(5, 14, count).astype(np.float32))[cell]
    stripes = torch.sin((axis[None] * turn.cos() + axis[:, None] * turn.sin()) * 2 * torch.pi / period)
    color += (0.06 * stripes * (cover == CROP))[..., None]
    del turn, period, stripes

    grain, patches = _noise(n, 2.5, rng), _noise(n, 18, rng)
    color += (0.03 * patches)[..., None]
    height = terrain.clone()
    wood = (cover == WOOD) & (edge > 5)
    height[wood] += (9 + 2.5 * grain + 1.5 * patches)[wood].clamp(min=3)
    color[wood] += (0.06 * grain)[wood][:, None]

    # an edge is a road or a hedge along its whole length: the same for both cells it parts
    low, high = torch.minimum(cell, neighbour), torch.maximum(cell, neighbour)
    lot = (low * 7919 + high * 104729 + seed * 31) % 100
    along_road = lot < 70
    water = _noise(n, 260, rng) > 1.35
    road = (edge < 4) & along_road & ~water
    hedge = (edge < 1.5) & ~along_road & (lot < 90) & (patches > -0.8) & ~water

    open_ground = (edge > 8) & (cover != WOOD)
    village = (cover == VILLAGE) & (edge > 14) & ~water
    farm = open_ground & (edge > 25) & ~water & (torch.from_numpy(rng.random(count).astype(np.float32))[cell] < 0.06)
    _put_trees(height, color, terrain, open_ground & ~water, rng)
    _put_buildings(height, color, terrain, village | farm, rng)
    height[hedge] = terrain[hedge] + 2.8 + 0.4 * grain[hedge]
    color[hedge] = torch.tensor([0.15, 0.30, 0.13]) + 0.03 * grain[hedge][:, None]
    height[road], color[road] = terrain[road], torch.tensor([0.40, 0.40, 0.42])
    color[(edge < 0.7) & road] = torch.tensor([0.80, 0.80, 0.68])
    height[water] = terrain[water] - 0.3
    color[water] = torch.tensor([0.15, 0.28, 0.42]) + 0.02 * grain[water][:, None]
    color += torch.from_numpy(rng.standard_normal((n, n, 1), dtype=np.float32)) * 0.02

    overhead = color * _shadows(height)[..., None]
    return Countryside(_to_bytes(color), _to_bytes(overhead), height, terrain, road, water)


def _to_bytes(color: torch.Tensor) -> torch.Tensor:
    return (255 * color.clamp(0, 1)).round_().to(torch.uint8)
