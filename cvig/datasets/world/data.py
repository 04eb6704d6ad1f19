"""The procedural data set: ground views and aerial images of a made-up countryside, rendered on demand."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from cvig.datasets.base import PairedViews
from cvig.datasets.folders import check_room, make_whole
from cvig.datasets.world.countries import country as country_of
from cvig.datasets.world.places import SPACINGS, SPLITS, Places, places_of
from cvig.datasets.world.views import REACH, RISE, aerial_tiles, exposure, ground_views, viable, weather
from cvig.files import digest

VIEWS = {"90": math.pi / 2, "panorama": 2 * math.pi}
COUNTS = {"train": 4096, "val": 1000, "test": 6194}  # the paper's test set has 6194 pairs
TRAINING_SPACING = 40  # metres; tiles of training places may overlap
ABROAD = 1_000_000  # metres between the coordinates of two countries
BATCH = 64
KEPT = ("ground", "aerial", "heading", "viable", "gallery_coordinates")  # of the rendered views, in a cache


@cache
def _source() -> str:
    """Digest of the world's source."""
    return digest(*(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))


class WorldViews(PairedViews):
    """One split of the procedural world, with all its views in memory.

    No ground is visible in two splits: the lands of two splits are farther apart than two views can see.

    Parameters
    ----------
    split : {"train", "val", "test"}
    size : int
        Pixels: the height of a ground view and the sides of an aerial image.
    count : int, optional
        Number of ground views; `COUNTS` by default. The places of a smaller set are the first places of a larger one.
    seed : int
        Seed of the land and of the views.
    view : {"90", "panorama"}
        ``"90"``: views of 90° with random headings. ``"panorama"``: full turns whose middle looks north. Both cover 72° from
        bottom to top.
    spacing : int, optional
        The least distance in metres between two places, to the east or to the south, from 12 to 512. By default it is `span`
        in validation and test, so that tiles do not overlap, and 40 in training, where tiles may overlap.
    country : int or sequence of int
        The kind of land (`cvig.datasets.world.countries`). If there are several countries, each has an equal share of the
        places.
    ignore_overlap : float, optional
        A share of area in [0, 1). A tile that overlaps the right tile by more than this share is neither right nor wrong
        (`ignored`). By default every tile but the right one is wrong.
    square : bool
        Squeeze panoramas to squares, for networks that take square images. Otherwise panoramas are five times as wide as
        high, and a pixel covers as many degrees horizontally as vertically. 90° views are always squares.
    fresh : bool
        Draw new places and views every epoch, on the same land.
    span : int
        The side of an aerial tile in metres.
    useless : float
        The share of 90° views that look at a wall or a hedge from close by and show nothing else, in [0, 0.5].
    each : int
        Number of views of each place, a divisor of `count`.
    device : {"cpu", "cuda"}
        The device that renders the views; they are kept in the CPU's memory. Places and headings do not depend on the
        device. Light, weather and noise do, because its own random generator draws them.
    cache : str
        Folder in which rendered views are kept on disk, each epoch's in a folder of its own (`cvig.datasets.folders`). Its
        name ends in a digest of all that they depend on: these parameters, the world's source, torch and NumPy. Views that
        are there are read and not rendered. Empty: no cache.

    Attributes
    ----------
    ground, aerial : uint8 tensors [Q, 3, H, W]
    heading : float32 tensor [Q]
        Azimuth of the middle of each ground view, in radians clockwise from north.
    viable : bool tensor [Q]
        False if a wall or a hedge fills the view (`cvig.datasets.world.views.viable`).
    places : int64 array [Q]
        With `each` above 1, so many views share a place and its aerial tile: 90° views turned by equal steps, or panoramas
        in different weather. In that case no view is made useless.
    coordinates : float64 array [Q, 2]
        Metres east and north of the world's origin. The aerial tile is centred on them. Countries are 1000 km apart.
    gallery_coordinates : float64 array [gallery_count, 2]
        The same for the tiles.

    Raises
    ------
    ValueError
        An unknown view, or a number out of its range; the message names both.
    """

    def __init__(
        self,
        split: str,
        *,
        size: int = 64,
        count: int | None = None,
        seed: int = 0,
        view: str = "90",
        spacing: int | None = None,
        country: int | Sequence[int] = 0,
        ignore_overlap: float | None = None,
        square: bool = False,
        fresh: bool = False,
        span: int = 128,
        useless: float = 0.04,
        each: int = 1,
        device: str = "cpu",
        cache: str = "",
    ):
        if view not in VIEWS:
            raise ValueError(f"unknown view '{view}': expected one of {', '.join(VIEWS)}")
        if not 0 <= useless <= 0.5:
            raise ValueError(f"share of useless views {useless}: expected at least 0 and at most 0.5")
        if not 0 < span <= 2 * REACH:
            raise ValueError(f"span {span}: expected more than 0 and at most {2 * REACH:.0f} metres")
        if spacing is None:
            spacing = TRAINING_SPACING if split == "train" else max(span, SPACINGS[0])
        if not SPACINGS[0] <= spacing <= SPACINGS[1] or spacing != int(spacing):
            raise ValueError(f"spacing {spacing}: expected {SPACINGS[0]} to {SPACINGS[1]} whole metres")
        if ignore_overlap is not None and not 0 <= ignore_overlap < 1:
            raise ValueError(f"ignored overlap {ignore_overlap}: expected a share, at least 0 and less than 1")
        self.countries = tuple(country) if isinstance(country, Sequence | np.ndarray) else (country,)
        if not self.countries or len(set(self.countries)) < len(self.countries):
            raise ValueError(f"countries {list(self.countries)}: expected one or several, each once")
        for number in self.countries:
            country_of(number)  # raises where there is none
        count = COUNTS[split] if count is None else count
        if count < 1:
            raise ValueError(f"{count} views asked of the world's {split} split: expected at least 1")
        if each < 1 or count % each:
            raise ValueError(f"{each} views of each place: expected at least 1, and a divisor of the {count} views")
        if count // each < len(self.countries):
            raise ValueError(f"{count // each} places in {len(self.countries)} countries: expected at least one in each")
        self.split, self.size, self.view, self.square, self.fresh = split, size, view, square, fresh
        self.span, self.spacing, self.ignore_overlap = span, int(spacing), ignore_overlap
        self.seed, self.useless, self.each, self.device, self.cache = seed, useless, each, device, cache
        self.coordinate_unit = "metres"
        self.name, self.gallery_count = f"world/{split}", count // each
        self.positives = self.places = np.repeat(np.arange(count // each), each)
        self.epoch = -1
        self.set_epoch(0)

    @property
    def ground_size(self) -> tuple[int, int]:
        """Height and width of a ground view in pixels."""
        wide = round(self.size * VIEWS["panorama"] / RISE) if self.view == "panorama" and not self.square else self.size
        return self.size, wide

    def set_epoch(self, epoch: int) -> None:
        """Render the views of `epoch`, or read them from the cache; without ``fresh`` all epochs have the same views."""
        epoch = epoch if self.fresh else 0
        if epoch == self.epoch:
            return
        self.epoch = epoch
        if self.cache:
            folder = Path(self.cache) / f"{self.name.replace('/', '-')}-{self._key()}"
            make_whole(folder, lambda building: self._keep(building, folder))
            self._read(folder)
        else:
            self._render_all()
        self.coordinates = self.gallery_coordinates.repeat(self.each, axis=0)
        if self.ignore_overlap is not None:
            self.ignored = overlapping(self.gallery_coordinates, self.span, self.ignore_overlap, self.places)

    def _key(self) -> str:
        """Digest of all that the views of this epoch depend on."""
        chosen = (self.size, self.ground_count, self.seed, self.view, self.spacing, self.countries, self.square, self.span)
        chosen += (self.useless, self.each, self.device, self.epoch)
        return digest(repr(chosen), _source(), torch.__version__, np.__version__)

    def _keep(self, building: Path, folder: Path) -> None:
        """Render the views into arrays in `building`, which is going to be `folder`."""
        tall, wide = self.ground_size
        check_room(folder, 3 * (self.ground_count * tall * wide + self.gallery_count * self.size**2))
        self._render_all()
        for name in KEPT:
            np.save(building / f"{name}.npy", np.asarray(getattr(self, name)))

    def _read(self, folder: Path) -> None:
        """Take the views from `folder`."""
        for name in KEPT:
            found = np.load(folder / f"{name}.npy")
            setattr(self, name, found if name == "gallery_coordinates" else torch.from_numpy(found))

    def _render_all(self) -> None:
        """Render the views of this epoch."""
        self.ground = torch.empty(len(self.places), 3, *self.ground_size, dtype=torch.uint8)
        self.aerial = torch.empty(self.gallery_count, 3, self.size, self.size, dtype=torch.uint8)
        self.heading = torch.empty(len(self.places))
        self.viable = torch.empty(len(self.places), dtype=torch.bool)
        self.gallery_coordinates = np.empty((self.gallery_count, 2))
        shares = np.diff(np.arange(len(self.countries) + 1) * self.gallery_count // len(self.countries))
        first = 0
        for number, share in zip(self.countries, shares, strict=True):
            useless = self.useless if self.view == "90" and self.each == 1 else 0.0
            blocks = places_of(
                self.split, spacing=self.spacing, country=number, seed=self.seed, epoch=self.epoch, useless=useless
            )
            end = first + share
            while first < end:
                block = next(blocks)
                rows = slice(first, min(first + len(block.where), end))
                self._render(block, rows)
                east, south = block.where[: rows.stop - rows.start].double().numpy().T
                self.gallery_coordinates[rows] = np.stack([east + number * ABROAD, -south], axis=1)
                first = rows.stop

    def _render(self, block: Places, rows: slice) -> None:
        """Render the views of the first places of `block` into the gallery's `rows` and into their ground views."""
        generator = torch.Generator(self.device).manual_seed(block.seed)
        land = block.land.to(self.device)
        turns = torch.arange(self.each) * (2 * math.pi / self.each if self.view == "90" else 0)
        for start in range(rows.start, rows.stop, BATCH):
            stop = min(start + BATCH, rows.stop)
            batch = slice(start - rows.start, stop - rows.start)
            heading = block.heading[batch] if self.view == "90" else torch.zeros(stop - start)
            heading = (heading[:, None] + turns).flatten()
            where = block.where[batch].to(self.device)
            eyes = where.repeat_interleave(self.each, dim=0)
            color, depth = ground_views(land, eyes, heading.to(self.device), fov=VIEWS[self.view], size=self.ground_size)
            views = slice(start * self.each, stop * self.each)
            self.heading[views] = heading
            self.viable[views] = viable(depth).cpu()
            self.ground[views] = exposure(weather(color, depth, generator), generator).cpu()
            self.aerial[start:stop] = exposure(aerial_tiles(land, where, span=self.span, size=self.size), generator).cpu()

    @property
    def digest(self) -> str:
        """Digest of the rendered views."""
        return digest(self.name, self.ground.numpy().tobytes(), self.aerial.numpy().tobytes())

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, W]."""
        return self.ground[index]

    def aerial_image(self, row: int) -> torch.Tensor:
        """Aerial tile `row`: uint8 [3, S, S]."""
        return self.aerial[row]


def overlapping(tiles: np.ndarray, span: float, share: float, answers: np.ndarray) -> list[np.ndarray]:
    """For each query the tiles that overlap its right tile by more than `share` of a tile's area.

    Parameters
    ----------
    tiles : float array [G, 2]
        Metres east and north of the middles of square tiles, whose sides are `span` metres.
    answers : int array [Q]
        The row of each query's right tile.

    Returns
    -------
    list of Q int64 arrays
        Rows of `tiles`, without the right tile.
    """
    near = cKDTree(tiles).query_ball_point(tiles, span, p=np.inf)
    found = []
    for row, others in enumerate(near):
        rows = np.sort(np.asarray(others, dtype=np.int64))
        apart = np.abs(tiles[rows] - tiles[row])
        common = np.prod(np.maximum(span - apart, 0), axis=1) / span**2
        found.append(rows[(common > share) & (rows != row)])
    return [found[row] for row in answers]


def load(root: str | None = None, split: str = "train", **options) -> WorldViews:
    """Open one split of the world; `options` are those of `WorldViews`.

    The name of a split before an option limits it to that split: ``test_country=1`` tests in another country, and
    ``train_spacing=24`` puts training places closer together.

    Raises
    ------
    ValueError
        A root, because the world is not read from files; an unknown option, or a value out of range.
    """
    if root:
        raise ValueError(f"root '{root}': the world is made, not read; leave root empty or name another data set")
    known = ("size", "count", "seed", "view", "spacing", "country", "ignore_overlap", "square", "fresh", "span")
    known += ("useless", "each", "device", "cache")
    chosen, own = {}, {}
    for name, value in options.items():
        of, _, rest = name.partition("_")
        if of in SPLITS and rest in known:
            own |= {rest: value} if of == split else {}
        elif name in known:
            chosen[name] = value
        else:
            raise ValueError(f"unknown option '{name}' of the world: expected one of {', '.join(known)}")
    return WorldViews(split, **chosen | own)
