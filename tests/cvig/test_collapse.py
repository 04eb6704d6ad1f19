"""Collapse diagnostics on embeddings whose answer is known."""

import tracemalloc

import numpy as np
import pytest
from optional import in_bfloat16

from cvig.metrics import cloud, collapse, spectrum
from cvig.metrics.cloud import Cloud
from cvig.metrics.collapse import (
    diagnose,
    distinct_rows,
    effective_rank,
    k_occurrence,
    near_ties,
    relative_spread,
    skewness,
)
from cvig.metrics.spectrum import entropy
from cvig.ranking import exact_ranks

RNG = np.random.default_rng(0)
HEALTHY = RNG.normal(size=(400, 8)).astype(np.float32)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("value", [1.0, 0.1, 1e30, 0.0])
def test_one_point_has_no_spread_one_row_and_no_rank(value):
    point = np.full((50, 8), value, np.float32)
    assert relative_spread(point) == 0
    assert distinct_rows(point) == (1, 50)
    assert effective_rank(point) == 0


def test_a_centered_cloud_has_spread_one_and_all_its_dimensions():
    assert relative_spread(HEALTHY) == pytest.approx(1, abs=0.01)
    assert effective_rank(HEALTHY) == pytest.approx(8, abs=0.5)


def test_spread_in_closed_form():
    """Two points at distance 2h about a center of norm r: h over the root of r² + h²."""
    rows = np.array([[3.0, 4.0, 2.0], [3.0, 4.0, -2.0]])
    assert relative_spread(rows) == pytest.approx(2 / np.sqrt(25 + 4))


def test_an_orthogonal_simplex_fills_one_dimension_less_than_it_has():
    for n in (2, 5, 9):
        assert effective_rank(np.eye(n)) == pytest.approx(n - 1)
        assert effective_rank(np.eye(n).repeat(7, axis=0)) == pytest.approx(n - 1)


@pytest.mark.parametrize("rows", [5, 500])
def test_a_line_has_effective_rank_one(rows):
    line = 7 + np.linspace(-1, 1, rows)[:, None] * np.ones((1, 8))
    assert effective_rank(line) == pytest.approx(1)
    assert "the gallery is almost a line, of effective rank 1.00" in diagnose(line, line).verdict


def test_measures_do_not_depend_on_how_rows_are_cut(monkeypatch):
    whole = [f(HEALTHY) for f in (relative_spread, effective_rank)]
    counts = k_occurrence(HEALTHY, HEALTHY[::-1].copy())
    monkeypatch.setattr(cloud, "cached_rows", lambda dimensions: 7)
    assert [f(HEALTHY) for f in (relative_spread, effective_rank)] == pytest.approx(whole)
    assert (k_occurrence(HEALTHY, HEALTHY[::-1].copy()) == counts).all()


