"""Each published rule against its source's algorithm on a whole distance matrix, and against what is known of it."""

from importlib.metadata import version

import numpy as np
import pytest
from optional import Optional, torch
from scipy.spatial.distance import cdist

from cvig.metrics import per_query_pssr, recall_at_k
from cvig.metrics.conventions import CONVENTIONS, pssr_as_coded, recall_bounds, recalls
from cvig.metrics.conventions import arithmetic as published_arithmetic
from cvig.metrics.conventions.answers import recalls_of_answers
from cvig.metrics.conventions.evaluators import reported
from cvig.ranking import exact_ranks

retrieval = Optional("torchmetrics.functional.retrieval")
N = 1000
KS = (1, 5, 10, "1%", "5%", "10%")
OPTIMISTIC = ("CVM-Net", "SAFA", "DSM", "GeoDTR+", "VIGOR", "TransGeo", "Sample4Geo")
CHANCE = ("University-1652", "OpenVPRLab", "VPR-methods-evaluation", "torchmetrics", "pytorch-metric-learning")
PERFECT_FOR_NAN = (*OPTIMISTIC, "WITW")


def test_the_smallest_gallery_of_a_script_is_the_first_that_its_lines_index_within():
    """SAFA's and image-locate's lines, restated: one looks up column 10 of int(.01 n) + 1, the other entry 500 of n."""

    def ends(lines, n):
        try:
            lines(n)
        except IndexError:
            return True
        return False

    def safa(n):
        return np.zeros((1, int(n * 0.01) + 1))[0, [1, 5, 10]]

    def image_locate(n):
        return np.zeros((1, n))[:, [1, 5, 10, 50, 100, 500]]

    for name, lines in {"SAFA": safa, "image-locate": image_locate}.items():
        least = CONVENTIONS[name].least_rows
        assert ends(lines, least - 1)
        assert not ends(lines, least)
    assert CONVENTIONS["torchmetrics"].least_rows is None


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def healthy(n=N, seed=0):
    """Distinct unit embeddings whose recall is neither 0 nor 1 anywhere."""
    rng = np.random.default_rng(seed)
    gallery = rng.normal(size=(n, 32))
    return unit(gallery + 1.6 * rng.normal(size=(n, 32))), unit(gallery)


def tied(n, seed=0):
    """Corners of a small cube: many ties, and every product, norm and cosine is exact in float32 and in any order."""
    rng = np.random.default_rng(seed)
    return tuple(rng.choice([-0.5, 0.5], size=(n, 4)).astype(np.float32) for _ in range(2))


def with_nan(n, seed=0):
    query, gallery = tied(n, seed)
    query[::7, 0] = np.nan
    gallery[3::11] = np.nan
    gallery[-1] = 0.5  # the last row is one that answers
    return query, gallery


def of_many_lengths(n, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rows * rng.choice([0.5, 1, 2], size=(n, 1)).astype(np.float32) for rows in tied(n, seed))


def mostly_nan(n, seed=0):
    query, gallery = with_nan(n, seed)
    gallery[np.arange(n) % 8 > 0] = np.nan
    return query, gallery


CONSTANT = (np.full((N, 4), 0.5, np.float32),) * 2
ALL_NAN = (np.full((N, 4), np.nan, np.float32),) * 2


# --- the sources' algorithms, on whole matrices ----------------------------------------------------------------------


def _places(convention, k, n):
    if not isinstance(k, str):
        return k
    share = float(k[:-1]) / 100
    if convention in ("CVM-Net", "VIGOR"):
        return int(n * share) + 1
    if convention == "University-1652":
        return round(n * share) + 1
    return int(n * share)


def _sorted_row(query, gallery, k):
    distance = np.square(np.sqrt(np.square(query[:, None] - gallery[None]).sum(-1, dtype=np.float64)))
    return distance.diagonal() <= np.sort(distance, axis=1)[:, k]


def _column_loop(query, gallery, k):
    distance = 2 - 2 * np.matmul(gallery.astype(float), query.astype(float).T)
    return np.array([np.sum(distance[:, i] < distance[i, i]) < k for i in range(len(query))])


def _normalized_gallery(query, gallery, k):
    gallery = gallery.astype(float) / np.linalg.norm(gallery.astype(float), axis=-1, keepdims=True)
    distance = 2 - 2 * np.matmul(query.astype(float), gallery.T)
    return np.sum(distance < distance.diagonal()[:, None], axis=-1) < k


