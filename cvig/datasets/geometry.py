"""Geometry of flat images: sampling, crops, and the polar transform. All functions take and return tensors.

A pixel is a square, not a point: the outer edges of the first and last pixel are the edges of the image. The geometry of
panoramas is in `cvig.datasets.panorama`.
"""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional as F

MOST_SAMPLES = 16  # along a side of a pixel; an image that is finer than that should be scaled down first


def random_crop_boxes(count: int, generator: torch.Generator, min_side: float = 0.7) -> torch.Tensor:
    """Random crop boxes whose sides are at least `min_side` of the image's sides (paper, section 4).

    Height and width are independent and uniform in [min_side, 1], and the box's position is uniform.

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
        Top, left, height and width, as fractions of the sides; 0 and 1 are the outer edges of the image.
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


def checked_images(images: torch.Tensor, what: str, size: Sequence[int]) -> torch.Tensor:
    """`images` as floats; ValueError unless they are uint8 or float [N, 3, H, W] and `size` is two positive numbers."""
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        raise ValueError(f"{what} {tuple(images.shape)}: expected [N, 3, H, W]")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"{what} of {images.dtype}: expected uint8 or a floating type")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size {tuple(size)}: expected (height, width) in pixels, at least 1 each")
    return images if images.dtype == torch.float64 else images.float()


def sample(images: torch.Tensor, x: torch.Tensor, y: torch.Tensor, samples: tuple[int, int]) -> torch.Tensor:
    """Bilinear values of images at given coordinates, averaged over blocks of samples.

    Parameters
    ----------
    images : float tensor [N, 3, H, W]
    x, y : float tensors [N or 1, h·sy, w·sx]
        Coordinates in pixels, counted from the left and the top edge; the middle of the first pixel is at 0.5.
    samples : (sy, sx)
        How many samples, vertically and horizontally, are averaged to one pixel.

    Returns
    -------
    float tensor [N, 3, h, w]
    """
    grid = torch.stack([2 * x / images.shape[3] - 1, 2 * y / images.shape[2] - 1], dim=-1)
    grid = grid.to(images.dtype).expand(len(images), -1, -1, -1)
    values = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(values, samples) if samples != (1, 1) else values


def samples_for(pixels: float) -> int:
    """How many samples a pixel that covers `pixels` source pixels needs, so that no source pixel is skipped."""
    return min(MOST_SAMPLES, max(1, math.ceil(pixels - 0.5)))


def as_type(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Float values converted to `dtype`; for uint8 they are rounded and clipped to 0 … 255."""
    return values.round().clamp(0, 255).to(dtype) if dtype == torch.uint8 else values.to(dtype)


def polar_transform(aerial: torch.Tensor, *, size: tuple[int, int]) -> torch.Tensor:
    """Unroll aerial images, north up, around their middle, so that they are laid out as panoramas are.

    Columns are azimuths, clockwise: north is the middle column, east is at three quarters of the width, and south is at
    both edges. Rows are distances from the middle: half the image's side S at the top edge, 0 at the bottom edge. In an
    output of h × w pixels, the middle of the pixel in row i and column j shows the point at azimuth
    θ = 2π (j + ½) / w - π and distance r = S/2 · (1 - (i + ½) / h). This point is S/2 + r sin θ pixels from the left edge
    of the aerial image and S/2 - r cos θ pixels from its top edge.

    The transform is that of Shi et al., *Spatial-Aware Feature Aggregation for Cross-View Image Based Geo-Localization*
    (NeurIPS 2019), section 3.1. That paper puts north in the first column. Its code (script/data_preparation.py) puts
    north in the middle column, where CVUSA's panoramas have it, and so does this function. The code samples half a pixel
    beside the middles of the pixels; this function averages as many bilinear samples as a pixel at the rim covers.

    Parameters
    ----------
    aerial : uint8 or float tensor [N, 3, S, S]
    size : (height, width)

    Returns
    -------
    tensor [N, 3, height, width]
        Of the type of `aerial`; uint8 values are rounded.

    Raises
    ------
    ValueError
        Images that are not square, or of another shape or type.
    """
    source = checked_images(aerial, "aerial image", size)
    side, (height, width) = aerial.shape[3], size
    if aerial.shape[2] != side:
        raise ValueError(f"aerial image of {aerial.shape[2]} × {side} pixels: expected a square")
    samples = samples_for(side / 2 / height), samples_for(math.pi * side / width)

    def centers(count: int) -> torch.Tensor:
        return (torch.arange(count, dtype=torch.float64, device=aerial.device) + 0.5) / count

    azimuth = 2 * math.pi * centers(width * samples[1]) - math.pi
    distance = side / 2 * (1 - centers(height * samples[0])[:, None])
    x, y = side / 2 + distance * azimuth.sin(), side / 2 - distance * azimuth.cos()
    return as_type(sample(source, x[None], y[None], samples), aerial.dtype)
