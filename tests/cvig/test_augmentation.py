"""What augmentation keeps: turns and flips of a tile are those of its panorama."""

import math
from dataclasses import replace

import pytest
import torch

from cvig.datasets.fields import LimitedFields
from cvig.datasets.geometry import polar_transform
from cvig.datasets.world import WorldViews
from cvig.training.augmentation import Chance, augment, jointly_flipped, jointly_turned, limited, looks, views_of_pairs
from cvig.training.recipes import CONGEO, MODERN, SAMPLE4GEO


def chance(images: int, seed: int = 0) -> Chance:
    return Chance(torch.Generator().manual_seed(seed), images, torch.device("cpu"))


@pytest.fixture(scope="module")
def tiles():
    return torch.rand(4, 3, 40, 40, generator=torch.Generator().manual_seed(0))


def test_a_quarter_turn_of_the_tile_is_the_roll_of_its_panorama_by_a_quarter(tiles):
    """Unrolled round its middle a tile is laid out as its panorama is, with the same north and the same sense."""
    unrolled = polar_transform(tiles, size=(12, 80))
    turns = torch.tensor([0, 1, 2, 3])
    ground, aerial = jointly_turned(unrolled, tiles, turns)
    assert torch.allclose(polar_transform(aerial, size=(12, 80)), ground, atol=1e-5)
    assert torch.equal(ground[1], unrolled[1].roll(-20, dims=2))
    assert not torch.allclose(ground[1], unrolled[1], atol=0.1)


def test_a_flip_of_the_tile_is_the_flip_of_its_panorama(tiles):
    unrolled = polar_transform(tiles, size=(12, 80))
    ground, aerial = jointly_flipped(unrolled, tiles, torch.tensor([True, False, True, False]))
    assert torch.allclose(polar_transform(aerial, size=(12, 80)), ground, atol=1e-5)
    assert torch.equal(ground[1], unrolled[1])


def test_the_world_seen_from_a_quarter_further_is_the_panorama_rolled():
    """The columns that a roll brings to the middle are those that a camera turned to the east has there."""
    data = WorldViews("val", size=8, count=2, view="panorama", spacing=16)
    ground, _ = jointly_turned(data.ground, data.aerial, torch.tensor([1, 1]))
    width = ground.shape[3]
    middle, east = ground[..., width // 2], data.ground[..., width // 2 + width // 4]
    assert torch.equal(middle, east)


def test_three_pairs_in_four_are_turned_and_one_in_two_flipped():
    recipe = replace(SAMPLE4GEO, appearance=False, dropout=False)
    columns = torch.arange(64, dtype=torch.uint8).expand(4000, 3, 1, 64)
    ((ground, _),) = views_of_pairs(columns, torch.zeros(4000, 3, 2, 2, dtype=torch.uint8), recipe, torch.Generator())
    first, second = ground[:, 0, 0, 0].int(), ground[:, 0, 0, 1].int()
    flipped = (second - first) % 64 == 63
    assert flipped.float().mean() == pytest.approx(0.5, abs=0.03)
    start = torch.where(flipped, 63 - first, first)
    assert sorted(set(start.tolist())) == [0, 16, 32, 48]
    assert (start == 0).float().mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("name", ["appearance", "dropout"])
def test_looks_change_as_often_as_the_recipe_has_it(name):
    only = replace(SAMPLE4GEO, **{"appearance": False, "dropout": False, name: True})
    images = torch.randint(60, 200, (600, 3, 20, 40), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    seen = looks(images, only, chance(600), grid=0.5)
    assert seen.dtype == torch.uint8
    changed = (seen != images).flatten(1).any(1)
    # colour of a half or sharpness of three tenths, independent of one another; dropout of three tenths
    expected = {"appearance": 1 - 0.5 * 0.7, "dropout": 0.3}[name]
    assert changed.float().mean() == pytest.approx(expected, abs=0.06)
    if name == "dropout":
        black = (seen[changed] == 0).all(1)
        assert torch.equal(
            seen[changed][~black[:, None].expand(-1, 3, -1, -1)], images[changed][~black[:, None].expand(-1, 3, -1, -1)]
        )
        assert 0.05 < black.float().mean() < 0.6


def test_colour_that_changes_keeps_gray_gray():
    gray = torch.full((200, 3, 6, 6), 128, dtype=torch.uint8)
    seen = looks(gray, replace(SAMPLE4GEO, dropout=False), chance(200), grid=0.5).int()
    assert (seen.amax(1) - seen.amin(1)).max() <= 1
    assert seen.min() >= math.floor(0.85 * 128)
    assert seen.max() <= math.ceil(1.15 * 128)


def test_a_limited_view_shows_its_share_of_the_panorama_in_one_piece():
    columns = torch.arange(1, 101, dtype=torch.uint8).expand(300, 3, 2, 100)
    seen = limited(columns, replace(CONGEO, second_fov=(90.0, 180.0)), chance(300))
    shown = seen[:, 0, 0] > 0
    assert shown.sum(1).min() == 25
    assert shown.sum(1).max() == 50
    for row, lit in zip(seen[:, 0, 0].int(), shown, strict=True):
        start = int((lit & ~lit.roll(1)).nonzero()[0])
        piece = row.roll(-start)[: int(lit.sum())]
        assert ((piece.diff() % 100) == 1).all()


def test_a_second_tile_is_flipped_with_its_pair_and_not_turned(tiles):
    bytes_ = (255 * tiles).to(torch.uint8)
    recipe = replace(CONGEO, appearance=False, dropout=False)
    (_, aerial), (_, second) = views_of_pairs(bytes_[..., :1, :], bytes_, recipe, torch.Generator().manual_seed(3))
    for tile, turned, upright in zip(bytes_, aerial, second, strict=True):
        flips = [tile, tile.flip(2)]
        assert any(torch.equal(upright, flip) for flip in flips)
        assert any(torch.equal(turned, upright.rot90(k, (1, 2))) for k in range(4))


def test_a_recipe_without_tricks_draws_what_it_drew_before(tiles):
    """Chance of the first recipes is that of the tiles alone: their trainings stay the same to the last bit."""
    images = (255 * tiles).to(torch.uint8)
    ((ground, aerial),) = views_of_pairs(images, images, MODERN, torch.Generator().manual_seed(5))
    assert torch.equal(ground, images)
    assert torch.equal(aerial, augment(images, MODERN, torch.Generator().manual_seed(5)))


def test_a_field_of_view_is_cut_about_its_heading():
    class Columns(WorldViews):
        def ground_image(self, index):
            return torch.arange(40, dtype=torch.uint8).expand(3, 2, 40)

    data = Columns("val", size=8, count=3, view="panorama", spacing=16)
    north = LimitedFields(data, 90, turned=False)
    assert north.ground_image(0)[0, 0].tolist() == list(range(15, 25))
    turned = LimitedFields(data, 90, turned=True)
    for index in range(3):
        row = turned.ground_image(index)[0, 0].int()
        middle = 20 + turned.heading[index] / 9
        assert len(row) == 10
        assert abs((int(row[0]) + 5 - middle + 20) % 40 - 20) <= 1
    whole = LimitedFields(data, 360, turned=True)
    assert sorted(whole.ground_image(1)[0, 0].tolist()) == list(range(40))
    with pytest.raises(ValueError, match="fov 400: expected degrees above 0"):
        LimitedFields(data, 400, turned=False)