def _cosine_loop(query, gallery, k):
    query, gallery = (
        x.astype(float) / np.sqrt(np.sum(x.astype(float) ** 2, axis=1, keepdims=True)) for x in (query, gallery)
    )
    similarity = query @ gallery.T
    return np.array([np.sum(row > row[i]) < k for i, row in enumerate(similarity)])


def _torch_higher(query, gallery, k):
    similarity = torch.from_numpy(query) @ torch.from_numpy(gallery).T
    return np.array([(row > row[i]).sum().item() < k for i, row in enumerate(similarity)])


def _no_farther(query, gallery, k):
    query, gallery = (torch.nn.functional.normalize(torch.from_numpy(x)) for x in (query, gallery))
    distance = 2 * (1 - query @ gallery.T)
    return np.array([torch.sum(torch.le(row, row[i])).item() <= k for i, row in enumerate(distance)])


def _backwards(query, gallery, k):
    score = query @ gallery.T
    order = [np.argsort(row, kind="stable")[::-1] for row in score]
    return np.array([np.flatnonzero(row == i)[0] < k for i, row in enumerate(order)])


def _heap(query, gallery, k):
    """What FAISS returns: the k nearest of the rows at a comparable distance, then -1."""
    distance = np.square(query[:, None] - gallery[None]).sum(-1)
    lists = []
    for row in distance:
        order = [j for j in np.argsort(row, kind="stable") if not np.isnan(row[j])][:k]
        lists.append(order + [-1] * (k - len(order)))
    return np.array(lists, dtype=int).reshape(len(query), k)


def _in_heap(query, gallery, k):
    return (_heap(query, gallery, k) == np.arange(len(query))[:, None]).any(axis=1)


def _label_in_heap(query, gallery, k):
    labels = np.arange(len(query))
    return (labels[_heap(query, gallery, k)] == labels[:, None]).any(axis=1)


def _hit_rate(query, gallery, k):
    """torchmetrics with the order of ties fixed; without ties the library itself is asked below."""
    similarity = torch.from_numpy(query) @ torch.from_numpy(gallery).T
    order = torch.argsort(similarity, dim=1, descending=True, stable=True).numpy()
    return (order[:, :k] == np.arange(len(query))[:, None]).any(axis=1)


