"""Geometry of views: tensors in, tensors out.

Directions are in degrees. A heading is clockwise seen from above, so that it grows to the right in a panorama, and is
counted from the panorama's middle column; in CVUSA and CVACT that column looks north, and headings are compass
headings. A pitch is upward. Pixels are areas: the edges of the first and the last lie at the edges of the image, of the
panorama's span and of the field of view.
"""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional as F

MOST_SAMPLES = 16  # a side of a pixel; a panorama this much finer than a view should be scaled down first


def random_crop_boxes(count: int, generator: torch.Generator, min_side: float = 0.7) -> torch.Tensor:
    """Random crops of at least `min_side` of each side (paper, section 4).

    Height and width are independent and uniform in [min_side, 1], the place is uniform.

    Returns
    -------
    float32 tensor [count, 4]
        Top, left, height and width, as fractions of the image's sides.
    """
    if not 0 < min_side <= 1:
        raise ValueError(f"smallest side {min_side}: expected a fraction in (0, 1]")
    draw = torch.rand(count, 4, generator=generator)
    sides = min_side + (1 - min_side) * draw[:, 2:]
    return torch.cat([draw[:, :2] * (1 - sides), sides], dim=1)


def crop_resize(images: torch.Tensor, boxes: torch.Tensor, size: int | tuple[int, int]) -> torch.Tensor:
    """Crop each image to its box and scale it to `size`, bilinearly.

    Parameters
    ----------
    images : uint8 tensor [N, 3, H, W]
    boxes : float tensor [N, 4]
        Top, left, height and width, as fractions of the sides; pixel edges lie at 0 and 1.
    size : int or (height, width)

    Returns
    -------
    uint8 tensor [N, 3, height, width]
    """
    if len(boxes) != len(images):
        raise ValueError(f"{len(boxes)} boxes for {len(images)} images: expected one each")
    height, width = (size, size) if isinstance(size, int) else size
    top, left, tall, wide = boxes.to(images.device, torch.float32).T[:, :, None]
    y = top + tall * (torch.arange(height, device=images.device) + 0.5) / height
    x = left + wide * (torch.arange(width, device=images.device) + 0.5) / width
    grid = torch.stack(
        torch.broadcast_tensors(2 * x[:, None, :] - 1, 2 * y[:, :, None] - 1), dim=-1
    )  # grid_sample wants (x, y) in [-1, 1]
    sampled = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled.round().clamp(0, 255).to(torch.uint8)


def _checked(images: torch.Tensor, what: str, size: Sequence[int]) -> torch.Tensor:
    """`images` as floats; ValueError unless they are [N, 3, H, W] of bytes or floats and `size` two positive counts."""
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        raise ValueError(f"{what} {tuple(images.shape)}: expected [N, 3, H, W]")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"{what} of {images.dtype}: expected uint8 or a floating type")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size {tuple(size)}: expected (height, width) in pixels, at least 1 each")
    return images if images.dtype == torch.float64 else images.float()


def _sample(images: torch.Tensor, x: torch.Tensor, y: torch.Tensor, samples: tuple[int, int]) -> torch.Tensor:
    """Bilinear values at pixel coordinates, averaged over blocks.

    Parameters
    ----------
    images : float tensor [N, 3, H, W]
    x, y : float tensors [N or 1, h·sy, w·sx]
        Pixels from the left and from the top edge; the middle of the first pixel is at 0.5.
    samples : (sy, sx)
        Samples down and across that make one pixel.

    Returns
    -------
    float tensor [N, 3, h, w]
    """
    grid = torch.stack([2 * x / images.shape[3] - 1, 2 * y / images.shape[2] - 1], dim=-1)
    grid = grid.to(images.dtype).expand(len(images), -1, -1, -1)
    values = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(values, samples) if samples != (1, 1) else values


