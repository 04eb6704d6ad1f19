"""The mathematics of PSSR, each fact as a property: n gallery rows, s strictly closer than the positive, t tied with it."""

from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cvig.metrics import TIES, mean_rank, per_query_pssr, per_query_rank, pssr, recall_at_k, recall_curve, summary
from cvig.ranking import Ranks, exact_ranks

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def embeddings(draw, grid=True):
    """Query and gallery embeddings, on a grid where ties are wanted."""
    n, dimensions = draw(st.integers(2, 12)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(SEEDS))
    if grid:
        return rng.integers(0, 3, (2, n, dimensions)).astype(float)
    return rng.normal(size=(2, n, dimensions))


def distances(query, gallery):
    return np.square(query[:, None] - gallery).sum(axis=-1)


@PROPERTY
@given(embeddings())
def test_1_pssr_is_an_affine_map_of_the_mean_pessimistic_rank(pair):
    query, gallery = pair
    n = len(gallery)
    k = (distances(query, gallery) <= np.diag(distances(query, gallery))[:, None]).sum(axis=1)
    ranks = exact_ranks(query, gallery)
    assert pssr(ranks) == pytest.approx(1 - k.mean() / n)
    assert pssr(ranks) == pytest.approx(1 - mean_rank(ranks) / n)
    assert 0 <= pssr(ranks) <= (n - 1) / n


@PROPERTY
@given(embeddings())
def test_2_mid_rank_pssr_is_the_mean_auroc_of_mann_and_whitney(pair):
    query, gallery = pair
    n, far = len(gallery), distances(query, gallery)
    u = [stats.mannwhitneyu(-far[i, [i]], -np.delete(far[i], i)).statistic for i in range(n)]
    ranks = exact_ranks(query, gallery)
    assert n - per_query_rank(ranks, ties="expected") == pytest.approx(u)
    auroc = np.mean(u) / (n - 1)
    assert pssr(ranks, ties="expected") == pytest.approx((n - 1) / n * auroc)
    assert pssr(ranks) == pytest.approx(pssr(ranks, ties="expected") - ranks.tied.mean() / (2 * n))


@PROPERTY
@given(embeddings(), st.sampled_from(TIES))
def test_3_pssr_is_the_area_under_the_recall_curve(pair, ties):
    ranks = exact_ranks(*pair)
    n = len(ranks)
    area = sum(recall_at_k(ranks, k, ties=ties) for k in range(1, n)) / n
    assert pssr(ranks, ties=ties) == pytest.approx(area)
    assert pssr(ranks, ties=ties) == pytest.approx(recall_curve(ranks, ties=ties)[:-1].mean())


@pytest.mark.parametrize(("n", "queries"), [(1, 1), (2, 3), (4, 4), (7, 3)])
def test_4_mean_and_variance_of_independent_random_ranks(n, queries):
    values = [pssr(Ranks(closer, np.zeros(queries), n)) for closer in product(range(n), repeat=queries)]
    assert np.mean(values) == pytest.approx((n - 1) / (2 * n))
    assert np.var(values) == pytest.approx((n**2 - 1) / (12 * n**2 * queries))


def test_4_at_the_papers_size():
    n = 6194
    row = summary(Ranks(np.arange(n), np.zeros(n), n), resamples=2).loc["PSSR"]
    assert row.chance == pytest.approx(0.49992, abs=5e-6)
    assert (row.chance_high - row.chance_low) / (2 * stats.norm.ppf(0.975)) == pytest.approx(0.00367, abs=5e-6)
    assert (row.chance_low, row.chance_high) == pytest.approx((0.4927, 0.5071), abs=5e-5)


def dealt_variance(ranks):
    """Exact variance of the mean rank when the positives of one rank matrix are dealt by a random permutation."""
    n = len(ranks)
    means = [Fraction(int(sum(ranks[i, j] for i, j in enumerate(deal))), n) for deal in permutations(range(n))]
    return float(sum(m * m for m in means) / len(means) - (sum(means) / len(means)) ** 2)


