"""Several answers a query: their form changes nothing, ties among them are counted, and views of one place are found."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvig.metrics import (
    mean_rank,
    mean_reciprocal_rank,
    per_query_rank,
    per_query_recall,
    per_query_reciprocal_rank,
    pssr,
    recall_at_k,
    recall_curve,
)
from cvig.ranking import Ranks, exact_ranks
from cvig.ranking.answers import as_pairs, shared_places

SOME = settings(derandomize=True, deadline=None, max_examples=60)


def everything(ranks):
    return [ranks.each(name).tolist() for name in ("closer", "tied", "gallery_size", "positives", "best", "places")]


def forms(positives, gallery):
    """The same answers as lists, as a matrix filled with -1, with the filling first, and as marks."""
    most = max(map(len, positives)) + 1
    filled = np.full((len(positives), most), -1)
    marks = np.zeros((len(positives), gallery), bool)
    for i, rows in enumerate(positives):
        filled[i, : len(rows)] = rows
        marks[i, rows] = True
    yield [np.array(rows) for rows in positives]
    yield np.array([np.array(rows) for rows in positives] + [None], dtype=object)[:-1]
    yield filled
    yield filled[:, ::-1].astype(np.int16)
    yield marks


def test_the_form_of_the_answers_changes_nothing():
    rng = np.random.default_rng(0)
    query, gallery = rng.integers(0, 3, (2, 40, 2)).astype(float)
    single = [[i // 4] for i in range(40)]
    several = [sorted(rng.choice(40, rng.integers(1, 5), replace=False).tolist()) for _ in range(40)]
    for positives in (single, several):
        found = [everything(exact_ranks(query, gallery, form)) for form in forms(positives, 40)]
        assert all(each == found[0] for each in found)
    flat = np.array(single).ravel()
    found = [everything(exact_ranks(query, gallery, form)) for form in (flat, flat.tolist(), flat[:, None], single)]
    assert all(each == found[0] for each in found)
    assert found[0][-1] == flat.tolist()


def test_marks_of_another_gallery_and_filling_alone_are_refused():
    with pytest.raises(ValueError, match=r"positives: marks of shape \(1, 3\), expected one for each of 2 gallery rows"):
        exact_ranks([[0.0]], [[0.0], [1.0]], np.ones((1, 3), bool))
    with pytest.raises(ValueError, match="1 queries have no positive, the first is query 1"):
        exact_ranks([[0.0], [0.0]], [[0.0], [1.0]], np.array([[0, -1], [-1, -1]]))


def over_orders(others, positives, of_place):
    """Mean of a function of the first positive's place over all orders of tied rows."""
    rows = [False] * others + [True] * positives
    orders = list(permutations(rows))
    return np.mean([of_place(order.index(True) + 1) for order in orders])


@pytest.mark.parametrize(("closer", "tied", "best"), [(0, 4, 2), (3, 3, 3), (2, 0, 3), (1, 5, 1), (0, 1, 5)])
def test_expected_values_are_means_over_orders_of_the_tied_rows(closer, tied, best):
    ranks = Ranks([closer], [tied], 12, positives=best + 1 if best < 4 else best, best=best)
    assert per_query_rank(ranks, ties="expected")[0] == pytest.approx(over_orders(tied, best, lambda j: closer + j))
    assert mean_rank(ranks, ties="optimistic") == closer + 1
    assert mean_rank(ranks, ties="pessimistic") == closer + tied + 1
    reciprocal = over_orders(tied, best, lambda j: 1 / (closer + j))
    assert per_query_reciprocal_rank(ranks, ties="expected")[0] == pytest.approx(reciprocal)
    curve = recall_curve(ranks, ties="expected")
    for k in range(1, 13):
        hit = over_orders(tied, best, lambda j, k=k: closer + j <= k)
        assert per_query_recall(ranks, k, ties="expected")[0] == pytest.approx(hit)
        assert curve[k] == pytest.approx(hit)
    assert curve[:-1].mean() == pytest.approx(pssr(ranks, ties="expected"))


def test_one_point_is_found_first_with_the_probability_of_its_answers():
    """Twenty answers among a thousand equal rows: a random order puts one first in 2% of cases."""
    ranks = exact_ranks(np.ones((5, 2)), np.ones((1000, 2)), [np.arange(20)] * 5, progress=False)
    assert (ranks.tied.tolist(), ranks.best, ranks.positives) == ([980] * 5, 20, 20)
    assert recall_at_k(ranks, 1, ties="expected") == pytest.approx(0.02)
    assert mean_rank(ranks, ties="expected") == pytest.approx(1001 / 21)
    assert recall_at_k(ranks, 1) == 0
    assert recall_at_k(ranks, 981) == 1
    assert mean_reciprocal_rank(ranks, ties="optimistic") == 1