def _samples(pixels: float) -> int:
    """How many samples a view's pixel of so many source pixels needs, so that nothing is skipped between two of them."""
    return min(MOST_SAMPLES, max(1, math.ceil(pixels - 0.5)))


def _as_type(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return values.round().clamp(0, 255).to(dtype) if dtype == torch.uint8 else values.to(dtype)


def _degrees(angle: float | Sequence[float] | torch.Tensor, name: str, panorama: torch.Tensor) -> torch.Tensor:
    """An angle for all panoramas, or one each, as float64 [1 or N, 1] on their device."""
    degrees = torch.as_tensor(angle, dtype=torch.float64, device=panorama.device)
    if degrees.ndim > 1 or degrees.numel() not in (1, len(panorama)):
        raise ValueError(f"{name} {tuple(degrees.shape)} for {len(panorama)} panoramas: expected one, or one each")
    if not torch.isfinite(degrees).all():
        raise ValueError(f"{name} holds a value that is not finite")
    return degrees.reshape(-1, 1)


def _vertical_span(panorama: torch.Tensor, span: float, vertical: float | None) -> float:
    """Degrees that a panorama covers from bottom to top; ValueError unless both spans are possible."""
    if not 0 < span <= 360:
        raise ValueError(f"span {span}: expected degrees in (0, 360]")
    height, width = panorama.shape[2:]
    if vertical is None:
        vertical = height / width * span
        if 180 < vertical <= 180 + span / width:  # half of an odd width, rounded up
            vertical = 180.0
    if not 0 < vertical <= 180:
        raise ValueError(
            f"panorama of {height} × {width} pixels would cover {vertical:.1f}° vertically: expected at most 180; "
            "give vertical, or the span"
        )
    return vertical


def _padded(panorama: torch.Tensor, full_turn: bool, to_poles: bool) -> torch.Tensor:
    """One pixel more on each side: round the seam, and over the poles, where the panorama goes on; else repeated."""
    if full_turn and to_poles:
        half = panorama.shape[3] // 2  # behind a pole lies the opposite heading
        top, bottom = (row.roll(half, dims=3) for row in (panorama[:, :, :1], panorama[:, :, -1:]))
        panorama = torch.cat([top, panorama, bottom], dim=2)
    else:
        panorama = F.pad(panorama, (0, 0, 1, 1), mode="replicate")
    return F.pad(panorama, (1, 1, 0, 0), mode="circular" if full_turn else "replicate")


def _views(
    panorama: torch.Tensor,
    fov: float,
    heading: torch.Tensor,
    pitch: torch.Tensor,
    size: tuple[int, int],
    span: float,
    vertical: float | None,
) -> torch.Tensor:
    """K views of each panorama, see `perspective_view`: headings [1 or N, K] give [N, K, 3, height, width]."""
    source = _checked(panorama, "panorama", size)
    if not 0 < fov < 180:
        raise ValueError(f"fov {fov}: expected degrees in (0, 180)")
    vertical = _vertical_span(panorama, span, vertical)
    (height, width), (rows, columns) = size, panorama.shape[2:]
    right = math.tan(math.radians(fov) / 2)  # of the view's edge, at unit distance
    upper = right * height / width
    # the pixel in the middle of a view is the one that spans the widest angle
    angle = math.degrees(2 * right / width)
    samples = _samples(angle * rows / vertical), _samples(angle * columns / span)

    def centers(edge: float, count: int) -> torch.Tensor:
        return edge * ((torch.arange(count, dtype=torch.float64, device=panorama.device) + 0.5) * 2 / count - 1)

    across = centers(right, width * samples[1])
    up = -centers(upper, height * samples[0])[:, None]
    tilt = pitch.deg2rad()[:, :, None, None]
    forward = tilt.cos() - up * tilt.sin()
    rise = tilt.sin() + up * tilt.cos()
    longitude = torch.atan2(across, forward).rad2deg() + heading[:, :, None, None]  # [N, K, h·sy, w·sx]
    longitude = torch.remainder(longitude + 180, 360) - 180
    latitude = torch.atan2(rise, torch.hypot(across, forward)).rad2deg().expand_as(longitude)
    for angles, covered, way in ((longitude, span, "sideways"), (latitude, vertical, "up or down")):
        furthest = angles.abs().max().item() if angles.numel() else 0.0
        if covered < (360 if way == "sideways" else 180) and furthest > covered / 2 + 1e-6:
            raise ValueError(
                f"view of {height} × {width} pixels and fov {fov:g} looks {furthest:.1f}° {way}: the panorama ends at "
                f"{covered / 2:.1f}°; turn it, narrow fov, or make it flatter"
            )
    # + 1 for the padding
    x = ((longitude / span + 0.5) * columns + 1).flatten(1, 2)
    y = ((0.5 - latitude / vertical) * rows + 1).flatten(1, 2)
    values = _sample(_padded(source, span == 360, vertical == 180), x, y, samples)
    return _as_type(values.unflatten(2, (-1, height)).movedim(2, 1), panorama.dtype)


def perspective_view(
    panorama: torch.Tensor,
    *,
    fov: float,
    heading: float | Sequence[float] | torch.Tensor,
    pitch: float | Sequence[float] | torch.Tensor = 0.0,
    size: tuple[int, int],
    span: float = 360.0,
    vertical: float | None = None,
) -> torch.Tensor:
    """What a camera without distortion would have seen, from an equirectangular panorama.

    The ray of the pixel at u to the right of the view's middle and v above it, in units of the focal length, is
    (u, sin p + v cos p, cos p - v sin p) to the right, up and forward at pitch p. Its longitude
    h + atan2(right, forward) and latitude atan2(up, √(right² + forward²)), with heading h, are proportional to columns
    and rows of the panorama. |u| ends at tan(fov / 2) and pixels are square (the gnomonic projection; Snyder, *Map
    Projections: A Working Manual*, 1987, section 22). Where the panorama is finer than the view, a pixel is a mean of
    bilinear samples, so that fine structure does not alias.

    Parameters
    ----------
    panorama : uint8 or float tensor [N, 3, H, W]
        Columns equally spaced in azimuth, rows in elevation, the horizon at half the height.
    fov : float
        Horizontal field of view in degrees, below 180.
    heading : float or [N]
        Degrees clockwise from the panorama's middle column: 90 looks to the right of it, -90 to the left.
    pitch : float or [N]
        Degrees above the horizon.
    size : (height, width)
        Pixels of a view. The vertical field of view follows: 2 atan(tan(fov / 2) · height / width).
    span : float
        Degrees from the panorama's left edge to its right one. At 360 the edges meet and views go round the seam. The
        raw panoramas of CVUSA are said to span 308.57 (github.com/viibridges/crossnet, issue 10).
    vertical : float, optional
        Degrees from the panorama's bottom to its top; by default ``H / W * span``, so 65.5 of CVUSA's 224 × 1232 crops.

    Returns
    -------
    tensor [N, 3, height, width]
        Of the panorama's type; bytes are rounded.

    Raises
    ------
    ValueError
        A view that looks past the edge of a partial panorama: in CVUSA's crops at pitch 0, one whose height is more
        than 0.64 / tan(fov / 2) of its width.
    """
    directions = _degrees(heading, "heading", panorama), _degrees(pitch, "pitch", panorama)
    return _views(panorama, fov, *directions, size, span, vertical)[:, 0]


def four_views(
    panorama: torch.Tensor,
    *,
    size: tuple[int, int],
    fov: float = 90.0,
    heading: float | Sequence[float] | torch.Tensor = 0.0,
    pitch: float | Sequence[float] | torch.Tensor = 0.0,
    vertical: float | None = None,
) -> torch.Tensor:
    """Four perspective views of each panorama of a full turn, a quarter turn apart (paper, section 3.2).

    All four see one place: they share one row of the gallery. The authors save the aerial image once for each, which
    fills the gallery with duplicates.

    Parameters
    ----------
    panorama : uint8 or float tensor [N, 3, H, W]
        See `perspective_view`, also for the other parameters.
    heading : float or [N]
        Of the first view. The others look 90, 180 and 270 degrees clockwise of it.

    Returns
    -------
    tensor [N, 4, 3, height, width]
    """
    turns = torch.tensor([0.0, 90.0, 180.0, 270.0], dtype=torch.float64, device=panorama.device)
    headings = _degrees(heading, "heading", panorama) + turns
    return _views(panorama, fov, headings, _degrees(pitch, "pitch", panorama), size, 360.0, vertical)


def strip_crops(panorama: torch.Tensor, count: int = 4) -> torch.Tensor:
    """Cut panoramas into vertical strips of equal width, from left to right, as the paper's authors do.

    Nothing is projected: straight lines stay bent as they are in the panorama. Strip k of a panorama that spans s degrees
    is centered on heading s · ((k + ½) / count - ½), so four strips of a full turn look to -135, -45, 45 and 135 degrees,
    not where `four_views` looks. Up to ``count - 1`` columns that are left over at the right edge are dropped.

    Parameters
    ----------
    panorama : tensor [N, 3, H, W]
    count : int

    Returns
    -------
    tensor [N, count, 3, H, W // count]
        Memory shared with the panorama.
    """
    if panorama.ndim != 4 or not 1 <= count <= panorama.shape[3]:
        raise ValueError(f"{count} strips of panoramas {tuple(panorama.shape)}: expected 1 to W strips of [N, 3, H, W]")
    width = panorama.shape[3] // count
    return panorama[..., : count * width].unflatten(3, (count, width)).movedim(3, 1)


def polar_transform(aerial: torch.Tensor, *, size: tuple[int, int]) -> torch.Tensor:
    """Unroll aerial images, north up, round their middle, so that they are laid out as a panorama is.

    A column is an azimuth, clockwise: north in the middle column, east at three quarters of the width, south at both
    edges. A row is a distance: half the image's side S at the top edge, 0 at the bottom edge. The middle of the pixel
    in row i and column j of h × w shows azimuth θ = 2π (j + ½) / w - π at distance r = S/2 · (1 - (i + ½) / h), that is
    S/2 + r sin θ from the left edge and S/2 - r cos θ from the top one.

    From Shi et al., *Spatial-Aware Feature Aggregation for Cross-View Image Based Geo-Localization* (NeurIPS 2019),
    section 3.1. The paper puts north in the first column; its code (script/data_preparation.py) puts it in the middle,
    as here, where it is in CVUSA's panoramas, and samples half a pixel from the pixels' middles. Pixels here average as
    many bilinear samples as their footprint at the rim needs.

    Parameters
    ----------
    aerial : uint8 or float tensor [N, 3, S, S]
    size : (height, width)

    Returns
    -------
    tensor [N, 3, height, width]
        Of the type of `aerial`; bytes are rounded.
    """
    source = _checked(aerial, "aerial image", size)
    side, (height, width) = aerial.shape[3], size
    if aerial.shape[2] != side:
        raise ValueError(f"aerial image of {aerial.shape[2]} × {side} pixels: expected a square")
    samples = _samples(side / 2 / height), _samples(math.pi * side / width)

    def centers(count: int) -> torch.Tensor:
        return (torch.arange(count, dtype=torch.float64, device=aerial.device) + 0.5) / count

    azimuth = 2 * math.pi * centers(width * samples[1]) - math.pi
    distance = side / 2 * (1 - centers(height * samples[0])[:, None])
    x, y = side / 2 + distance * azimuth.sin(), side / 2 - distance * azimuth.cos()
    return _as_type(_sample(source, x[None], y[None], samples), aerial.dtype)
