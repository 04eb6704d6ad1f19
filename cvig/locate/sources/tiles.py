"""Tiles of ground: where each lies, and how its picture is read when it is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cvig.datasets.images import decode
from cvig.files import digest_file


@dataclass
class Tiles:
    """A gallery's tiles; no picture is held.

    Attributes
    ----------
    corners : float64 array [N, 4, 2]
        Longitude and latitude in degrees (WGS 84) of each picture's corners: upper left, upper right, lower right, lower
        left.
    names : sequence of str
        What the answer calls each.
    picture : callable
        Row and pixels a side to uint8 [side, side, 3].
    key : callable
        Row to what changes when the picture does.
    notes : list of str
        What a reader should know of how they were read.
    """

    corners: np.ndarray
    names: Sequence[str]
    picture: Callable[[int, int], np.ndarray]
    key: Callable[[int], str]
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.corners)


def file_tiles(paths: Sequence[Path], names: Sequence[str], corners: np.ndarray, notes: list[str]) -> Tiles:
    """Tiles that are an image file each, which Pillow reads."""

    def picture(row: int, side: int) -> np.ndarray:
        return np.asarray(decode(paths[row], (side, side)))

    return Tiles(np.asarray(corners, dtype=np.float64), names, picture, lambda row: digest_file(paths[row]), notes)
