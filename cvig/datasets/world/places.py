"""The embedded data set: ground and aerial views of a procedural countryside, rendered on demand.

Training, validation and test places lie in three bands of one map, parted by more than a view's reach, so that no ground
is seen from two splits. A view's heading is random and unknown, as in the paper, unless panoramas are asked for.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

from cvig.datasets.base import PairedViews
from cvig.datasets.world.countryside import Countryside, make_countryside
from cvig.datasets.world.views import EYE, REACH, aerial_tiles, exposure, ground_views, viable, weather
from cvig.files import digest

VIEWS = {"90": math.pi / 2, "panorama": 2 * math.pi}
COUNTS = {"train": 4096, "val": 1000, "test": 6194}  # the paper's test set has 6194 pairs
SHARES = {"train": 0.52, "val": 0.10, "test": 0.38}  # of the rows that are not guard
CLEARANCE = 3  # metres around a camera where nothing stands
SPACING = 12  # metres a side of the squares that hold at most one place
BATCH = 256


def regions(extent: int) -> dict[str, tuple[int, int]]:
    """First and last row, in metres south, in which each split's cameras stand."""
    reach = int(REACH)
    free = extent - 2 * reach - 2 * 2 * reach  # a margin at both ends, twice the reach between
    bounds, row = {}, reach
    for split, share in SHARES.items():
        bounds[split] = (row, row + int(share * free))
        row = bounds[split][1] + 2 * reach
    return bounds