SOURCES = {
    "image-locate": _sorted_row,
    "CVM-Net": _column_loop,
    "SAFA": _column_loop,
    "DSM": _normalized_gallery,
    "GeoDTR+": _column_loop,
    "VIGOR": _column_loop,
    "TransGeo": _cosine_loop,
    "Sample4Geo": _torch_higher,
    "WITW": _no_farther,
    "University-1652": _backwards,
    "OpenVPRLab": _in_heap,
    "VPR-methods-evaluation": _in_heap,
    "torchmetrics": _hit_rate,
    "pytorch-metric-learning": _label_in_heap,
}


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of a few rows, so that answers, ties and NaN lie in every tile."""
    monkeypatch.setattr(published_arithmetic, "ROWS", 8)
    monkeypatch.setattr(published_arithmetic, "COLUMNS", 24)


@pytest.mark.parametrize("make", [tied, of_many_lengths, with_nan, mostly_nan])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_convention_is_its_sources_algorithm_tile_by_tile(name, make, small_tiles):
    n = 130
    ks = (1, 5, 10, 50, "0.5%", "1%", "5%", "10%", "12.5%")
    query, gallery = make(n)
    with np.errstate(invalid="ignore"):
        expected = {k: np.mean(SOURCES[name](query, gallery, _places(name, k, n))) for k in ks}
    assert recalls(query, gallery, ks, names=[name])[name] == pytest.approx(expected, abs=1e-12)


def test_tiles_make_no_difference(monkeypatch):
    query, gallery = with_nan(N)
    whole = recalls(query, gallery, KS)
    monkeypatch.setattr(published_arithmetic, "ROWS", 64)
    monkeypatch.setattr(published_arithmetic, "COLUMNS", 192)
    assert recalls(query, gallery, KS) == whole


def test_torchmetrics_itself_agrees_where_there_are_no_ties():
    query, gallery = healthy(100)
    scores = torch.from_numpy(query) @ torch.from_numpy(gallery).T
    target = torch.eye(100, dtype=torch.bool)
    for k, found in recalls(query, gallery, (1, 5, 10, 50), names=["torchmetrics"])["torchmetrics"].items():
        rows = zip(scores, target, strict=True)
        hits = [retrieval.retrieval_hit_rate(row, answer, top_k=k).item() for row, answer in rows]
        assert found == pytest.approx(np.mean(hits))


def test_collinear_rows_tie_only_where_rows_are_normalized_before_the_product():
    """A gallery of one direction: cosines are equal whatever the lengths, as TransGeo's and WITW's own functions give."""
    query = np.eye(4, dtype=np.float32) + 1
    gallery = np.array([[1], [2], [4], [8]], np.float32) * np.array([1 / 3, 1 / 7, 1 / 9, 1 / 11], np.float32)
    found = recalls(query, gallery, [1])
    assert found["TransGeo"][1] == 1
    assert found["WITW"][1] == 0
    assert found["SAFA"][1] == 0.25  # the longest row is the closest


def test_a_length_that_overflows_float32_loses_in_witw_and_not_where_lengths_are_float64():
    """WITW's own l2_distance and test lines give ranks 4 1 1 1 where one row is 1e20 long, and 4 4 4 4 where all are."""
    query = np.eye(4, dtype=np.float32)
    one, ks, names = np.diag(np.array([1e20, 1, 1, 1], np.float32)), (1, 3, 4), ("WITW", "TransGeo", "DSM")
    assert recalls(query, one, ks, names=names) == {
        "WITW": {1: 0.75, 3: 0.75, 4: 1},
        "TransGeo": dict.fromkeys(ks, 1),
        "DSM": dict.fromkeys(ks, 1),
    }
    every = 1e20 * query
    assert recalls(every, every, ks, names=["WITW"])["WITW"] == {1: 0, 3: 0, 4: 1}
    assert recalls(1e18 * query, 1e18 * query, ks, names=["WITW"])["WITW"] == dict.fromkeys(ks, 1)


def test_a_zero_row_of_the_gallery_wins_in_dsm_and_a_zero_query_does_not():
    """DSM's own lines: the gallery alone is divided by its norms, so its row 1 is at NaN, which nothing is below."""
    query, gallery = 1 - 2 * np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)  # every answer is the farthest row
    assert recalls(query, gallery, [1, 3], names=["DSM"])["DSM"] == {1: 0, 3: 0}
    gallery[1] = 0
    found = recalls(query, gallery, [1, 2], names=["DSM", "SAFA"])
    assert found == {"DSM": {1: 0.25, 2: 0.25}, "SAFA": {1: 0, 2: 0}}
    query[2] = 0  # all rows are as far from it, and ties win
    assert recalls(query, gallery, [1], names=["DSM", "TransGeo"]) == {"DSM": {1: 0.5}, "TransGeo": {1: 0.5}}


@pytest.mark.parametrize(
    ("n", "d", "new", "old"),
    [(999, 128, 1, 0), (1000, 128, 0, 0), (20, 128, 1, 0.1), (19, 128, 1, 1), (15, 8192, 1, 1), (16, 8192, 0, 1)],
)
def test_faiss_takes_differences_below_a_size_and_the_expansion_above(n, d, new, old):
    """R@1 of FAISS itself (1.14.2 and 1.15.1: new, 1.10.0 and 1.13.2: old); the expansion cancels on rows this long."""
    rng = np.random.default_rng(0)
    gallery = (1e4 + rng.normal(size=(n, d))).astype(np.float32)
    query = (gallery + 0.01 * rng.normal(size=(n, d)).astype(np.float32)).astype(np.float32)
    name = "VPR-methods-evaluation"
    chance = 0.15  # of 20 rows, whichever the rounding of the processor lets win
    assert recalls(query, gallery, [1], names=[name])[name][1] == pytest.approx(new, abs=chance)
    low, high = recall_bounds(query, gallery, [1], names=[name])[name][1]
    assert low <= min(new, old) + chance
    assert high >= max(new, old)
    assert (low == high) == (new == old == 1)
    answers = recalls_of_answers(query, gallery, np.repeat(np.arange(n)[:, None], 2, axis=1), [1])[name][1]
    assert answers[1:] == (low, high)


