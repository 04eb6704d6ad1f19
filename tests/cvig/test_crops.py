import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvig.datasets import load
from cvig.datasets.crops import VIEWS, PanoramaViews
from cvig.datasets.files import FileViews
from cvig.datasets.geometry import crop_resize, polar_transform
from cvig.datasets.panorama import perspective_view
from cvig.datasets.paths import Paths
from cvig.metrics import summary
from cvig.models import SiameseNetwork
from cvig.ranking import exact_ranks
from cvig.training.embedding import embed_gallery
from study.sessions.figure_data import retrieve

COLORS = np.array([[250, 20, 20], [20, 250, 20], [20, 20, 250], [240, 240, 20]], dtype=np.uint8)  # north, east, south, west
HORIZON = 132 / 224  # of CVUSA


def save(array: np.ndarray, path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, quality=95, subsampling=0)


def quarters(dark: int, height: int = 56, width: int = 308) -> np.ndarray:
    """A panorama of four colors, each 90° wide round its quarter; below CVUSA's horizon it is darker by `dark`."""
    heading = (np.arange(width) + 0.5) / width * 360 - 180
    colors = COLORS[np.round(heading / 90).astype(int) % 4]
    below = np.arange(height)[:, None, None] >= round(HORIZON * height)
    return np.clip(colors[None].astype(int) - dark * below, 0, 255).astype(np.uint8)


def tile(place: int, side: int = 60) -> np.ndarray:
    """North red, east green, south blue, west yellow, as in `quarters`; the place in its brightness."""
    at = np.arange(side) - side / 2 + 0.5
    bearing = np.degrees(np.arctan2(at[None], -at[:, None]))
    return (COLORS[np.round(bearing / 90).astype(int) % 4] * (1 - 0.1 * place)).astype(np.uint8)


@pytest.fixture
def cvusa(tmp_path):
    """Ten training places and four test places in the layout of CVUSA's CVPR subset."""
    for name, places in (("train", range(1, 11)), ("val", range(11, 15))):
        lines = []
        for i in places:
            aerial, ground = f"bingmap/19/{i:07d}.jpg", f"streetview/panos/{i:07d}.jpg"
            save(tile(i % 5), tmp_path / aerial)
            save(quarters(10 * (i % 5)), tmp_path / ground)
            lines.append(f"{aerial},{ground},streetview/annotations/{i:07d}.png")
        path = tmp_path / "splits" / f"{name}-19zl.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return tmp_path