@SOME
@given(st.integers(0, 2**32 - 1))
def test_best_counts_the_positives_as_far_as_the_best_placed(seed):
    rng = np.random.default_rng(seed)
    query, gallery = rng.integers(0, 3, (2, 8, 2)).astype(float)
    positives = [rng.choice(8, rng.integers(1, 5), replace=False) for _ in query]
    ignored = [rng.choice(8, rng.integers(0, 4), replace=False) for _ in query]
    ranks = exact_ranks(query, gallery, positives, ignored=ignored)
    far = np.square(query[:, None] - gallery).sum(axis=2)
    for i, right in enumerate(positives):
        assert ranks.each("best")[i] == (far[i, right] == far[i, right].min()).sum()
        assert ranks.each("positives")[i] == len(right)
        assert ranks.sizes[i] == 8 - len(set(ignored[i]) - set(right))


def places_of(positives, gallery=1000):
    return shared_places(as_pairs(positives, len(positives), gallery, "positives"), len(positives))


def test_equal_answers_are_one_place_and_distinct_ones_are_not():
    assert places_of([3, 5, 4]) is None
    assert places_of([[1, 2], [3, 4], [5]]) is None
    assert places_of([3, 5, 3]).tolist() == [0, 1, 0]
    assert places_of([[1, 2], [7], [2, 1]]).tolist() == [0, 1, 0]


def test_views_that_share_half_of_their_answers_are_one_place():
    found = places_of([[1, 2], [2], [2, 3], [9], [9, 8, 7, 6]])
    assert len(set(found[:3].tolist())) == 1
    assert len(set(found.tolist())) == 3  # one answer of four is shared by chance


def test_views_along_a_street_make_blocks_and_not_one_place():
    """Each view answers to the ten frames before and behind: every view is linked to the next."""
    views, near = 2000, 10
    found = places_of([np.arange(max(0, i - near), min(views, i + near + 1)) for i in range(views)], views)
    sizes = np.unique(found, return_counts=True)[1]
    assert sizes.max() <= 4 * near + 1
    assert 50 <= len(sizes) <= 150
    blocks = [np.flatnonzero(found == place) for place in np.unique(found)]
    assert all(np.ptp(block) <= 4 * near for block in blocks)


def test_the_order_of_the_queries_does_not_change_which_show_one_place():
    rng = np.random.default_rng(1)
    positives = [np.unique(np.clip(rng.integers(300) + np.arange(rng.integers(1, 6)), 0, 299)) for _ in range(200)]
    order = rng.permutation(200)
    straight, shuffled = places_of(positives), places_of([positives[i] for i in order])
    same = straight[order][:, None] == straight[order]
    assert ((shuffled[:, None] == shuffled) == same).all()


def test_noise_answers_are_no_places():
    rng = np.random.default_rng(2)
    assert places_of([rng.choice(1000, 20, replace=False) for _ in range(400)]) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"positives": 0, "best": 0},
            "1 impossible ranks, the first of query 0: 1 closer and 1 tied in a gallery of 4 with 0",
        ),
        ({"positives": 3}, "1 impossible ranks"),
        ({"positives": 2, "best": 3}, "1 impossible ranks"),
        ({"positives": [1, 1]}, r"positives of shape \(2,\): expected one for each of 1 queries"),
        ({"places": [1, 1]}, r"places of shape \(2,\)"),
    ],
)
def test_impossible_answers_cannot_be_made(options, message):
    with pytest.raises(ValueError, match=message):
        Ranks([1], [1], 4, **options)


def test_a_dictionary_by_query_is_read_by_its_keys():
    """Its order says nothing: rows of query i lie under i."""
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(30, 5))
    answer = rng.permutation(30)
    by_query = {i: [int(answer[i])] for i in rng.permutation(30).tolist()}
    np.testing.assert_array_equal(exact_ranks(gallery[answer], gallery, by_query).closer, 0)
    with pytest.raises(ValueError, match="expected the keys 0 to 29"):
        exact_ranks(gallery[answer], gallery, {i + 1: row for i, row in by_query.items()})


def test_masked_rows_are_refused():
    rows = np.ma.masked_array(np.eye(4), mask=False)
    assert len(exact_ranks(rows, np.eye(4))) == 4
    rows[2] = np.ma.masked
    with pytest.raises(ValueError, match="query: 1 rows are masked"):
        exact_ranks(rows, np.eye(4))
