"""How exact ranks are decided: a float32 product first, float64 where that is in doubt, exact sums where that is too.

A row u is closer to the query q than p when s(u) = 2 q·u - |u|² exceeds s(p), or q·u for inner products; s may be formed
from a center m that is subtracted from all rows, because |q - u|² does not change. Every stage has a bound on its error:

float32
    All numbers are first divided by one power of two, so that the largest is near one, and centered in float64. A
    centered coordinate that is rounded to float32 carries a relative error of at most ε = 2⁻²⁴; so do the scaled query, the
    folded-in |u|² and s(p). A sum of K = D + 2 products, in any order and with or without fused operations, adds at most
    γ(K) = Kε / (1 - Kε) times the sum of its terms' magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
    ed., section 3.1), and the roundings of factors raise K by less than six. By Cauchy and Schwarz the terms amount to at
    most M = 2|q||u| + |u|² + |s(p)|, so the computed s(u) - s(p) errs by less than γ(D + 8) M. The query's row is divided
    by that bound before the product: what lies beyond ±1 is certain.
float64
    The same with 2⁻⁵³, as a product where much is in doubt, else pair by pair as (u - p)·(2q - u - p), whose error is
    below (D + 8) 2⁻⁵² |u - p| (|q - u| + |q - p|).
exact
    Products of two float32 numbers are exact in float64, and `math.fsum` rounds an exact sum once, so its sign is right;
    wider numbers are compared as fractions.

Numbers that are small integers up to one common factor make every product and sum exact: there the bound is zero.
"""

import math
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import torch
from tqdm import tqdm

UNIT32, UNIT = 2.0**-24, 2.0**-53  # unit roundoffs of float32 and float64
CERTAIN = 1 + 2.0**-10  # in units of the float32 bound; the excess covers what underflow can lose
FLOOR = 2.0**-90  # smallest float32 bound: underflow, at most D · 2⁻¹²⁶, is far below a thousandth of it
TINY = 2.0**-1060  # far above what float64 products lose by underflow
COLUMNS = 4096  # gallery rows a product
SAMPLE = 64  # rows that are looked at before all are
PAIRS = 1 << 14  # pairs settled at a time
DENSE = 256  # a product is cheaper than pairs where more than one in so many is in doubt


