"""Chance, intervals and the summary: each against enumeration or an independent implementation."""

import json
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cvig.metrics import TIES, chance, cluster_interval, median_interval, pssr, share_interval, summary
from cvig.metrics.inference import independent_layers
from cvig.metrics.intervals import effective_queries
from cvig.ranking import Ranks

SOME = settings(derandomize=True, deadline=None, max_examples=60)
SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=6)


def untied(closer, n):
    return Ranks(closer, np.zeros(len(closer)), n)


def sum_of_ranks(sizes):
    """Exact distribution of a sum of uniform ranks, by convolution of fractions: {total: probability}."""
    mass = {0: Fraction(1)}
    for n in sizes:
        new = {}
        for total, p in mass.items():
            for rank in range(1, n + 1):
                new[total + rank] = new.get(total + rank, 0) + p / n
        mass = new
    return mass


@SOME
@given(SIZES)
def test_the_sum_of_random_ranks_has_its_exact_distribution(sizes):
    mass = sum_of_ranks(sizes)
    for total in range(-1, sum(sizes) + 2):
        exact = float(sum(p for t, p in mass.items() if t <= total))
        assert chance.rank_sum_cdf(total, np.array(sizes)) == pytest.approx(exact, rel=1e-10, abs=0)
    for share in (0.025, 0.5, 0.975):
        smallest = next(t for t in sorted(mass) if float(sum(p for u, p in mass.items() if u <= t)) >= share - 1e-12)
        assert chance.rank_sum_quantile(share - 1e-12, np.array(sizes)) == smallest


