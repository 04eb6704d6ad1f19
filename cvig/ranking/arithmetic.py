"""What deciding ranks exactly stands on: denormal numbers, whole numbers, equal rows, and signs of exact sums."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np

ROWS = 4096  # rows that are read at a time
CACHED = 1 << 16  # float64 numbers that stay in a core's cache through several passes
WHOLE = 2**24  # float32 holds all integers up to here


@contextmanager
def gradual_underflow() -> Iterator[None]:
    """Let denormal numbers count in this thread and those it starts, though the caller flushes them; restore his choice.

    His other threads may go on flushing them: `cvig.ranking.certified` leaves room for that in products.

    Raises
    ------
    RuntimeError
        Denormal numbers are flushed, and PyTorch, which could switch that off, is not installed.
    """
    if math.ulp(0.0) > 0:
        yield
        return
    try:
        import torch
    except ImportError:
        raise RuntimeError(
            "this thread takes denormal numbers for zero (some library was compiled with -ffast-math), and exact ranks "
            "need them: rank in a thread that was started before that library was loaded"
        ) from None
    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(True)


def cached_rows(dimensions: int) -> int:
    """How many rows of so many float64 numbers stay in a core's cache."""
    return max(1, CACHED // dimensions)


def _factor(rows: np.ndarray) -> tuple[int, int, int] | None:
    """Whole numbers g, m and a power e such that all entries are multiples of g·2**e and none exceeds m·2**e."""
    if rows.dtype.kind in "iu":
        values = np.abs(rows.astype(np.int64)).view(np.uint64) if rows.dtype.kind == "i" else rows.astype(np.uint64)
        return int(np.gcd.reduce(values, axis=None)), int(values.max()), 0
    values = np.abs(rows[rows != 0].astype(np.float64))
    if len(values) == 0:
        return 0, 0, 0
    mantissa, exponent = np.frexp(values)
    mantissa = np.ldexp(mantissa, 53).astype(np.int64)
    zeros = np.frexp((mantissa & -mantissa).astype(np.float64))[1] - 1  # trailing ones of the binary mantissa
    low = exponent - 53 + zeros
    base = int(low.min())
    if int(exponent.max()) - base > 53:
        return None
    whole = (mantissa >> zeros) << (low - base)
    return int(np.gcd.reduce(whole)), int(whole.max()), base


def common_factor(*arrays: np.ndarray) -> tuple[Fraction, int] | None:
    """The largest number that divides all entries into integers below 2²⁴, and the largest such integer; or None."""
    factor, largest = Fraction(0), Fraction(0)
    for rows in arrays:
        at, step = 0, 8  # few rows show that most embeddings are no integers
        while at < len(rows):
            found = _factor(np.asarray(rows[at : at + step]))
            if found is None:
                return None
            g, most, base = found
            part = g * Fraction(2) ** base
            # gcd(a/b, c/d) = gcd(ad, cb) / bd
            factor = Fraction(
                math.gcd(factor.numerator * part.denominator, part.numerator * factor.denominator),
                factor.denominator * part.denominator,
            )
            largest = max(largest, most * Fraction(2) ** base)
            if factor and largest / factor >= WHOLE:
                return None
            at, step = at + step, ROWS
    return (factor, int(largest / factor)) if factor else (Fraction(1), 0)


def _keys(rows: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Numbers that are equal where rows are, uint64 [N]."""
    wide = np.int64 if rows.dtype.kind in "iu" else np.float64 if rows.dtype == np.float64 else np.float32
    values = np.ascontiguousarray(rows, dtype=wide)
    bits = (values + wide(0)).view(f"u{values.itemsize}")
    if values.itemsize == 8:
        bits ^= bits >> np.uint64(32)  # a product's low digits forget what only high ones tell
    return np.einsum("nd,d->n", bits, factors, dtype=np.uint64, casting="unsafe")


def merge_equal_rows(rows: np.ndarray, run: Callable = map) -> tuple[np.ndarray, np.ndarray]:
    """Rows that stand for all others, int64 [U], and which of them equals each row, int64 [N]; -0.0 equals 0.0.

    `run` is `map`, or one that works in threads.
    """
    rng = np.random.default_rng(0)
    factors = rng.integers(2**63, size=rows.shape[1], dtype=np.uint64) | np.uint64(1)
    step = cached_rows(rows.shape[1])
    keys = np.concatenate(list(run(lambda at: _keys(rows[at : at + step], factors), range(0, len(rows), step))))
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) == len(rows):
        return np.arange(len(rows)), np.arange(len(rows))
    # equal keys are a hint: rows that differ from their group's first stand for themselves
    copies = np.flatnonzero(first[group] != np.arange(len(rows)))
    differs = np.concatenate(
        [
            (np.asarray(rows[part]) != np.asarray(rows[first[group[part]]])).any(axis=1)
            for part in np.array_split(copies, len(copies) // ROWS + 1)
        ]
    )
    strangers = copies[differs]
    group[strangers] = len(first) + np.arange(len(strangers))
    return np.concatenate([first, strangers]), group


def length(rows: np.ndarray) -> np.ndarray:
    """Euclidean lengths [N] of rows [N, D], 2⁻⁵⁰⁰ added: never below the true ones, though squares may underflow."""
    return np.sqrt(np.einsum("nd,nd->n", rows, rows)) + 2.0**-500


def exact_sign(q: np.ndarray, p: np.ndarray, o: np.ndarray, euclidean: bool) -> int:
    """1 where o [D] is closer to q than p is, 0 where exactly as far, else -1."""
    if all(x.dtype.kind == "f" and (x.astype(np.float32) == x).all() for x in (q, p, o)):
        # products of two float32 numbers are exact in float64, and fsum rounds an exact sum once
        q, p, o = (x.astype(np.float64) for x in (q, p, o))
        total = math.fsum([*(2 * q * o), *(-2 * q * p), *(p * p), *(-o * o)] if euclidean else [*(q * o), *(-q * p)])
        return (total > 0) - (total < 0)
    total = Fraction(0)
    for a, b, c in zip(q.tolist(), p.tolist(), o.tolist(), strict=True):
        if b != c:
            a, b, c = Fraction(a), Fraction(b), Fraction(c)
            total += (c - b) * (2 * a - b - c) if euclidean else (c - b) * a
    return (total > 0) - (total < 0)