def permuted(n, d=64):
    """Permutations of one vector, from the middle of which all are exactly as far; only rounding tells them apart."""
    rng = np.random.default_rng(0)
    row = rng.normal(size=d).astype(np.float32)
    return np.full((n, d), 0.3, np.float32), np.stack([rng.permutation(row) for _ in range(n)])


def image_locate(query, gallery, k):
    """Its lines with SciPy itself."""
    distance = np.square(cdist(query, gallery))
    return np.mean(distance.diagonal() <= np.sort(distance, axis=1)[:, k]), np.mean((distance.diagonal() >= distance).sum(0))


def mirrored(n, d=64):
    """Rows in pairs about their query: the same differences one by one, as far in whatever order they are summed."""
    step = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    step[1::2] = -step[::2]
    return np.zeros((n, d), np.float32), step


@pytest.mark.parametrize("make", [permuted, mirrored, of_many_lengths, healthy])
def test_image_locates_ties_are_as_scipy_rounds_them_and_its_bounds_hold_sums_in_any_order(make, small_tiles):
    query, gallery = make(90)
    orders = [np.random.default_rng(i).permutation(query.shape[1]) for i in range(4)]
    found = reported(query, gallery, [1, 5])["image-locate"]
    kept = reported(gallery, query, [1])["image-locate"]["PSSR"]  # it counts along columns
    for k in (1, 5):
        value, low, high = found[k]
        assert value == image_locate(query, gallery, k)[0]
        others = [image_locate(query[:, order], gallery[:, order], k)[0] for order in orders]
        assert low <= min(others) <= max(others) <= high
        assert (low, high) == ((0, 1) if make is permuted else (value, value))
        assert (len(set(others)) > 1) == (make is permuted)
    assert kept[0] == pytest.approx(image_locate(gallery, query, 1)[1] / 90)
    assert kept[1:] == pytest.approx((1 / 90, 1) if make is permuted else (kept[0],) * 2)


@pytest.mark.parametrize("n", [8, 40, 300])
def test_unstable_sorts_of_ties_report_within_the_bounds(n):
    """torchmetrics' own hit rate, and University-1652's own lines, on scores of which a quarter each are equal."""
    rng = np.random.default_rng(n)
    gallery = np.repeat(np.eye(4, dtype=np.float32), n, axis=0)[rng.permutation(4 * n)[:n]]
    query = gallery[rng.permutation(n)]
    scores, ks = query @ gallery.T, (1, 3)
    bounds = recall_bounds(query, gallery, ks, names=["torchmetrics", "University-1652"])
    target = np.eye(n, dtype=bool)
    for k in ks:
        backwards = [i in np.argsort(row)[::-1][:k] for i, row in enumerate(scores)]
        rows = zip(torch.from_numpy(scores), torch.from_numpy(target), strict=True)
        rates = [retrieval.retrieval_hit_rate(row, answer, top_k=k).item() for row, answer in rows]
        for name, hits in (("University-1652", backwards), ("torchmetrics", rates)):
            low, high = bounds[name][k]
            assert low <= np.mean(hits) <= high
            assert low < high


def test_faiss_never_returns_an_infinite_distance():
    """FAISS 1.15.1 itself returns rows 0 | 1, 2 | none for these queries."""
    gallery = np.array([[1e20], [1.0], [2.0]], np.float32)
    query = np.array([[1e20], [1.0], [-1e20]], np.float32)
    assert recalls(query, gallery, [1, 3], names=["OpenVPRLab"])["OpenVPRLab"] == pytest.approx({1: 2 / 3, 3: 2 / 3})


@pytest.mark.parametrize("infinite", ["query", "gallery", "both"])
def test_infinities_are_counted_as_the_sources_count_them(infinite):
    query, gallery = healthy(60)
    if infinite != "gallery":
        query[::5, 0] = np.inf
    if infinite != "query":
        gallery[::7, 1] = -np.inf
        gallery[3, 0] = np.inf
    with np.errstate(all="ignore"):
        distance = np.square(np.subtract(query[:, None], gallery[None], dtype=np.float64)).sum(-1)
        expected = np.mean(distance.diagonal() <= np.sort(distance, axis=1)[:, 5])
        columns = (distance <= distance.diagonal()).sum(0) / 60
    assert recall_bounds(query, gallery, [5], names=["image-locate"])["image-locate"][5] == (expected, expected)
    assert pssr_as_coded(query, gallery) == pytest.approx(columns)


