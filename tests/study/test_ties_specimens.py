"""Specimens: what theory expects of each is what exact ranks measure."""

import numpy as np
import pytest
import torch

from cvig.metrics import TIES, pssr
from cvig.ranking import exact_ranks
from study.chapters.ties.specimens import RECIPES, measure, specimens
from study.chapters.ties.theory import code_scores, independent_scores, random_scores, sphere_scores

FINITE = [name for name in RECIPES if "NaN" not in name]
FIXED = ["one query", "one point", "one line", "dead ReLU", "duplicates", "close"]


@pytest.fixture(scope="module")
def made():
    return specimens(400, seed=1)


@pytest.mark.parametrize("name", FINITE)
def test_measured_scores_are_the_expected_ones(made, name):
    expected, measured = made[name].expected, measure(made[name])
    for metric, rules in measured.items():
        for rule, value in rules.items():
            want = expected[metric][rule]
            assert abs(value - want.value) <= 4 * want.deviation + 1e-9, (metric, rule)


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("n", [200, 204, 1000])
def test_closed_forms_without_deviation_hold_at_every_size(name, n):
    specimen = specimens(n, seed=n)[name]
    assert all(want.deviation == 0 for row in specimen.expected.values() for want in row.values())
    for metric, rules in measure(specimen).items():
        for rule, value in rules.items():
            assert value == pytest.approx(specimen.expected[metric][rule].value, abs=1e-12), (metric, rule)


def test_expected_scores_are_the_means_over_draws():
    draws = [specimens(200, seed=seed) for seed in range(25)]
    for name in ("healthy", "random", "quantized", "bfloat16", "hubs"):
        for metric, rules in draws[0][name].expected.items():
            for rule, want in rules.items():
                mean = np.mean([measure(draw[name])[metric][rule] for draw in draws])
                assert abs(mean - want.value) <= 4 * want.deviation / np.sqrt(25) + 1e-9, (name, metric, rule)


def test_a_specimen_repeats_and_its_seed_matters():
    first, again, other = specimens(200), specimens(200), specimens(200, seed=1)
    for name in RECIPES:
        assert first[name].query.tobytes() == again[name].query.tobytes()
        assert first[name].gallery.tobytes() == again[name].gallery.tobytes()
        assert first[name].query.dtype == first[name].gallery.dtype == np.float32
    assert first["random"].query.tobytes() != other["random"].query.tobytes()


def test_the_specimens_are_as_sick_as_they_say(made):
    assert len(np.unique(made["one query"].query, axis=0)) == 1
    assert len(np.unique(made["one point"].gallery, axis=0)) == 1
    assert len(np.unique(made["duplicates"].gallery, axis=0)) == 100
    assert np.unique(made["dead ReLU"].gallery, axis=0, return_counts=True)[1].max() > 0.95 * 400
    assert set(np.unique(made["quantized"].gallery)) == {-0.125, 0.125}
    rounded = torch.from_numpy(made["close"].gallery).bfloat16().float().numpy()
    np.testing.assert_array_equal(rounded, made["bfloat16"].gallery)
    assert len(np.unique(made["bfloat16"].gallery, axis=0)) <= 64 < len(np.unique(made["close"].gallery, axis=0))


@pytest.mark.parametrize("name", FINITE)
def test_distances_and_inner_products_mean_the_same(made, name):
    """Lengths differ by less than rounding to float32 explains (bfloat16: they are equal)."""
    square = np.square(made[name].gallery.astype(float)).sum(1)
    assert np.ptp(square) < 1e-6
    assert abs(square[0] - 1) < 0.01


def test_pssr_hides_hubs_and_ties_hide_nothing_from_it(made):
    """Hubs leave recall at 1% at chance and PSSR near its maximum, without one tie."""
    scores = measure(made["hubs"])
    assert scores["PSSR"]["pessimistic"] > 0.97
    assert scores["R@1%"]["optimistic"] < 0.03
    assert exact_ranks(made["hubs"].query, made["hubs"].gallery).tied.max() == 0


@pytest.mark.parametrize("name", ["NaN", "one NaN in ten"])
def test_a_network_that_outputs_nan_gets_no_score(made, name):
    assert made[name].expected is None
    with pytest.raises(ValueError, match="rows hold NaN"):
        measure(made[name])


@pytest.mark.parametrize("n", [199, 202, 100])
def test_a_size_that_no_specimen_has_is_refused(n):
    with pytest.raises(ValueError, match="at least 200, and a multiple of 4"):
        specimens(n)


def test_random_scores_are_k_of_n_and_half_of_the_rest():
    n = 1000
    for rule in TIES:
        scores = random_scores(n)
        assert scores["R@1"][rule].value == pytest.approx(1 / n, rel=1e-9)
        assert scores["R@1%"][rule].value == pytest.approx(10 / n, rel=1e-9)
        assert scores["PSSR"][rule].value == pytest.approx((n - 1) / (2 * n))
        assert scores["PSSR"][rule].deviation == pytest.approx(np.sqrt((n**2 - 1) / 12 / n**2 / n), rel=1e-6)


def test_limits_of_the_sphere_model_are_perfection_and_chance():
    assert sphere_scores(200, 64, 0.01)["R@1"]["expected"].value == pytest.approx(1)
    lost = sphere_scores(200, 64, np.pi)  # half of the queries lie nearer to the opposite of their positive
    assert lost["PSSR"]["expected"].value == pytest.approx(199 / 400)


def test_limits_of_the_code_model_are_perfection_and_chance():
    assert code_scores(200, 64, 0.0)["PSSR"]["pessimistic"].value == pytest.approx(199 / 200)
    assert code_scores(200, 32, 0.5)["R@1%"]["expected"].value == pytest.approx(2 / 200)
    assert code_scores(200, 32, 0.5)["PSSR"]["expected"].value == pytest.approx(199 / 400)


def test_rows_that_all_tie_are_the_one_point_gallery():
    n = 300
    tied = independent_scores(n, np.zeros(1), np.ones(1), np.ones(1))
    ranks = exact_ranks(np.zeros((n, 2)), np.ones((n, 2)))
    for rule in TIES:
        assert tied["PSSR"][rule].value == pytest.approx(pssr(ranks, ties=rule))
    assert [tied["R@1%"][rule].value for rule in TIES] == pytest.approx([0, 1, 3 / n])