def test_far_tails_keep_their_precision():
    """A mean rank below two of many: all ranks 1, or one rank 2, or two of them, or a 3."""
    m, n = 400, 1000
    ways = 1 + m + (m + m * (m - 1) // 2)
    exact = Fraction(ways, n**m)
    assert chance.rank_sum_cdf(m + 2, np.full(m, n)) == 0  # below what a float can hold
    m = 80
    exact = Fraction(1 + m + m + m * (m - 1) // 2, n**m)
    assert chance.rank_sum_cdf(m + 2, np.full(m, n)) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("n", [2, 10, 6194])
def test_many_ranks_sum_normally(n):
    m = 6194
    middle, deviation = m * (n + 1) / 2, np.sqrt(m * (n**2 - 1) / 12)
    for z in (-3, -1, 0, 1, 3):
        total = int(middle + z * deviation)
        normal = stats.norm.cdf(total + 0.5, middle, deviation)
        assert chance.rank_sum_cdf(total, np.full(m, n)) == pytest.approx(normal, rel=2e-3)


@settings(SOME, max_examples=25)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_pssr_against_chance_is_exact_with_one_size_and_on_the_safe_side_with_several(sizes):
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(chance, "FINE", 2**10)  # a coarser grid is as safe, and quick
    values = {}
    for closer in product(*(range(n) for n in sizes)):
        value = round(float(np.mean([(n - 1 - c) / n for n, c in zip(sizes, closer, strict=True)])), 12)
        values[value] = values.get(value, 0) + 1
    draws = sum(values.values())
    for value in values:
        exact = sum(count for v, count in values.items() if v >= value) / draws
        p = chance.pssr_tail(value, np.array(sizes))
        if len(set(sizes)) == 1:
            assert p == pytest.approx(exact)
        else:
            assert p >= exact - 1e-12
    low, high = chance.pssr_interval(0.1, np.array(sizes))
    assert sum(count for v, count in values.items() if v < low - 1e-9) <= 0.1 * draws
    assert sum(count for v, count in values.items() if v > high + 1e-9) <= 0.1 * draws
    monkeypatch.undo()


def test_the_bound_for_several_sizes_is_close_where_galleries_are_large():
    equal, nearly = np.full(500, 5000), np.where(np.arange(500) < 499, 5000, 4999)
    for value in (0.49, 0.52, 0.56):
        assert chance.pssr_tail(value, nearly) == pytest.approx(chance.pssr_tail(value, equal), rel=0.1)


@pytest.mark.parametrize(("m", "n"), [(1, 5), (3, 5), (5, 4), (2, 6), (4, 4)])
def test_the_median_of_random_ranks(m, n):
    """Exact with an odd number of queries; with an even number that of the lower middle rank, never too small."""
    medians = [np.sort(ranks) for ranks in product(range(1, n + 1), repeat=m)]
    for rank in range(1, n + 1):
        lower = np.mean([ranks[(m - 1) // 2] <= rank for ranks in medians])
        assert chance.median_cdf(rank, np.full(m, n)) == pytest.approx(lower)
        assert lower >= np.mean([np.median(ranks) <= rank for ranks in medians])


def test_recall_is_tested_by_scipys_binomial():
    row = summary(untied([0, 3, 9, 40, 7, 0], 100)).loc["R@10"]
    assert row.p_value == pytest.approx(stats.binomtest(5, 6, 0.1, alternative="greater").pvalue)


def test_reciprocal_rank_is_tested_by_simulation():
    ranks = untied([0, 5, 2], 8)
    draws = [np.mean([1 / r for r in d]) for d in product(range(1, 9), repeat=3)]
    exact = np.mean(np.array(draws) >= np.mean([1, 1 / 6, 1 / 3]) - 1e-12)
    assert summary(ranks).loc["MRR", "p_value"] == pytest.approx(exact, abs=0.04)
    assert summary(untied(np.zeros(50), 50)).loc["MRR", "p_value"] == 1 / 2000


def test_p_values_of_random_ranks_are_never_too_small_and_intervals_hold_them():
    rng = np.random.default_rng(0)
    n, p_values, inside = 100, [], []
    for _ in range(100):
        table = summary(untied(rng.integers(n, size=60), n), resamples=2)
        p_values.append(table.p_value)
        inside.append((table.value >= table.chance_low - 1e-12) & (table.value <= table.chance_high + 1e-12))
    assert (np.mean(inside, axis=0) > 0.89).all()
    small = np.mean(np.array(p_values) <= 0.1, axis=0)
    assert (small < 0.1 + 3 * np.sqrt(0.09 / 100)).all()
    assert (small[-4:-1] > 0.02).all()  # PSSR, MRR, mean rank: neither are they too large


@pytest.mark.parametrize("same", [True, False])
def test_crops_of_one_place_do_not_make_chance_significant(same):
    """Four crops a place, alike or independent: at most one test in ten falls below 0.1."""
    rng = np.random.default_rng(1)
    places = np.arange(50).repeat(4)
    p_values = []
    for _ in range(100):
        closer = rng.integers(100, size=50).repeat(4) if same else rng.integers(100, size=200)
        p_values.append(summary(untied(closer, 100), places=places, resamples=2).p_value)
    assert (np.mean(np.array(p_values) <= 0.1, axis=0) <= 0.1 + 3 * 0.03).all()
    better = summary(untied(rng.integers(50, size=200), 100), places=places)
    assert better.loc["PSSR", "p_value"] < 1e-6


def test_layers_hold_each_query_and_a_place_once():
    places = np.array([2, 0, 2, 1, 2, 0])
    layers = independent_layers(places)
    assert len(layers) == 3
    assert all(sorted(places[layer]) == [0, 1, 2] for layer in layers)
    assert set(np.concatenate(layers)) == set(range(6))


@pytest.mark.parametrize("ties", TIES)
def test_no_tie_rule_makes_a_collapsed_gallery_significant(ties):
    n = 50
    table = summary(Ranks(np.zeros(n), np.full(n, n - 1), n), ties=ties)
    assert (table.p_value > 0.99).all()
    assert (table.tied == 1).all()
    assert table.loc["R@1", "gap"] == 1
    assert table.loc["PSSR", "gap"] == pytest.approx((n - 1) / n)
    assert table.loc["median rank", "gap"] == n - 1


@pytest.mark.parametrize(("found", "of"), [(0, 100), (3, 100), (50, 100), (100, 100), (0, 1), (1, 2)])
def test_the_interval_of_recall_is_clopper_and_pearsons(found, of):
    values = (np.arange(of) < found).astype(float)
    exact = stats.binomtest(found, of).proportion_ci(method="exact")
    assert share_interval(values) == pytest.approx((exact.low, exact.high), abs=1e-12)
    # four equal crops of each place say no more than one
    low, high = share_interval(values.repeat(4), np.arange(of).repeat(4))
    assert low <= exact.low + 0.01
    assert high >= exact.high - 0.01


def test_effective_queries():
    rng = np.random.default_rng(0)
    hit = (rng.random(2000) < 0.3).astype(float)
    places = np.arange(2000).repeat(4)
    assert effective_queries(hit, np.arange(2000)) == 2000
    assert effective_queries(hit.repeat(4), places) == pytest.approx(2000, rel=0.01)
    independent = (rng.random(8000) < 0.3).astype(float)
    assert effective_queries(independent, places) == pytest.approx(8000, rel=0.1)
    assert effective_queries(np.zeros(8000), places) == 2000


def coverage(interval, draw, truth, trials=300):
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(trials):
        low, high = interval(draw(rng))
        inside += low - 1e-12 <= truth <= high + 1e-12
    return inside / trials


@pytest.mark.parametrize("views", [1, 4])
def test_intervals_cover_the_truth(views):
    """Ninety per cent intervals of 60 places whose views share their luck in part."""
    places = np.arange(60).repeat(views)

    def luck(rng):
        return np.where(rng.random(60 * views) < 0.5, rng.random(60).repeat(views), rng.random(60 * views))

    def hit(rng):
        return (luck(rng) < 0.1).astype(float)

    ends = {"limits": (0.0, 1.0), "resamples": 200, "confidence": 0.9}
    assert coverage(lambda v: share_interval(v, places, confidence=0.9), hit, 0.1) >= 0.88
    assert 0.84 < coverage(lambda v: cluster_interval(v, places, **ends), luck, 0.5) < 0.95
    assert coverage(lambda v: median_interval(v, places, last=1.0, confidence=0.9), luck, 0.5) >= 0.88


def test_the_interval_of_a_mean_covers_with_few_places_and_lopsided_values():
    """Fifteen places of 24 views, most of them near 1 as PSSR is: percentiles of resampled means hold the truth in 90%."""
    views, places = 24, np.arange(15).repeat(24)

    def shares(rng, count=15):
        return stats.norm.cdf(1.2 * (rng.normal(size=(count, 1)) + 0.7 * rng.normal(size=(count, views))) + 1.5).ravel()

    truth = stats.norm.cdf(1.5 / np.sqrt(1 + 1.44 * 1.49))  # of Φ(a + b Z), Z normal
    held = coverage(lambda v: cluster_interval(v, places, limits=(0, 1), resamples=300), shares, truth, trials=400)
    assert 0.93 < held < 0.98


def test_an_interval_is_never_a_false_certainty():
    """Where all places agree the mean may differ by what a share of places not met could do."""
    low, high = cluster_interval(np.full(99, 0.9), limits=(0.0, 1.0))
    unseen = 1 - 0.025 ** (1 / 99)
    assert (low, high) == pytest.approx((0.9 - 0.9 * unseen, 0.9 + 0.1 * unseen))
    assert cluster_interval(np.array([0.5]), limits=(0.0, 1.0)) == pytest.approx((0.0125, 0.9875))
    assert median_interval(np.array([4.0, 9.0]), last=10) == (1, 10)
    assert median_interval(np.arange(1.0, 7.0), last=10) == (1, 6)  # the least and the greatest of six: 97%


def test_crops_of_one_place_widen_every_interval():
    rng = np.random.default_rng(0)
    ranks = untied(rng.integers(0, 100, 40).repeat(5), 100)
    alone, together = summary(ranks), summary(ranks, places=np.arange(40).repeat(5))
    wider = (together.high - together.low) / (alone.high - alone.low)
    assert (wider[["R@5%", "R@10%", "PSSR", "MRR", "mean rank"]] > 1.8).all()
    assert wider["median rank"] > 1.3


@pytest.mark.parametrize("n", [1, 2, 99, 100, 6194])
def test_a_summary_at_every_size(n):
    table = summary(untied(np.zeros(n), n), resamples=20)
    assert list(table.index[-4:]) == ["PSSR", "MRR", "mean rank", "median rank"]
    assert (table.drop("PSSR").value == 1).all()
    assert table.loc["PSSR", "value"] == pytest.approx((n - 1) / n)
    assert table.notna().all(axis=None)
    assert (table.low <= table.value + 1e-12).all()
    assert (table.high >= table.value - 1e-12).all()
    assert (table.p_value <= (1 if n < 3 else 0.1)).all()


def test_a_summary_repeats_and_is_json():
    ranks = Ranks([0, 3, 5], [1, 0, 2], 12)
    first, second = (summary(ranks, resamples=50, seed=3).to_json() for _ in range(2))
    assert first == second
    assert json.loads(first)["value"]["PSSR"] == pytest.approx(pssr(ranks))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"places": [1, 2]}, r"places of shape \(2,\): expected one for each of 3 queries"),
        ({"places": [1, np.nan, np.nan]}, "places: 2 of 3 are NaN, the first of query 1"),
        ({"confidence": 95}, "confidence 95: expected between 0 and 1"),
        ({"resamples": 0}, "0 resamples: expected at least one"),
        ({"ties": "kind"}, "unknown tie rule"),
    ],
)
def test_what_makes_no_summary_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        summary(untied([0, 1, 2], 5), **options)
