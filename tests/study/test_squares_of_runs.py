"""Intervals of a run's test over squares of ground."""

import numpy as np
import pytest
from scipy.special import ndtr

from cvig import metrics
from cvig.ranking import Ranks
from study import ground
from study.coverage import field
from tests.helpers.made_runs import cloud, make_run

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(0, 10_000, (600, 2))


def ranks_of(values):
    return Ranks(np.floor(values * 600).astype(int), np.zeros(600, int), 600)


def test_where_neighbours_are_easy_or_hard_together_the_interval_grows():
    near = ndtr(field(POINTS, 400, 0.0) @ RNG.normal(size=600))
    places = np.arange(600)
    table, squares = ground.summarized(ranks_of(near), places, POINTS)
    alone = metrics.summary(ranks_of(near), places=places)
    width = {name: x.loc["PSSR", "high"] - x.loc["PSSR", "low"] for name, x in (("squares", table), ("alone", alone))}
    assert width["squares"] > 1.5 * width["alone"]
    assert squares.inflation > 1.5
    _, squares = ground.summarized(ranks_of(RNG.uniform(size=600)), places, POINTS)
    assert squares.inflation < 1.3


@pytest.mark.parametrize(
    ("values", "points"),
    [(np.zeros(600), POINTS), (RNG.uniform(size=600), None), (RNG.uniform(size=600), np.zeros((600, 2)))],
)
def test_without_a_side_to_measure_places_are_taken(values, points):
    table, squares = ground.summarized(ranks_of(values), np.arange(600), points)
    assert squares is None
    assert table.equals(metrics.summary(ranks_of(values), places=np.arange(600)))


def test_a_run_finds_the_coordinates_that_its_study_keeps(tmp_path):
    run = make_run(tmp_path / "run", *cloud(20, 0.1))
    assert run.coordinates is None
    ground.keep(ground.file_of(tmp_path, run.evaluate["data"]["test"]), POINTS[:20])
    del run.__dict__["coordinates"]
    assert run.coordinates == pytest.approx(POINTS[:20], abs=1e-3)
    assert run.squares("cropped") is None


def test_random_rankings_that_hang_together_in_squares_seldom_beat_chance_and_skill_does():
    """The level holds where all queries of a square share one ranking; the summary's own test sees skill less often."""
    square = (POINTS // 1000).astype(int) @ [10, 1]
    found = [ground.above_chance(RNG.uniform(-0.5, 0.5, 100)[square], POINTS, 1000.0) for _ in range(60)]
    assert np.mean(np.array(found) <= 0.2) < 0.4  # of 60 at a level of a fifth: 12 expected, 24 once in ten thousand
    assert 0.35 < np.mean(found) < 0.65
    assert ground.above_chance(RNG.uniform(-0.4, 0.6, 600), POINTS, 1000.0) < 0.001
    assert ground.above_chance(RNG.uniform(-0.6, 0.4, 600), POINTS, 1000.0) > 0.999


def test_a_run_is_tested_over_its_squares(tmp_path):
    run = make_run(tmp_path / "run", *cloud(40, 0.3))
    assert run.p_above_chance("uncropped") == run.metrics["uncropped"].loc["PSSR", "p_value"]
    run.facts["uncropped"]["squares"] = {"side": 2000.0, "settled": True, "inflation": 1.0}
    run.__dict__["coordinates"] = POINTS[:40]
    assert 0 < run.p_above_chance("uncropped") < 0.001
