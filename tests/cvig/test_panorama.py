import math

import numpy as np
import py360convert
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from cvig.datasets.panorama import perspective_view, strip_crops

MIDDLE_OUT = (0.0, 17.0, -60.5, 135.0, 180.0, -179.0, 395.0)


def sphere(height: int = 256, width: int = 512) -> torch.Tensor:
    """A smooth full panorama, continuous round the seam and over the poles: float64 [1, 3, H, W] in 0 … 255."""
    longitude = ((torch.arange(width, dtype=torch.float64) + 0.5) / width - 0.5) * 2 * math.pi
    latitude = (0.5 - (torch.arange(height, dtype=torch.float64)[:, None] + 0.5) / height) * math.pi
    right, up, forward = latitude.cos() * longitude.sin(), latitude.sin(), latitude.cos() * longitude.cos()
    waves = [torch.sin(3 * right + 1), torch.sin(2 * up * forward + right), torch.cos(4 * forward - up)]
    return 127.5 + 127.5 * torch.stack(torch.broadcast_tensors(*waves))[None]


def oracle(panorama: torch.Tensor, fov: float, heading: float, pitch: float, size: tuple[int, int]) -> np.ndarray:
    """py360convert's view, whose outermost pixels' middles, not edges, lie at the edges of its field of view."""
    edge = math.tan(math.radians(fov) / 2)
    fovs = tuple(math.degrees(2 * math.atan(edge * (count - 1) / size[1])) for count in (size[1], size[0]))
    view = py360convert.e2p(panorama[0].permute(1, 2, 0).numpy(), fovs, heading, pitch, size, mode="bilinear")
    return view.transpose(2, 0, 1)


@pytest.mark.parametrize("heading", MIDDLE_OUT)
@pytest.mark.parametrize(
    ("fov", "pitch", "size"),
    [(90.0, 0.0, (96, 160)), (60.0, 25.0, (90, 90)), (110.0, -40.0, (200, 230)), (75.0, 85.0, (110, 110))],
)
def test_a_view_is_that_of_py360convert(fov, pitch, size, heading):
    view = perspective_view(sphere(), fov=fov, heading=heading, pitch=pitch, size=size)
    assert view.shape == (1, 3, *size)
    assert np.abs(view[0].numpy() - oracle(sphere(), fov, heading, pitch, size)).max() < 2e-3  # of 255


def test_a_coarse_view_is_the_mean_of_a_fine_one():
    fine = perspective_view(sphere(), fov=80, heading=200, pitch=10, size=(120, 180))
    coarse = perspective_view(sphere(), fov=80, heading=200, pitch=10, size=(30, 45))
    assert coarse == pytest.approx(torch.nn.functional.avg_pool2d(fine, 4), abs=0.05)


def test_stripes_finer_than_a_pixel_become_gray():
    stripes = torch.zeros(1, 3, 224, 1232)
    stripes[..., ::2] = 255
    view = perspective_view(stripes, fov=90, heading=0, size=(40, 64))
    assert view.mean() == pytest.approx(127.5, abs=0.5)
    assert view.std() < 20  # 90 and more where single samples are taken


@pytest.mark.parametrize("heading", MIDDLE_OUT)
def test_what_lies_at_a_heading_is_in_the_middle_and_what_lies_30_degrees_right_of_it_at_the_tangent(heading):
    mark = torch.zeros(2, 3, 180, 360)
    for image, turn in enumerate((0, 30)):
        column = round(heading + turn + 180 - 0.5)
        mark[image, :, 90 - 20, column % 360] = 1  # 20 degrees above the horizon
    middle, right = perspective_view(mark, fov=100, heading=heading, size=(201, 201))[:, 0]
    reach = math.tan(math.radians(50))

    def place(view: torch.Tensor) -> tuple[float, float]:
        y, x = (view * torch.stack(torch.meshgrid(*[torch.arange(201.0)] * 2, indexing="ij"))).sum((1, 2)) / view.sum()
        return (x.item() - 100) * 2 / 201 * reach, (100 - y.item()) * 2 / 201 * reach

    fraction = math.radians(round(heading - 0.5) + 0.5 - heading)  # a column's middle lies half a degree off
    up = math.tan(math.radians(19.5))
    assert place(middle) == pytest.approx((math.tan(fraction), up / math.cos(fraction)), abs=0.01)
    fraction += math.radians(30)
    assert place(right) == pytest.approx((math.tan(fraction), up / math.cos(fraction)), abs=0.01)


