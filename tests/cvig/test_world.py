import math
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest
import torch

from cvig.datasets import load
from cvig.datasets.world import COUNTS, regions
from cvig.datasets.world.countryside import Countryside, make_countryside
from cvig.datasets.world.views import EYE, REACH, aerial_tiles, ground_views, viable
from study.sessions.figure_data import retrieve

SMALL = {"extent": 1536, "size": 16}


def flat_land(n: int = 600) -> Countryside:
    """Green ground without relief, under a blue-free sky."""
    color = torch.zeros(n, n, 3, dtype=torch.uint8)
    color[..., 1] = 200
    zero, no = torch.zeros(n, n), torch.zeros(n, n, dtype=torch.bool)
    return Countryside(color, color.clone(), zero, zero.clone(), no, no)


def put_tower(land: Countryside, y: int, x: int, height: float, red: int) -> None:
    land.height[y - 4 : y + 5, x - 4 : x + 5] = height
    land.color[y - 4 : y + 5, x - 4 : x + 5] = torch.tensor([red, 0, 0], dtype=torch.uint8)


def look(land: Countryside, heading: float = 0.0, fov: float = math.pi / 2, size=(32, 32)):
    where = torch.tensor([[300.0, 300.0]])
    color, depth = ground_views(land, where, torch.tensor([heading]), fov=fov, size=size)
    return color[0], depth[0]


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads():
    before = torch.get_num_threads()
    digests = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        make_countryside.cache_clear()
        data = load("world", None, "val", count=20, **SMALL)
        digests.append([data.digest, *(sha256(layer.numpy().tobytes()).hexdigest() for layer in vars(data.land).values())])
    torch.set_num_threads(before)
    assert digests[0] == digests[1] == digests[2]
    assert load("world", None, "val", count=20, seed=1, **SMALL).digest != digests[0][0]


def test_no_ground_is_seen_from_two_splits():
    for extent in (1536, 2048, 4096):
        bands = sorted(regions(extent).values())
        assert bands[0][0] >= REACH
        assert bands[-1][1] <= extent - REACH
        assert all(low[1] + 2 * REACH <= high[0] for low, high in pairwise(bands))


@pytest.mark.parametrize("split", COUNTS)
def test_places_stand_in_their_region_apart_from_each_other_on_open_ground(split):
    data = load("world", None, split, count=40, useless=0.0, **SMALL)
    east, north = data.coordinates.T
    top, bottom = regions(1536)[split]
    assert ((1536 - north >= top) & (1536 - north <= bottom)).all()
    apart = np.linalg.norm(data.coordinates[:, None] - data.coordinates[None], axis=-1)
    assert apart[~np.eye(40, dtype=bool)].min() >= 6
    rows, columns = (1536 - north).astype(int), east.astype(int)
    assert (data.land.height - data.land.terrain)[rows, columns].max() < 0.2
    assert not data.land.water[rows, columns].any()


def test_the_default_test_set_is_as_large_as_the_papers():
    assert COUNTS["test"] == 6194


def test_a_tower_in_the_north_stands_in_the_middle_of_the_view_to_the_north():
    land = flat_land()
    put_tower(land, 260, 300, 30, red=250)
    color, _ = look(land)
    red = (color[0] > 0.3) & (color[1] < 0.1)
    assert red[:, 16].any()
    assert not red[:, 0].any()
    assert not red[:, -1].any()
    assert not (look(land, heading=math.pi)[0][0][:16] > 0.7).any()


def test_a_tower_in_the_east_is_right_of_the_middle_seen_to_the_north_east():
    land = flat_land()
    put_tower(land, 300, 340, 30, red=250)
    red = (look(land, heading=math.pi / 4)[0][0] > 0.3) & (look(land, heading=math.pi / 4)[0][1] < 0.1)
    assert red[:, 20:].any()
    assert not red[:, :16].any()


def test_the_near_hides_the_far_unless_the_far_is_higher():
    land = flat_land()
    put_tower(land, 220, 300, 10, red=250)
    put_tower(land, 270, 300, 10, red=90)
    color, depth = look(land)
    above = color[0, :14, 16]
    assert depth[14, 16] < 40
    assert (above < 0.65).all()  # the sky's red, or the near tower's; never the far one's
    put_tower(land, 220, 300, 60, red=250)
    assert (look(land)[1][:14, 16] > 60).any()


