"""A small network and a ground of made-up pictures, for tests of a search."""

import math

import numpy as np
from PIL import Image

from cvig.locate import Model
from cvig.locate.sources.tiles import Tiles
from cvig.models import build

METRE = math.degrees(1 / 6_371_008.8)


def make_model(folder, size: int = 16) -> Model:
    """An untrained network, saved and read."""
    build("conv4", size=size, embedding=8, unit_norm=True, pool=1).save(folder)
    return Model.read(folder)


def grid(rows: int, columns: int, side: float = 100.0, stride: float = 100.0, at=(10.0, 50.0)) -> np.ndarray:
    """Corners of squares in rows from the north-west: [rows * columns, 4, 2] degrees."""
    ring = np.array([[0, 0], [side, 0], [side, -side], [0, -side]])
    corner = stride * np.stack(np.meshgrid(np.arange(columns), -np.arange(rows)), axis=-1).reshape(-1, 1, 2)
    scale = METRE * np.array([1 / math.cos(math.radians(at[1])), 1])
    return np.array(at) + (corner + ring) * scale


def noise_tiles(corners: np.ndarray, seed: int = 0, fail_after: int | None = None) -> Tiles:
    """Tiles of noise; `read` counts what was read, and reading fails after so many where that is asked."""
    read = []

    def picture(row: int, side: int) -> np.ndarray:
        if fail_after is not None and len(read) >= fail_after:
            raise KeyboardInterrupt
        read.append(row)
        return np.random.default_rng([seed, row]).integers(0, 256, (side, side, 3), dtype=np.uint8)

    tiles = Tiles(corners, [f"tile {i}" for i in range(len(corners))], picture, lambda row: f"{seed}-{row}")
    tiles.read = read
    return tiles


def paint(path, size=(240, 180), seed: int = 0, **options):
    """Write a picture in which every place differs."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1] // 20, size[0] // 20, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return np.asarray(image)