def test_a_view_across_the_seam_is_that_of_the_turned_panorama():
    panorama = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    across = perspective_view(panorama, fov=100, heading=180, pitch=70, size=(80, 80))
    inside = perspective_view(panorama.roll(64, dims=3), fov=100, heading=0, pitch=70, size=(80, 80))
    assert torch.allclose(across, inside, atol=1e-9)


def test_a_partial_panorama_gives_the_views_of_the_whole_one():
    whole = sphere(616, 1232)
    low = whole[:, :, 196:420]  # as CVUSA's crops, 224 × 1232
    partial = low[:, :, :, 88:-88]  # 308.57 degrees
    arguments = {"fov": 70.0, "heading": -117.0, "pitch": 3.0, "size": (40, 60)}
    view = perspective_view(whole, **arguments)
    assert torch.allclose(perspective_view(low, **arguments), view, atol=1e-9)
    assert torch.allclose(perspective_view(partial, **arguments, span=360 * 1056 / 1232), view, atol=1e-9)
    stretched = perspective_view(low.repeat_interleave(2, dim=2), **arguments, vertical=360 * 224 / 1232)
    assert torch.allclose(stretched, view, atol=1)  # same content, twice as many rows


def test_a_panorama_whose_horizon_is_not_in_its_middle_gives_the_views_of_the_whole_one():
    whole = sphere(616, 1232)
    low = whole[:, :, 176:400]  # 132 rows above the horizon, 92 below it
    arguments = {"fov": 60.0, "heading": 40.0, "size": (70, 100)}
    views = [perspective_view(whole, **arguments, pitch=pitch) for pitch in (0, 10, 15)]
    for view, pitch in zip(views, (0, 10, 15), strict=True):
        assert torch.allclose(perspective_view(low, **arguments, pitch=pitch, horizon=132 / 224), view, atol=1e-9)
    with pytest.raises(ValueError, match=r"down: the panorama ends at 26\.9°"):
        perspective_view(low, **arguments, pitch=-10, horizon=132 / 224)
    with pytest.raises(ValueError, match=r"-18\.0° to 162\.0°"):
        perspective_view(whole, **arguments, horizon=0.9)


def test_edges_choose_what_fills_the_height():
    square = perspective_view(sphere(), fov=90, heading=77, size=(160, 160))
    up, down = math.degrees(math.atan(0.8)), math.degrees(math.atan(0.5))  # rows 16 and 120 of -1 … 1
    part = perspective_view(sphere(), fov=90, heading=77, size=(104, 160), edges=(-down, up))
    assert torch.allclose(part, square[:, :, 16:120], atol=1e-9)
    tall = perspective_view(sphere(), fov=90, heading=77, size=(208, 160), edges=(-down, up))
    assert torch.nn.functional.avg_pool2d(tall, (2, 1)) == pytest.approx(part, abs=0.05)
    with pytest.raises(ValueError, match="bottom and top in degrees"):
        perspective_view(sphere(), fov=90, heading=0, size=(9, 9), edges=(10, -10))


def test_a_view_past_the_edge_of_a_partial_panorama_is_refused():
    panorama = torch.zeros(1, 3, 224, 1056)
    partial = {"span": 308.57, "size": (20, 100)}
    perspective_view(panorama, fov=90, heading=109.2, **partial)
    for heading in (110.0, -110.0, 180.0):
        with pytest.raises(ValueError, match=r"sideways: the panorama ends at 154\.3°"):
            perspective_view(panorama, fov=90, heading=heading, **partial)
    crop = torch.zeros(1, 3, 224, 1232)
    flat = math.floor(100 * math.tan(math.radians(224 / 1232 * 180)))
    perspective_view(crop, fov=90, heading=180, size=(flat, 100))
    for wrong in ({"size": (flat + 2, 100)}, {"size": (flat, 100), "pitch": 2}, {"size": (flat, 100), "vertical": 60}):
        with pytest.raises(ValueError, match=r"(up|down): the panorama ends at 3"):
            perspective_view(crop, fov=90, heading=0, **wrong)


def test_each_panorama_has_its_own_heading_and_pitch():
    panoramas = torch.cat([sphere(), sphere().flip(3), sphere().flip(2)])
    headings, pitches = [10.0, 200.0, -45.0], torch.tensor([0.0, 20.0, -30.0])
    together = perspective_view(panoramas, fov=80, heading=headings, pitch=pitches, size=(90, 120))
    for i in range(3):
        alone = perspective_view(panoramas[i : i + 1], fov=80, heading=headings[i], pitch=pitches[i].item(), size=(90, 120))
        assert torch.equal(together[i : i + 1], alone)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32])
