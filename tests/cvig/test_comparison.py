"""Two models on the same queries: what scipy and enumeration make of the same differences."""

import itertools

import numpy as np
import pytest
from scipy import stats

from cvig.metrics import compare, pssr, recall_at_k
from cvig.metrics.comparison import holm, sign_flip_test
from cvig.ranking import Ranks


def ranks(rng, count=60, n=200, power=1):
    return Ranks((n * rng.random(count) ** power).astype(int), np.zeros(count, int), n)


def test_recall_is_compared_by_mcnemars_exact_test():
    rng = np.random.default_rng(0)
    a, b = ranks(rng, power=6), ranks(rng, power=3)
    hit_a, hit_b = (x.closer < 5 for x in (a, b))
    only_a, only_b = int((hit_a & ~hit_b).sum()), int((hit_b & ~hit_a).sum())
    assert only_a > 0
    assert only_b > 0
    expected = stats.binomtest(only_a, only_a + only_b, 0.5).pvalue
    assert compare(a, b).loc["R@5", "p_value"] == pytest.approx(expected)


def test_the_sign_flip_test_is_the_enumeration_of_all_signs():
    difference = np.array([0.3, -0.1, 0.25, 0.4, 0.0, -0.05, 0.6])
    moved = difference[difference != 0]
    sums = [abs(np.dot(signs, moved)) for signs in itertools.product((-1, 1), repeat=len(moved))]
    expected = np.mean([total >= abs(moved.sum()) - 1e-12 for total in sums])
    assert sign_flip_test(difference) == pytest.approx(expected)


def test_many_places_agree_with_scipys_permutation_test():
    difference = np.random.default_rng(1).normal(0.15, 1, 80)
    options = {"permutation_type": "samples", "n_resamples": 20_000, "rng": 2}
    scipy_p = stats.permutation_test(
        (difference, np.zeros(80)), lambda x, y, axis: np.sum(x - y, axis=axis), **options
    ).pvalue
    assert sign_flip_test(difference, draws=20_000) == pytest.approx(scipy_p, abs=0.015)


def test_a_model_compared_with_itself_differs_by_nothing_and_the_interval_is_no_false_certainty():
    a = ranks(np.random.default_rng(2))
    table = compare(a, a)
    assert (table.difference == 0).all()
    assert (table.low < 0).all()
    assert (table.high > 0).all()
    assert (table[["p_value", "p_holm"]] == 1).all(axis=None)


def test_the_table_holds_the_metrics_and_swapping_the_models_turns_the_signs():
    rng = np.random.default_rng(3)
    a, b = ranks(rng, power=4), ranks(rng)
    table, swapped = compare(a, b), compare(b, a)
    assert table.loc["PSSR", "a"] == pytest.approx(pssr(a))
    assert table.loc["R@10%", "b"] == pytest.approx(recall_at_k(b, "10%"))
    np.testing.assert_allclose(table.difference, -swapped.difference)
    np.testing.assert_allclose(table.low, -swapped.high, atol=0.02)
    assert table.loc["PSSR", "low"] > 0
    assert table.loc["PSSR", "p_holm"] < 0.01


def test_four_views_of_a_place_are_one_piece_of_evidence():
    """Queries repeated four times add nothing: interval and p-value stay those of the single queries."""
    rng = np.random.default_rng(4)
    a, b = ranks(rng, 40, power=2), ranks(rng, 40)
    four = [Ranks(np.repeat(x.closer, 4), np.repeat(x.tied, 4), 200) for x in (a, b)]
    once, grouped = compare(a, b), compare(*four, places=np.repeat(np.arange(40), 4))
    columns = ["difference", "low", "high", "p_value"]
    np.testing.assert_allclose(grouped.loc["PSSR", columns], once.loc["PSSR", columns])
    assert compare(*four).loc["PSSR", "p_value"] < once.loc["PSSR", "p_value"]


def test_under_the_null_small_p_values_are_as_rare_as_they_claim():
    rng = np.random.default_rng(5)
    p = [sign_flip_test(rng.normal(size=12)) for _ in range(300)]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=3 * np.sqrt(0.25 / 300))


def test_holm_never_falls_below_the_raw_values_and_keeps_their_order():
    p = np.array([0.2, 0.001, 0.04, 0.04])
    adjusted = holm(p)
    np.testing.assert_allclose(adjusted, [0.2, 0.004, 0.12, 0.12])


def test_holm_is_bonferroni_for_the_smallest_and_never_decreases():
    p = np.random.default_rng(0).uniform(0, 0.2, 9)
    adjusted = holm(p)
    assert adjusted.min() == 9 * p.min()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert (adjusted <= np.minimum(1, 9 * p)).all()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Ranks([0, 1, 2], [0, 0, 0], 9), "2 queries of one model and 3 of the other"),
        (Ranks([0, 1], [0, 0], 8), "2 queries meet galleries of different sizes, the first is query 0 with 9 and 8 rows"),
        (Ranks([0, 1], [0, 0], 9, [1, 2]), "1 queries have other numbers of positives, the first is query 1 with 1 and 2"),
    ],
)
def test_models_that_were_not_asked_the_same_are_refused(other, message):
    with pytest.raises(ValueError, match=message):
        compare(Ranks([0, 1], [0, 0], 9), other)
