"""Neighbours are found or missed together: intervals and tests that take squares of ground allow for it."""

import numpy as np
import pytest
from scipy import special
from scipy.spatial.distance import cdist

from cvig.metrics import compare, share_interval, summary
from cvig.metrics.ground import grouped, measured_side, spread_by_side, squares
from cvig.ranking import Ranks

RNG = np.random.default_rng(5)
POINTS = RNG.uniform(0, 5000, (400, 2))


def field(length: float) -> np.ndarray:
    """A matrix that gives normal numbers the correlation exp(-distance / length)."""
    return np.linalg.cholesky(np.exp(-cdist(POINTS, POINTS) / length) + 1e-9 * np.eye(len(POINTS)))


def test_squares_are_of_their_side_and_start_at_the_least_coordinates():
    where = np.array([[1000.0, 500.0], [1099.0, 599.0], [1101.0, 599.0], [1000.0, 601.0]])
    assert squares(where, 100).tolist() == [0, 0, 2, 1]
    assert squares(where - [7e6, 0], 100).tolist() == [0, 0, 2, 1]
    assert squares(where, 100, shift=(0.5, 0)).tolist() == [0, 2, 2, 1]  # borders at half a side


def test_no_square_parts_the_views_of_a_place():
    where = np.array([[0.0, 0.0], [99.0, 0.0], [103.0, 0.0], [250.0, 0.0]])
    assert grouped(np.array([0, 1, 1, 2]), 4, where, 100).tolist() == [0, 1, 1, 2]
    assert grouped(None, 4, where, 100).tolist() == [0, 0, 1, 2]
    assert grouped(np.array(list("abba")), 4, None, None).tolist() == [0, 1, 1, 0]


def test_intervals_hold_the_truth_over_squares_and_not_over_places():
    """Outcomes with a correlation length of 200 m on 5 km, 95% intervals of a recall of 0.3."""
    root, wide = field(200), squares(POINTS, 800)
    held = np.zeros(2)
    for _ in range(150):
        hit = (special.ndtr(root @ RNG.normal(size=len(POINTS))) < 0.3).astype(float)
        both = share_interval(hit), share_interval(hit, wide)
        held += [low <= 0.3 <= high for low, high in both]
    assert held[0] / 150 < 0.8
    assert held[1] / 150 > 0.87


def test_the_measured_side_grows_with_the_reach_of_the_dependence():
    """Without dependence the standard error hardly grows with the side; with it, until the squares are wide enough."""
    alone = spread_by_side(RNG.normal(size=400), POINTS)
    near = spread_by_side(field(150) @ RNG.normal(size=400), POINTS)
    far = spread_by_side(field(1500) @ RNG.normal(size=400), POINTS)
    assert alone.inflation.max() < 1.3
    assert near.inflation.max() > 1.2
    assert far.inflation.max() > 2.5
    assert (near.squares >= 30).all()
    assert (near.side.diff()[1:] > 0).all()
    assert measured_side(far).side == far.side.iloc[-1]
    assert not measured_side(far).settled
    near.inflation = [1.0, 1.3, 1.5, 1.45, *[1.4] * (len(near) - 4)]
    assert measured_side(near) == (near.side[2], True)


def test_summary_and_compare_take_squares_of_ground():
    root = field(300)
    closer = np.floor(special.ndtr(root @ RNG.normal(size=(400, 2))) * 100).astype(int)
    a, b = (Ranks(column, np.zeros(400, int), 100) for column in closer.T)
    by_place, by_square = summary(a), summary(a, coordinates=POINTS, side=1000)
    assert (by_square.high - by_square.low)["PSSR"] > 1.5 * (by_place.high - by_place.low)["PSSR"]
    assert by_square.equals(summary(a, places=squares(POINTS, 1000)))
    paired, wide = compare(a, b), compare(a, b, coordinates=POINTS, side=1000)
    assert wide.p_value["PSSR"] > paired.p_value["PSSR"]
    assert (wide.high - wide.low)["PSSR"] > 1.5 * (paired.high - paired.low)["PSSR"]


def test_errors_say_what_is_missing():
    ranks = Ranks([0, 1], [0, 0], 9)
    with pytest.raises(ValueError, match="belong together: one is missing"):
        summary(ranks, side=100)
    with pytest.raises(ValueError, match=r"shape \(3, 2\): expected two, in metres, for each of 2 queries"):
        summary(ranks, coordinates=np.zeros((3, 2)), side=100)
    with pytest.raises(ValueError, match="1 of 2 are not finite, the first of query 1"):
        compare(ranks, ranks, coordinates=[[0, 0], [0, np.nan]], side=100)
    with pytest.raises(ValueError, match="side 0: expected the side of a square of ground in metres"):
        squares(np.zeros((2, 2)), 0)
    with pytest.raises(ValueError, match="2 different places: expected at least 30"):
        spread_by_side(np.array([0, 1]), np.array([[0, 0], [1, 1]]))
    with pytest.raises(ValueError, match="all values agree"):
        spread_by_side(np.zeros(50), RNG.normal(size=(50, 2)))
