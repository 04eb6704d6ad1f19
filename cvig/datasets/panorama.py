"""Geometry of equirectangular panoramas: perspective views and strips. All functions take and return tensors.

Directions are in degrees. A heading is counted clockwise, seen from above, from the panorama's middle column, so that it
grows to the right. In CVUSA and CVACT the middle column looks north, and headings are compass headings. A pitch is counted
upward from the horizon. A pixel is a square, not a point: the outer edges of the first and last pixel are the edges of the
image, of the panorama's span and of the field of view.
"""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from cvig.datasets.geometry import as_type, checked_images, sample, samples_for


def _degrees(angle: float | Sequence[float] | torch.Tensor, name: str, panorama: torch.Tensor) -> torch.Tensor:
    """One angle for all panoramas, or one for each, as float64 [1 or N, 1, 1] on their device."""
    degrees = torch.as_tensor(angle, dtype=torch.float64, device=panorama.device)
    if degrees.ndim > 1 or degrees.numel() not in (1, len(panorama)):
        raise ValueError(f"{name} {tuple(degrees.shape)} for {len(panorama)} panoramas: expected one, or one each")
    if not torch.isfinite(degrees).all():
        raise ValueError(f"{name} holds a value that is not finite")
    return degrees.reshape(-1, 1, 1)


def vertical_edges(shape: Sequence[int], span: float, vertical: float | None, horizon: float) -> tuple[float, float]:
    """Elevation of a panorama's bottom edge and of its top edge, in degrees above the horizon.

    The parameters are those of `perspective_view`, as are the errors.

    >>> [round(edge, 1) for edge in vertical_edges((224, 1232), 360, None, 0.5)]
    [-32.7, 32.7]
    """
    if not 0 < span <= 360:
        raise ValueError(f"span {span}: expected degrees in (0, 360]")
    if not 0 < horizon < 1:
        raise ValueError(f"horizon {horizon}: expected a fraction of the height in (0, 1)")
    height, width = shape[-2:]
    if vertical is None:
        vertical = height / width * span
        if 180 < vertical <= 180 + span / width:  # half of an odd width, rounded up
            vertical = 180.0
    bottom, top = (horizon - 1) * vertical, horizon * vertical
    if not 0 < vertical <= 180 or bottom < -90 or top > 90:
        raise ValueError(
            f"panorama of {height} × {width} pixels would cover {vertical:.1f}° vertically, {bottom:.1f}° to {top:.1f}°: "
            "expected at most 180, -90 to 90; give vertical, or the span, or the horizon"
        )
    return bottom, top


def _padded(panorama: torch.Tensor, full_turn: bool, to_poles: bool) -> torch.Tensor:
    """Panoramas with one more pixel on each side.

    The pixel comes from across the seam if the panorama is a full turn, from across the pole if it is a full sphere, and
    repeats the edge otherwise.
    """
    if full_turn and to_poles:
        half = panorama.shape[3] // 2  # across a pole one looks in the opposite direction
        top, bottom = (row.roll(half, dims=3) for row in (panorama[:, :, :1], panorama[:, :, -1:]))
        panorama = torch.cat([top, panorama, bottom], dim=2)
    else:
        panorama = F.pad(panorama, (0, 0, 1, 1), mode="replicate")
    return F.pad(panorama, (1, 1, 0, 0), mode="circular" if full_turn else "replicate")