def choose_places(land: Countryside, split: str, count: int, rng: np.random.Generator) -> torch.Tensor:
    """Standing places of one split: float [count, 2], metres east and south, at least half of SPACING apart.

    Most lie on roads, the others on open ground; none in water or within
    CLEARANCE of a building, a tree or a hedge.
    """
    top, bottom = regions(land.extent)[split]
    left, right = int(REACH), land.extent - int(REACH)
    rows, columns = (bottom - top) // SPACING, (right - left) // SPACING
    inner = SPACING // 2
    # candidates in the inner half of every square keep their distance from the neighbours'
    tries = [rng.integers(SPACING // 4, SPACING // 4 + inner + 1, (rows, columns, 2)) for _ in range(4)]
    y0 = top + SPACING * np.arange(rows)[:, None]
    x0 = left + SPACING * np.arange(columns)[None]
    above = (land.height - land.terrain)[top - 8 : bottom + 8][None, None]
    clear = torch.zeros_like(land.water)
    clear[top - 8 : bottom + 8] = F.max_pool2d(above, 2 * CLEARANCE + 1, stride=1, padding=CLEARANCE)[0, 0] < 0.2
    stand = clear & ~land.water
    found = np.zeros((rows, columns), dtype=bool)
    place = np.zeros((rows, columns, 2))
    for prefer_road, offset in zip((True, True, False, False), tries, strict=True):
        y, x = y0 + offset[..., 0], x0 + offset[..., 1]
        good = (stand & land.road if prefer_road else stand)[y, x].numpy() & ~found
        place[good] = np.stack([x, y], axis=-1)[good]
        found |= good
    places = place[found]
    if count > len(places):
        raise ValueError(
            f"{count} places asked of the world's {split} region: it has {len(places)} on a map of {land.extent} m"
        )
    # roads first would make the count decide what is seen: draw evenly from all
    return torch.from_numpy(places[rng.permutation(len(places))[:count]]).float()


def face_obstacles(
    land: Countryside, where: torch.Tensor, heading: torch.Tensor, chosen: np.ndarray, split: str, rng: np.random.Generator
) -> None:
    """Move the `chosen` cameras to two metres before a wall, a hedge or a wood's edge, and turn them to it; in place."""
    top, bottom = regions(land.extent)[split]
    left, right = int(REACH), land.extent - int(REACH)
    above = (land.height - land.terrain)[top - 2 : bottom + 2, left - 2 : right + 2]
    stand = (above < 0.2) & ~land.water[top - 2 : bottom + 2, left - 2 : right + 2]
    spots = []
    for quarter, (dy, dx) in enumerate(((-2, 0), (0, 2), (2, 0), (0, -2))):
        wall = torch.roll(above, (-dy, -dx), (0, 1)) > EYE + 2
        near = torch.roll(above, (-dy // 2, -dx // 2), (0, 1)) < 0.2
        y, x = (stand & wall & near)[2:-2, 2:-2].nonzero(as_tuple=True)
        spots.append(torch.stack([x + left, y + top, torch.full_like(x, quarter)], dim=1))
    spots = torch.cat(spots)
    pick = spots[torch.from_numpy(rng.choice(len(spots), len(chosen), replace=False))]
    where[chosen] = pick[:, :2].float()
    heading[chosen] = pick[:, 2] * (math.pi / 2)


class WorldViews(PairedViews):
    """One split of the world, all views in memory.

    Parameters
    ----------
    split : {"train", "val", "test"}
    size : int
        Pixels a side.
    count : int, optional
        Ground views; `COUNTS` by default.
    seed : int
        Of the map and of the views.
    view : {"90", "panorama"}
        90° views of random heading, or panoramas with north in their middle.
    fresh : bool
        Other places and views every epoch.
    extent, span : int
        Metres a side of the whole map and of an aerial tile.
    useless : float
        Share of the views that a wall or a hedge fills.
    each : int
        Views of each place.
    device : {"cpu", "cuda"}
        What renders the views, which always end in the CPU's memory. Places and headings do not depend on it; light,
        weather and noise are drawn by the device's own generator.

    Attributes
    ----------
    ground, aerial : uint8 tensors [Q, 3, H, W]
    heading : float32 tensor [Q]
        Azimuth of each ground view's middle, in radians clockwise from north.
    viable : bool tensor [Q]
        False where a wall or a hedge fills the view (`cvig.datasets.world.views.viable`).
    places : int64 array [Q]
        With `each` above one, as many views share a place and its aerial tile: 90° views evenly turned, panoramas of other
        days. None is useless then.
    coordinates : float64 array [Q, 2]
        Metres east and north of the map's south-west corner.
    land : Countryside
    """

    def __init__(
        self,
        split: str,
        *,
        size: int = 64,
        count: int | None = None,
        seed: int = 0,
        view: str = "90",
        fresh: bool = False,
        extent: int = 4096,
        span: int = 128,
        useless: float = 0.04,
        each: int = 1,
        device: str = "cpu",
    ):
        if view not in VIEWS:
            raise ValueError(f"unknown view '{view}': expected one of {', '.join(VIEWS)}")
        if not 0 <= useless <= 0.5:
            raise ValueError(f"share of useless views {useless}: expected at least 0 and at most 0.5")
        if not 0 < span <= 2 * REACH:
            raise ValueError(f"span {span}: expected more than 0 and at most {2 * REACH:.0f} metres")
        self.split, self.size, self.view, self.fresh, self.span = split, size, view, fresh, span
        self.seed, self.useless, self.each = seed, useless, each
        self.land, self.device = make_countryside(extent, seed), device
        self._rendered = self.land.to(device)
        count = COUNTS[split] if count is None else count
        if count < 1:
            raise ValueError(f"{count} places asked of the world's {split} region: expected at least 1")
        if each < 1 or count % each:
            raise ValueError(f"{each} views of each place: expected at least 1, and a divisor of the {count} views")
        self.name, self.gallery_count = f"world/{split}", count // each
        self.positives = self.places = np.repeat(np.arange(count // each), each)
        self.epoch = -1
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Render the views of `epoch`; without ``fresh`` every epoch has the same ones."""
        epoch = epoch if self.fresh else 0
        if epoch == self.epoch:
            return
        self.epoch = epoch
        key = [self.seed, list(COUNTS).index(self.split), epoch]
        rng = np.random.default_rng([*key, 1])
        count = self.gallery_count
        where = choose_places(self.land, self.split, count, rng)
        heading = torch.from_numpy(rng.uniform(0, 2 * math.pi, count)).float()
        blocked = rng.permutation(count)[: round(self.useless * count)]
        if self.view == "panorama":
            heading.zero_()
        elif self.each == 1 and len(blocked):
            face_obstacles(self.land, where, heading, blocked, self.split, rng)
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**63)))
        turns = torch.arange(self.each) * (2 * math.pi / self.each if self.view == "90" else 0)
        heading = heading[:, None] + turns
        self.heading = heading.flatten()
        coordinates = np.stack([where[:, 0], self.land.extent - where[:, 1]], axis=1).astype(np.float64)
        self.coordinates = coordinates.repeat(self.each, axis=0)
        parts = [self._render(w, h, generator) for w, h in zip(where.split(BATCH), heading.split(BATCH), strict=True)]
        self.ground, self.aerial, self.viable = (torch.cat(part) for part in zip(*parts, strict=True))

    def _render(self, where: torch.Tensor, heading: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        land, where, heading = self._rendered, where.to(self.device), heading.to(self.device)
        # square like a 90° view, so that every architecture takes both; a panorama's columns are four times as wide
        eyes = where.repeat_interleave(self.each, dim=0)
        color, depth = ground_views(land, eyes, heading.flatten(), fov=VIEWS[self.view], size=(self.size, self.size))
        ground = exposure(weather(color, depth, generator), generator)
        aerial = exposure(aerial_tiles(land, where, span=self.span, size=self.size), generator)
        return ground.cpu(), aerial.cpu(), viable(depth).cpu()

    @property
    def digest(self) -> str:
        """Digest of the rendered views."""
        return digest(self.name, self.ground.numpy().tobytes(), self.aerial.numpy().tobytes())

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, W]."""
        return self.ground[index]

    def aerial_image(self, row: int) -> torch.Tensor:
        """Aerial tile `row`: uint8 [3, H, H]."""
        return self.aerial[row]


def load(root: str | None = None, split: str = "train", **options) -> WorldViews:
    """Open one split of the world; `options` are those of `WorldViews`.

    Raises
    ------
    ValueError
        A root, which the world has none of; an unknown option or value; more places than the region has.
    """
    if root:
        raise ValueError(f"root '{root}': the world is made, not read; leave root empty or name another data set")
    known = ("size", "count", "seed", "view", "fresh", "extent", "span", "useless", "each", "device")
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ValueError(f"unknown option '{unknown[0]}' of the world: expected one of {', '.join(known)}")
    return WorldViews(split, **options)
