"""Calibration: how far down the list the places of known photographs stand, and what that promises of a new one.

Two scores say how badly a tile fits: the share of the gallery that is as near or nearer, and the gap between its distance
and the nearest tile's. The second adapts to the photograph: where one tile stands out, few others are within a gap of it. A
tile is in the region of coverage c where less than c of the calibration scores, and of the one that is not known yet, are
below its own (`cvig.metrics.conformal`). So the region holds the place of c of new photographs or more: on average over
calibrations, for photographs exchangeable with these by whole squares of ground, and for places that the gallery holds.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from cvig.files import read_json, write_json
from cvig.locate.gallery import Gallery
from cvig.locate.geometry import sides, squares, tiles_that_hold
from cvig.metrics import ground

FORMAT = 3
CALIBRATION = "calibration.json"  # in the folder of a run
SCORES = ("gap", "share")
COLUMNS = (*SCORES, "stands_out", "stands_out_without")
SQUARE = 250.0  # metres: places nearer than a view reaches are not independent
FEWEST = 20  # squares of ground that a field of view needs for a calibration of its own


@dataclass
class Calibration:
    """What known photographs scored; a row a photograph.

    Attributes
    ----------
    gap, share : float64 arrays [Q]
        Of the best placed tile that holds the photograph's place.
    stands_out : float64 array [Q]
        How far the nearest tile stands out (`cvig.locate.gallery.Found.stands_out`).
    stands_out_without : float64 array [Q]
        The same after the tiles that hold the place were taken out of the gallery.
    square : int64 array [Q]
        The square of ground that each place lies in; squares are exchangeable as a whole.
    kind : list of str
        Field of view to 30 degrees, or empty where it is not known.
    model : str
        Digest of the network.
    tiles : int
        Of the gallery.
    side : float or None
        Metres of a tile, where that is known.
    overlap : float
        How many tiles hold a photograph's place, on average.
    square_side : float
        Metres of a square of ground.
    source : str
        What was calibrated on, where that was no photographer's own: ``"held-out views of world/test"``.
    """

    gap: np.ndarray
    share: np.ndarray
    stands_out: np.ndarray
    stands_out_without: np.ndarray
    square: np.ndarray
    kind: list[str]
    model: str
    tiles: int
    side: float | None
    overlap: float = 1.0
    square_side: float = SQUARE
    source: str = ""

    def __len__(self) -> int:
        return len(self.gap)

    @property
    def count(self) -> int:
        """Squares of ground."""
        return len(np.unique(self.square))

    def of_kind(self, kind: str) -> "Calibration":
        """The photographs of one field of view where they come from `FEWEST` squares or more, else all of them."""
        keep = np.array([one == kind for one in self.kind])
        return self.take(keep) if kind and len(np.unique(self.square[keep])) >= FEWEST else self

    def take(self, keep: np.ndarray) -> "Calibration":
        """Some of the photographs, by a mask."""
        arrays = {name: getattr(self, name)[keep] for name in (*COLUMNS, "square")}
        return replace(self, **arrays, kind=[one for one, kept in zip(self.kind, keep.tolist(), strict=True) if kept])

    def in_gallery(self, tiles: int) -> "Calibration":
        """Its shares as a gallery of so many tiles can have them, rounded up: of 10 tiles even the first is a tenth."""
        return replace(self, share=np.ceil(self.share * tiles - 1e-6) / tiles)

    @property
    def weight(self) -> np.ndarray:
        """Of each photograph: its share of a square, over the squares and the new one, float64 [Q]."""
        _, group, size = np.unique(self.square, return_inverse=True, return_counts=True)
        return 1 / size[group] / (len(size) + 1)

    def level(self, score: str, values: np.ndarray) -> np.ndarray:
        """The coverage above which tiles of these scores are in the region: float64 [N] in [0, 1)."""
        own = getattr(self, score)
        order = np.argsort(own, kind="stable")
        below = np.concatenate([[0.0], np.cumsum(self.weight[order])])
        return below[np.searchsorted(own[order], values, side="left")]

    def check(self) -> None:
        """ValueError where a column holds what no search measures, or the rest is of another kind."""
        for name in (*COLUMNS, "square"):
            column = getattr(self, name)
            if column.shape != (len(self),) or not np.isfinite(column).all():
                raise ValueError(f"{name} is no column of finite numbers")
        if not ((self.gap >= 0) & (self.share > 0) & (self.share <= 1)).all():
            raise ValueError("expected gaps from 0, and shares above 0 and up to 1")
        positive = [self.tiles, self.square_side, self.overlap, *[self.side] * (self.side is not None)]
        if not all(type(number) in (int, float) and 0 < number < float("inf") for number in positive):
            raise ValueError("expected tiles, side, overlap and square_side above 0")
        if not all(isinstance(text, str) for text in (self.model, self.source, *self.kind)):
            raise ValueError("expected model, source and kind as text")

    def write(self, path: str | Path) -> None:
        """Write it as JSON."""
        content = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in asdict(self).items()}
        write_json(path, {"format": FORMAT, **content})

    @classmethod
    def read(cls, path: str | Path) -> "Calibration":
        """Read what `write` wrote, or ``calibration.json`` of a folder.

        Raises
        ------
        FileNotFoundError, ValueError
            Nothing there, or something else.
        """
        path = Path(path)
        path = path / CALIBRATION if path.is_dir() else path
        if not path.is_file():
            raise FileNotFoundError(f"no calibration '{path}': cvig calibrate makes one of photographs of known place")
        try:
            content = read_json(path)
            if content.pop("format") != FORMAT:
                raise ValueError("another format")
            for name in COLUMNS:
                content[name] = np.array(content[name], dtype=np.float64)
            content["square"] = np.array(content["square"], dtype=np.int64)
            made = cls(**content)
            if {len(made.kind), len(made.square), *(len(getattr(made, name)) for name in COLUMNS)} != {len(made)} or not len(
                made
            ):
                raise ValueError("columns of several lengths")
            made.check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"'{path}' is no calibration that cvig calibrate wrote ({error})") from error
        return made


def say_kind(fov: float | None) -> str:
    """The field of view that photographs are told apart by: to 30 degrees.

    >>> say_kind(72.0), say_kind(None)
    ('60', '')
    """
    return f"{30 * round(fov / 30)}" if fov else ""


def calibrate(
    gallery: Gallery,
    embeddings: np.ndarray,
    lonlat: np.ndarray,
    *,
    model: str,
    kinds: Sequence[str] = (),
    square: float = SQUARE,
) -> Calibration:
    """Search the gallery for photographs of known place.

    Parameters
    ----------
    gallery : Gallery, embedded
    embeddings : float array [Q, D]
        Of the photographs.
    lonlat : float array [Q, 2]
        Where they were taken, in degrees.
    model : str
        Digest of the network.
    kinds : sequence of Q str, optional
        `say_kind` of each.
    square : float
        Metres a side of the squares of ground that are exchangeable as a whole.

    Raises
    ------
    ValueError
        A photograph whose place no tile of the gallery holds: how many, and the first.
    """
    corners = gallery.tiles.corners
    answers = tiles_that_hold(corners, lonlat)
    lost = [row for row, rows in enumerate(answers) if len(rows) == 0]
    if lost:
        lon, lat = lonlat[lost[0]]
        raise ValueError(
            f"{len(lost)} of {len(lonlat)} calibration photographs were taken where no tile lies, the first, number "
            f"{lost[0] + 1}, at {lat:.5f}, {lon:.5f}: leave them out, or take the gallery that holds them"
        )
    return Calibration(
        **scores(gallery, embeddings, answers),
        square=squares(lonlat, square),
        kind=list(kinds) or [""] * len(lonlat),
        model=model,
        tiles=len(gallery),
        side=float(np.median(sides(corners))),
        overlap=float(np.mean([len(rows) for rows in answers])),
        square_side=square,
    )


def place_squares(coordinates: np.ndarray, unit: str, side: float) -> np.ndarray:
    """Squares of ground of a data set's coordinates (`cvig.datasets.PairedViews`), in degrees or in metres: int64 [Q]."""
    return ground.squares(coordinates, side) if unit == "metres" else squares(coordinates[:, ::-1], side)


def scores(
    gallery: Gallery, embeddings: np.ndarray, answers: Sequence[np.ndarray], also: Sequence[np.ndarray] = ()
) -> dict[str, np.ndarray]:
    """The `COLUMNS` of photographs whose tiles are known: float64 [Q] each.

    Parameters
    ----------
    gallery : Gallery, embedded
    embeddings : float array [Q, D]
    answers : sequence of Q int arrays
        Tiles that hold each place.
    also : sequence of Q int arrays, optional
        Tiles that show some of it, and go with the others where the place is taken out of the gallery.

    Raises
    ------
    ValueError
        A place that all tiles hold.
    """
    columns: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for query, rows, more in zip_longest(embeddings, answers, also, fillvalue=np.empty(0, dtype=np.int64)):
        found = gallery.search(query)
        without = found.without(np.concatenate([rows, more]))
        if not len(without.order):
            raise ValueError(f"all {len(gallery)} tiles of the gallery hold one place: nothing could be ruled out")
        columns["gap"].append(found.gap[rows].min())
        columns["share"].append(found.share[rows].min())
        columns["stands_out"].append(found.stands_out)
        columns["stands_out_without"].append(without.stands_out)
    return {name: np.array(values) for name, values in columns.items()}