def test_the_type_stays_and_bytes_are_rounded(dtype):
    panorama = sphere().round()
    exact, view = (perspective_view(x, fov=90, heading=0, size=(100, 120)) for x in (panorama, panorama.to(dtype)))
    assert view.dtype == dtype
    assert (view.double() - exact).abs().max() <= {torch.uint8: 0.51, torch.float16: 0.13, torch.float32: 1e-2}[dtype]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same():
    panorama = sphere().float()
    there, here = (perspective_view(x, fov=90, heading=[20.0], size=(30, 60)) for x in (panorama.cuda(), panorama))
    assert there.is_cuda
    assert torch.allclose(there.cpu(), here, atol=1e-2)


def test_views_a_quarter_turn_apart_meet_and_each_panorama_has_its_own_heading():
    panorama, first = torch.cat([sphere(), sphere().flip(2)]), torch.tensor([0.0, 30.0])
    views = torch.stack(
        [perspective_view(panorama, fov=90, heading=first + 90 * turn, size=(60, 80)) for turn in range(4)], 1
    )
    assert torch.equal(views[1:, 2], perspective_view(panorama[1:], fov=90, heading=210, size=(60, 80)))
    # neighbors meet: the last column of one and the first of the next are half a pixel from the same edge
    assert (views[:, :, ..., -1] - views.roll(-1, dims=1)[..., 0]).abs().max() < 8


def letters(names: str, size: tuple[int, int], places: list[tuple[float, float]], tall: int) -> torch.Tensor:
    """Black letters on white: uint8 [1, 3, H, W]."""
    picture = Image.new("RGB", size[::-1], "white")
    for name, place in zip(names, places, strict=True):
        ImageDraw.Draw(picture).text(place, name, font=ImageFont.load_default(tall), anchor="mm", fill="black")
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None]


def test_letters_are_read_where_they_belong():
    panorama = letters("SWNES", (360, 720), [(quarter * 180, 180) for quarter in range(5)], 40)
    views = [perspective_view(panorama, fov=90, heading=90 * turn, size=(320, 320))[0].float() for turn in range(4)]
    # 2 pixels a degree in the panorama are 160 · π / 180 = 2.8 in the middle of a view
    panels = [letters(name, (320, 320), [(160, 160)], 56)[0].float() for name in "NESW"]
    dark = [255 - torch.nn.functional.avg_pool2d(image, 4) for image in (*views, *panels)]
    alike = torch.stack([torch.stack([(view * panel).sum() for panel in dark[4:]]) for view in dark[:4]])
    lengths = torch.stack([image.norm() for image in dark])
    alike /= lengths[:4, None] * lengths[4:]
    assert (alike.argmax(1) == torch.arange(4)).all(), alike
    assert alike.diagonal().min() > 0.85


def test_strips_are_the_panorama_in_parts():
    panorama = torch.arange(2 * 3 * 5 * 18).reshape(2, 3, 5, 18)
    strips = strip_crops(panorama)
    assert strips.shape == (2, 4, 3, 5, 4)
    assert torch.equal(strips.movedim(1, 3).flatten(3), panorama[..., :16])
    assert torch.equal(strips[:, 1], panorama[..., 4:8])
    assert strip_crops(panorama, 3).shape == (2, 3, 3, 5, 6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fov": 180.0}, "fov 180"),
        ({"fov": math.nan}, "fov nan"),
        ({"heading": [0.0, 1.0]}, "heading .2,. for 1 panoramas"),
        ({"heading": math.inf}, "heading holds a value that is not finite"),
        ({"pitch": torch.zeros(1, 1)}, "pitch .1, 1. for 1 panoramas"),
        ({"size": (0, 5)}, "size .0, 5.: expected .height, width."),
        ({"span": 361.0}, "span 361"),
        ({"vertical": 181.0}, "181.0° vertically"),
        ({"panorama": torch.zeros(1, 3, 50, 50)}, "50 × 50 pixels would cover 360.0° vertically"),
        ({"panorama": torch.zeros(3, 50, 100)}, "panorama .3, 50, 100.: expected .N, 3, H, W."),
        ({"panorama": torch.zeros(1, 3, 50, 100, dtype=torch.int64)}, "panorama of torch.int64: expected uint8"),
    ],
)
def test_wrong_views_are_refused_in_one_line(wrong, message):
    arguments = {"panorama": torch.zeros(1, 3, 50, 100), "fov": 90.0, "heading": 0.0, "size": (8, 8)} | wrong
    with pytest.raises(ValueError, match=message) as error:
        perspective_view(arguments.pop("panorama"), **arguments)
    assert "\n" not in str(error.value)


def test_wrong_strips_are_refused():
    for count in (0, 19):
        with pytest.raises(ValueError, match=f"{count} strips of panoramas"):
            strip_crops(torch.zeros(1, 3, 5, 18), count)