def test_a_90_degree_view_is_a_quarter_of_the_panorama():
    land = make_countryside(1536)
    panorama, _ = look(land, fov=2 * math.pi, size=(32, 128))
    east, _ = look(land, heading=math.pi / 2)
    assert (east != panorama[:, :, 80:112]).float().mean() < 0.02  # a ray may round to the next meter


def test_depth_and_eye_height_are_those_of_flat_ground():
    _, depth = look(flat_land(), size=(64, 8))
    row = 60
    below = -math.radians(72) * (0.5 - (row + 0.5) / 64)
    assert depth[row, 0] == pytest.approx(EYE / math.tan(below), rel=0.06)
    assert torch.isinf(depth[10]).all()


def test_a_wall_at_two_meters_makes_a_view_useless_and_open_ground_does_not():
    land = flat_land()
    assert viable(look(land)[1][None]).item()
    put_tower(land, 294, 300, 10, red=250)
    assert not viable(look(land)[1][None]).item()
    assert viable(look(land, heading=math.pi)[1][None]).item()


def test_useless_views_are_made_and_labelled_by_geometry():
    some = load("world", None, "train", count=100, useless=0.2, **SMALL)
    none = load("world", None, "train", count=100, useless=0.0, **SMALL)
    assert (~none.viable).sum() <= 5
    assert (~some.viable).sum() >= 12


def test_fresh_views_differ_by_epoch_and_come_back():
    data = load("world", None, "train", count=10, fresh=True, **SMALL)
    first = data.digest
    data.set_epoch(1)
    second = data.digest
    data.set_epoch(0)
    assert data.digest == first != second
    still = load("world", None, "train", count=10, **SMALL)
    still.set_epoch(1)
    assert still.digest == first


def test_an_aerial_tile_is_centered_and_has_its_scale():
    land = flat_land()
    land.overhead[300:302, 300:302] = 255
    tile = aerial_tiles(land, torch.tensor([[301.0, 301.0]]), span=128, size=64)[0]
    assert tile[0].argmax() == 31 * 64 + 31
    assert tile.shape == (3, 64, 64)


def test_panoramas_face_north_and_90_degree_views_face_anywhere():
    assert (load("world", None, "val", count=10, view="panorama", **SMALL).heading == 0).all()
    assert load("world", None, "val", count=40, **SMALL).heading.std() > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": "45"}, "unknown view '45'"),
        ({"zoom": 3}, "unknown option 'zoom'"),
        ({"count": 10**6}, "1000000 places asked of the world's val region: it has"),
        ({"count": 0}, "expected at least 1"),
        ({"useless": 2.0}, "share of useless views 2.0"),
        ({"span": 1000}, "span 1000"),
        ({"extent": 100}, "extent 100: expected at least 1536"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        load("world", None, "val", **{**SMALL, **options})
    assert "\n" not in str(caught.value)


def test_the_world_has_no_root():
    with pytest.raises(ValueError, match="the world is made, not read"):
        load("world", "somewhere", "val")


def test_large_images_are_kept_as_thumbnails():
    data = load("world", None, "val", count=4, extent=1536, size=128)
    kept = retrieve(data, np.eye(4), np.eye(4), [1], np.ones(4), top=2)
    assert kept["queries"].shape == (1, 3, 96, 96)
    assert kept["retrieved"].shape == (1, 2, 3, 96, 96)
    assert kept["queries"].mean() == pytest.approx(data.ground_image(1).float().mean().item(), abs=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_renders_the_same_scenes():
    land, where, heading = make_countryside(1536), torch.tensor([[700.0, 700.0], [800.0, 650.0]]), torch.tensor([0.0, 2.0])
    views = [
        ground_views(land.to(device), where.to(device), heading.to(device), fov=math.pi / 2, size=(32, 32))[0].cpu()
        for device in ("cpu", "cuda")
    ]
    assert ((views[0] - views[1]).abs() > 1e-3).float().mean() < 0.01  # a ray may be rounded to the next cell
    a, b = (load("world", None, "val", count=20, device=device, **SMALL) for device in ("cpu", "cuda"))
    assert (a.coordinates == b.coordinates).all()
    assert (a.heading == b.heading).all()
    assert not b.ground.is_cuda
