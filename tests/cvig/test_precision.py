"""Average precision against every order of the tied rows, and against scikit-learn."""

import dataclasses
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score

from cvig.metrics import mean_average_precision, per_query_average_precision, summary
from cvig.metrics.precision import by_chance, random_precisions, simulated_means
from cvig.ranking import Ranks, exact_ranks
from cvig.ranking.counted import PositiveRanks

SOME = settings(derandomize=True, deadline=None, max_examples=40)


def average_precision(right):
    places = np.flatnonzero(right) + 1
    return np.mean(np.arange(1, len(places) + 1) / places)


def over_orders(far, right):
    """Average precisions in all orders of the rows that sort by distance."""
    orders = (np.array(order) for order in permutations(range(len(far))))
    return [average_precision(right[order]) for order in orders if (np.diff(far[order]) >= 0).all()]


@SOME
@given(st.integers(0, 2**32 - 1))
def test_average_precision_is_that_of_all_orders_of_ties(seed):
    rng = np.random.default_rng(seed)
    query, gallery = rng.integers(0, 2, (2, 6, 2)).astype(float)
    positives = [rng.choice(6, rng.integers(1, 5), replace=False) for _ in query]
    ranks = exact_ranks(query, gallery, positives, every=True, progress=False)
    found = {ties: per_query_average_precision(ranks, ties=ties) for ties in ("pessimistic", "expected", "optimistic")}
    for i, rows in enumerate(positives):
        right = np.isin(np.arange(6), rows)
        each = over_orders(np.square(query[i] - gallery).sum(axis=1), right)
        assert found["expected"][i] == pytest.approx(np.mean(each), rel=1e-12)
        assert found["pessimistic"][i] == pytest.approx(min(each))
        assert found["optimistic"][i] == pytest.approx(max(each))


def test_without_ties_it_is_scikit_learns():
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(9, 4)), rng.normal(size=(50, 4))
    positives = [rng.choice(50, rng.integers(1, 9), replace=False) for _ in query]
    ignored = [np.setdiff1d(rng.choice(50, 5), rows) for rows in positives]
    ranks = exact_ranks(query, gallery, positives, ignored=ignored, every=True, progress=False)
    expected = []
    for row, rows, out in zip(query, positives, ignored, strict=True):
        kept = np.setdiff1d(np.arange(50), out)
        far = np.square(row - gallery[kept]).sum(axis=1)
        expected.append(average_precision_score(np.isin(kept, rows), -far))
    for ties in ("pessimistic", "expected", "optimistic"):
        assert per_query_average_precision(ranks, ties=ties) == pytest.approx(expected)
    assert summary(ranks, resamples=20).loc["mAP", "value"] == pytest.approx(np.mean(expected))


def test_one_point_has_the_average_precision_of_chance():
    """Two answers among five equal rows: the mean over all ten ways to place them."""
    ranks = exact_ranks([[0.0]], np.ones((5, 1)), [[0, 3]], every=True, progress=False)
    ways = [average_precision(np.isin(np.arange(5), way)) for way in permutations(range(5), 2)]
    assert mean_average_precision(ranks, ties="expected") == pytest.approx(np.mean(ways))
    assert by_chance(np.array([5]), np.array([2]))[0] == pytest.approx(np.mean(ways))


def test_the_best_placed_alone_are_not_enough():
    assert mean_average_precision(Ranks([1], [1], 5), ties="expected") == pytest.approx((1 / 2 + 1 / 3) / 2)
    with pytest.raises(ValueError, match="average precision needs the ranks of all positives"):
        mean_average_precision(Ranks([1], [1], 5, 2))


def test_random_orders_have_the_average_precision_of_all_orders():
    ways = [average_precision(np.isin(np.arange(6), way)) for way in combinations(range(6), 2)]
    drawn = random_precisions(6, 2, 30_000, np.random.default_rng(0))
    for value in set(np.round(ways, 9)):
        share = np.mean(np.abs(np.array(ways) - value) < 1e-8)
        assert np.mean(np.abs(drawn - value) < 1e-8) == pytest.approx(share, abs=0.01)


def noise(rng, positives, size=50):
    """Ranks of all positives in random orders, without ties."""
    query = np.repeat(np.arange(len(positives)), positives)
    places = [np.sort(rng.choice(size, m, replace=False)) for m in positives]
    closer = np.concatenate([place - np.arange(len(place)) for place in places])
    every = PositiveRanks(query, closer, np.zeros_like(closer))
    return Ranks([place[0] for place in places], np.zeros(len(positives)), size, positives, every=every)


def test_the_test_of_average_precision_keeps_its_level_on_noise():
    rng = np.random.default_rng(0)
    positives = rng.choice([1, 2, 9], 40)
    drawn = simulated_means(np.full(40, 50), positives, 1999, seed=0)
    found = np.array([mean_average_precision(noise(rng, positives)) for _ in range(300)])
    assert stats.kstest((1 + (drawn >= found[:, None]).sum(axis=1)) / 2000, "uniform").pvalue > 0.01
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert 0.92 < np.mean((found >= low) & (found <= high)) < 0.98
    row = summary(noise(rng, positives), resamples=2).loc["mAP"]
    assert (row.chance_low, row.chance_high) == pytest.approx((low, high))
    better = noise(rng, positives)
    none = np.zeros_like(better.every.query)
    better = dataclasses.replace(better, closer=0 * better.closer, every=PositiveRanks(better.every.query, none, none))
    assert summary(better, resamples=2).loc["mAP", "p_value"] == 1 / 2000


def test_of_one_answer_average_precision_is_reciprocal_rank():
    ranks = noise(np.random.default_rng(0), np.ones(30, np.int64))
    table = summary(ranks, resamples=50)
    assert table.loc["mAP"].tolist() == table.loc["MRR"].tolist()
