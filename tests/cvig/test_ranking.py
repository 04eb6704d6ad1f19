"""Exact ranks against rational arithmetic."""

import math
import subprocess
import sys
from contextlib import nullcontext
from fractions import Fraction
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from optional import Optional, in_bfloat16, torch
from threadpoolctl import threadpool_limits

from cvig.ranking import (
    Ranks,
    arithmetic,
    certified,
    cosine,
    cosine_ranks,
    counting,
    exact_ranks,
    pairs,
    reverse_positives,
    threads,
    tiles,
)
from cvig.ranking.threads import Threads
from cvig.ranking.tiles import HostTiles

device = Optional("cvig.ranking.device")
EXACT = settings(derandomize=True, deadline=None, max_examples=150)


def oracle(query, gallery, positives, similarity="euclidean", ignored=None):
    """Closer and tied counts in Python's fractions."""

    def fractions(row):
        return [Fraction(x) for x in np.asarray(row, dtype=np.float64).tolist()]

    q, g = [fractions(row) for row in query], [fractions(row) for row in gallery]
    closer, tied = [], []
    for i, (row, right) in enumerate(zip(q, positives, strict=True)):
        right = np.atleast_1d(right).tolist()
        if similarity == "euclidean":
            far = [sum((a - b) ** 2 for a, b in zip(row, other, strict=True)) for other in g]
        else:
            far = [-sum(a * b for a, b in zip(row, other, strict=True)) for other in g]
        best = min(far[j] for j in right)
        out = set(right) | set(ignored[i] if ignored is not None else [])
        rest = [d for j, d in enumerate(far) if j not in out]
        closer.append(sum(d < best for d in rest))
        tied.append(sum(d == best for d in rest))
    return closer, tied


def assert_exact(query, gallery, positives=None, **options):
    ranks = exact_ranks(query, gallery, positives, **options)
    rows = np.arange(len(gallery)) if positives is None else positives
    options.pop("block", None)
    assert (ranks.closer.tolist(), ranks.tied.tolist()) == oracle(query, gallery, rows, **options)


@st.composite
def hostile(draw):
    """Embeddings made to be hard to rank: grids, duplicates, far-off clouds, one-ulp neighbours, mixed scales."""
    n, d = draw(st.integers(2, 8)), draw(st.integers(1, 4))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    whole = draw(arrays(np.int8, (2 * n, d), elements=st.integers(-3, 3))).astype(dtype)
    kind = draw(st.sampled_from(["grid", "offset", "ulp", "powers", "tiny"]))
    if kind == "offset":
        whole = (whole.astype(np.float64) * 2.0 ** -draw(st.integers(0, 8)) + 1000).astype(dtype)
    elif kind == "ulp":
        base = np.full_like(whole, draw(st.sampled_from([1.0, 0.1, 3.0])))
        whole = np.where(whole > 1, np.nextafter(base, dtype(9)), np.where(whole < -1, np.nextafter(base, dtype(0)), base))
    elif kind == "powers":
        whole = (whole * 2.0 ** (4 * (np.arange(d) % 3))).astype(dtype)
    elif kind == "tiny":
        whole = (whole * np.finfo(dtype).smallest_subnormal).astype(dtype)
    whole = whole.astype(dtype)
    order = draw(st.permutations(range(2 * n)))
    return whole[order[:n]], whole[order[n:]]


@EXACT
@given(hostile(), st.sampled_from(["euclidean", "dot"]))
def test_ranks_are_those_of_rational_arithmetic(pair, similarity):
    assert_exact(*pair, similarity=similarity)


@EXACT
@given(hostile(), st.randoms(use_true_random=False))
def test_several_positives_and_ignored_rows(pair, random):
    query, gallery = pair
    rows = range(len(gallery))
    positives = [random.sample(rows, random.randint(1, 2)) for _ in query]
    ignored = [random.sample(rows, random.randint(0, 2)) for _ in query]
    assert_exact(query, gallery, positives, ignored=ignored)


def integers(*arrays):
    """The same numbers as Python integers, in units of the smallest power of two that they hold."""
    fractions = [[[Fraction(x) for x in row] for row in np.asarray(a).tolist()] for a in arrays]
    unit = max(x.denominator for a in fractions for row in a for x in row)
    return [np.array([[int(x * unit) for x in row] for row in a], dtype=object) for a in fractions]


def integer_ranks(query, gallery, euclidean=True):
    """Closer and tied counts in Python integers, row i answering query i."""
    q, g = integers(query, gallery)
    closer, tied = [], []
    for i, row in enumerate(q):
        far = ((g - row) ** 2).sum(1) if euclidean else -(g * row).sum(1)
        closer.append(int((far < far[i]).sum()))
        tied.append(int((far == far[i]).sum()) - 1)
    return closer, tied


