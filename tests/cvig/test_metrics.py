"""Facts about the point values of recall, PSSR and their kin."""

from fractions import Fraction

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
    per_query_rank,
    pssr,
    recall_at_k,
    recall_curve,
    tied_fraction,
    top_size,
)
from cvig.ranking import Ranks, exact_ranks

SOME = settings(derandomize=True, deadline=None, max_examples=100)


@st.composite
def some_ranks(draw):
    n, queries = draw(st.integers(1, 30)), draw(st.integers(1, 10))
    closer = [draw(st.integers(0, n - 1)) for _ in range(queries)]
    tied = [draw(st.integers(0, n - 1 - c)) for c in closer]
    return Ranks(closer, tied, n)


def over_orders_of_ties(ranks, of_rank):
    """The exact mean of a function of the rank over all places that the positive may have among its ties."""
    each = [
        sum(of_rank(Fraction(c + 1 + i)) for i in range(t + 1)) / (t + 1)
        for c, t in zip(ranks.closer.tolist(), ranks.tied.tolist(), strict=True)
    ]
    return float(sum(each, Fraction(0)) / len(each))


def test_the_papers_example_of_places_102_and_51():
    before, after = Ranks([101], [0], 5000), Ranks([50], [0], 5000)
    assert recall_at_k(before, "1%") == recall_at_k(after, "1%") == 0
    assert pssr(after) - pssr(before) == pytest.approx(51 / 5000)


def test_equation_2_by_hand():
    """k = 3 (two closer and itself) and k = 4 (one closer, two tied, itself) of n = 10."""
    ranks = Ranks([2, 1], [0, 2], 10)
    assert per_query_pssr(ranks, ties="pessimistic").tolist() == [0.7, 0.6]
    assert pssr(ranks) == pytest.approx(0.65)


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
        lambda t: -mean_rank(ranks, ties=t),
        lambda t: -median_rank(ranks, ties=t),
    ):
        assert of("pessimistic") - 1e-12 <= of("expected") <= of("optimistic") + 1e-12


@SOME
@given(some_ranks(), st.integers(1, 30))
def test_expected_values_are_means_over_all_orders_of_ties(ranks, k):
    k = min(k, ranks.gallery_size)
    for of_rank, value in (
        (lambda r: Fraction(r <= k), recall_at_k(ranks, k, ties="expected")),
        (lambda r: 1 - r / ranks.gallery_size, pssr(ranks, ties="expected")),
        (lambda r: 1 / r, mean_reciprocal_rank(ranks, ties="expected")),
        (lambda r: r, mean_rank(ranks, ties="expected")),
    ):
        assert value == pytest.approx(over_orders_of_ties(ranks, of_rank), rel=1e-12, abs=1e-15)


@SOME
@given(some_ranks())
def test_without_ties_the_rules_agree_to_the_last_bit(ranks):
    ranks = Ranks(ranks.closer, np.zeros(len(ranks)), ranks.gallery_size)
    assert tied_fraction(ranks) == 0
    for of in (pssr, mean_rank, median_rank, mean_reciprocal_rank, lambda r, ties: recall_at_k(r, "10%", ties=ties)):
        assert of(ranks, ties="pessimistic") == of(ranks, ties="expected") == of(ranks, ties="optimistic")


@pytest.mark.parametrize(("n", "one_percent"), [(1, 1), (2, 1), (99, 1), (100, 1), (199, 1), (200, 2), (6194, 61)])
def test_a_percentage_is_never_no_row(n, one_percent):
    assert top_size("1%", n) == one_percent
    assert top_size("100%", n) == n
    perfect = Ranks(np.zeros(n), np.zeros(n), n)
    assert recall_at_k(perfect, "1%") == recall_at_k(perfect, "0.001%") == 1


@pytest.mark.parametrize("n", [1, 2, 99, 100, 6194])
def test_perfect_and_worst_models_at_every_size(n):
    best, worst = (Ranks(np.full(n, c), np.zeros(n), n) for c in (0, n - 1))
    assert recall_at_k(best, 1) == mean_reciprocal_rank(best) == median_rank(best) == 1
    assert pssr(best) == pytest.approx((n - 1) / n)
    assert pssr(worst) == 0
    assert median_rank(worst) == mean_rank(worst) == n


def test_decimal_percentages_are_not_lost_to_rounding():
    assert top_size("0.7%", 1000) == 7
    assert top_size("29%", 100) == 29


@pytest.mark.parametrize("k", [0, -1, 11, 1.5, True, "0%", "-1%", "101%", "1", "x%", "nan%", None])
def test_a_k_that_means_nothing_is_refused(k):
    with pytest.raises(ValueError, match=r"^k .*expected"):
        top_size(k, 10)
    with pytest.raises(ValueError, match=r"^k .*expected"):
        recall_at_k(Ranks([0], [0], 10), k)


@pytest.mark.parametrize("of", [pssr, mean_rank, median_rank, mean_reciprocal_rank, recall_curve])
def test_an_unknown_tie_rule_is_refused(of):
    with pytest.raises(ValueError, match="unknown tie rule 'kind': expected one of pessimistic"):
        of(Ranks([0], [0], 1), ties="kind")


def test_galleries_of_several_sizes():
    ranks = Ranks([0, 1], [0, 0], np.array([10, 4]))
    assert per_query_pssr(ranks, ties="pessimistic").tolist() == [0.9, 0.5]
    assert recall_at_k(ranks, "50%") == 1
    with pytest.raises(ValueError, match="one gallery size"):
        recall_curve(ranks)
    with pytest.raises(ValueError, match="k 5: expected between 1 and the 4 rows"):
        recall_at_k(ranks, 5)


def test_mean_and_median_rank():
    ranks = Ranks([0, 1, 8], [0, 2, 0], 10)
    assert mean_rank(ranks) == pytest.approx((1 + 4 + 9) / 3)
    assert median_rank(ranks, ties="optimistic") == 2
    assert per_query_rank(ranks, ties="expected").tolist() == [1, 3, 9]
    assert tied_fraction(ranks) == pytest.approx(1 / 3)


def test_published_torchmetrics_follows_the_order_of_rows_where_ours_does_not():
    """A positive and another row exactly as far: torchmetrics finds the one that the sort happens to put first."""
    RetrievalHitRate = pytest.importorskip("torchmetrics.retrieval").RetrievalHitRate
    torch = pytest.importorskip("torch")
    query = torch.zeros(1, 2)
    gallery = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    theirs, ours = [], []
    for positive in (0, 1):
        score = -torch.cdist(query, gallery).ravel()
        theirs.append(RetrievalHitRate(top_k=1)(score, torch.arange(2) == positive, indexes=torch.zeros(2).long()).item())
        ranks = exact_ranks(query, gallery, [positive])
        ours.append([recall_at_k(ranks, 1, ties=ties) for ties in TIES])
    assert sorted(theirs) == [0, 1]
    assert ours == [[0, 1, 0.5], [0, 1, 0.5]]


def test_what_the_package_names_it_has():
    pytest.importorskip("torchmetrics")
    assert {name for name in metrics.__all__ if not callable(getattr(metrics, name))} == {"TIES"}
    with pytest.raises(AttributeError, match="has no attribute 'recal'"):
        metrics.recal  # noqa: B018
