"""The search for a photograph: order, levels, regions and their ground, and what the calibration promises."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from galleries import grid, make_model, noise_tiles
from scipy import stats

from cvig.locate import Calibration, Gallery, Model, calibrate, gallery, region
from cvig.locate.answer.report import other_gallery
from cvig.locate.calibration import FEWEST
from cvig.locate.geometry import areas, ground_of_first, squares, tiles_that_hold
from cvig.locate.region import Region
from cvig.locate.resemblance import conformal_p, open_world, p_unlike, simple_jumper, watch
from cvig.metrics.conformal import conformal_bound
from cvig.models import build
from cvig.ranking import exact_ranks


def made_gallery(rows: np.ndarray, corners: np.ndarray | None = None) -> Gallery:
    return Gallery(noise_tiles(grid(1, len(rows)) if corners is None else corners), [rows])


def made_calibration(gap: np.ndarray, square: np.ndarray | None = None, **columns) -> Calibration:
    n = len(gap)
    given = {"share": gap, "stands_out": gap, "stands_out_without": gap - 1, "kind": [""] * n} | columns
    return Calibration(gap=gap, square=np.arange(n) if square is None else square, model="", tiles=n, side=1.0, **given)


def test_a_search_ranks_as_the_certified_ranking_does_and_shows_its_ties():
    rng = np.random.default_rng(0)
    rows = rng.integers(-2, 3, (300, 6)).astype(np.float32) / 7
    query = rng.integers(-2, 3, 6).astype(np.float32) / 7
    found = made_gallery(rows).search(query)
    ranks = exact_ranks(np.repeat(query[None], 300, axis=0), rows)
    assert (found.rank == ranks.closer + ranks.tied + 1).all()
    assert (np.diff(found.rank[found.order]) >= 0).all()
    assert ranks.tied.max() > 3


def test_distances_that_float64_cannot_tell_apart_are_ordered_exactly():
    query = np.zeros(2)
    rows = np.array([[1, 2.0**-30], [1, 0], [1, -(2.0**-30)], [1, 2.0**-31]])
    found = made_gallery(rows).search(query)
    assert found.rank.tolist() == [4, 1, 4, 2]


def test_sums_that_round_differently_in_another_order_are_still_a_tie():
    rng = np.random.default_rng(0)
    row = (rng.normal(size=1000) * np.exp(2 * rng.normal(size=1000))).astype(np.float32)
    rows = np.array([rng.permutation(row) for _ in range(12)])
    assert len(np.unique(np.sqrt(np.square(rows.astype(np.float64)).sum(axis=1)))) > 1
    assert made_gallery(rows).search(np.zeros(1000)).rank.tolist() == [12] * 12


def test_a_region_is_what_the_conformal_bound_lets_in():
    rng = np.random.default_rng(1)
    made = made_calibration(rng.integers(0, 12, 60).astype(float), rng.integers(0, 25, 60))
    scores = np.arange(-1, 14).astype(float)
    for coverage in (0.3, 0.5, 0.8, 0.9, 0.95):
        bound = conformal_bound(made.gap, coverage, made.square)
        assert ((made.level("gap", scores) < coverage - 1e-9) == (scores <= bound)).all()
    nine = made_calibration(np.arange(9.0))  # nine tenths add up to a little less than 0.9
    where = Region(np.arange(10), nine.level("gap", np.arange(10.0)), *[np.arange(10)] * 3)
    assert [where.count(coverage) for coverage in (0.5, 0.8, 0.9)] == [5, 8, 9]


@pytest.mark.parametrize("score", ["gap", "share"])
@pytest.mark.parametrize("several", [1, 3])
def test_regions_of_new_squares_hold_the_place_as_often_as_promised(score, several):
    rng, corners = np.random.default_rng(2), grid(1, 40)
    tiles = rng.normal(size=(40, 5)).astype(np.float32)
    kept = {0.5: 0, 0.8: 0, 0.9: 0}
    trials = 300

    def photographs(count, blur):
        place = rng.integers(0, 40, count)
        return place, tiles[place] + blur[:, None] * rng.normal(size=(count, 5)).astype(np.float32)

    built = made_gallery(tiles, corners)
    for _ in range(trials):
        blur = rng.uniform(0.2, 2, 19).repeat(2)  # photographs of one square are alike
        place, query = photographs(38, blur)
        found = [built.search(q) for q in query]
        columns = {
            "gap": np.array([f.gap[p] for f, p in zip(found, place, strict=True)]),
            "share": np.array([f.share[p] for f, p in zip(found, place, strict=True)]),
        }
        made = made_calibration(columns["gap"], np.arange(19).repeat(2), share=columns["share"])
        new = rng.integers(0, 40)
        blur = rng.uniform(0.2, 2)
        shown = [built.search(tiles[new] + blur * rng.normal(size=5).astype(np.float32)) for _ in range(several)]
        where = region(shown, made, corners, score=score)
        for coverage in kept:
            kept[coverage] += new in where.order[: where.count(coverage)]
    for coverage, times in kept.items():
        assert stats.binomtest(times, trials, coverage, alternative="less").pvalue > 1e-3
        if several == 1:  # 20 squares with the new one: these coverages are whole numbers of them
            assert stats.binomtest(times, trials, coverage).pvalue > 1e-4


def test_a_gallery_on_one_point_rules_nothing_out():
    made = made_calibration(np.full(30, 0.0), share=np.ones(30))
    found = made_gallery(np.ones((7, 3), np.float32)).search(np.zeros(3))
    for score in ("gap", "share"):
        assert region([found], made, grid(1, 7), score=score).count(0.5) == 7
    assert found.rank.tolist() == [7] * 7


def test_a_photograph_and_its_copy_promise_no_more_than_twice_its_p_value():
    made = made_calibration(np.arange(20.0))
    rows = np.arange(12, dtype=np.float32)[:, None]
    found = made_gallery(rows).search(np.zeros(1))
    one, two = (region([found] * copies, made, grid(1, 12)).level for copies in (1, 2))
    assert 1 - two == pytest.approx(np.minimum(1, 2 * (1 - one)))


def test_too_few_squares_rule_nothing_out():
    made = made_calibration(np.zeros(50), np.arange(50) % 8)
    found = made_gallery(np.eye(9, dtype=np.float32)).search(np.eye(9)[0])
    where = region([found], made, grid(1, 9))
    assert (where.count(0.85), where.count(0.9)) == (1, 9)


def test_the_ground_of_overlapping_tiles_counts_once():
    corners = grid(5, 5, side=100, stride=50, at=(10.0, 0.0))
    assert areas(corners) == pytest.approx(np.full(25, 1e4), rel=1e-6)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(25)
        assert ground_of_first(corners, order)[-1] == pytest.approx(300**2, rel=1e-6)
    assert ground_of_first(corners, np.arange(25))[1] == pytest.approx(1.5e4, rel=1e-6)


def test_a_place_lies_in_every_tile_that_covers_it_the_nearest_middle_first():
    corners = grid(5, 5, side=100, stride=50)
    middle = corners[12].mean(axis=0)
    assert tiles_that_hold(corners, middle[None] + 1e-9)[0][0] == 12
    assert len(tiles_that_hold(corners, middle[None] + 1e-7)[0]) == 4
    assert len(tiles_that_hold(corners, middle[None] + 1)[0]) == 0


def test_squares_of_ground_are_metres_wide_at_every_latitude():
    for latitude in (0.0, 70.0):
        points = grid(1, 12, side=1, stride=75, at=(5.0, latitude))[:, 0]
        assert np.bincount(squares(points, 299.0)).tolist() == [4, 4, 4]


def test_an_embedding_that_is_cut_short_goes_on_and_a_changed_picture_is_embedded_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "BLOCK", 4)
    model, corners = make_model(tmp_path / "model"), grid(1, 10)
    with pytest.raises(KeyboardInterrupt):
        Gallery(noise_tiles(corners, fail_after=6)).embed(model, tmp_path / "cache")
    tiles = noise_tiles(corners)
    built = Gallery(tiles).embed(model, tmp_path / "cache")
    assert tiles.read == [4, 5, 6, 7, 8, 9]
    assert all(isinstance(block, np.memmap) for block in built.blocks)
    tiles.key = lambda row: "other" if row == 9 else f"0-{row}"
    tiles.read.clear()
    again = Gallery(tiles).embed(model, tmp_path / "cache")
    assert tiles.read == [8, 9]
    assert (again.rows(np.arange(8)) == built.rows(np.arange(8))).all()
    (tmp_path / "cache").rename(tmp_path / "moved")
    whole = Gallery(noise_tiles(corners)).embed(model, tmp_path / "cache")
    assert whole.rows(np.arange(10)) == pytest.approx(built.rows(np.arange(10)), abs=1e-5)
    build("conv4", size=16, embedding=8, unit_norm=True, pool=1, seed=1).save(tmp_path / "other")
    tiles = noise_tiles(corners)
    Gallery(tiles).embed(Model.read(tmp_path / "other"), tmp_path / "cache")
    assert len(tiles.read) == 10  # another network has embeddings of its own


def test_a_calibration_reads_back_and_one_of_its_field_of_view_is_taken_where_it_is_large(tmp_path):
    rng = np.random.default_rng(3)
    kind = ["90"] * FEWEST + ["60"] * 5
    made = made_calibration(rng.random(FEWEST + 5), kind=kind)
    made.write(tmp_path / "calibration.json")
    read = Calibration.read(tmp_path)
    assert (read.gap == made.gap).all()
    assert (len(read.of_kind("90")), len(read.of_kind("60")), len(read.of_kind(""))) == (FEWEST, FEWEST + 5, FEWEST + 5)
    content = json.loads((tmp_path / "calibration.json").read_text())
    (tmp_path / "calibration.json").write_text(json.dumps({**content, "gap": [1.0]}))
    with pytest.raises(ValueError, match=r"is no calibration"):
        Calibration.read(tmp_path)


def test_shares_of_a_large_gallery_hold_the_place_in_a_small_one_and_the_answer_says_how_the_two_differ():
    rng = np.random.default_rng(7)
    nearer = rng.beta(0.25, 4, (400, 100))  # of a photograph, the share of all ground that fits better than its place
    large, small = ((1 + rng.binomial(tiles - 1, nearer)) / tiles for tiles in (10_000, 30))
    held = 0
    for known, new in zip(large[:, 1:], small[:, 0], strict=True):
        made = made_calibration(known).in_gallery(30)
        held += made.level("share", new[None])[0] < 0.5 - 1e-9  # the least share there is, 1 in 30, is above most known ones
    assert held / 400 > 0.45
    assert (made.in_gallery(30).share == made.share).all()
    corners = grid(4, 4, side=100, stride=50)
    found = made_gallery(np.eye(16, dtype=np.float32), corners).search(np.zeros(16))

    def said(**columns):
        known = replace(made_calibration(np.ones(20)), **({"tiles": 16, "side": 100.0, "overlap": 2.4} | columns))
        where = region([found], known, corners)
        return other_gallery(SimpleNamespace(calibration=known, tiles=noise_tiles(corners), region=where, score="gap"))

    assert said() == []
    assert "16 tiles, the calibration's had 4: regions hold the place less often" in said(tiles=4)[0]
    assert "regions hold the place more often" in said(tiles=99)[0]
    assert "Tiles are 100 m wide, the calibration's were 30 m" in said(side=30.0)[0]
    assert "A place lies in 2.6 tiles here, in the calibration's gallery in 1: regions hold it more" in said(overlap=1.0)[0]


def test_calibration_scores_are_the_best_tile_of_those_that_hold_the_place():
    corners = grid(1, 6, side=100, stride=50)
    rows = np.eye(6, dtype=np.float32)
    at = corners[2].mean(axis=0) + np.array([1e-7, 0])  # in tiles 1, 2 and 3, on the edges of two
    made = calibrate(made_gallery(rows, corners), rows[[3]] * 2, at[None], model="")
    assert (made.gap[0], made.share[0]) == (0, 1 / 6)
    apart = np.array([5**0.5] * 5 + [1])
    assert made.stands_out[0] == pytest.approx((5**0.5 - 1) / apart.std())
    assert made.stands_out_without[0] == 0  # the rest are all as far
    # two views of one square of ground are one, whose side is chosen
    two = made_gallery(rows, corners), rows[[3, 3]], np.stack([at, at + 1e-7])
    assert [calibrate(*two, model="", square=side).count for side in (250.0, 1e-3)] == [1, 2]
    with pytest.raises(ValueError, match=r"1 of 1 calibration photographs were taken where no tile lies"):
        calibrate(made_gallery(rows, corners), rows[[3]], at[None] + 1, model="")


def test_a_photograph_stands_out_the_same_whatever_the_scale_of_distances():
    rows = np.random.default_rng(0).normal(size=(50, 4))
    out = made_gallery(rows).search(rows[3] + 0.1).stands_out
    assert made_gallery(3 * rows).search(3 * (rows[3] + 0.1)).stands_out == pytest.approx(out)
    assert made_gallery(np.ones((5, 2))).search(np.zeros(2)).stands_out == 0


def test_a_search_without_some_tiles_is_the_search_of_the_others():
    rng = np.random.default_rng(1)
    rows, query = rng.integers(-2, 3, (40, 3)).astype(np.float32), rng.integers(-2, 3, 3)
    taken = np.array([3, 17, 30])
    kept = np.delete(np.arange(40), taken)
    without, found = made_gallery(rows).search(query).without(taken), made_gallery(rows[kept]).search(query)
    for name in ("distance", "order", "rank"):
        assert (getattr(without, name) == getattr(found, name)).all()


def test_photographs_like_the_calibration_are_seldom_called_unlike_and_others_often():
    rng = np.random.default_rng(4)
    columns = {"stands_out": rng.normal(size=200), "stands_out_without": rng.normal(-4, 1, size=200)}
    made = made_calibration(rng.normal(size=200), **columns)
    for count in (1, 3, 12):
        drawn = rng.normal(size=(300, 1)).repeat(count, axis=1)  # of one place: as alike as can be
        p = np.array([p_unlike(made, one) for one in drawn])
        other = np.array([p_unlike(made, rng.normal(-4, 1, size=count)) for _ in range(50)])
        assert stats.binomtest(int((p <= 0.05).sum()), 300, 0.08, alternative="greater").pvalue > 1e-3
        assert (other <= 0.05).mean() > 0.8
    assert p_unlike(made, np.array([-99.0, -99.0])) == pytest.approx(2 / 201)
    assert p_unlike(made, np.array([-99.0])) == pytest.approx(1 / 201)  # the new one counts: no p-value is 0
    judged = open_world(made, np.array([-8.0]))
    assert judged.abstains
    assert judged.low < 0.99 < judged.high
    assert not open_world(made, np.array([0.0])).abstains


def test_p_values_on_line_are_uniform_and_independent_where_numbers_tie_and_squares_have_several():
    rng = np.random.default_rng(6)
    p = np.array([conformal_p(drawn[:10], drawn[10:], rng) for drawn in rng.integers(0, 4, (600, 14))])
    assert min(stats.kstest(column, "uniform").pvalue for column in p.T) > 1e-3
    assert np.abs(np.corrcoef(p.T) - np.eye(4)).max() < 4 / 600**0.5


def test_the_gambler_has_what_the_simple_jumper_of_online_cp_has():
    """As its SimpleJumper(J=0.01, E=[-2, -1, 0]), version 0.4.0, said of these p-values."""
    expected = [1.4, 2.19872, 2.19872, 0.99042, 1.387252, 1.684886]
    assert simple_jumper(np.array([0.1, 0.02, 0.5, 0.9, 0.05, 0.3])) == pytest.approx(expected, abs=1e-6)


def test_watching_seldom_alarms_where_squares_are_exchangeable_and_soon_where_photographs_change():
    rng = np.random.default_rng(5)
    alarms, late = 0, []
    for trial in range(300):
        of_square = rng.normal(size=60)
        square = np.arange(40).repeat(3)  # three photographs that are nearly one
        made = made_calibration(of_square[square] + 0.01 * rng.normal(size=120), square)
        alarms += watch(made, of_square[40:], seed=trial).p <= 0.05
        if trial < 40:
            late.append(watch(made, of_square[40:] - 2, seed=trial).first)
    assert stats.binomtest(alarms, 300, 0.05, alternative="greater").pvalue > 0.01
    assert sum(first is not None and first < 15 for first in late) > 35
    # one square with most of the photographs, which stand out more, is one square
    square = np.append(np.zeros(400, dtype=int), np.arange(1, 40))
    made = made_calibration(np.append(np.full(400, 3.0), rng.normal(size=39)), square)
    assert watch(made, rng.normal(size=30)).p > 0.05
