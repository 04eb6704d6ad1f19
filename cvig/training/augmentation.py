"""Augmentation of a batch of pairs: turns and flips that keep what both show, and changes of their looks.

Restated from the recipes of Sample4Geo (github.com/Skyy93/Sample4Geo, sample4geo/transforms.py, dataset/cvusa.py) and ConGeo
(github.com/eceo-epfl/ConGeo, congeo/transforms.py, dataset/cvusa.py), without their JPEG compression of quality 90 to 100.
Chance is drawn for the whole batch in every process, of which each keeps its share.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from cvig.datasets.geometry import crop_resize, random_crop_boxes
from cvig.training import processes
from cvig.training.recipes import Recipe

# luma and the two axes of colour (YIQ), in which a turn of the hue is a turn of the plane
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


@dataclass
class Chance:
    """What is drawn for a batch: every process draws for all images and keeps its own."""

    generator: torch.Generator
    images: int  # of this process
    device: torch.device

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Between `low` and `high`, float32 [images, *shape]."""
        whole = self.images * processes.count()
        own = processes.share(whole)
        drawn = torch.rand(whole, *shape, generator=self.generator)[own.start : own.stop]
        return (low + (high - low) * drawn).to(self.device)

    def happens(self, share: float) -> torch.Tensor:
        """True of so large a share of the images, bool [images]."""
        return self.uniform(0, 1) < share


