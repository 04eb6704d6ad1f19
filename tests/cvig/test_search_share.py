"""The search share: what conformal prediction promises, counted in trials and by exact sums."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cvig.metrics import search_share
from cvig.metrics.conformal import conformal_bound, coverage_interval, quantile_interval
from cvig.ranking import Ranks


@given(st.integers(1, 200), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_the_bound_of_single_scores_is_the_order_statistic_of_the_finite_sample(n, coverage):
    k = math.ceil(round((n + 1) * coverage, 9))
    assert conformal_bound(np.random.default_rng(n).permutation(n), coverage) == (k - 1 if k <= n else math.inf)


def test_a_new_score_keeps_the_bound_as_often_as_promised_and_hardly_more():
    rng, trials, n = np.random.default_rng(0), 4000, 39
    for coverage in (0.5, 0.8, 0.9):
        kept = sum(rng.exponential() <= conformal_bound(rng.exponential(size=n), coverage) for _ in range(trials))
        expected = math.ceil(coverage * (n + 1)) / (n + 1)
        assert stats.binomtest(kept, trials, expected).pvalue > 1e-3


def test_scores_that_share_a_place_promise_less_than_as_many_single_ones():
    rng, trials, kept, naive = np.random.default_rng(1), 2000, 0, 0
    for _ in range(trials):
        sizes = rng.integers(1, 12, 10)
        place = np.repeat(np.arange(10), sizes)
        scores = rng.normal(size=10)[place] + 0.1 * rng.normal(size=len(place))
        new = rng.normal() + 0.1 * rng.normal()
        kept += new <= conformal_bound(scores, 0.9, place)
        naive += new <= conformal_bound(scores, 0.9)
    assert stats.binomtest(kept, trials, 0.9, alternative="less").pvalue > 1e-3
    assert stats.binomtest(naive, trials, 0.9, alternative="less").pvalue < 1e-6


def test_ties_count_against_the_query_and_a_constant_gallery_rules_nothing_out():
    assert search_share(Ranks([0] * 99, [9] * 99, 10), 0.5).share == 1
    assert search_share(Ranks([0] * 99, [4] * 99, 10), 0.5).share == 0.5


def test_too_few_queries_rule_nothing_out():
    assert search_share(Ranks([0] * 8, [0] * 8, 100), 0.9).share == 1
    assert search_share(Ranks([0] * 9, [0] * 9, 100), 0.9).share == 0.01


def test_the_interval_holds_the_quantile_of_all_queries():
    rng, held = np.random.default_rng(2), 0
    for _ in range(1000):
        low, high = quantile_interval(rng.random(60), 0.8, limits=(0, 1))
        held += low <= 0.8 <= high
    assert stats.binomtest(held, 1000, 0.95, alternative="less").pvalue > 1e-3
    assert held < 1000


def test_what_fifty_pairs_promise_is_the_beta_distribution_of_the_order_statistic():
    rng = np.random.default_rng(3)
    bound = np.sort(rng.random((20000, 50)), axis=1)[:, 45]  # the 46th of 50, for ceil(0.9 * 51) is 46
    assert coverage_interval(50, 0.9) == pytest.approx(np.quantile(bound, [0.025, 0.975]), abs=0.004)


@pytest.mark.parametrize("coverage", [0, 1, -0.1, math.nan])
def test_a_coverage_that_nothing_or_everything_has_is_refused(coverage):
    with pytest.raises(ValueError, match=r"expected above 0 and below 1"):
        search_share(Ranks([0], [0], 2), coverage)
