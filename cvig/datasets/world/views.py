"""Views of a countryside: ground views by ray marching over its height map, aerial tiles cut from its overhead map.

Everything is computed on the device that holds the maps; random generators must be on the same device.
"""

import math

import torch
from torch.nn import functional as F

from cvig.datasets.world.countryside import Countryside

EYE = 1.7  # metres above the ground
REACH = 200.0  # metres that a ground view sees
NEAR = 4.0  # metres; what is nearer than this hides the place
BLOCKED = 0.6  # share of a view's pixels that may be nearer than NEAR
RISE = math.radians(72)  # vertical field of view, a fifth of a turn
SKY = torch.tensor([0.62, 0.74, 0.88])


def ray_distances(steps: int = 112) -> torch.Tensor:
    """Distances from the camera, in metres, at which a ray looks for a surface; their steps grow with distance."""
    return torch.logspace(math.log10(0.7), math.log10(REACH), steps)


def ground_views(
    land: Countryside, where: torch.Tensor, heading: torch.Tensor, *, fov: float, size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ground views before light and weather are applied.

    Columns are equally spaced in azimuth and rows in elevation, as in a crop of an equirectangular panorama.

    Parameters
    ----------
    where : float tensor [B, 2]
        Metres east and south of the world's origin, of places on `land`.
    heading : float tensor [B]
        Azimuth of the middle column in radians, clockwise from north.
    fov : float
        Horizontal field of view in radians, at most 2π.
    size : (height, width) in pixels

    Returns
    -------
    color : float32 tensor [B, 3, height, width] in [0, 1]
    depth : float32 tensor [B, height, width]
        Metres to the surface that a pixel shows; infinite for the sky.
    """
    height, width = size
    device = land.height.device
    r = ray_distances().to(device)
    azimuth = heading[:, None] + ((torch.arange(width, device=device) + 0.5) / width - 0.5) * fov
    rows, columns = land.height.shape
    where = where - torch.tensor([land.left, land.top], device=device)
    x = (where[:, 0, None, None] + azimuth.sin()[..., None] * r).round_().long().clamp_(0, columns - 1)
    y = (where[:, 1, None, None] - azimuth.cos()[..., None] * r).round_().long().clamp_(0, rows - 1)
    cell = y * columns + x  # [B, W, S]
    top = land.height.view(-1)[cell]
    middle = where.round().long()
    eye = land.terrain[middle[:, 1], middle[:, 0]] + EYE
    # a surface is visible if it is steeper above the eye than every nearer surface
    slope = ((top - eye[:, None, None]) / r).cummax(dim=-1).values
    rise = torch.tan(RISE / 2 - (torch.arange(height, device=device) + 0.5) / height * RISE)
    step = torch.searchsorted(slope, rise.expand(len(where), width, height).contiguous())  # [B, W, H]
    sky = step == len(r)
    step.clamp_(max=len(r) - 1)
    seen = torch.gather(cell, 2, step)
    color = land.color.view(-1, 3)[seen].float() / 255
    depth = r[step]
    # a ray that hits below the top meets a side, whose brightness depends on the direction that it faces
    side = torch.gather(top, 2, step) - (eye[:, None, None] + rise * depth) > 0.4
    facing = 0.62 + 0.2 * torch.cos(azimuth - 0.8)
    color = torch.where(side[..., None], color * facing[:, :, None, None], color)
    color = torch.where(sky[..., None], SKY.to(device), color)
    depth = torch.where(sky, math.inf, depth)
    return color.permute(0, 3, 2, 1), depth.permute(0, 2, 1)


def viable(depth: torch.Tensor) -> torch.Tensor:
    """Whether a view shows its place, bool [B].

    A view does not if more than 60% of its pixels are nearer than four metres, because a wall or a hedge then fills it. On
    open ground about a fifth of the pixels are nearer: the ground before the camera.

    Parameters
    ----------
    depth : float tensor [B, H, W]
        Metres, as `ground_views` gives them.
    """
    return (depth < NEAR).float().mean(dim=(1, 2)) <= BLOCKED


def weather(color: torch.Tensor, depth: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Ground views with the haze and the sky of a random day: float [B, 3, H, W] in [0, 1].

    Parameters
    ----------
    color, depth : tensors
        As `ground_views` gives them.
    """
    count, device = len(color), color.device
    draw = torch.rand(count, 4, generator=generator, device=device)
    warmth = torch.tensor([1.0, 0.0, -1.0], device=device)
    sky = SKY.to(device) * (0.75 + 0.4 * draw[:, :1]) + 0.12 * (draw[:, 1:2] - 0.5) * warmth
    fall = torch.linspace(0.15, -0.1, color.shape[2], device=device)[None, None, :, None]
    backdrop = (sky[:, :, None, None] + fall).clamp(0, 1)
    visible = torch.exp(-depth / (120 + 500 * draw[:, 2, None, None]))[:, None]
    return torch.where(torch.isinf(depth)[:, None], backdrop, color * visible + backdrop * (1 - visible))


def exposure(color: torch.Tensor, generator: torch.Generator, noise: float = 0.02) -> torch.Tensor:
    """Images with random light, season and sensor: float [B, 3, H, W] in [0, 1] to uint8 [B, 3, H, W].

    For each image a gain of each channel, a black level, a gamma, the saturation and noise are drawn. Ground and aerial
    images are drawn separately, so that colour alone does not match them.
    """
    count, device = len(color), color.device

    def normal(channels: int, deviation: float) -> torch.Tensor:
        return deviation * torch.randn(count, channels, 1, 1, generator=generator, device=device)

    gray = color.mean(1, keepdim=True)
    color = gray + (color - gray) * normal(1, 0.15).exp()
    color = color.clamp(1e-3, 1) ** normal(1, 0.12).exp() * (1 + normal(3, 0.07)) + normal(1, 0.03)
    color += noise * torch.randn(color.shape, generator=generator, device=device)
    return (255 * color.clamp(0, 1)).round().to(torch.uint8)


def aerial_tiles(land: Countryside, where: torch.Tensor, *, span: int, size: int) -> torch.Tensor:
    """Square tiles of the overhead map, north up, centred on `where`: float [B, 3, size, size] in [0, 1].

    Parameters
    ----------
    where : float tensor [B, 2]
        Metres east and south of the world's origin, of places on `land`.
    span : int
        Metres a side; a pixel covers span / size metres.
    size : int
        Pixels a side.
    """
    corner = where.round().long() - span // 2 - torch.tensor([land.left, land.top], device=where.device)
    tiles = [land.overhead[y : y + span, x : x + span] for x, y in corner.tolist()]
    color = torch.stack(tiles).permute(0, 3, 1, 2).float() / 255
    return color if size == span else F.interpolate(color, size=(size, size), mode="bilinear", antialias=size < span)
