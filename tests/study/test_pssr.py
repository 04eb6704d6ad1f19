"""What the chapter on PSSR says, as facts."""

import itertools

import numpy as np
import pytest

from cvig.metrics import mean_reciprocal_rank, pssr, recall_at_k
from cvig.metrics.expectation import pairing_deviation, random_deviation
from cvig.ranking import Ranks, exact_ranks
from study.chapters.pssr import examples, figures


@pytest.mark.parametrize("n", [100, 200, 1000, 6200])
def test_equal_pssr_goes_with_very_different_heads_of_the_list(n):
    models = examples.same_pssr(n)
    hit, miss = models["all or nothing"], models["always near"]
    assert hit.closer.sum() == miss.closer.sum()
    assert recall_at_k(hit, 1) >= 0.5
    assert recall_at_k(miss, 1) == recall_at_k(miss, "1%") == 0
    assert recall_at_k(miss, "50%") == 1 > recall_at_k(hit, "50%")
    assert mean_reciprocal_rank(hit) > 7 * mean_reciprocal_rank(miss)


def test_models_of_a_size_that_cannot_be_split_are_refused():
    with pytest.raises(ValueError, match="multiple of 100"):
        examples.same_pssr(150)


@pytest.mark.parametrize("hubs", [False, True])
def test_the_spread_over_all_pairings_is_the_formula(hubs):
    """Every one of the 720 pairings of six queries, not a sample of them."""
    rng = np.random.default_rng(0)
    n = 6
    ranks = np.stack([np.arange(n) if hubs else rng.permutation(n) for _ in range(n)]) + 1
    values = [1 - ranks[np.arange(n), list(order)].mean() / n for order in itertools.permutations(range(n))]
    assert np.std(values) == pytest.approx(pairing_deviation(ranks), abs=1e-12)
    assert np.mean(values) == pytest.approx((n - 1) / (2 * n))


def test_the_spread_over_all_ranks_is_the_formula():
    n, queries = 5, 3
    values = [1 - np.mean(ranks) / n for ranks in itertools.product(range(1, n + 1), repeat=queries)]
    assert np.std(values) == pytest.approx(random_deviation(n, queries))


def test_without_hubs_pairings_spread_a_little_more_than_independent_ranks_and_with_hubs_less():
    n = 40
    latin = (np.arange(n)[:, None] + np.arange(n)) % n + 1
    assert pairing_deviation(latin) ** 2 == pytest.approx(random_deviation(n, n) ** 2 * n / (n - 1))
    assert pairing_deviation(np.tile(np.arange(n) + 1, (n, 1))) == pytest.approx(0, abs=1e-9)


def test_draws_of_chance_fall_where_the_formulas_say():
    rng = np.random.default_rng(1)
    n, draws = 60, 4000
    ranks = examples.rank_matrix(*rng.normal(size=(2, n, 4)))
    for values, deviation in (
        (examples.pssr_of_random_pairings(ranks, draws), pairing_deviation(ranks)),
        (examples.pssr_of_random_ranks(n, draws), random_deviation(n, n)),
    ):
        assert values.mean() == pytest.approx((n - 1) / (2 * n), abs=4 * deviation / np.sqrt(draws))
        assert values.std() == pytest.approx(deviation, rel=0.06)


def test_a_rank_matrix_holds_the_exact_ranks():
    query, gallery = np.random.default_rng(2).normal(size=(2, 30, 3))
    ranks = examples.rank_matrix(query, gallery)
    assert (np.sort(ranks, axis=1) == np.arange(1, 31)).all()
    np.testing.assert_array_equal(ranks[np.arange(30), np.arange(30)], exact_ranks(query, gallery).closer + 1)


def test_nan_taken_at_its_word_beats_perfection():
    distance = np.full((4, 4), np.nan)
    kept = (distance <= np.diag(distance)[:, None]).sum(1)
    assert np.mean((4 - kept) / 4) == 1 > pssr(Ranks(np.zeros(4), np.zeros(4), 4))


def test_remaining_tiles_are_those_that_pssr_counts():
    query, gallery, positive = examples.tiled_region(12)
    ranks = exact_ranks(query[None], gallery, [positive])
    kept = int(ranks.closer[0]) + 1
    _, alt = figures.remaining(query, gallery, positive)
    assert f"the {kept} tiles that are no farther" in alt
    assert f"{144 - kept} are gray" in alt


def test_a_region_whose_remainder_rounding_decides_is_refused():
    gallery = np.array([[1.0], [1.0 + 2**-52], [5.0], [6.0]])
    with pytest.raises(ValueError, match="near-ties"):
        figures.remaining(np.array([1e8]), gallery, 1)


@pytest.mark.parametrize(
    ("plot", "said"),
    [
        (lambda: figures.area_under_recall(Ranks([0, 2, 3], [1, 0, 0], 4), ties="pessimistic"), "0.250 of the gallery"),
        (lambda: figures.area_under_recall(Ranks([0, 2, 3], [1, 0, 0], 4), ties="optimistic"), "over 4, is 0.333"),
        (lambda: figures.recall_curves(examples.same_pssr(100)), "always near: R@1 0.000, R@1% 0.000, R@50% 1.000"),
        (
            lambda: figures.spread_of_chance(4, examples.pssr_of_random_ranks(4, 10), {}),
            "by the formula 0.1398",
        ),
    ],
)
def test_alt_text_says_what_the_data_say(plot, said):
    figure, alt = plot()
    assert figure.axes
    assert said in alt, alt