@settings(PROPERTY, max_examples=15)
@given(SEEDS, st.integers(2, 5))
def test_5_variance_of_one_matrix_with_its_positives_dealt_at_random(seed, n):
    query, gallery = np.random.default_rng(seed).normal(size=(2, n, 2))
    ranks = np.stack([per_query_rank(exact_ranks(query, gallery, np.full(n, j)), ties="expected") for j in range(n)], 1)
    assert (np.sort(ranks) == np.arange(1, n + 1)).all()
    formula = ((n**2 - 1) / 12 - np.var(ranks.mean(axis=0))) / (n - 1)
    assert dealt_variance(ranks) == pytest.approx(formula, abs=1e-12)


def test_5_hubs_shrink_it_to_nothing_and_their_absence_exceeds_independence_by_little():
    n = 5
    one_ranking = np.tile(np.arange(1, n + 1), (n, 1))
    assert dealt_variance(one_ranking) == 0
    no_hubs = (np.arange(n)[:, None] + np.arange(n)) % n + 1
    independent = (n**2 - 1) / (12 * n)
    assert dealt_variance(no_hubs) == pytest.approx(independent * n / (n - 1))


@PROPERTY
@given(embeddings(grid=False))
def test_6_one_point_of_queries_scores_chance_exactly(pair):
    query, gallery = pair
    n = len(gallery)
    ranks = exact_ranks(np.broadcast_to(query[:1], query.shape), gallery)
    assert sorted(ranks.closer.tolist()) == list(range(n))
    assert pssr(ranks) == pytest.approx((n - 1) / (2 * n))
    assert all(recall_at_k(ranks, k) == pytest.approx(k / n) for k in range(1, n + 1))


@PROPERTY
@given(embeddings(grid=False))
def test_6_one_point_of_gallery_scores_nothing_or_everything(pair):
    query, gallery = pair
    n = len(gallery)
    point = np.broadcast_to(gallery[:1], gallery.shape)
    ranks = exact_ranks(query, point)
    assert (ranks.closer + ranks.tied + 1 == n).all()
    assert pssr(ranks) == 0
    assert 1 - ranks.closer.mean() / n == 1
    for k in range(1, n):
        assert recall_at_k(ranks, k) == 0
        assert recall_at_k(ranks, k, ties="optimistic") == 1
        assert recall_at_k(ranks, k, ties="expected") == pytest.approx(k / n)
    # counted down the columns, queries for each aerial image, the ranks are 1 to n
    assert sorted(exact_ranks(point, query).closer.tolist()) == list(range(n))


@PROPERTY
@given(embeddings(), st.data())
def test_7_one_nan_is_refused_where_equation_2_calls_it_perfect(pair, data):
    query, gallery = pair
    i = data.draw(st.integers(0, len(query) - 1))
    query[i, 0] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    with np.errstate(invalid="ignore"):
        far = distances(query, gallery)
        k = (far[i] <= far[i, i]).sum()
    assert k == (0 if np.isnan(query[i, 0]) else len(gallery))
    with pytest.raises(ValueError, match=f"query: 1 of {len(query)} rows hold NaN or infinity, the first is row {i}"):
        exact_ranks(query, gallery)


@PROPERTY
@given(embeddings(), st.data())
def test_8_any_number_of_queries_and_of_positives(pair, data):
    gallery = pair[1]
    n = len(gallery)
    query = pair[0][: data.draw(st.integers(1, n))]
    positives = [data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True)) for _ in query]
    expected = []
    for row, right in zip(distances(query, gallery), positives, strict=True):
        others = np.delete(row, right)
        expected.append((n - 1 - (others <= row[right].min()).sum()) / n)
    ranks = exact_ranks(query, gallery, positives)
    assert ranks.gallery_size == n
    assert ranks.each("positives").tolist() == [len(right) for right in positives]
    assert per_query_pssr(ranks, ties="pessimistic") == pytest.approx(expected)
    assert pssr(ranks) == pytest.approx(np.mean(expected))