def perspective_view(
    panorama: torch.Tensor,
    *,
    fov: float,
    heading: float | Sequence[float] | torch.Tensor,
    pitch: float | Sequence[float] | torch.Tensor = 0.0,
    size: tuple[int, int],
    span: float = 360.0,
    vertical: float | None = None,
    horizon: float = 0.5,
    edges: tuple[float, float] | None = None,
) -> torch.Tensor:
    """The view of a camera without distortion, cut from equirectangular panoramas.

    Let a pixel be u to the right of the view's middle and v above it, in units of the focal length. At pitch p its ray
    points u to the right, sin p + v cos p upward and cos p - v sin p forward. At heading h the ray has longitude
    h + atan2(right, forward) and latitude atan2(up, √(right² + forward²)); columns of the panorama are proportional to
    longitude and rows to latitude. u reaches from -tan(fov / 2) to tan(fov / 2), and pixels are square. This is the
    gnomonic projection (Snyder, *Map Projections: A Working Manual*, 1987, section 22). If the panorama is finer than the
    view, each pixel is a mean of several bilinear samples, so that fine structure does not alias.

    Parameters
    ----------
    panorama : uint8 or float tensor [N, 3, H, W]
        Columns are equally spaced in azimuth, rows in elevation.
    fov : float
        Horizontal field of view in degrees, below 180.
    heading : float or [N]
        Degrees clockwise from the panorama's middle column: 90 looks to the right, -90 to the left.
    pitch : float or [N]
        Degrees above the horizon.
    size : (height, width)
        Pixels of a view. They fix the vertical field of view: 2 atan(tan(fov / 2) · height / width).
    span : float
        Degrees from the panorama's left edge to its right edge. At 360 the edges meet, and a view may cross the seam. The
        raw panoramas of CVUSA are said to span 308.57 (github.com/viibridges/crossnet, issue 10).
    vertical : float, optional
        Degrees from the panorama's bottom edge to its top edge; by default ``H / W * span``, which is 65.5 for CVUSA's
        crops of 224 × 1232 pixels.
    horizon : float
        The height of the panorama's horizon, as a fraction from the top.
    edges : (bottom, top), optional
        Degrees from the view's axis to the middle of its lower and of its upper edge. The view then shows what lies between
        them and is stretched to its height, so that pixels are not square.

    Returns
    -------
    tensor [N, 3, height, width]
        Of the panorama's type; uint8 values are rounded.

    Raises
    ------
    ValueError
        An angle or size out of range, or a view that looks beyond the edge of a partial panorama. In CVUSA's crops, if
        their horizon were in the middle, a view at pitch 0 would do so if its height were more than 0.64 / tan(fov / 2) of
        its width.
    """
    heading, pitch = _degrees(heading, "heading", panorama), _degrees(pitch, "pitch", panorama)
    source = checked_images(panorama, "panorama", size)
    if not 0 < fov < 180:
        raise ValueError(f"fov {fov}: expected degrees in (0, 180)")
    if edges is not None and not -90 < edges[0] < edges[1] < 90:
        raise ValueError(f"edges {edges}: expected the view's bottom and top in degrees, from -90 to 90")
    lowest, highest = vertical_edges(panorama.shape, span, vertical, horizon)
    (height, width), (rows, columns) = size, panorama.shape[2:]
    right = math.tan(math.radians(fov) / 2)  # from the view's middle to its edge, in units of the focal length
    lower, upper = (-right * height / width, right * height / width)
    if edges is not None:
        lower, upper = (math.tan(math.radians(edge)) for edge in edges)
    # the pixel in the middle of the view spans the widest angle
    down, across = math.degrees((upper - lower) / height), math.degrees(2 * right / width)
    samples = samples_for(down * rows / (highest - lowest)), samples_for(across * columns / span)

    def centers(first: float, last: float, count: int) -> torch.Tensor:
        return first + (last - first) * (torch.arange(count, dtype=torch.float64, device=panorama.device) + 0.5) / count

    across = centers(-right, right, width * samples[1])
    up = centers(upper, lower, height * samples[0])[:, None]
    tilt = pitch.deg2rad()
    forward = tilt.cos() - up * tilt.sin()
    rise = tilt.sin() + up * tilt.cos()
    longitude = torch.atan2(across, forward).rad2deg() + heading  # [N, h·sy, w·sx]
    longitude = torch.remainder(longitude + 180, 360) - 180
    latitude = torch.atan2(rise, torch.hypot(across, forward)).rad2deg()
    for angle, edge, way in (
        (longitude.abs().max(), span / 2, "sideways"),
        (latitude.max(), highest, "up"),
        (-latitude.min(), -lowest, "down"),
    ):
        if edge < (180 if way == "sideways" else 90) and angle > edge + 1e-6:
            raise ValueError(
                f"view of {height} × {width} pixels and fov {fov:g} looks {angle:.1f}° {way}: the panorama ends at "
                f"{edge:.1f}°; turn it, narrow fov, or make it flatter"
            )
    # + 1 for the padding
    x = (longitude / span + 0.5) * columns + 1
    y = (highest - latitude.expand_as(longitude)) / (highest - lowest) * rows + 1
    values = sample(_padded(source, span == 360, highest - lowest == 180), x, y, samples)
    return as_type(values, panorama.dtype)


def strip_crops(panorama: torch.Tensor, count: int = 4) -> torch.Tensor:
    """Cut panoramas into vertical strips of equal width, from left to right, as the paper's authors do.

    There is no projection: straight lines stay bent as they are in the panorama. Strip k of a panorama that spans s degrees
    is centered on heading s · ((k + ½) / count - ½), so the four strips of a full turn are centered on -135, -45, 45 and
    135 degrees. Up to ``count - 1`` columns at the right edge are dropped.

    Parameters
    ----------
    panorama : tensor [N, 3, H, W]
    count : int

    Returns
    -------
    tensor [N, count, 3, H, W // count]
        A view of the panorama's memory.

    Raises
    ------
    ValueError
        Another shape, or a count that is not from 1 to W.
    """
    if panorama.ndim != 4 or not 1 <= count <= panorama.shape[3]:
        raise ValueError(f"{count} strips of panoramas {tuple(panorama.shape)}: expected 1 to W strips of [N, 3, H, W]")
    width = panorama.shape[3] // count
    return panorama[..., : count * width].unflatten(3, (count, width)).movedim(3, 1)