@contextmanager
def _full_precision():
    """Keep TF32 and bfloat16 shortcuts, and flushing of denormals, out of the products; restore the caller's choice."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad(), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _float64(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows).astype(np.float64)


def common_factor(*arrays: np.ndarray) -> tuple[float, int] | None:
    """The largest number that divides all entries into integers below 2²⁴, and the largest such integer; or None."""
    exponents, mantissas = [], []
    for rows in arrays:
        values = np.unique(np.abs(_float64(rows)))
        values = values[values > 0]
        mantissa, exponent = np.frexp(values)
        exponents.append(exponent)
        mantissas.append(np.ldexp(mantissa, 53).astype(np.int64))
    exponent, mantissa = np.concatenate(exponents), np.concatenate(mantissas)
    if len(exponent) == 0:
        return 1.0, 0
    odd = np.log2((mantissa & -mantissa).astype(np.float64)).astype(np.int64)  # trailing zeros
    low = exponent - 53 + odd
    base = int(low.min())
    if int(exponent.max()) - base > 53:
        return None
    whole = (mantissa >> odd) << (low - base)
    factor = int(np.gcd.reduce(whole))
    largest = int(whole.max()) // factor
    return (math.ldexp(factor, base), largest) if largest < 2**24 else None


def merge_equal_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that stand for all others, int64 [U], and which of them equals each row, int64 [N]; -0.0 equals 0.0."""
    rng = np.random.default_rng(0)
    factors = rng.integers(2**63, size=rows.shape[1], dtype=np.uint64) | np.uint64(1)
    wide = np.int64 if rows.dtype.kind in "iu" else np.float64 if rows.dtype == np.float64 else np.float32
    keys = np.empty(len(rows), np.uint64)
    for at in range(0, len(rows), COLUMNS):
        values = np.ascontiguousarray(rows[at : at + COLUMNS], dtype=wide)
        bits = (values + 0 if wide is np.int64 else values + wide(0.0)).view(f"u{np.dtype(wide).itemsize}")
        keys[at : at + COLUMNS] = np.einsum("nd,d->n", bits, factors, dtype=np.uint64, casting="unsafe")
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) == len(rows):
        return np.arange(len(rows)), np.arange(len(rows))
    # equal keys are a hint: rows that differ from their group's first stand for themselves
    copies = np.flatnonzero(first[group] != np.arange(len(rows)))
    differs = np.concatenate(
        [
            (np.asarray(rows[part]) != np.asarray(rows[first[group[part]]])).any(axis=1)
            for part in np.array_split(copies, len(copies) // COLUMNS + 1)
        ]
    )
    strangers = copies[differs]
    group[strangers] = len(first) + np.arange(len(strangers))
    return np.concatenate([first, strangers]), group


class Search:
    """One gallery, prepared for counting what is closer than a chosen row.

    Parameters
    ----------
    query, gallery : finite arrays [Q, D], [N, D]
    euclidean : bool
        Distances, else inner products.
    device : torch.device
        Where products run.
    """

    def __init__(self, query: np.ndarray, gallery: np.ndarray, euclidean: bool, device: torch.device):
        self.query, self.gallery, self.euclidean, self.device = query, gallery, euclidean, device
        self.dimensions = query.shape[1]
        first, group = merge_equal_rows(gallery)
        self._choose_arithmetic(first)
        norms = self._prepare(first)
        order = np.argsort(norms, kind="stable")  # rows of like length share a bound
        self.order, self.norms = first[order], norms[order]
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        self.group = place[group]
        self.copies = np.bincount(self.group, minlength=len(first))
        self.merged = len(first) < len(gallery)
        self.table = self.table[torch.from_numpy(order)].to(device)

    def _choose_arithmetic(self, first: np.ndarray) -> None:
        """Exact integers where the numbers are such, else a power of two and a center for floating point."""
        self.exact, self.dtype, self.slack = False, torch.float32, 0.0
        sample = common_factor(self.query[:SAMPLE], self.gallery[:SAMPLE])
        whole = common_factor(self.query, self.gallery) if sample else None
        if whole:
            # partial sums of s(u) - s(p) stay below 6 D m²
            bits = math.log2(max(6 * self.dimensions * whole[1] ** 2, 1))
            self.exact = bits <= 53
            if self.exact:
                self.factor, self.center = whole[0], np.zeros(self.dimensions)
                self.dtype = torch.float32 if bits <= 24 else torch.float64
                return
        if self.dimensions > 2**18:
            self.dtype = torch.float64  # so many roundings leave float32 no certainty
        largest, total = 0.0, np.zeros(self.dimensions)
        for rows in (self.query, self.gallery):
            for at in range(0, len(rows), COLUMNS):
                part = np.asarray(rows[at : at + COLUMNS])
                largest = max(largest, float(part.max()), -float(part.min()))
        self.factor = 2.0 ** int(np.frexp(largest)[1]) if np.frexp(largest)[1] <= 1023 else 2.0**1023
        for at in range(0, len(first), COLUMNS):
            total += self._scaled(self.gallery[first[at : at + COLUMNS]]).sum(axis=0)
        self.center = total / len(first)
        if any(rows.dtype.kind in "iu" for rows in (self.query, self.gallery)) and largest > 2.0**53:
            # such integers are rounded on the way to float64
            self.slack = 32 * UNIT * self.dimensions * (largest / self.factor) ** 2

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        return _float64(rows) / self.factor

    def _centered(self, rows: np.ndarray, query: bool = False) -> np.ndarray:
        return self._scaled(rows) - (self.center if self.euclidean or not query else 0.0)

    def _prepare(self, first: np.ndarray) -> np.ndarray:
        """Fill the gallery's table of columns u, -|u|², -1; give back |u|."""
        width = self.dimensions + 2
        self.table = torch.empty(len(first), width, dtype=self.dtype)
        norms = np.empty(len(first))
        for at in range(0, len(first), COLUMNS):
            rows = self._centered(self.gallery[first[at : at + COLUMNS]])
            square = np.einsum("nd,nd->n", rows, rows)
            norms[at : at + COLUMNS] = np.sqrt(square)
            part = self.table[at : at + COLUMNS]
            part[:, : self.dimensions] = torch.from_numpy(rows)
            part[:, -2] = torch.from_numpy(-square if self.euclidean else np.zeros_like(square))
            part[:, -1] = -1
        return norms

    def _sign_exactly(self, query: int, positive: int, other: int) -> int:
        q, p, o = (np.asarray(x) for x in (self.query[query], self.gallery[positive], self.gallery[other]))
        if all(x.dtype.kind == "f" and (x.astype(np.float32) == x).all() for x in (q, p, o)):
            q, p, o = _float64(q), _float64(p), _float64(o)
            total = math.fsum(
                [*(2 * q * o), *(-2 * q * p), *(p * p), *(-o * o)] if self.euclidean else [*(q * o), *(-q * p)]
            )
            return (total > 0) - (total < 0)
        total = Fraction(0)
        for a, b, c in zip(q.tolist(), p.tolist(), o.tolist(), strict=True):
            if b != c:
                a, b, c = Fraction(a), Fraction(b), Fraction(c)
                total += (c - b) * (2 * a - b - c) if self.euclidean else (c - b) * a
        return (total > 0) - (total < 0)

    def signs(self, query: np.ndarray, positive: np.ndarray, other: np.ndarray) -> np.ndarray:
        """1 where gallery row `other` is closer to the query than `positive`, 0 where exactly as far, else -1: int [P]."""
        signs = np.empty(len(query), np.int64)
        for at in range(0, len(query), PAIRS):
            part = slice(at, at + PAIRS)
            q, p, o = (self._scaled(rows) for rows in (
                self.query[query[part]], self.gallery[positive[part]], self.gallery[other[part]]
            ))  # fmt: skip
            step = o - p
            near, far = (q - p, q - o) if self.euclidean else (q, np.zeros_like(q))
            difference = np.einsum("nd,nd->n", step, near + far)
            bound = np.linalg.norm(step, axis=1) * (np.linalg.norm(near, axis=1) + np.linalg.norm(far, axis=1))
            bound = (self.dimensions + 8) * 2 * UNIT * bound + TINY + self.slack
            sign = np.sign(difference).astype(np.int64)
            for i in np.flatnonzero(np.abs(difference) <= bound):
                same = self.group[positive[at + i]] == self.group[other[at + i]]
                sign[i] = 0 if same else self._sign_exactly(query[at + i], positive[at + i], other[at + i])
            signs[part] = sign
        return signs

    def best_of(self, pairs: np.ndarray) -> np.ndarray:
        """The best placed gallery row of each query, int64 [Q], among (query, row) `pairs` sorted by query."""
        start = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
        count = np.diff(start, append=len(pairs))
        best = pairs[start, 1].copy()
        for turn in range(1, int(count.max())):
            queries = np.flatnonzero(count > turn)
            rival = pairs[start[queries] + turn, 1]
            wins = self.signs(queries, best[queries], rival) > 0
            best[queries[wins]] = rival[wins]
        return best

    def count(self, best: np.ndarray, left_out: np.ndarray, block: int, progress: bool) -> tuple[np.ndarray, np.ndarray]:
        """Gallery rows closer than row `best` of each query, and others as far, without the pairs `left_out`."""
        count = len(self.query)
        closer, tied = np.zeros(count, np.int64), np.zeros(count, np.int64)
        # what is left out is struck from the products by its group of equal rows; the group's other rows count one by one
        struck, removed = np.unique(np.stack([left_out[:, 0], self.group[left_out[:, 1]]], 1), axis=0, return_counts=True)
        query, group = struck.T
        rest = self.copies[group] - removed
        own = group == self.group[best[query]]
        np.add.at(tied, query[own], rest[own])
        other = ~own & (rest > 0)
        self._settle(query[other], best[query[other]], group[other], rest[other], closer, tied)
        with _full_precision():
            for start in tqdm(
                range(0, count, block), disable=not progress, delay=3, unit="block", desc="ranking", leave=False
            ):
                stop = min(start + block, count)
                part = slice(*np.searchsorted(query, [start, stop]))
                self._count_block(start, stop, best[start:stop], query[part] - start, group[part], closer, tied)
        return closer, tied

    def _settle(self, query, best, group, weight, closer, tied) -> None:
        signs = self.signs(query, best, self.order[group])
        np.add.at(closer, query[signs > 0], weight[signs > 0])
        np.add.at(tied, query[signs == 0], weight[signs == 0])

    def _count_block(self, start, stop, best, struck, group, closer, tied) -> None:
        """One block of queries against the whole gallery."""
        q = self._centered(self.query[start:stop], query=True)
        p = self._centered(self.gallery[best])
        target = 2 * np.einsum("nd,nd->n", q, p) - (np.einsum("nd,nd->n", p, p) if self.euclidean else 0.0)
        rows = torch.from_numpy(np.column_stack([2 * q, np.ones(len(q)), target])).to(self.device)
        length = np.linalg.norm(q, axis=1)
        margin = 0.0 if self.exact else CERTAIN
        unit = UNIT32 if self.dtype == torch.float32 else UNIT
        by_group = np.argsort(group, kind="stable")
        struck, group = struck[by_group], group[by_group]
        # float32 holds every count below 2²⁴
        weights = torch.from_numpy(self.copies).to(
            self.device, torch.float32 if len(self.gallery) < 2**24 else torch.float64
        )
        weights = weights if self.merged else None
        for left in range(0, len(self.order), COLUMNS):
            columns = self.table[left : left + COLUMNS]
            inside = slice(*np.searchsorted(group, [left, left + len(columns)]))
            bound = np.ones(len(q))
            if not self.exact:
                bound = self._bound(unit, length, self.norms[left : left + COLUMNS].max(), target) + FLOOR
            scores = torch.mm((rows / torch.from_numpy(bound).to(self.device)[:, None]).to(self.dtype), columns.T)
            scores[torch.from_numpy(struck[inside]), torch.from_numpy(group[inside] - left)] = -torch.inf
            # most queries have no row in a block that could matter
            open_rows = (scores.amax(dim=1) >= -margin).nonzero().ravel()
            if len(open_rows) == 0:
                continue
            if len(open_rows) < len(scores):
                scores = scores[open_rows]
            weight = None if weights is None else weights[left : left + COLUMNS]
            self._tally(scores, open_rows, margin, weight, start, left, rows, best, closer, tied)

    def _bound(self, unit: float, length: np.ndarray, norm: np.ndarray | float, target: np.ndarray) -> np.ndarray:
        k = (self.dimensions + 8) * unit
        return k / (1 - k) * (2 * length * norm + np.square(norm) + np.abs(target)) + self.slack

    def _tally(self, scores, open_rows, margin, weight, start, left, rows, best, closer, tied) -> None:
        """Count one block of scores: what is certain at once, what is in doubt by float64 and exact sums."""
        mask = torch.empty_like(scores)

        def counted() -> torch.Tensor:
            return mask.sum(dim=1) if weight is None else mask.to(weight.dtype) @ weight

        torch.gt(scores, margin, out=mask)
        above = counted()
        torch.ge(scores, -margin, out=mask)
        doubt = counted() - above
        queries = start + open_rows.cpu().numpy()
        closer[queries] += above.cpu().numpy().astype(np.int64)
        if self.exact:
            tied[queries] += doubt.cpu().numpy().astype(np.int64)
            return
        unsure = (doubt > 0).nonzero().ravel()
        if len(unsure) == 0:
            return
        doubtful = scores[unsure].abs() <= margin
        open_rows = open_rows[unsure]
        if DENSE * int(doubtful.sum()) > doubtful.numel():
            doubtful = self._above_in_float64(doubtful, open_rows, start, left, rows, closer)
        at, group = (part.cpu().numpy() for part in doubtful.nonzero(as_tuple=True))
        at, group = open_rows.cpu().numpy()[at], group + left
        self._settle(start + at, best[at], group, self.copies[group], closer, tied)

    def _above_in_float64(self, doubtful, open_rows, start, left, rows, closer) -> torch.Tensor:
        """Count what a float64 product shows to be closer; give back what it leaves in doubt."""
        right = left + doubtful.shape[1]
        u = self._centered(self.gallery[self.order[left:right]])
        columns = np.column_stack([u, -np.square(u).sum(axis=1) * self.euclidean, -np.ones(len(u))])
        q = rows[open_rows]
        difference = q @ torch.from_numpy(columns).to(self.device).T
        length = q[:, : self.dimensions].norm(dim=1).cpu().numpy()[:, None] / 2
        bound = self._bound(UNIT, length, self.norms[None, left:right], q[:, -1:].cpu().numpy()) + TINY
        bound = torch.from_numpy(bound).to(self.device)
        copies = torch.from_numpy(self.copies[left:right]).to(self.device, torch.float64)
        above = ((difference > bound) & doubtful).double() @ copies
        np.add.at(closer, start + open_rows.cpu().numpy(), above.cpu().numpy().astype(np.int64))
        return doubtful & (difference.abs() <= bound)
