"""Random orders with several answers: distributions by enumeration, p-values by simulation, intervals by their coverage."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy import stats

from cvig.metrics import chance, cluster_interval, median_interval, share_interval, summary
from cvig.metrics.orders import first_of, none_among_first
from cvig.ranking import Ranks, exact_ranks
from cvig.ranking.answers import as_pairs, shared_places


def test_the_best_of_several_answers_is_negative_hypergeometric():
    for n, m in ((1, 1), (5, 5), (7, 3), (30, 4)):
        exact = [Fraction(comb(n - k, m), comb(n, m)) for k in range(n + 1)]
        assert none_among_first(np.arange(n + 1), n, m) == pytest.approx([float(x) for x in exact], rel=1e-12)
        assert first_of(n, m) == pytest.approx(np.diff([float(1 - x) for x in exact])[: n - m + 1])
    big = none_among_first(np.array([10**5]), 10**8, np.array([10**4]))
    assert big == pytest.approx(stats.hypergeom.pmf(0, 10**8, 10**4, 10**5), rel=1e-9)


def sums(kinds):
    mass = [Fraction(1)]
    for n, m in kinds:
        each = [Fraction(comb(n - r, m - 1), comb(n, m)) for r in range(1, n - m + 2)]
        new = [Fraction(0)] * (len(mass) + len(each) - 1)
        for a, x in enumerate(mass):
            for b, y in enumerate(each):
                new[a + b] += x * y
        mass = new
    return np.cumsum([float(p) for p in mass])


@pytest.mark.parametrize("kinds", [[(9, 3)], [(80, 2), (90, 20)], [(7, 7), (5, 1), (6, 2)], [(70, 3)] * 2 + [(9, 2)] * 2])
def test_sums_of_ranks_have_their_exact_distribution(kinds):
    sizes, positives = np.array(kinds).T
    for excess, exact in enumerate(sums(kinds)):
        assert chance.rank_sum_cdf(excess + len(kinds), sizes, positives) == pytest.approx(exact, rel=1e-10)
    for share in (0.025, 0.5, 0.975):
        expected = len(kinds) + int(np.argmax(sums(kinds) >= share))
        assert chance.rank_sum_quantile(share, sizes, positives) == expected


def test_hits_of_unequal_queries_are_counted_exactly():
    found = np.array([0.1, 0.5, 0.5, 0.9, 0.02])
    mass = np.array([1.0])
    for p in found:
        mass = np.convolve(mass, [1 - p, p])
    for hits in range(7):
        assert chance.recall_tail(hits, found) == pytest.approx(mass[hits:].sum(), rel=1e-12)
    assert chance.recall_quantile(0.5, found) == int(np.argmax(np.cumsum(mass) >= 0.5))


def test_many_gallery_sizes_are_as_good_as_interpolated():
    rng = np.random.default_rng(0)
    sizes = rng.integers(500, 3000, 800)
    total = int(0.97 * sizes.sum() / 2)
    normal = stats.norm.cdf((total + 0.5 - ((sizes + 1) / 2).sum()) / np.sqrt(((sizes**2 - 1) / 12).sum()))
    assert chance.rank_sum_cdf(total, sizes) == pytest.approx(normal, rel=0.01)


DRAWS = 200
NOISE = {"one": 1, "three": 3, "twenty": 20, "mixed": None}


@pytest.mark.parametrize("m", NOISE.values(), ids=NOISE.keys())
def test_p_values_of_noise_are_uniform(m):
    """Draws of embeddings that know nothing: no metric's p is small more often than it says."""
    rng = np.random.default_rng(7)
    count, n, p_values, inside = 60, 200, [], []
    positives = np.full(count, m) if m else rng.choice([1, 2, 5, 40], count)
    for _ in range(DRAWS):
        rank = np.array([rng.permutation(n)[:each].min() for each in positives])
        table = summary(Ranks(rank, np.zeros(count), n, positives), resamples=2)
        p_values.append(table.p_value)
        inside.append((table.value >= table.chance_low - 1e-12) & (table.value <= table.chance_high + 1e-12))
    p = np.array(p_values)
    for level in (0.05, 0.2, 0.5):
        assert ((p <= level).mean(axis=0) <= level + 3.5 * np.sqrt(level * (1 - level) / DRAWS)).all()
    for name in ("PSSR", "MRR", "mean rank"):  # these have no large steps
        assert stats.kstest(p[:, list(table.index).index(name)], "uniform").pvalue > 1e-3
    assert (np.mean(inside, axis=0) >= 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / DRAWS)).all()


def test_noise_embeddings_with_twenty_answers_are_no_better_than_chance():
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(1000, 16)).astype(np.float32)
    query = rng.normal(size=(150, 16)).astype(np.float32)
    positives = [rng.choice(1000, 20, replace=False) for _ in query]
    table = summary(exact_ranks(query, gallery, positives, progress=False), resamples=10)
    assert table.loc["R@1", "chance"] == pytest.approx(0.02)
    assert table.loc["PSSR", "chance"] == pytest.approx(1 - 1001 / 21 / 1000)
    assert (table.p_value > 1e-3).all()
    assert table.p_value.drop("MRR").min() < 1


def test_a_null_of_one_answer_would_call_noise_significant():
    rng = np.random.default_rng(0)
    rank = np.array([rng.permutation(200)[:5].min() for _ in range(60)])
    none = np.zeros(60)
    assert summary(Ranks(rank, none, 200, 5), resamples=2).p_value.min() > 1e-3
    assert summary(Ranks(rank, none, 200, 1), resamples=2).loc["PSSR", "p_value"] < 1e-10


@pytest.mark.parametrize("overlap", [False, True])
def test_intervals_of_views_that_share_answers_cover_the_truth(overlap):
    """Twenty-four views of each of forty places, whose luck is half their place's: 95% intervals."""
    rng = np.random.default_rng(1)
    places, views, trials = 40, 24, 200
    rows = [5 * place + np.arange(5) for place in range(places) for _ in range(views)]
    if overlap:
        rows = [rng.choice(each, rng.integers(3, 6), replace=False) for each in rows]
    group = shared_places(as_pairs(rows, len(rows), 5 * places, "positives"), len(rows))
    assert len(np.unique(group)) == places
    inside = np.zeros(3)
    for _ in range(trials):
        shared = rng.random((places, 1)).repeat(views, axis=1)
        luck = np.where(rng.random((places, views)) < 0.5, shared, rng.random((places, views))).ravel()
        ends = (
            (share_interval((luck < 0.3).astype(float), group), 0.3),
            (cluster_interval(luck, group, limits=(0, 1), resamples=300), 0.5),
            (median_interval(luck, group, last=1.0), 0.5),
        )
        inside += [low <= truth <= high for (low, high), truth in ends]
    assert (inside / trials >= 0.9).all(), inside / trials
