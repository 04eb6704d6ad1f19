"""What deciding ranks exactly stands on: full precision, whole numbers, equal rows, and signs of exact sums."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import torch

ROWS = 4096  # rows that are read at a time
WHOLE = 2**24  # float32 holds all integers up to here


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep TF32, bfloat16 products, autocast and flushing of denormals out; restore the caller's choice.

    The caller's other threads may go on flushing denormals: `cvig.ranking.certified` leaves room for that in products.
    """
    backends = torch.backends.mkldnn.matmul, torch.backends.cuda.matmul
    before = [backend.fp32_precision for backend in backends]
    flushed = math.ulp(0.0) == 0.0
    try:
        torch.set_flush_denormal(False)
        for backend in backends:
            backend.fp32_precision = "ieee"
        with torch.no_grad(), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        for backend, choice in zip(backends, before, strict=True):
            backend.fp32_precision = choice
        torch.set_flush_denormal(flushed)


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


def merge_equal_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that stand for all others, int64 [U], and which of them equals each row, int64 [N]; -0.0 equals 0.0."""
    rng = np.random.default_rng(0)
    factors = rng.integers(2**63, size=rows.shape[1], dtype=np.uint64) | np.uint64(1)
    wide = np.int64 if rows.dtype.kind in "iu" else np.float64 if rows.dtype == np.float64 else np.float32
    keys = np.empty(len(rows), np.uint64)
    for at in range(0, len(rows), ROWS):
        values = np.ascontiguousarray(rows[at : at + ROWS], dtype=wide)
        bits = (values + 0 if wide is np.int64 else values + wide(0.0)).view(f"u{np.dtype(wide).itemsize}")
        keys[at : at + ROWS] = np.einsum("nd,d->n", bits, factors, dtype=np.uint64, casting="unsafe")
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