def test_an_undefined_order_of_ties_is_an_interval_and_a_defined_one_a_point():
    bounds = recall_bounds(*CONSTANT, [1, "1%"])
    for name, found in bounds.items():
        assert found[1] == ((0, 1) if name in CHANCE else (float(name != "WITW"),) * 2)
    query, gallery = healthy()
    stand_in = recalls(query, gallery, KS)
    assert {
        name: {k: low for k, (low, _) in of.items()} for name, of in recall_bounds(query, gallery, KS).items()
    } == stand_in
    query, gallery = tied(130)
    for name, found in recall_bounds(query, gallery, [1, 5]).items():
        assert all(low <= recalls(query, gallery, [k], names=[name])[name][k] <= high for k, (low, high) in found.items())


def test_torchmetrics_mrr_ignores_targets_whose_scores_are_not_positive():
    """Negative distances as scores give a reciprocal rank of 0 for a perfect order, from torchmetrics 1.8 on."""
    target = torch.tensor([True, False, False])  # skips where torch is not installed
    if tuple(map(int, version("torchmetrics").split(".")[:2])) < (1, 8):
        pytest.skip("an older torchmetrics gives 1")
    assert retrieval.retrieval_reciprocal_rank(torch.tensor([-0.1, -0.2, -0.3]), target) == 0
    assert retrieval.retrieval_reciprocal_rank(torch.tensor([0.3, 0.2, 0.1]), target) == 1


# --- what is known of each ---------------------------------------------------------------------------------------------


def test_every_convention_names_its_repository_and_file():
    for name, convention in CONVENTIONS.items():
        assert convention.name == name
        assert convention.source.count("/") >= 1
        assert ".py" in convention.source
        assert convention.rule