def test_zero_and_minus_zero_are_the_same_row():
    assert distinct_rows(np.array([[0.0, 1.0], [-0.0, 1.0]])) == (1, 2)
    assert distinct_rows(np.array([[0, 1], [0, 1], [0, -1]])) == (2, 2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_distinct_rows_are_counted_as_numpy_counts_them(dtype):
    rows = RNG.integers(-1, 2, (300, 4)).astype(dtype)
    copies = np.unique(rows, axis=0, return_counts=True)[1]
    assert distinct_rows(rows) == (len(copies), copies.max())


def test_k_occurrence_is_what_sorting_all_distances_gives():
    query, gallery = RNG.normal(size=(60, 3)), RNG.normal(size=(40, 3)) + 5
    distance = np.square(query[:, None] - gallery).sum(axis=-1)
    nearest = np.argsort(distance, axis=1)[:, :4]
    assert (k_occurrence(query, gallery, 4) == np.bincount(nearest.ravel(), minlength=40)).all()


def test_skewness_is_the_third_standardized_moment_and_zero_where_nothing_varies():
    assert skewness(np.array([0, 0, 0, 1])) == pytest.approx(6 / 3**1.5)  # deviations in quarters: -1, -1, -1, 3
    assert skewness(np.ones(5)) == 0


def test_hubs_come_with_dimensions_and_not_without():
    """Radovanović et al. 2010: the k-occurrence of Gaussian points grows skewed as their dimension does."""
    skew = []
    for dimensions in (2, 300):
        rows = RNG.normal(size=(2, 600, dimensions))
        skew.append(diagnose(*rows).hubness)
    assert skew[0] < 1
    assert skew[1] > 2


def test_a_planted_hub_is_among_the_nearest_of_every_query():
    gallery = np.concatenate([unit(RNG.normal(size=(500, 16))) * 10, np.zeros((1, 16))])
    query = unit(RNG.normal(size=(300, 16)))
    diagnosis = diagnose(query, gallery)
    assert k_occurrence(query, gallery)[-1] == 300
    assert diagnosis.largest_hub == 1
    assert "one gallery row is among the nearest 10 of 100% of the queries" in diagnosis.verdict


def test_near_ties_by_their_definition():
    """A query at 0 and gallery rows of norm 1 and 1 + h: squared distances 2h apart on a scale of (1 + h)²."""
    for name, u in collapse.UNITS.items():
        for h, share in ((u / 4, 1), (u * 4, 0)):
            assert near_ties(np.zeros((1, 2)), np.array([[1.0, 0.0], [0.0, 1 + h]]))[name] == share


def test_near_ties_of_a_gallery_with_copies_are_the_pairs_of_copies():
    gallery = np.array([[1.0, 0.0]] * 30 + [[0.0, 5.0]] * 10)
    pairs = (30 * 29 + 10 * 9) / (40 * 39)
    assert near_ties(np.array([[1.0, 1.0]]), gallery)["float32"] == pytest.approx(pairs, abs=0.01)
    assert near_ties(np.ones((1, 1)), np.ones((1, 1)))["float32"] == 0


@pytest.mark.parametrize(("spread", "float32", "bfloat16"), [(1.0, 0.001, 0.2), (1e-2, 0.01, 1.0), (1e-4, 1.0, 1.0)])
def test_near_ties_grow_as_a_cloud_shrinks(spread, float32, bfloat16):
    """A cloud that has shrunk to a hundredth of its norm still has an order in float32 and none in bfloat16."""
    center = unit(RNG.normal(size=(1, 64)))
    query, gallery = (center + spread * unit(RNG.normal(size=(300, 64))) for _ in range(2))
    share = near_ties(query, gallery)
    assert share["float32"] == pytest.approx(float32, abs=0.02)
    assert share["bfloat16"] == pytest.approx(bfloat16, abs=0.15)


def test_rounding_to_bfloat16_makes_the_duplicates_it_is_said_to():
    cloud = 1 + 1e-2 * HEALTHY
    assert diagnose(cloud, cloud).verdict == "100% of pairs of gallery rows are nearly tied in bfloat16"
    cloud = 1 + 1e-3 * HEALTHY
    assert diagnose(cloud, cloud).duplicates == 0
    assert diagnose(in_bfloat16(cloud), in_bfloat16(cloud)).aerial.is_one_point


def test_two_clusters():
    two = np.where(np.arange(100)[:, None] < 50, 1.0, -1.0) * np.ones((1, 8))
    diagnosis = diagnose(HEALTHY, two)
    assert (diagnosis.aerial.distinct, diagnosis.aerial.largest) == (2, 50)
    assert diagnosis.aerial.effective_rank == pytest.approx(1)
    assert diagnosis.verdict == "50% of the gallery is one point; R@k is not meaningful here"


def test_verdicts_name_what_collapsed():
    dead = HEALTHY.copy()
    dead[:368] = 0
    assert diagnose(HEALTHY, dead).verdict == "92% of the gallery is one point; R@k is not meaningful here"
    assert diagnose(dead, HEALTHY).verdict == "92% of the ground views are one point; R@k is not meaningful here"
    shrunk = diagnose(1 + 1e-5 * HEALTHY.astype(float), HEALTHY).verdict
    assert "the spread of the ground views is 1." in shrunk
    assert "not meaningful" in shrunk


@pytest.mark.parametrize("rows", [HEALTHY, unit(RNG.normal(size=(300, 256))), RNG.normal(size=(1, 4)), np.eye(2)])
def test_healthy_towers_are_healthy(rows):
    assert diagnose(rows, rows).verdict == "healthy: no duplicates, no collapse"


def test_a_gallery_with_four_copies_of_each_row_is_told_so():
    copies = HEALTHY.repeat(4, axis=0)
    diagnosis = diagnose(HEALTHY, copies)
    assert diagnosis.duplicates == 1200
    assert diagnosis.verdict == "1200 of the 1600 rows of the gallery are duplicates; R@k depends on how ties are broken"


def test_a_diagnosis_repeats():
    assert diagnose(HEALTHY, HEALTHY) == diagnose(HEALTHY.copy(), HEALTHY.copy())


def test_a_large_gallery_needs_little_memory(monkeypatch):
    monkeypatch.setattr(collapse, "SAMPLE", 512)
    monkeypatch.setattr(collapse, "ALL", 512)
    rows = RNG.normal(size=(40_000, 32)).astype(np.float32)
    diagnose(rows[:64], rows)  # what is imported on first use
    tracemalloc.start()
    diagnosis = diagnose(rows, rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * rows.nbytes
    assert diagnosis.aerial.rows == 40_000


@pytest.mark.parametrize(
    ("ground", "aerial", "message"),
    [
        (HEALTHY, HEALTHY[:, :4], "ground has 8 dimensions, aerial 4"),
        (np.where(np.arange(400)[:, None] == 3, np.nan, HEALTHY), HEALTHY, "ground: 1 of 400 rows hold NaN .* row 3"),
        (HEALTHY, np.where(np.arange(400)[:, None] > 397, np.inf, HEALTHY), "aerial: 2 of 400 rows .* row 398"),
        (HEALTHY, np.empty((0, 8)), r"aerial of shape \(0, 8\)"),
        (HEALTHY[0], HEALTHY, r"ground of shape \(8,\)"),
    ],
)
def test_what_cannot_be_diagnosed_is_refused(ground, aerial, message):
    with pytest.raises(ValueError, match=message):
        diagnose(ground, aerial)


@pytest.mark.parametrize("k", [0, -1, 401])
def test_a_k_beyond_the_gallery_is_refused(k):
    with pytest.raises(ValueError, match="expected between 1 and the 400 rows"):
        k_occurrence(HEALTHY, HEALTHY, k)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 1), (-1 / 32, 1 / 32)])