def color(view: torch.Tensor) -> int:
    """Which quarter most of the upper half of a view shows."""
    pixels = view[:, : view.shape[1] // 3].float().flatten(1).T
    distance = (pixels[:, None] - torch.from_numpy(COLORS).float()).norm(dim=2)
    return int(distance.argmin(1).mode().values)


def test_four_views_look_north_east_south_and_west_and_share_their_place(cvusa):
    data = load("cvusa", cvusa, "train", size=24, views="four")
    assert data.ground_count == 4 * data.gallery_count == 4 * 9  # the tenth is validation
    assert data.places.tolist() == data.positives.tolist() == np.repeat(np.arange(9), 4).tolist()
    assert [color(data.ground_image(i)) for i in range(8)] == [0, 1, 2, 3] * 2
    assert data.heading[:4].tolist() == [0, 90, 180, 270]
    assert data[5]["ground"].shape == data[5]["aerial"].shape == (3, 24, 24)
    assert data[5]["place"] == 1
    assert not data.aligned


def test_a_view_of_a_low_panorama_ends_where_the_panorama_does(cvusa):
    data = load("cvusa", cvusa, "test", size=240, views="four")
    # 56 of 308 columns: 65.5° from 26.9° below the horizon to 38.6° above it
    low, high = (math.tan(math.radians(share * 56 / 308 * 360)) for share in (1 - HORIZON, HORIZON))
    drop = (data.ground_image(4).float().diff(dim=1)[0, :, 100:140]).mean(1)  # place 12, red to the north, darker below
    assert drop.argmin() + 1 == pytest.approx(240 * high / (high + low), abs=3)


def test_a_view_that_fits_is_not_stretched(tmp_path):
    """In a whole sphere a view is that of `perspective_view`, square pixels and all."""
    save(quarters(40, 154, 308), tmp_path / "p.jpg")
    save(tile(0), tmp_path / "a.jpg")
    source = FileViews("one", [tmp_path / "p.jpg"], [tmp_path / "a.jpg"], np.array([0]), size=(30, 40))
    data = PanoramaViews(source, views="four")
    whole = torch.from_numpy(np.array(Image.open(tmp_path / "p.jpg"))).permute(2, 0, 1)[None]
    assert torch.equal(data.ground_image(1), perspective_view(whole, fov=90, heading=90, size=(30, 40))[0])


@pytest.mark.parametrize("width", [300, 301])
def test_a_whole_sphere_in_cvusas_layout_has_its_horizon_in_the_middle(cvusa, width):
    """CVUSA's horizon is that of its cropped panoramas; a pole lies above 90° only where someone says so."""
    whole = quarters(40, 150, width)
    for i in range(11, 15):
        save(whole, cvusa / f"streetview/panos/{i:07d}.jpg")
    data = load("cvusa", cvusa, "test", size=24, views="four")
    stored = torch.from_numpy(np.array(Image.open(cvusa / "streetview/panos/0000011.jpg"))).permute(2, 0, 1)[None]
    assert torch.equal(data.ground_image(1), perspective_view(stored, fov=90, heading=90, size=(24, 24))[0])
    with pytest.raises(ValueError, match="give vertical, or the span, or the horizon"):
        load("cvusa", cvusa, "test", size=24, views="four", horizon=0.6).ground_image(0)


def test_strips_are_a_quarter_of_the_panorama_each(cvusa):
    data = load("cvusa", cvusa, "test", size=24, views="strips")
    assert data.heading[:4].tolist() == [-135, -45, 45, 135]
    left = data.ground_image(0)  # of the strip round -135: its left half looks south, its right half west
    assert (color(left[:, :, :10]), color(left[:, :, -10:])) == (2, 3)


def test_random_headings_are_drawn_once_and_are_what_is_seen(cvusa):
    data, again = (load("cvusa", cvusa, "train", size=24, views="random") for _ in range(2))
    assert data.ground_count == data.gallery_count
    assert np.array_equal(data.heading, again.heading)
    assert torch.equal(data.ground_image(3), again.ground_image(3))
    assert not np.array_equal(data.heading, load("cvusa", cvusa, "train", views="random", seed=1).heading)
    assert data.heading.min() < -90 < 90 < data.heading.max()
    for i, heading in enumerate(data.heading):
        middle = data.ground_image(i)[:, :, 11:13]
        assert color(middle) in {round(h / 90) % 4 for h in (heading - 3, heading + 3)}


def test_views_of_a_partial_panorama_stay_inside_it(cvusa):
    four = load("cvusa", cvusa, "train", size=24, views="four", span=308.57)
    assert four.heading[:4] == pytest.approx([-109.285, -36.428, 36.428, 109.285], abs=1e-3)
    lone = load("cvusa", cvusa, "train", size=24, views="random", span=100.0)
    assert np.abs(lone.heading).max() <= 5
    assert len({four.ground_image(i).numpy().tobytes() for i in range(4)}) == 4
    for i in range(lone.ground_count):
        lone.ground_image(i)


def test_polar_images_are_laid_out_as_panoramas(cvusa):
    data = load("cvusa", cvusa, "test", size=(20, 80), polar=True)
    rolled, panorama = data.aerial_image(0), data.ground_image(0)
    for heading, column in ((0, 40), (1, 60), (3, 20)):
        around = slice(column - 6, column + 6)
        assert color(rolled[:, :, around]) == color(panorama[:, :, around]) == heading
    assert data.aligned
    assert data.polar


def test_a_polar_image_is_rolled_round_the_middle_of_the_crop(cvusa):
    data = load("cvusa", cvusa, "test", size=(20, 80), polar=True)
    box = torch.tensor([0.3, 0.0, 0.7, 0.7])
    whole = torch.from_numpy(np.array(Image.open(data.aerial[1]))).permute(2, 0, 1)[None]
    expected = polar_transform(crop_resize(whole, box[None], 60), size=(20, 80))[0]
    assert torch.equal(data.cropped_aerial(1, box), expected)

    flat = torch.nn.Flatten()
    network = SiameseNetwork("flat", flat, flat, 4800, 20)
    boxes = box.repeat(data.gallery_count, 1)
    embedded = embed_gallery(network, data, boxes)
    plain = embed_gallery(network, data, torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(data.gallery_count, 1))
    assert (embedded[1] != plain[1]).any()
    shown = retrieve(data, embedded[:1], embedded, [0], np.ones(4), boxes, top=1)["retrieved"][0, 0]
    assert np.array_equal(shown, data.cropped_aerial(0, box).numpy())


def test_ranks_of_four_views_are_among_places_and_their_interval_is_that_of_the_places(cvusa):
    data = load("cvusa", cvusa, "test", size=8, views="four")
    aerial = np.eye(4, dtype=np.float32)
    ground = np.repeat(aerial, 4, axis=0)
    ground[:4] = aerial[1]  # all four views of the first place are taken for the second
    ranks = exact_ranks(ground, aerial, data.positives)
    assert ranks.gallery_size == 4
    assert len(ranks.closer) == 16
    assert ranks.closer.tolist() == [1] * 4 + [0] * 12
    assert ranks.tied.tolist() == [2] * 4 + [0] * 12
    four = summary(ranks, places=data.places)
    single = summary(exact_ranks(ground[::4], aerial, data.positives[::4]))
    apart = summary(ranks, places=np.arange(16))
    assert summary(ranks).equals(four)  # views of one answer show one place, unless told otherwise
    assert four.loc["PSSR", ["low", "high"]].tolist() == single.loc["PSSR", ["low", "high"]].tolist()
    assert four.loc["R@1", "low"] <= single.loc["R@1", "low"] < apart.loc["R@1", "low"]


@pytest.mark.parametrize("views", VIEWS)
def test_the_digest_tells_views_apart(cvusa, views):
    digests = {load("cvusa", cvusa, "train", views=other).digest for other in VIEWS}
    assert len(digests) == 4
    assert load("cvusa", cvusa, "train", views=views).digest in digests


def test_positives_ignored_and_coordinates_go_with_every_view():
    rows = [np.array([0, 1]), np.array([1])]
    source = FileViews(
        "two",
        Paths(Path("."), ["a", "b"]),
        Paths(Path("."), ["c", "d"]),
        rows,
        ignored=[np.array([], dtype=int), np.array([0])],
        coordinates=np.array([[1.0, 2.0], [3.0, 4.0]]),
    )
    data = PanoramaViews(source, views="four")
    assert [p.tolist() for p in data.positives] == [[0, 1]] * 4 + [[1]] * 4
    assert [p.tolist() for p in data.ignored] == [[]] * 4 + [[0]] * 4
    assert data.coordinates[[3, 4]].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": "five"}, "unknown views 'five' of cvusa/train: expected one of panorama, four, random, strips"),
        ({"views": "four", "span": 80}, r"fov 90\.0 of panoramas of span 80: expected"),
        ({"fov": 70}, "option 'fov' of data set 'cvusa': of no use to views 'panorama'"),
        ({"views": "strips", "seed": 1}, "option 'seed' of data set 'cvusa': of no use to views 'strips'"),
    ],
)
def test_options_that_cannot_be_are_refused(cvusa, options, message):
    with pytest.raises(ValueError, match=message):
        load("cvusa", cvusa, "train", **options)


def test_only_panoramas_have_views(cvusa):
    with pytest.raises(
        ValueError, match="option 'views' of data set 'witw': only the panoramas of cvusa, cvact, vigor, flat"
    ):
        load("witw", cvusa, "train", views="four")
    assert load("cvusa", cvusa, "train").aligned