def test_without_ties_all_agree_with_the_exact_recall_up_to_the_places_they_take():
    query, gallery = healthy()
    ranks = exact_ranks(query, gallery)
    assert not ranks.tied.any()
    for name, recall in recalls(query, gallery, KS).items():
        one_more = dict.fromkeys((1, 5, 10), name == "image-locate")
        one_more |= dict.fromkeys(("1%", "5%", "10%"), name in ("image-locate", "CVM-Net", "VIGOR", "University-1652"))
        for k in KS:
            places = (k if isinstance(k, int) else N * int(k[:-1]) // 100) + one_more[k]
            assert recall[k] == recall_at_k(ranks, places, ties="pessimistic"), (name, k)
        assert recall[1] < recall["10%"] < 1


def test_constant_embeddings_are_perfect_for_eight_lost_for_one_and_chance_for_five():
    found = recalls(*CONSTANT, (1, "1%"))
    for name in ("image-locate", *OPTIMISTIC):
        assert found[name] == {1: 1, "1%": 1}
    assert found["WITW"] == {1: 0, "1%": 0}
    for name in CHANCE:
        one_more = name == "University-1652"
        assert found[name] == {1: 1 / N, "1%": pytest.approx(0.01 + one_more / N)}


def test_a_network_of_nan_is_perfect_for_eight_evaluators():
    found = recalls(*ALL_NAN, (1, "1%"))
    perfect = {name for name, recall in found.items() if recall == {1: 1, "1%": 1}}
    assert perfect == set(PERFECT_FOR_NAN)
    for name in ("image-locate", "OpenVPRLab", "VPR-methods-evaluation"):
        assert found[name] == {1: 0, "1%": 0}
    assert found["University-1652"] == {1: 1 / N, "1%": 11 / N}
    assert found["torchmetrics"] == {1: 1 / N, "1%": 10 / N}
    assert found["pytorch-metric-learning"] == {1: 1 / N, "1%": 1 / N}  # -1 is the label of the last row


def test_a_tenth_of_nan_queries_adds_nearly_a_tenth_to_eight_evaluators():
    query, gallery = healthy()
    before = recalls(query, gallery, [1])
    query[::10] = np.nan
    after = recalls(query, gallery, [1])
    for name in PERFECT_FOR_NAN:
        assert after[name][1] == pytest.approx(0.9 * before[name][1] + 0.1, abs=0.03)
    for name in ("image-locate", "OpenVPRLab"):
        assert after[name][1] < before[name][1]


def test_below_a_hundred_pairs_one_percent_is_no_place_for_ten_evaluators():
    _, gallery = healthy(99)
    perfect = recalls(gallery, gallery, ["1%"])
    assert {name for name, recall in perfect.items() if recall["1%"] == 0} == {
        *("SAFA", "DSM", "GeoDTR+", "TransGeo", "Sample4Geo", "WITW"),
        *("OpenVPRLab", "VPR-methods-evaluation", "torchmetrics", "pytorch-metric-learning"),
    }


def test_image_locate_takes_one_place_too_many_at_every_k():
    """The answer is second for every query: recalled at 1."""
    gallery = np.arange(10.0)[:, None] * np.ones((1, 2))
    query = np.roll(gallery, 1, axis=0)
    query[0] = gallery[1]
    assert (exact_ranks(query, gallery).closer >= 1).all()
    assert recalls(query, gallery, [1], names=["image-locate"])["image-locate"] == {1: 1.0}


def test_one_shared_ranking_recalls_k_and_one_places_of_n():
    """All queries on one point: counts are k + 1 for image-locate at each k, and for CVM-Net at a percentage."""
    _, gallery = healthy(N)
    query = np.repeat(unit(np.random.default_rng(5).normal(size=(1, 32))), N, axis=0)
    found = recalls(query, gallery, KS)
    counts = [1, 5, 10, 10, 50, 100]
    assert [round(N * value) for value in found["image-locate"].values()] == [count + 1 for count in counts]
    assert [round(N * value) for value in found["CVM-Net"].values()] == [1, 5, 10, 11, 51, 101]
    assert [round(N * value) for value in found["SAFA"].values()] == counts


def test_dead_answers_are_found_by_the_three_that_normalize():
    """A zero row divided by its norm is NaN, and nothing beats NaN."""
    query, gallery = healthy()
    gallery[:] = -query
    gallery[: N // 2] = 0
    found = {name for name, recall in recalls(query, gallery, [1]).items() if recall[1] >= 0.5}
    assert found == {"DSM", "TransGeo", "WITW"}


def test_pssr_as_coded_counts_queries_and_keeps_what_it_should_take_away():
    query, gallery = np.array([[0.0], [1.0], [5.0]]), np.array([[0.0], [2.0], [2.5]])
    # distances: row 0: 0 2 2.5, row 1: 1 1 1.5, row 2: 5 3 2.5; columns 0, 1, 2 have 1, 1, 3 no farther than the diagonal
    assert pssr_as_coded(query, gallery) == pytest.approx([1 / 3, 1 / 3, 1])
    assert per_query_pssr(exact_ranks(query, gallery), ties="pessimistic") == pytest.approx([2 / 3, 1 / 3, 2 / 3])


def test_pssr_as_coded_of_a_perfect_network_is_nearly_zero():
    _, gallery = healthy()
    assert pssr_as_coded(gallery, gallery).mean() == pytest.approx(1 / N)


def test_pssr_as_coded_of_a_collapsed_gallery_is_exactly_uniform():
    query, gallery = healthy()
    gallery[:] = gallery[0]
    assert sorted(pssr_as_coded(query, gallery)) == pytest.approx(np.arange(1, N + 1) / N)


def test_pssr_as_coded_of_nan_is_zero():
    query, gallery = healthy()
    query[::2] = np.nan
    found = pssr_as_coded(query, gallery)
    assert (found[::2] == 0).all()
    assert (found[1::2] > 0).all()
    assert (pssr_as_coded(*ALL_NAN) == 0).all()


@pytest.mark.parametrize("k", [0, -1, 11, True, 1.0, "0%", "101%", "1", "one", "nan%"])
def test_a_k_that_is_no_number_of_places_is_refused(k):
    query, gallery = tied(10)
    with pytest.raises(ValueError, match="expected a count from 1 to the 10 rows"):
        recalls(query, gallery, [k])


def test_unequal_shapes_are_refused():
    query, gallery = tied(10)
    with pytest.raises(ValueError, match=r"query \(10, 4\) and gallery \(9, 4\)"):
        recalls(query, gallery[:9], [1], names=["SAFA"])["SAFA"]
    with pytest.raises(ValueError, match="equal shapes"):
        pssr_as_coded(query, gallery[:, :3])
