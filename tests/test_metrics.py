"""Facts about recall, PSSR and their kin."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvig import metrics
from cvig.metrics import (
    TIES,
    mean_rank,
    mean_reciprocal_rank,
    median_rank,
    per_query_pssr,
    places,
    pssr,
    recall_at_k,
    recall_curve,
    summary,
)
from cvig.ranking import Ranks, exact_ranks

SOME = settings(derandomize=True, deadline=None, max_examples=100)


@st.composite
def some_ranks(draw):
    n, queries = draw(st.integers(1, 30)), draw(st.integers(1, 10))
    closer = [draw(st.integers(0, n - 1)) for _ in range(queries)]
    tied = [draw(st.integers(0, n - 1 - c)) for c in closer]
    return Ranks(closer, tied, n)


def test_the_papers_example_of_places_102_and_51():
    before, after = Ranks([101], [0], 5000), Ranks([50], [0], 5000)
    assert recall_at_k(before, "1%") == recall_at_k(after, "1%") == 0
    assert pssr(after) - pssr(before) == pytest.approx(51 / 5000)


def test_equation_2_by_hand():
    """k = 3 (two closer and itself) and k = 4 (one closer, two tied, itself) of n = 10."""
    assert pssr(Ranks([2, 1], [0, 2], 10)) == pytest.approx((7 / 10 + 6 / 10) / 2)


@SOME
@given(some_ranks(), st.sampled_from(TIES))
def test_pssr_is_the_area_under_the_recall_curve(ranks, ties):
    assert pssr(ranks, ties=ties) == pytest.approx(recall_curve(ranks, ties=ties)[:-1].mean())


@SOME
@given(some_ranks(), st.sampled_from(TIES))
def test_the_recall_curve_is_recall_at_every_k_and_never_falls(ranks, ties):
    curve = recall_curve(ranks, ties=ties)
    assert curve[0] == 0
    assert curve[-1] == pytest.approx(1)
    assert (np.diff(curve) >= -1e-12).all()
    for k in range(1, ranks.gallery_size + 1):
        assert curve[k] == pytest.approx(recall_at_k(ranks, k, ties=ties))


@SOME
@given(some_ranks())
def test_expected_lies_between_pessimistic_and_optimistic(ranks):
    for of in (
        lambda t: recall_at_k(ranks, 1, ties=t),
        lambda t: pssr(ranks, ties=t),
        lambda t: mean_reciprocal_rank(ranks, ties=t),
    ):
        assert of("pessimistic") - 1e-12 <= of("expected") <= of("optimistic") + 1e-12


@SOME
@given(some_ranks(), st.integers(0, 2**32 - 1))
def test_expected_values_are_means_over_random_orders_of_ties(ranks, seed):
    rng = np.random.default_rng(seed)
    draws = ranks.closer + rng.integers(0, ranks.tied + 1, (4000, len(ranks)))
    for of, exact in (
        (lambda r: (r < 1).mean(), recall_at_k(ranks, 1, ties="expected")),
        (lambda r: (ranks.gallery_size - r - 1).mean() / ranks.gallery_size, pssr(ranks, ties="expected")),
        (lambda r: (1 / (r + 1)).mean(), mean_reciprocal_rank(ranks, ties="expected")),
    ):
        assert of(draws) == pytest.approx(exact, abs=0.05)


def test_pssr_mid_rank_is_the_mean_auroc():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    query, gallery = (rng.integers(0, 4, (30, 2)).astype(float) for _ in range(2))
    distance = ((query[:, None] - gallery[None]) ** 2).sum(-1)
    auroc = [roc_auc_score(np.arange(30) == i, -distance[i]) for i in range(30)]
    ranks = exact_ranks(query, gallery)
    assert pssr(ranks, ties="expected") == pytest.approx(29 / 30 * np.mean(auroc))
    assert pssr(ranks) == pytest.approx(pssr(ranks, ties="expected") - ranks.tied.mean() / 60)


def test_a_collapsed_query_tower_scores_chance_exactly():
    gallery = np.random.default_rng(0).normal(size=(50, 4))
    ranks = exact_ranks(np.ones((50, 4)), gallery)
    assert pssr(ranks) == pytest.approx(49 / 100)
    assert all(recall_at_k(ranks, k) == pytest.approx(k / 50) for k in (1, 5, 50))


def test_a_collapsed_gallery_scores_nothing_or_everything():
    ranks = exact_ranks(np.random.default_rng(0).normal(size=(50, 4)), np.ones((50, 4)))
    assert pssr(ranks) == 0
    assert pssr(ranks, ties="optimistic") == 49 / 50
    assert recall_at_k(ranks, 1) == 0
    assert recall_at_k(ranks, 1, ties="optimistic") == 1
    assert recall_at_k(ranks, 1, ties="expected") == pytest.approx(1 / 50)


@pytest.mark.parametrize(("n", "one_percent"), [(1, 1), (2, 1), (99, 1), (100, 1), (199, 1), (200, 2), (6194, 61)])
def test_a_percentage_is_never_no_place(n, one_percent):
    assert places("1%", n) == one_percent
    assert places("100%", n) == n


def test_decimal_percentages_are_not_lost_to_rounding():
    assert places("0.7%", 1000) == 7
    assert places("29%", 100) == 29


@pytest.mark.parametrize("k", [0, -1, 11, 1.5, True, "0%", "101%", "1", "x%", "nan%"])
def test_a_k_that_means_nothing_is_refused(k):
    with pytest.raises(ValueError, match="expected"):
        places(k, 10)


def test_an_unknown_tie_rule_is_refused():
    with pytest.raises(ValueError, match="unknown tie rule 'kind'"):
        pssr(Ranks([0], [0], 1), ties="kind")


@pytest.mark.parametrize("n", [1, 2, 99, 100])
def test_a_perfect_model_is_perfect_at_every_size(n):
    table = summary(Ranks(np.zeros(n), np.zeros(n), n), resamples=20)
    assert (table.drop("PSSR").value == 1).all()
    assert table.loc["PSSR", "value"] == pytest.approx((n - 1) / n)


def test_chance_is_where_random_ranks_fall():
    rng = np.random.default_rng(0)
    n, inside = 200, []
    for _ in range(60):
        table = summary(Ranks(rng.integers(n, size=n), np.zeros(n), n), resamples=2)
        inside.append((table.value >= table.chance_low - 1e-12) & (table.value <= table.chance_high + 1e-12))
    share = np.mean(inside, axis=0)
    assert (share > 0.85).all()
    assert summary(Ranks(rng.integers(n, size=n), np.zeros(n), n)).loc["PSSR", "p_value"] > 1e-4
    assert summary(Ranks(rng.integers(n // 2, size=n), np.zeros(n), n)).loc["PSSR", "p_value"] < 1e-9


def test_closed_form_of_chance_pssr():
    n = 6194
    table = summary(Ranks(np.arange(n), np.zeros(n), n), resamples=2)
    assert table.loc["PSSR", "chance"] == pytest.approx(0.49992, abs=1e-5)
    assert table.loc["PSSR", "chance_high"] - table.loc["PSSR", "chance"] == pytest.approx(1.96 * 0.00367, abs=1e-5)


def test_the_interval_covers_the_truth_and_resamples_places():
    rng = np.random.default_rng(0)
    closer = rng.integers(0, 100, 40).repeat(5)  # five crops of one place share its luck
    ranks = Ranks(closer, np.zeros(200), 100)
    alone = summary(ranks).loc["PSSR"]
    together = summary(ranks, places=np.arange(40).repeat(5)).loc["PSSR"]
    assert alone.low < alone.value < alone.high
    assert together.high - together.low > 1.8 * (alone.high - alone.low)


def test_a_summary_repeats_and_is_json():
    ranks = Ranks([0, 3, 5], [1, 0, 2], 12)
    first, second = (summary(ranks, resamples=50, seed=3).to_json() for _ in range(2))
    assert first == second
    assert json.loads(first)["value"]["PSSR"] == pytest.approx(pssr(ranks))


def test_galleries_of_several_sizes():
    ranks = Ranks([0, 1], [0, 0], np.array([10, 4]))
    assert per_query_pssr(ranks, ties="pessimistic").tolist() == [0.9, 0.5]
    assert recall_at_k(ranks, "50%") == 1
    with pytest.raises(ValueError, match="one gallery size"):
        recall_curve(ranks)


def test_mean_and_median_rank():
    ranks = Ranks([0, 1, 8], [0, 2, 0], 10)
    assert mean_rank(ranks) == pytest.approx((1 + 4 + 9) / 3)
    assert median_rank(ranks, ties="optimistic") == 2
    assert metrics.per_query_rank(ranks, ties="expected").tolist() == [1, 3, 9]
