"""Ground views cut from a data set of panoramas, and aerial images unrolled to match panoramas.

The option ``views: four`` gives the paper's four 90° views of each panorama. Each view is a query of its own; all four are
views of one place and have one aerial image as their answer.

A square view of 90° looks 45° up and down, but CVUSA's panoramas are cropped and end before that. Such a view is cut where
its panorama ends, and stretched to a square: straight lines stay straight, all 90° across are seen, and no pixel is
invented. Views are stretched equally in training and in testing.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

from cvig.datasets.base import PairedViews
from cvig.datasets.files import FileViews
from cvig.datasets.geometry import crop_resize, polar_transform
from cvig.datasets.images import read_image
from cvig.datasets.panorama import perspective_view, strip_crops, vertical_edges
from cvig.datasets.wrappers import Wrapper
from cvig.files import digest

# Data sets of panoramas whose middle column looks north, with the height of the horizon as a fraction from the top.
# The crops of CVUSA are not centred on the horizon: by the authors of HC-Net (github.com/xlwangDev/HC-Net, issue 1) their
# middle is 20 of their 224 rows above it, and the horizons of its plains are seen there.
PANORAMAS = {"cvusa": 132 / 224, "cvact": 0.5, "vigor": 0.5, "flat": 0.5}
WIDE = 1.9  # an image that is so many times wider than the network's input is taken for a panorama
VIEWS = {"panorama": 1, "four": 4, "random": 1, "strips": 4}  # ground views of one panorama
OPTIONS = ("views", "fov", "span", "horizon", "polar", "seed")


class PanoramaViews(Wrapper):
    """A data set of views that are cut from another data set's panoramas; its aerial images can be unrolled.

    Parameters
    ----------
    source : FileViews
        The panoramas and aerial images. Its `size` is the size of the views and of the aerial images made here.
    views : {"panorama", "four", "random", "strips"}
        ``"panorama"``: the whole panorama, scaled. ``"four"``: perspective views with headings 0, 90, 180 and 270 degrees;
        if the panoramas span less than a full turn, four views at equal steps from the left edge to the right one.
        ``"random"``: one perspective view of each panorama, whose heading is drawn once from `seed`; the network is not
        told the heading. ``"strips"``: four strips without projection, as the paper's authors cut them.
    fov : float
        Horizontal field of view of ``"four"`` and ``"random"``, in degrees: above 0, below 180 and at most `span`.
    span : float
        Degrees that a panorama covers from its left edge to its right edge, at most 360.
    horizon : float
        The height of the horizon in the panoramas, as a fraction from the top.
    polar : bool
        Unroll aerial images around their middle (`cvig.datasets.geometry.polar_transform`), from their full resolution.
    seed : int
        Seed of the headings of ``"random"``.

    Attributes
    ----------
    heading : float64 array [ground_count]
        Degrees clockwise from the middle of the panorama to the middle of the view.
    aligned : bool
        True for ``"panorama"``.

    Raises
    ------
    ValueError
        Unknown `views`, or a field of view or span out of range.
    """

    def __init__(
        self,
        source: FileViews,
        *,
        views: str = "panorama",
        fov: float = 90.0,
        span: float = 360.0,
        horizon: float = 0.5,
        polar: bool = False,
        seed: int = 0,
    ):
        if views not in VIEWS:
            raise ValueError(f"unknown views '{views}' of {source.name}: expected one of {', '.join(VIEWS)}")
        if not 0 < fov <= min(span, 179) or span > 360:
            raise ValueError(f"fov {fov} of panoramas of span {span}: expected 0 < fov <= span <= 360, and fov below 180")
        super().__init__(source)
        self.views, self.fov, self.span, self.horizon = views, float(fov), float(span), horizon
        self.polar, self.seed, self.aligned, self.each = polar, seed, views == "panorama", VIEWS[views]
        self.size = (source.size, source.size) if isinstance(source.size, int) else tuple(source.size)
        self.name = source.name if views == "panorama" else f"{source.name}/{views}"
        self.places = np.repeat(source.places, self.each)
        self.positives, self.ignored = self._of_each(source.positives), self._of_each(source.ignored)
        self.coordinates = self._of_each(source.coordinates)
        self.heading = self._headings()
        self.crops_only = False  # True: `horizon` is for cropped panoramas; a full sphere has its horizon in the middle
        self._latest: tuple[int, torch.Tensor] | None = None

    def _of_each(self, values):
        """Values of the panoramas, repeated for each view of a panorama."""
        if values is None or isinstance(values, np.ndarray):
            return values if values is None else np.repeat(values, self.each, axis=0)
        return [value for value in values for _ in range(self.each)]

    def _headings(self) -> np.ndarray:
        count, free = self.source.ground_count, self.span - self.fov
        if self.views == "random":
            turn = 360.0 if self.span == 360 else free
            return turn * (np.random.default_rng(self.seed).random(count) - 0.5)
        if self.views == "panorama":
            return np.zeros(count)
        if self.views == "strips":
            steps = self.span * (np.arange(4) + 0.5) / 4 - self.span / 2
        else:
            steps = 90.0 * np.arange(4) if self.span == 360 else np.linspace(-free / 2, free / 2, 4)
        return np.tile(steps, count)

    @property
    def digest(self) -> str:
        """Digest of the files and of the options by which views are made from them."""
        made = [self.views, self.fov, self.span, self.horizon, self.polar, self.seed if self.views == "random" else ""]
        return digest(self.source.digest, *map(str, made))

    def _panorama(self, row: int) -> torch.Tensor:
        """Panorama `row` at its full resolution: uint8 [3, H, W]. The last one is kept for its next view."""
        latest = self._latest
        if latest is None or latest[0] != row:
            self._latest = latest = (row, read_image(self.source.ground[row]))
        return latest[1]

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, W]; ValueError names the panorama if the view does not fit into it."""
        if self.views == "panorama":
            return self.source.ground_image(index)
        row, turn = divmod(index, self.each)
        panorama = self._panorama(row)[None]
        if self.views == "strips":
            strip = strip_crops(panorama)[:, turn]
            return F.interpolate(strip, self.size, mode="bilinear", antialias=True)[0]
        height, width = panorama.shape[2:]
        whole = 180 * (width - 1) <= self.span * height  # reaches from pole to pole; - 1 for half of an odd width
        horizon = 0.5 if whole and self.crops_only else self.horizon
        try:
            bottom, top = vertical_edges(panorama.shape, self.span, None, horizon)
            reach = math.degrees(math.atan(math.tan(math.radians(self.fov) / 2) * self.size[0] / self.size[1]))
            return perspective_view(
                panorama,
                fov=self.fov,
                heading=self.heading[index],
                size=self.size,
                span=self.span,
                horizon=horizon,
                edges=(max(bottom, -reach), min(top, reach)),
            )[0]
        except ValueError as error:
            raise ValueError(f"panorama '{self.source.ground[row]}': {error}") from error

    def aerial_image(self, row: int) -> torch.Tensor:
        """Gallery row `row`: uint8 [3, H, W]."""
        if not self.polar:
            return self.source.aerial_image(row)
        return polar_transform(read_image(self.source.aerial[row])[None], size=self.size)[0]

    def cropped_aerial(self, row: int, box: torch.Tensor) -> torch.Tensor:
        """Gallery row `row` cropped to `box`: uint8 [3, H, W]. With `polar`, the crop is then unrolled around its middle."""
        if not self.polar:
            return self.source.cropped_aerial(row, box)
        tile = read_image(self.source.aerial[row])[None]
        return polar_transform(crop_resize(tile, box[None], tuple(tile.shape[2:])), size=self.size)[0]


