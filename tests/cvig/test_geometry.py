import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from cvig.datasets.geometry import crop_resize, polar_transform, random_crop_boxes


def ramp(height: int = 40, width: int = 40) -> torch.Tensor:
    """An image whose red grows to the right and whose green grows downward."""
    image = torch.zeros(1, 3, height, width, dtype=torch.uint8)
    image[0, 0] = torch.arange(width) * 4
    image[0, 1] = torch.arange(height)[:, None] * 4
    return image


def test_crops_keep_at_least_seven_tenths_of_each_side_and_stay_inside():
    boxes = random_crop_boxes(5000, torch.Generator().manual_seed(0))
    assert boxes[:, 2:].min() >= 0.7
    assert boxes[:, 2:].max() <= 1
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= 1 + 1e-6).all()
    assert boxes[:, 2].mean() == pytest.approx(0.85, abs=0.01)


def test_the_same_generator_gives_the_same_crops():
    first, second = (random_crop_boxes(5, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)


def test_the_whole_image_is_itself():
    assert torch.equal(crop_resize(ramp(), torch.tensor([[0.0, 0.0, 1.0, 1.0]]), 40), ramp())


def test_a_crop_on_pixel_edges_is_a_slice():
    crop = crop_resize(ramp(), torch.tensor([[0.25, 0.5, 0.5, 0.5]]), 20)
    assert torch.equal(crop, ramp()[:, :, 10:30, 20:40])


def test_each_image_has_its_own_box_and_sides_may_differ():
    images = ramp(40, 80).repeat(2, 1, 1, 1)
    boxes = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]])
    crops = crop_resize(images, boxes, (20, 40))
    assert torch.equal(crops[0], images[0, :, :20, :40])
    assert torch.equal(crops[1], images[1, :, 20:, 40:])


def test_bad_crops_are_refused():
    with pytest.raises(ValueError, match=r"smallest side 1\.5"):
        random_crop_boxes(1, torch.Generator(), 1.5)
    with pytest.raises(ValueError, match="2 boxes for 1 images"):
        crop_resize(ramp(), torch.zeros(2, 4), 8)


def smooth(side: int) -> torch.Tensor:
    """A smooth image: float64 [1, 3, S, S] in 0 … 255."""
    at = torch.arange(side, dtype=torch.float64) * 4 / side
    waves = [torch.sin(at[:, None] + k * at) * torch.cos(k * at[:, None] - at) for k in range(3)]
    return 127.5 + 127.5 * torch.stack(waves)[None]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32])
def test_the_type_stays_and_bytes_are_rounded(dtype):
    tile = smooth(128).round()
    exact, polar = polar_transform(tile, size=(60, 200)), polar_transform(tile.to(dtype), size=(60, 200))
    assert polar.dtype == dtype
    assert (polar.double() - exact).abs().max() <= {torch.uint8: 0.51, torch.float16: 0.13, torch.float32: 1e-2}[dtype]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same():
    tile = smooth(128).float()
    assert torch.allclose(polar_transform(tile.cuda(), size=(60, 99)).cpu(), polar_transform(tile, size=(60, 99)), atol=1e-2)


def compass(side: int = 240) -> tuple[torch.Tensor, torch.Tensor]:
    """Of every pixel of an aerial image, degrees clockwise from north, and distance from the middle in half sides."""
    at = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 - 1
    south, east = torch.meshgrid(at, at, indexing="ij")
    return torch.atan2(east, -south).rad2deg(), torch.hypot(east, south)


def test_sectors_become_columns_and_rings_rows():
    azimuth, distance = compass()
    sector = torch.floor((azimuth + 180) / 30).clamp(0, 11)  # 0 begins in the south and turns to the west
    ring = torch.floor(distance * 4).clamp(max=4)
    aerial = torch.stack([sector, ring, torch.zeros_like(ring)])[None]
    polar = polar_transform(aerial, size=(80, 360))
    column, row = torch.arange(360), torch.arange(80)
    off_border = (column % 30 > 2) & (column % 30 < 27)
    expected = (column // 30)[off_border].double()
    assert torch.allclose(polar[0, 0, :60, off_border], expected.expand(60, -1), atol=1e-6)  # sectors end in a point
    off_border = (row % 20 > 1) & (row % 20 < 18)
    expected = (3 - row // 20)[off_border].double()
    assert torch.allclose(polar[0, 1, off_border], expected[:, None].expand(-1, 360), atol=1e-6)


def test_north_is_in_the_middle_and_east_to_the_right():
    azimuth, _ = compass()
    for bearing, column in ((0, 179.5), (90, 269.5), (-90, 89.5)):
        lit = ((azimuth - bearing).abs() < 5).float().expand(1, 3, -1, -1)
        weight = polar_transform(lit, size=(60, 360))[0, 0].sum(0)
        assert (weight * torch.arange(360)).sum() / weight.sum() == pytest.approx(column, abs=0.2)


def test_turning_the_aerial_image_clockwise_shifts_the_columns_to_the_right():
    aerial = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turned = polar_transform(aerial.rot90(-1, (2, 3)), size=(32, 128))
    assert torch.allclose(turned, polar_transform(aerial, size=(32, 128)).roll(32, dims=3), atol=1e-9)


def test_the_polar_transform_is_that_of_the_published_code_half_a_pixel_on():
    aerial = smooth(300)
    polar = polar_transform(aerial, size=(150, 960))[0]
    # SAFA reads pixel (index from zero) S/2 + S/2 (h - 1 - i) / h cos(2 π j / w) down, S/2 - … sin(…) across
    i, j = np.arange(150)[:, None] - 0.5, np.arange(960) + 0.5
    reach = 150 / 150 * (150 - 1 - i)
    down, across = 150 + reach * np.cos(2 * np.pi * j / 960) - 0.5, 150 - reach * np.sin(2 * np.pi * j / 960) - 0.5
    published = np.stack([map_coordinates(band, (down, across), order=1, mode="nearest") for band in aerial[0].numpy()])
    assert np.abs(polar.numpy() - published).max() < 1e-6


@pytest.mark.parametrize("size", [(60, 2400), (400, 150)])  # coarse in distance only, and in azimuth only
def test_a_coarse_polar_transform_averages(size):
    checks = (torch.arange(750)[:, None] + torch.arange(750)).remainder(2).expand(1, 3, -1, -1) * 255.0
    polar = polar_transform(checks, size=size)[:, :, : size[0] // 2]
    assert polar.mean() == pytest.approx(127.5, abs=1)
    assert polar.std() < 35  # 75 where single samples are taken


def test_a_tile_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="40 × 41 pixels: expected a square"):
        polar_transform(torch.zeros(1, 3, 40, 41), size=(8, 8))