def clouds():
    """Galleries that leave float32, and some float64, in doubt."""
    rng = np.random.default_rng(3)
    n, d = 120, 24
    noise = rng.normal(size=(n, d))
    query = rng.normal(size=(n, d)).astype(np.float32)
    two_points = np.where(rng.random((n, 1)) < 0.5, 1.0, -1.0) * rng.normal(size=d)
    tiny = np.float32(2.0**-140)
    yield "healthy", (query + 0.3 * noise).astype(np.float32), query
    yield "far-off cloud", (1000 + noise).astype(np.float32), (1000 + noise[::-1]).astype(np.float32)
    yield "collapsed", (rng.normal(size=d) + 1e-7 * noise).astype(np.float32), query
    yield "two collapsed clusters", (two_points + 1e-7 * noise).astype(np.float32), query
    yield "collapsed in float64", rng.normal(size=d) + 1e-14 * noise, query.astype(np.float64)
    yield "one ulp apart", np.nextafter(np.float32(0.1), np.where(noise > 0.7, np.float32(1), np.float32(0.1))), query
    yield "permutations", rng.permuted(np.tile(noise[:1], (n, 1)), axis=1), np.repeat(query[:, :1], d, axis=1)
    yield "four copies", noise[: n // 4].repeat(4, axis=0).astype(np.float32), query
    yield "bfloat16", in_bfloat16(noise), in_bfloat16(query)
    yield "int8", rng.integers(-128, 128, (n, d)).astype(np.int8), rng.integers(-128, 128, (n, d)).astype(np.int8)
    yield "bytes", rng.integers(0, 256, (n, 2 * d)).astype(np.uint8), rng.integers(100, 130, (n, 2 * d)).astype(np.uint8)
    wide = np.tile(rng.integers(2**22, 2**23, d), (n, 1))
    yield "permutations of wide integers", rng.permuted(wide, axis=1), wide[:, :1].repeat(d, axis=1) + 1
    large = np.tile(rng.integers(2**19, 2**20, d), (n, 1)) * 3**25
    yield "permutations of multiples beyond float64", rng.permuted(large, axis=1), large[:, :1].repeat(d, axis=1) - 3**25
    yield "signs of one size", np.sign(noise).astype(np.float32) * np.float32(0.1), np.sign(query) * np.float32(0.1)
    yield "large integers", (noise * 2**40).astype(np.int64) + 2**62, (noise[::-1] * 2**40).astype(np.int64) + 2**62
    yield "denormals", (np.round(9 * noise) * tiny).astype(np.float32), (np.round(9 * query) * tiny).astype(np.float32)
    yield "mixed scales", (noise * 10.0 ** rng.integers(-30, 9, (n, 1))).astype(np.float32), query
    yield "mixed scales in float64", noise * 10.0 ** rng.integers(-200, 150, (n, 1)), query.astype(np.float64)


@pytest.mark.parametrize(("gallery", "query"), [pytest.param(g, q, id=name) for name, g, q in clouds()])
@pytest.mark.parametrize("similarity", ["euclidean", "dot"])
def test_clouds_rank_as_in_integers(gallery, query, similarity):
    ranks = exact_ranks(query, gallery, similarity=similarity)
    assert (ranks.closer.tolist(), ranks.tied.tolist()) == integer_ranks(query, gallery, similarity == "euclidean")


@pytest.mark.parametrize(("bound", "cloud"), [("UNIT32", "two collapsed clusters"), ("UNIT", "permutations")])
def test_the_oracle_test_bites_when_a_bound_is_dropped(monkeypatch, bound, cloud):
    gallery, query = next((g, q) for name, g, q in clouds() if name == cloud)
    expected = integer_ranks(query, gallery)
    ranks = exact_ranks(query, gallery)
    assert (ranks.closer.tolist(), ranks.tied.tolist()) == expected
    monkeypatch.setattr(certified, "DENSE", 1)  # float64 decides nothing but what is in doubt
    for module in (pairs, certified):
        monkeypatch.setattr(module, bound, 0.0)
    ranks = exact_ranks(query, gallery)
    assert (ranks.closer.tolist(), ranks.tied.tolist()) != expected


def far_from_center(dimensions, largest):
    """Whole numbers whose answers tie exactly, far from the median of the gallery, which lies halfway between two."""
    rng = np.random.default_rng(0)
    query = largest - rng.integers(largest // 16, largest // 8, (3, dimensions))
    offset = rng.integers(-largest // 20, largest // 20, dimensions)
    near = [query[i] + rng.permutation(offset) for i in (0, 1, 2, 0, 1, 2)]
    far = rng.integers(0, 2, (8, dimensions)) - largest
    far[:, 0] = np.arange(8) - largest
    return query, np.concatenate([near, far])


def test_integers_whose_sums_float64_rounds_are_not_taken_for_whole():
    query, gallery = far_from_center(512, 2**24 - 1)
    assert integer_ranks(query, gallery) == ([0, 0, 0], [1, 1, 1])
    ranks = exact_ranks(query, gallery, np.arange(3))
    assert (ranks.closer.tolist(), ranks.tied.tolist()) == ([0, 0, 0], [1, 1, 1])


@pytest.mark.parametrize(("largest", "whole"), [(200, True), (2**23, False)])
def test_the_center_of_whole_numbers_is_whole(largest, whole):
    """Halves would take two bits more, which the bound on sums does not leave."""
    query, gallery = far_from_center(512, largest)
    search = certified.Search(query, gallery[:3], gallery, True, HostTiles(), Threads(1, map))
    assert (np.median(gallery, axis=0) % 1 == 0.5).any()
    assert search.pairs.whole == whole
    assert (search.center == np.rint(search.center)).all() == whole


def test_rows_whose_keys_collide_are_not_taken_for_copies(monkeypatch):
    class Same:
        def integers(self, *_, size, dtype):
            return np.zeros(size, dtype)

    rows = np.array([[1.0, 2.0], [3.0, 5.0], [1.0, 2.0]], np.float32)
    monkeypatch.setattr(arithmetic.np.random, "default_rng", lambda seed: Same())
    first, group = arithmetic.merge_equal_rows(rows)
    assert (rows[first[group]] == rows).all()


@pytest.mark.parametrize("choice", ["legacy", "backend"])
def test_the_callers_choice_of_products_survives_and_changes_nothing(monkeypatch, choice):
    seen = []
    if not hasattr(torch.backends.mkldnn, "matmul"):
        pytest.skip("this torch has one choice of products for all")

    class Watched(device.DeviceTiles):
        def __init__(self, _):
            super().__init__("cpu")

        def tally(self, *given):
            seen.append(torch.backends.mkldnn.matmul.fp32_precision)
            return super().tally(*given)

    monkeypatch.setattr("cvig.ranking.device.DeviceTiles", Watched)
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(2, 300, 64)).astype(np.float32)
    expected = exact_ranks(query, gallery)
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    try:
        if choice == "legacy":
            torch.set_float32_matmul_precision("medium")
        else:
            matmul.fp32_precision = "bf16"
        with torch.autocast("cpu", dtype=torch.bfloat16):
            ranks = exact_ranks(query, gallery, device="cuda")
        assert matmul.fp32_precision == "bf16"
        assert set(seen) == {"ieee"}
    finally:
        torch.set_float32_matmul_precision("highest")
        matmul.fp32_precision = before
    assert (ranks.closer == expected.closer).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_denormals_count_where_the_caller_flushes_them(dtype):
    rows = np.array([[1], [2], [3], [2]], dtype) * np.finfo(dtype).smallest_subnormal
    torch.set_flush_denormal(True)
    try:
        ranks = exact_ranks(rows[:1], rows[1:], [1])
        assert math.ulp(0.0) == 0.0
    finally:
        torch.set_flush_denormal(False)
    assert (ranks.closer.tolist(), ranks.tied.tolist()) == ([2], [0])


def test_integers_beyond_float64_are_told_apart():
    rows = np.array([[2**62], [2**62 + 1], [2**62 + 2]])
    ranks = exact_ranks(rows[:1], rows, [1])
    assert (ranks.closer.tolist(), ranks.tied.tolist()) == ([1], [0])


def test_a_small_step_between_large_numbers_keeps_its_sign():
    # squares of the steps underflow in float64, and an answer far away hides what rounds in its own score
    rng = np.random.default_rng(2)
    query, gallery = rng.normal(size=(2, 40, 8))
    gallery[:, 1:] *= 1e-200
    gallery[:, 0] = 0
    assert_exact(query, gallery, similarity="dot")
    gallery[0], gallery[1:] = 2 * query[0], 1e-13 * gallery[1:] * 1e200
    assert_exact(query[:1].repeat(40, axis=0), gallery, [0] * 40)


def test_the_other_direction_ranks_each_row_among_the_queries():
    rng = np.random.default_rng(5)
    query, gallery = rng.normal(size=(6, 3)), rng.normal(size=(3, 3))
    positives = [0, 0, 1, 2, 2, 2]
    back = reverse_positives(positives, 3)
    assert [rows.tolist() for rows in back] == [[0, 1], [2], [3, 4, 5]]
    ranks = exact_ranks(gallery, query, back)
    assert (ranks.closer.tolist(), ranks.tied.tolist()) == oracle(gallery, query, back)
    assert ranks.gallery_size == 6
    assert ranks.positives.tolist() == [2, 1, 3]


def test_the_order_of_rows_changes_nothing():
    rng = np.random.default_rng(6)
    query, gallery = rng.normal(size=(2, 80, 5)).astype(np.float32)
    order = rng.permutation(80)
    ranks, shuffled = exact_ranks(query, gallery), exact_ranks(query, gallery[order], np.argsort(order))
    assert (ranks.closer == shuffled.closer).all()


def test_block_size_and_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(threads, "SMALL", 0)
    rng = np.random.default_rng(1)
    gallery = rng.normal(size=(50, 8)).astype(np.float32).repeat(2, axis=0)
    query = gallery + rng.normal(size=gallery.shape).astype(np.float32)
    results = []
    for count in (1, 3):
        with threadpool_limits(count):
            results += [exact_ranks(query, gallery, block=block) for block in (None, 1, 7, 1000)]
    assert all((r.closer == results[0].closer).all() and (r.tied == results[0].tied).all() for r in results)
    assert (results[0].tied >= 1).all()


def test_few_queries_share_a_gallery_of_many_tiles_and_parts(monkeypatch):
    rng = np.random.default_rng(2)
    gallery = np.concatenate([rng.normal(size=(70, 3)), rng.integers(-2, 3, (20, 3)).repeat(3, axis=0)]).astype(np.float32)
    query, positives = gallery[[3, 80, 120]] + np.float32(0.25), [[3, 60], [80, 81], [120]]
    expected = oracle(query, gallery, positives)
    monkeypatch.setattr(threads, "SMALL", 0)
    monkeypatch.setattr(tiles.HostTiles, "columns", 11)
    for rows in (130, 17):
        monkeypatch.setattr(counting, "PART", 3 * rows)
        monkeypatch.setattr(counting, "FEWEST", 1)
        with threadpool_limits(4):
            ranks = exact_ranks(query, gallery, positives)
        assert (ranks.closer.tolist(), ranks.tied.tolist()) == expected


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(threads, "SMALL", 0)
    monkeypatch.setattr(certified.Search, "_block", lambda *_: 1 / 0)
    with threadpool_limits(2), pytest.raises(ZeroDivisionError):
        exact_ranks(np.eye(9), np.eye(9))


@pytest.mark.parametrize(("gallery", "query"), [pytest.param(g, q, id=name) for name, g, q in clouds()])
def test_a_device_of_torchs_ranks_as_numpy_does(monkeypatch, gallery, query):
    tiles_of_torch = device.DeviceTiles
    monkeypatch.setattr(counting, "tiles_on", lambda device: nullcontext(tiles_of_torch(device)))
    ranks = exact_ranks(query, gallery, device="cpu")
    assert (ranks.closer.tolist(), ranks.tied.tolist()) == integer_ranks(query, gallery)


def test_ranks_need_no_torch():
    code = """
        import sys
        sys.modules["torch"] = None  # an import fails
        import numpy as np
        from cvig.ranking import exact_ranks
        print(exact_ranks(np.eye(5), np.eye(5)).closer.sum())
    """
    run = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert run.stdout == "0\n"


def test_denormals_that_nobody_can_keep_are_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(arithmetic.math, "ulp", lambda _: 0.0)
    with pytest.raises(RuntimeError, match="takes denormal numbers for zero"):
        exact_ranks(np.eye(2), np.eye(2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32"])
def test_tensors_of_any_type_rank_as_their_stored_numbers(dtype):
    generator = torch.Generator().manual_seed(0)
    query, gallery = ((4 * torch.randn(20, 3, generator=generator)).to(getattr(torch, dtype)) for _ in range(2))
    if dtype == "bfloat16":
        assert (query.float().numpy() == in_bfloat16(query.float().numpy())).all()
    ranks = exact_ranks(query, gallery)
    assert (ranks.closer.tolist(), ranks.tied.tolist()) == oracle(
        query.double().numpy(), gallery.double().numpy(), range(20)
    )


def test_a_memory_mapped_file_is_as_good_as_an_array(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    np.save(tmp_path / "g.npy", rows)
    mapped = np.load(tmp_path / "g.npy", mmap_mode="r")
    assert (exact_ranks(rows[::-1], mapped).closer == exact_ranks(rows[::-1], rows).closer).all()


def test_a_constant_gallery_ties_everything():
    ranks = exact_ranks(np.random.default_rng(0).normal(size=(9, 4)), np.ones((9, 4)))
    assert ranks.closer.tolist() == [0] * 9
    assert ranks.tied.tolist() == [8] * 9


def test_zero_and_minus_zero_are_one_number():
    assert exact_ranks([[1.0]], [[0.0], [-0.0]], [0]).tied.tolist() == [1]


@pytest.mark.parametrize(
    ("query", "gallery", "positives", "message"),
    [
        ([[np.nan, 1], [0, 0]], [[0, 0], [1, 1]], None, "query: 1 of 2 rows hold NaN or infinity, the first is row 0"),
        ([[0, 0]], [[0, 0], [np.inf, 1]], [0], "gallery: 1 of 2 rows hold NaN or infinity, the first is row 1"),
        ([[0, 0]], [[0, 0, 0]], None, "query has 2 dimensions, gallery 3"),
        ([[0.0]], [[0.0], [1.0]], None, "1 queries and 2 gallery rows: without positives"),
        ([[0.0]], [[0.0]], [1], "is not within the 1 gallery rows"),
        ([[0.0]], [[0.0]], [-1], "is not within the 1 gallery rows"),
        ([[0.0]], [[0.0]], [[]], "1 queries have no positive, the first is query 0"),
        ([[0.0]], [[0.0]], [0, 0], "positives of 2 queries: expected one entry for each of 1"),
        ([0.0], [[0.0]], [0], r"query of shape \(1,\)"),
        (np.zeros((0, 2)), [[0.0, 0.0]], [], r"query of shape \(0, 2\)"),
        ([["a"]], [[0.0]], [0], "query of type"),
    ],
)
def test_what_cannot_be_ranked_is_refused(query, gallery, positives, message):
    with pytest.raises(ValueError, match=message):
        exact_ranks(query, gallery, positives)


def test_an_unknown_similarity_is_refused():
    with pytest.raises(ValueError, match="unknown similarity 'cosine'"):
        exact_ranks([[0.0]], [[0.0]], similarity="cosine")


@pytest.mark.parametrize(("closer", "tied"), [([-1], [0]), ([0], [-1]), ([2], [1])])
def test_impossible_ranks_cannot_be_made(closer, tied):
    with pytest.raises(ValueError, match="1 impossible ranks, the first of query 0"):
        Ranks(closer, tied, 3)


def test_boolean_codes_are_ranked_by_their_hamming_distance():
    query, gallery = np.random.default_rng(0).random((2, 30, 12)) < 0.5
    distance = (query[:, None] != gallery).sum(2)
    own = distance.diagonal()[:, None]
    ranks = exact_ranks(query, gallery, progress=False)
    np.testing.assert_array_equal(ranks.closer, (distance < own).sum(1))
    np.testing.assert_array_equal(ranks.tied, (distance == own).sum(1) - 1)


@pytest.mark.parametrize("scale", [1.0, 2.0**-900, 2.0**900])
def test_cosine_ranks_are_those_of_whole_numbers(monkeypatch, scale):
    """Small whole numbers, whose angles are compared as fractions; in blocks that cut the rows anywhere."""
    for name, size in (("QUERIES", 7), ("COLUMNS", 11)):
        monkeypatch.setattr(cosine, name, size)
    rng = np.random.default_rng(0)
    query, gallery = (rng.integers(-3, 4, (rows, 3)) for rows in (20, 50))
    for rows in (query, gallery):
        rows[~rows.any(axis=1)] = 1
    positives = [rng.choice(50, 2, replace=False).tolist() for _ in query]
    ignored = [rng.choice(50, 3, replace=False).tolist() for _ in query]
    ranks = cosine_ranks(query * scale, gallery / scale, positives, ignored=ignored)
    for i, q in enumerate(query):
        products = gallery @ q
        angles = [Fraction(int(abs(x) * x), int(row @ row)) for x, row in zip(products, gallery, strict=True)]
        best = max(angles[row] for row in positives[i])
        others = [angles[row] for row in range(50) if row not in positives[i] + ignored[i]]
        assert ranks.closer[i] == sum(angle > best for angle in others)
        assert ranks.tied[i] == sum(angle == best for angle in others)
        assert np.broadcast_to(ranks.best, 20)[i] == sum(angles[row] == best for row in positives[i])
