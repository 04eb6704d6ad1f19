import math
from hashlib import sha256
from itertools import islice, pairwise

import numpy as np
import pytest
import torch

from cvig.datasets import load
from cvig.datasets.world import COUNTS, countryside, places_of
from cvig.datasets.world.countries import KNOWN, country
from cvig.datasets.world.countryside import Countryside, land_of, make_countryside
from cvig.datasets.world.data import overlapping
from cvig.datasets.world.lattice import Window, normal, smooth
from cvig.datasets.world.places import GUARD, WIDTH, western_side
from cvig.datasets.world.views import EYE, REACH, aerial_tiles, ground_views, viable
from study.sessions.figure_data import retrieve

SMALL = {"spacing": 16, "size": 16}


def flat_land(window: tuple[int, ...] = (0, 0, 600, 600)) -> Countryside:
    """Green ground without relief, under a blue-free sky."""
    top, left, *size = window
    color = torch.zeros(*size, 3, dtype=torch.uint8)
    color[..., 1] = 200
    zero, no = torch.zeros(*size), torch.zeros(*size, dtype=torch.bool)
    return Countryside(color, color.clone(), zero, zero.clone(), no, no, top, left)


def put_tower(land: Countryside, y: int, x: int, height: float, red: int) -> None:
    land.height[y - 4 : y + 5, x - 4 : x + 5] = height
    land.color[y - 4 : y + 5, x - 4 : x + 5] = torch.tensor([red, 0, 0], dtype=torch.uint8)


def look(land: Countryside, heading: float = 0.0, fov: float = math.pi / 2, size=(32, 32)):
    where = torch.tensor([[300.0, 300.0]])
    color, depth = ground_views(land, where, torch.tensor([heading]), fov=fov, size=size)
    return color[0], depth[0]


def digests(land: Countryside) -> list[str]:
    return [sha256(layer.numpy().tobytes()).hexdigest() for layer in land.layers.values()]


def apart(coordinates: np.ndarray) -> float:
    """Metres of the nearest two places, to the east or to the south."""
    difference = np.abs(coordinates[:, None] - coordinates[None]).max(axis=-1)
    return difference[~np.eye(len(coordinates), dtype=bool)].min()


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads():
    before = torch.get_num_threads()
    found = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        countryside._pieces.clear()
        found.append(load("world", None, "val", count=20, **SMALL).digest)
    torch.set_num_threads(before)
    assert found[0] == found[1]
    assert load("world", None, "val", count=20, seed=1, **SMALL).digest != found[0]


@pytest.mark.parametrize("number", range(len(KNOWN) + 1))
def test_land_is_the_same_in_any_window_so_pieces_have_no_seam(number):
    whole = make_countryside(Window(-150, 9800, 300, 260), number)
    for top, left in ((-150, 9800), (-31, 9933), (20, 9800)):
        part = make_countryside(Window(top, left, 77, 101), number)
        for name, layer in part.layers.items():
            y, x = top + 150, left - 9800
            assert torch.equal(layer, whole.layers[name][y : y + 77, x : x + 101]), name


def test_land_does_not_depend_on_what_was_made_before():
    window, elsewhere = Window(450, 450, 120, 120), Window(3000, 450, 10, 10)
    countryside._pieces.clear()
    first = digests(land_of(window))
    countryside._pieces.clear()
    land_of(elsewhere)
    for top, left in ((512, 512), (0, 512), (512, 0), (0, 0)):
        land_of(Window(top, left, 1, 1))
    assert digests(land_of(window)) == first == digests(make_countryside(window))


def test_pieces_that_were_not_used_lately_are_dropped(monkeypatch):
    made = []
    make = countryside.make_countryside
    monkeypatch.setattr(countryside, "make_countryside", lambda window, *who: made.append(window[:2]) or make(window, *who))
    monkeypatch.setattr(countryside, "PIECE", 64)
    monkeypatch.setattr(countryside, "KEPT", 3 * 64 * 64 * 16)
    countryside._pieces.clear()
    for row in (0, 1, 2, 0, 3, 0, 1):
        land_of(Window(row * 64, 0, 64, 64))
        assert len(countryside._pieces) <= 3
    assert made == [(0, 0), (64, 0), (128, 0), (192, 0), (64, 0)]
    countryside._pieces.clear()