def of_panoramas(data: str, source: FileViews, options: dict) -> PairedViews:
    """Apply those `options` that are in `OPTIONS` to `source`, one split of the panorama data set `data`.

    Raises
    ------
    ValueError
        A value out of range, an option that has no effect on the chosen views, or panoramas in the flat layout without the
        option ``views``.
    """
    if not options and data == "flat":
        _refuse_squeezed(source)
        return source
    if not options:
        source.aligned = True
        return source
    views = options.get("views", "panorama")
    unused = {"panorama": ("fov", "span", "horizon", "seed"), "strips": ("fov", "horizon", "seed"), "four": ("seed",)}
    idle = [name for name in unused.get(views, ()) if name in options]
    if idle:
        raise ValueError(f"option '{idle[0]}' of data set '{data}': of no use to views '{views}'")
    made = PanoramaViews(source, **{"horizon": PANORAMAS[data], **options})
    made.crops_only = "horizon" not in options
    return made


def _refuse_squeezed(source: FileViews) -> None:
    """Raise ValueError if a flat data set's first ground image is a panorama that scaling would squeeze."""
    if not source.ground_count:
        return
    height, width = read_image(source.ground[0]).shape[1:]
    rows, columns = (source.size, source.size) if isinstance(source.size, int) else source.size
    if width * rows >= WIDE * height * columns:
        raise ValueError(
            f"{source.name}: '{source.ground.names[0]}' is {width} × {height} pixels, a panorama it seems, seen as "
            f"{columns} × {rows}: options {{views: four}} cuts views from it, {{views: panorama}} scales it whole"
        )