def augment(aerial: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Crop and turn a batch of square aerial tiles by themselves as `recipe` asks: uint8 [B, 3, S, S] in and out."""
    whole = len(aerial) * processes.count()
    own = processes.share(whole)
    if recipe.crop_min < 1:
        boxes = random_crop_boxes(whole, generator, recipe.crop_min)[own.start : own.stop].to(aerial.device)
        aerial = crop_resize(aerial, boxes, tuple(aerial.shape[2:]))
    if recipe.quarter_turns:
        turns = torch.randint(4, (whole,), generator=generator)[own.start : own.stop]
        aerial = quarter_turned(aerial, turns.to(aerial.device))
    return aerial


def quarter_turned(tiles: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turn each square tile [B, 3, S, S] against the clock by its number of quarter turns, int [B] of 0 to 3."""
    turned = tiles
    for turn in range(1, 4):
        turned = torch.where(turns.view(-1, 1, 1, 1) == turn, tiles.rot90(turn, (2, 3)), turned)
    return turned


def rolled(panoramas: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Roll each panorama [B, 3, H, W] to the right by its number of columns, int [B]; what leaves it comes in again."""
    width = panoramas.shape[3]
    at = (torch.arange(width, device=panoramas.device) - columns[:, None]) % width
    return panoramas.gather(3, at[:, None, None, :].expand_as(panoramas))


def jointly_turned(ground: torch.Tensor, aerial: torch.Tensor, turns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn a tile by quarters against the clock, and its panorama with it.

    What was in the east of the tile is in its north after one quarter. The panorama's middle looks to the north of the tile:
    a quarter of its columns goes to the left. Panoramas span a full turn.
    """
    columns = torch.round(turns * ground.shape[3] / 4).long()
    return rolled(ground, -columns), quarter_turned(aerial, turns)


def jointly_flipped(ground: torch.Tensor, aerial: torch.Tensor, flips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Exchange left and right of both images of the pairs in `flips`, bool [B]: east and west change places in both."""
    flips = flips.view(-1, 1, 1, 1)
    return torch.where(flips, ground.flip(3), ground), torch.where(flips, aerial.flip(3), aerial)


def recoloured(images: torch.Tensor, chance: Chance) -> torch.Tensor:
    """Change brightness, contrast, saturation (by up to .15) and hue (up to .15 of a turn) of half of the images [0, 1]."""
    on = chance.happens(0.5).view(-1, 1, 1, 1)
    bright, contrast, strong = (chance.uniform(0.85, 1.15, 1, 1, 1) for _ in range(3))
    angle = 2 * math.pi * chance.uniform(-0.15, 0.15)
    to_yiq = YIQ.to(images.device)
    cos, sin, zero = angle.cos() * strong.flatten(), angle.sin() * strong.flatten(), torch.zeros_like(angle)
    turn = torch.stack([zero + 1, zero, zero, zero, cos, -sin, zero, sin, cos], dim=1).view(-1, 3, 3)
    colour = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    changed = torch.einsum("bij,bjhw->bihw", colour, images * bright)
    gray = changed.mean((1, 2, 3), keepdim=True)
    return torch.where(on, gray + contrast * (changed - gray), images)


def blurred_or_sharpened(images: torch.Tensor, chance: Chance) -> torch.Tensor:
    """Blur or sharpen three in ten of the images: what a binomial filter of 3 × 3 takes away is taken away or added."""
    on, which = chance.happens(0.3), chance.happens(0.5)
    strength = torch.where(which, chance.uniform(-1.0, -0.3), chance.uniform(0.4, 1.0)) * on
    line = torch.tensor([0.25, 0.5, 0.25], device=images.device)
    kernel = (line[:, None] * line).expand(3, 1, 3, 3)
    soft = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    return images + strength.view(-1, 1, 1, 1) * (images - soft)


def dropped(images: torch.Tensor, chance: Chance, grid: float) -> torch.Tensor:
    """Black out parts of three in ten of the images: 10 to 25 rectangles, or a grid of squares.

    Rectangles have a tenth to a fifth of the height both ways, as in the recipe. A grid's squares fill the share `grid` of
    its cells both ways.
    """
    height, width = images.shape[2:]
    on, of_grid = (chance.happens(share).view(-1, 1, 1) for share in (0.3, 0.5))
    used = torch.arange(25, device=images.device) < chance.uniform(10, 26, 1)
    sides, at = chance.uniform(0.1, 0.2, 2, 25) * height, chance.uniform(0, 1, 2, 25)

    def inside(axis: int, length: int) -> torch.Tensor:
        first = (at[:, axis] * (length - sides[:, axis])).floor()[..., None]
        pixel = torch.arange(length, device=images.device)
        return ((pixel >= first) & (pixel < first + sides[:, axis].round()[..., None]) & used[..., None]).float()

    holes = torch.einsum("bky,bkx->byx", inside(0, height), inside(1, width)) > 0
    cell, shift = chance.uniform(4, max(5, height / 2), 1), chance.uniform(0, 1, 2)

    def in_square(axis: int, length: int) -> torch.Tensor:
        pixel = torch.arange(length, device=images.device) + 0.5
        return torch.remainder(pixel / cell + shift[:, axis : axis + 1], 1) < grid

    squares = in_square(0, height)[:, :, None] & in_square(1, width)[:, None, :]
    return images * ~(on & torch.where(of_grid, squares, holes))[:, None]


def looks(images: torch.Tensor, recipe: Recipe, chance: Chance, grid: float) -> torch.Tensor:
    """Change colour, sharpness and parts of uint8 images [B, 3, H, W] as `recipe` asks."""
    if not (recipe.appearance or recipe.dropout):
        return images
    x = images.float() / 255
    if recipe.appearance:
        x = blurred_or_sharpened(recoloured(x, chance).clamp(0, 1), chance)
    if recipe.dropout:
        x = dropped(x, chance, grid)
    return (255 * x).round().clamp(0, 255).to(torch.uint8)


def limited(panoramas: torch.Tensor, recipe: Recipe, chance: Chance) -> torch.Tensor:
    """A part of each panorama of random heading and field of view, anywhere in an image that is black elsewhere."""
    width = panoramas.shape[3]
    heading, place = (chance.uniform(0, width).long() for _ in range(2))
    columns = (chance.uniform(*recipe.second_fov) / 360 * width).round()
    seen = torch.arange(width, device=panoramas.device) < columns[:, None]
    return rolled(rolled(panoramas, heading) * seen[:, None, None, :], place)


def views_of_pairs(
    ground: torch.Tensor, aerial: torch.Tensor, recipe: Recipe, generator: torch.Generator
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What a step sees of a batch of pairs: the pairs augmented and, where the recipe contrasts them, second views of both.

    A second ground view is `limited`; a second tile is flipped with its pair and not turned.

    Parameters
    ----------
    ground, aerial : uint8 tensors [B, 3, H, W] and [B, 3, S, S]

    Returns
    -------
    list of one or two pairs of uint8 tensors
    """
    aerial = augment(aerial, recipe, generator)
    chance = Chance(generator, len(ground), ground.device)
    if recipe.joint_flips:
        ground, aerial = jointly_flipped(ground, aerial, chance.happens(0.5))
    upright = aerial
    if recipe.joint_turns:  # three quarters of the pairs, each other direction as often as its own
        ground, aerial = jointly_turned(ground, aerial, chance.uniform(0, 4).long().clamp_(max=3))
    pairs = [(looks(ground, recipe, chance, grid=0.5), looks(aerial, recipe, chance, grid=0.4))]
    if any(recipe.second_views):
        second = limited(looks(ground, recipe, chance, grid=0.5), recipe, chance)
        pairs.append((second, looks(upright, recipe, chance, grid=0.4)))
    return pairs