def test_noise_has_mean_0_and_deviation_1():
    for scale, within in ((1.8, 0.02), (12, 0.1)):
        noise = smooth(Window(-300, 70, 500, 500), scale, 5)
        assert noise.mean() == pytest.approx(0, abs=within)
        assert noise.std() == pytest.approx(1, abs=within)
    points = normal(3, np.arange(400)[:, None], np.arange(-200, 200)[None])
    assert points.std() == pytest.approx(1, abs=0.01)
    assert abs(np.corrcoef(points[:, 1:].ravel(), points[:, :-1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(points[1:].ravel(), points[:-1].ravel())[0, 1]) < 0.01


def test_the_lands_of_two_splits_lie_farther_apart_than_two_views_see(monkeypatch):
    monkeypatch.setattr("cvig.datasets.world.places.land_of", lambda window, *_: flat_land(window))
    sides = sorted(western_side(split) for split in COUNTS)
    assert all(high - low - WIDTH == GUARD for low, high in pairwise(sides))
    east = {}
    for split in COUNTS:
        for spacing in (100, 512):  # a fresh lattice is shifted by up to a square
            blocks = [places.where for places in islice(places_of(split, spacing=spacing, epoch=3), 9)]
            east.setdefault(split, []).extend(torch.cat(blocks)[:, 0].tolist())
    for west, next_east in pairwise(sorted(east.values(), key=min)):
        assert max(west) + 2 * REACH < min(next_east)


@pytest.mark.parametrize("split", COUNTS)
def test_places_keep_their_spacing_and_stand_on_open_ground(split):
    data = load("world", None, split, count=200, useless=0.0, **SMALL)
    assert apart(data.coordinates) >= 16
    east, south = data.coordinates.T.astype(int) * [[1], [-1]]
    land = land_of(Window(south.min(), east.min(), np.ptp(south) + 1, np.ptp(east) + 1))
    rows, columns = south - land.top, east - land.left
    assert (land.height - land.terrain)[rows, columns].max() < 0.2
    assert not land.water[rows, columns].any()
    assert land.road[rows, columns].float().mean() > 1.3 * land.road.float().mean()


@pytest.mark.parametrize("useless", [0.0, 0.3])
def test_tiles_of_test_places_do_not_overlap_and_those_of_training_places_may(useless):
    for split, span in (("test", 128), ("val", 128), ("test", 64)):
        data = load("world", None, split, count=30, size=8, span=span, useless=useless)
        assert apart(data.coordinates) >= span
        assert not any(len(rows) for rows in overlapping(data.coordinates, span, 0.0, data.places))
    assert apart(load("world", None, "train", count=30, size=8).coordinates) < 128


def test_a_smaller_set_is_the_beginning_of_a_larger_one():
    few, many = (load("world", None, "val", count=count, **SMALL) for count in (7, 30))
    assert np.array_equal(few.coordinates, many.coordinates[:7])
    assert torch.equal(few.heading, many.heading[:7])


def test_tiles_that_overlap_the_right_one_can_be_ignored():
    tiles = np.array([[0.0, 0], [64, 0], [0, -100], [130, 0], [0, 1000]])
    assert [rows.tolist() for rows in overlapping(tiles, 128, 0.3, np.arange(5))] == [[1], [0, 3], [], [1], []]
    assert [rows.tolist() for rows in overlapping(tiles, 128, 0.1, np.array([0, 2]))] == [[1, 2], [0, 1]]
    some = load("world", None, "test", count=30, each=2, ignore_overlap=0.5, **SMALL)
    assert len(some.ignored) == 30
    assert min(len(rows) for rows in some.ignored) >= 1
    assert all(some.positives[i] not in rows for i, rows in enumerate(some.ignored))
    assert load("world", None, "test", count=5, **SMALL).ignored is None


def test_countries_differ_in_what_is_built_and_grown():
    lands = [make_countryside(Window(0, 0, 400, 400), number) for number in range(len(KNOWN) + 2)]
    colors = torch.stack([land.overhead.float().mean((0, 1)) for land in lands])
    between = torch.cdist(colors, colors) + 1e9 * torch.eye(len(lands))
    assert between.min() > 3
    assert len({country(number) for number in range(40)}) == 40


def test_one_trains_in_some_countries_and_tests_in_another():
    options = {"country": [0, 2], "test_country": 1, "train_spacing": 24, "size": 8, "spacing": 16}
    train, test = (load("world", None, split, count=10, **options) for split in ("train", "test"))
    assert train.countries == (0, 2)
    assert (train.coordinates[:, 0] > 1e6).tolist() == [False] * 5 + [True] * 5
    assert test.countries == (1,)
    assert apart(train.coordinates) >= 24
    alone = load("world", None, "train", count=5, spacing=24, size=8)
    assert torch.equal(train.aerial[:5], alone.aerial)


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
    land = make_countryside(Window(0, 0, 600, 600))
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
    some = load("world", None, "train", count=100, useless=0.2, spacing=96, size=16)
    none = load("world", None, "train", count=100, useless=0.0, spacing=96, size=16)
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
        ({"spacing": 5}, "spacing 5: expected 12 to 512"),
        ({"country": -1}, "country -1: expected a whole number"),
        ({"country": [1, 1]}, r"countries .1, 1.: expected one or several, each once"),
        ({"ignore_overlap": 1.5}, "ignored overlap 1.5"),
        ({"dev_spacing": 20}, "unknown option 'dev_spacing'"),
        ({"count": 0}, "expected at least 1"),
        ({"useless": 2.0}, "share of useless views 2.0"),
        ({"span": 1000}, "span 1000"),
        ({"extent": 100}, "unknown option 'extent'"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        load("world", None, "val", **{**SMALL, **options})
    assert "\n" not in str(caught.value)


def test_the_world_has_no_root():
    with pytest.raises(ValueError, match="the world is made, not read"):
        load("world", "somewhere", "val")


def test_panoramas_have_their_true_shape_unless_squares_are_asked_for():
    true, square = (load("world", None, "val", count=3, view="panorama", square=s, **SMALL) for s in (False, True))
    assert true.ground_image(0).shape == (3, 16, 80)  # 360° by 72°
    assert square.ground_image(0).shape == true.aerial_image(0).shape == (3, 16, 16)


def test_large_images_are_kept_as_thumbnails():
    data = load("world", None, "val", count=4, spacing=16, size=128)
    kept = retrieve(data, np.eye(4), np.eye(4), [1], np.ones(4), top=2)
    assert kept["queries"].shape == (1, 3, 96, 96)
    assert kept["retrieved"].shape == (1, 2, 3, 96, 96)
    assert kept["positive"].shape == (1, 3, 96, 96)
    assert kept["queries"].mean() == pytest.approx(data.ground_image(1).float().mean().item(), abs=1)
    # row 1 answers query 1, and is not what it is nearest to
    assert kept["positive"].mean() == pytest.approx(data.aerial_image(1).float().mean().item(), abs=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_renders_the_same_scenes():
    land, where, heading = (
        make_countryside(Window(300, 300, 900, 900)),
        torch.tensor([[700.0, 700.0], [800.0, 650.0]]),
        torch.tensor([0.0, 2.0]),
    )
    views = [
        ground_views(land.to(device), where.to(device), heading.to(device), fov=math.pi / 2, size=(32, 32))[0].cpu()
        for device in ("cpu", "cuda")
    ]
    assert ((views[0] - views[1]).abs() > 1e-3).float().mean() < 0.01  # a ray may be rounded to the next cell
    a, b = (load("world", None, "val", count=20, device=device, **SMALL) for device in ("cpu", "cuda"))
    assert (a.coordinates == b.coordinates).all()
    assert (a.heading == b.heading).all()
    assert not b.ground.is_cuda