def test_codes_are_exact_though_many_lie_as_far(low, high):
    """1,024-bit codes found without an error: their distances are whole numbers that often tie, and no rounding is near."""
    bits = RNG.integers(0, 2, (600, 1024))
    query, gallery = (np.where(x, high, low) for x in (np.where(RNG.random(bits.shape) < 0.1, 1 - bits, bits), bits))
    ranks = exact_ranks(query, gallery)
    assert (ranks.closer == 0).all()
    assert near_ties(query, gallery)["float32"] == 0
    assert diagnose(query, gallery).verdict == "healthy: no duplicates, no collapse"


SPECTRA = {
    "flat": np.ones(300),
    **{f"power {power}": np.arange(1.0, 301) ** -power for power in (0.25, 0.5, 0.75, 1.0, 2.0)},
    "exponential": np.exp(-np.arange(300) / 20),
    "thirty large": np.where(np.arange(300) < 30, 10.0, 1.0),
}


@pytest.mark.parametrize("rows", [500, 250])
@pytest.mark.parametrize("name", SPECTRA)
def test_a_wide_effective_rank_is_estimated_within_its_error(monkeypatch, name, rows):
    """Whatever the spectrum, and however few vectors are tried, the exact value lies where the estimate says."""
    rng = np.random.default_rng(1)
    shape = Cloud((rng.normal(size=(rows, 300)) * SPECTRA[name]) @ np.linalg.qr(rng.normal(size=(300, 300)))[0] + 5)
    exact = entropy(shape, 0)[0]
    monkeypatch.setattr(spectrum, "EXACT", 100)
    monkeypatch.setattr(spectrum, "SMALL", 0)
    for vectors, widest in ((0, 0.4), (288, 0.2), (1000, 0.05)):
        drawn = np.array([entropy(shape, vectors, seed) for seed in range(8)])
        assert (drawn[:, 1] > 0).all()
        assert (drawn[:, 1] < widest).all()
        assert (np.abs(drawn[:, 0] - exact) <= drawn[:, 1]).sum() >= 7
    assert np.mean(drawn[:, 0]) == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("rows", [500, 250])
def test_a_wide_line_and_a_wide_point_are_known_for_what_they_are(monkeypatch, rows):
    monkeypatch.setattr(spectrum, "EXACT", 100)
    monkeypatch.setattr(spectrum, "SMALL", 0)
    line = np.linspace(-1, 1, rows)[:, None] * np.ones((1, 300))
    assert effective_rank(line) == pytest.approx(1, abs=0.01)
    assert effective_rank(np.ones((rows, 300))) == 0
