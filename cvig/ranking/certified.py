"""How exact ranks are decided: a float32 product first, float64 where that is in doubt, exact sums where that is too.

A row u is closer to the query q than p when s(u) = 2 q·u - |u|² exceeds s(p), or q·u for inner products. All numbers are
first divided by one power of two F, so that the largest is near one, and a center m is subtracted from all rows (for inner
products from the gallery's), which moves no s(u) - s(p). Every stage has a bound on its error. Write v for a unit roundoff,
2⁻²⁴ or 2⁻⁵³, and γ(K) = Kv / (1 - Kv): K roundings in a row change a number by at most that share of it, and a sum of K
products, in any order, with or without fused operations, errs by at most γ(K) times the sum of its terms' magnitudes
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.1 and 3.5).

product
    s(u) - s(p) is one product of D + 2 terms: the centered coordinates, |u|² and s(p), the last two folded in as columns.
    By Cauchy and Schwarz their magnitudes amount to at most 2|q||u| + |u|² + |s(p)|. Up to six roundings of each factor (the
    centering, the doubling and scaling of the query, the conversion to float32) come on top of the sum's: together below
    γ(D + 8) of it. The numbers |u|² and s(p) are sums themselves, made in float64: another γ(2D + 16), at v = 2⁻⁵³, of
    2|q||u| + |u|² + 2|q||p| + |p|². The query's row is divided by the total before the product, so what lies beyond ±1 is
    certain, whatever the order of summation on this device.
pair
    (u - p)·(2q - u - p), in float64 on numbers that are not centered: every factor is the result of at most three roundings,
    so the error is below γ(D + 8) Σ |uᵢ - pᵢ| (|qᵢ - uᵢ| + |qᵢ - pᵢ|), magnitudes that may be summed in float64.
exact
    Sums without rounding, or fractions (`cvig.ranking.arithmetic.exact_sign`).

Underflow, gradual or to zero, loses at most the smallest normal number an operation: 2⁻¹²⁶ in float32 and 2⁻¹⁰²² in float64.
Bounds are never below 2⁻⁹⁰ and 2⁻⁹⁰⁰, so in units of the bound a factor is below 2⁹² or 2⁹⁰², and with D up to 2¹⁸ the
loss is below 2⁻¹⁵; certainty asks for 1 + 2⁻¹⁰.

Numbers that are small integers up to one common factor make every product and sum exact: there the bound is zero.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from tqdm import tqdm

from cvig.ranking.arithmetic import common_factor, exact_sign, length, merge_equal_rows

UNIT32, UNIT = 2.0**-24, 2.0**-53  # unit roundoffs of float32 and float64
CERTAIN = 1 + 2.0**-10  # in units of the bound
FLOOR32, FLOOR = 2.0**-90, 2.0**-900  # smallest bounds, see underflow
COLUMNS = 1024  # gallery rows a product: its scores, and the passes over them, stay in the cache
PAIRS = 1 << 13  # pairs settled at a time
DENSE = 256  # a float64 product is cheaper than pairs where more than one in so many is in doubt
SAMPLE = 255  # rows whose median is the center


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
        copies = np.bincount(group, minlength=len(first))
        norms = np.concatenate(
            [length(self._centered(gallery[first[at : at + COLUMNS]])) for at in range(0, len(first), COLUMNS)]
        )
        # a product's columns share one count of copies and nearly one length, hence one bound
        order = np.lexsort([norms, copies])
        self.order, self.norms, self.copies = first[order], norms[order], copies[order]
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        self.group = place[group]
        starts = [0, *(np.flatnonzero(np.diff(self.copies)) + 1), len(order)]
        self.tiles = [
            (left, min(left + COLUMNS, stop)) for start, stop in pairwise(starts) for left in range(start, stop, COLUMNS)
        ]
        self.table = torch.empty(len(order), self.dimensions + 2, dtype=self.dtype, device=device)
        for left, right in self.tiles:
            self.table[left:right] = self._columns(left, right)

    def _choose_arithmetic(self, first: np.ndarray) -> None:
        """Exact integers where the numbers are such, else a power of two and a center for floating point."""
        self.exact, self.dtype, self.slack = False, torch.float32, 0.0
        whole = common_factor(self.query, self.gallery)
        # partial sums of s(u) - s(p) stay below 6 D m²
        bits = math.log2(max(6 * self.dimensions * whole[1] ** 2, 1)) if whole else math.inf
        if bits <= 53:
            self.exact, self.factor, self.center = True, float(whole[0]), np.zeros(self.dimensions)
            self.dtype = torch.float32 if bits <= 24 else torch.float64
            return
        if self.dimensions > 2**18:
            self.dtype = torch.float64  # so many roundings leave float32 no certainty
        largest = 0.0
        for rows in (self.query, self.gallery):
            for at in range(0, len(rows), COLUMNS):
                part = rows[at : at + COLUMNS]
                largest = max(largest, float(part.max()), -float(part.min()))
        self.factor = 2.0 ** min(int(np.frexp(largest)[1]), 1023)
        # a median, so that a few rows far away leave the center in the cloud
        sample = first[np.linspace(0, len(first) - 1, min(SAMPLE, len(first))).astype(np.int64)]
        self.center = np.median(self._scaled(self.gallery[sample]), axis=0)
        if any(rows.dtype.kind in "iu" for rows in (self.query, self.gallery)) and largest > 2.0**53:
            # such integers are rounded on the way to float64
            self.slack = 32 * UNIT * self.dimensions * (largest / self.factor) ** 2

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        return np.divide(np.asarray(rows), self.factor, dtype=np.float64)

    def _centered(self, rows: np.ndarray, query: bool = False) -> np.ndarray:
        rows = self._scaled(rows)
        if self.euclidean or not query:
            rows -= self.center
        return rows

    def _columns(self, left: int, right: int) -> torch.Tensor:
        """Columns u, -|u|², -1 of a product, float64 [right - left, D + 2]."""
        rows = self._centered(self.gallery[self.order[left:right]])
        square = np.einsum("nd,nd->n", rows, rows) * self.euclidean
        return torch.from_numpy(np.column_stack([rows, -square, -np.ones(len(rows))]))

    def signs(self, query: np.ndarray, positive: np.ndarray, other: np.ndarray) -> np.ndarray:
        """1 where gallery row `other` is closer to the query than `positive`, 0 where exactly as far, else -1: int [P]."""
        signs = np.empty(len(query), np.int64)
        gamma = _gamma(self.dimensions + 8, UNIT)
        for at in range(0, len(query), PAIRS):
            part = slice(at, at + PAIRS)
            rows = self.query[query[part]], self.gallery[positive[part]], self.gallery[other[part]]
            q, p, o = (self._scaled(x) for x in rows)
            step = o - p
            near, far = (q - p, q - o) if self.euclidean else (q, np.zeros_like(q))
            difference = np.einsum("nd,nd->n", step, near + far)
            for x in (step, near, far):
                np.abs(x, out=x)
            near += far
            size = np.einsum("nd,nd->n", step, near)
            sign = np.sign(difference).astype(np.int64)
            for i in np.flatnonzero(np.abs(difference) <= CERTAIN * gamma * size + FLOOR + self.slack):
                same = self.group[positive[at + i]] == self.group[other[at + i]]
                sign[i] = 0 if same else exact_sign(*(np.asarray(x[i]) for x in rows), self.euclidean)
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
        self.best, self.closer, self.tied = best, np.zeros(count, np.int64), np.zeros(count, np.int64)
        # what is left out is struck from the products by its group of equal rows; the group's other rows count one by one
        pairs = left_out[:, 0] * len(self.order) + self.group[left_out[:, 1]]
        pairs, removed = np.unique(pairs, return_counts=True)
        query, group = np.divmod(pairs, len(self.order))
        rest = self.copies[group] - removed
        own = group == self.group[best[query]]
        np.add.at(self.tied, query[own], rest[own])
        other = ~own & (rest > 0)
        self._settle(query[other], group[other], rest[other])
        space = [torch.empty(min(block, count) * min(COLUMNS, len(self.order)), dtype=self.dtype, device=self.device)]
        space.append(torch.empty_like(space[0]))
        blocks = range(0, count, block)
        for start in tqdm(blocks, disable=not progress, delay=3, unit="block", desc="ranking", leave=False):
            stop = min(start + block, count)
            part = slice(*np.searchsorted(query, [start, stop]))
            self._count_block(start, stop, query[part] - start, group[part], space)
        return self.closer, self.tied

    def _settle(self, query: np.ndarray, group: np.ndarray, weight: np.ndarray) -> None:
        """Count pairs of a query and a group of equal rows one by one."""
        signs = self.signs(query, self.best[query], self.order[group])
        np.add.at(self.closer, query[signs > 0], weight[signs > 0])
        np.add.at(self.tied, query[signs == 0], weight[signs == 0])

    def _count_block(self, start: int, stop: int, struck: np.ndarray, group: np.ndarray, space: list) -> None:
        """One block of queries against the whole gallery."""
        q = self._centered(self.query[start:stop], query=True)
        p = self._centered(self.gallery[self.best[start:stop]])
        target = 2 * np.einsum("nd,nd->n", q, p) - np.einsum("nd,nd->n", p, p) * self.euclidean
        rows = torch.from_numpy(np.column_stack([2 * q, np.ones(len(q)), target]))
        sizes = length(q), length(p), np.abs(target)
        by_group = np.argsort(group, kind="stable")
        struck, group = struck[by_group], group[by_group]
        bounded, ready = None, None
        for left, right in self.tiles:
            # few lengths, rounded up, so that most products share their bounds
            reach = 2.0 ** (math.ceil(4 * math.log2(self.norms[right - 1])) / 4)
            if ready is None or reach != bounded:
                bounded, ready = reach, self._in_bounds(rows, sizes, reach, self.dtype)
            shape = len(q), right - left
            scores, mask = (part[: shape[0] * shape[1]].view(shape) for part in space)
            torch.mm(ready, self.table[left:right].T, out=scores)
            inside = slice(*np.searchsorted(group, [left, right]))
            if inside.start < inside.stop:
                scores[torch.from_numpy(struck[inside]), torch.from_numpy(group[inside] - left)] = -torch.inf
            # most queries have no row in a block that could matter
            open_rows = (scores.amax(dim=1) >= -self._margin).nonzero().ravel()
            if len(open_rows) == 0:
                continue
            if 2 * len(open_rows) < len(scores):
                scores, mask = scores[open_rows], mask[: len(open_rows)]
            else:
                open_rows = torch.arange(len(scores), device=self.device)
            self._tally(scores, mask, open_rows, start, left, rows, sizes)

    @property
    def _margin(self) -> float:
        return 0.0 if self.exact else CERTAIN

    def _in_bounds(self, rows: torch.Tensor, sizes: tuple, norm: float, dtype: torch.dtype) -> torch.Tensor:
        """The queries' rows of a product in units of its error against gallery rows of length up to `norm`."""
        if not self.exact:
            q, p, target = sizes
            unit, floor = (UNIT32, FLOOR32) if dtype == torch.float32 else (UNIT, FLOOR)
            given = 2 * q * norm + norm**2
            bound = _gamma(self.dimensions + 8, unit) * (given + target)
            bound += _gamma(2 * self.dimensions + 16, UNIT) * (given + 2 * q * p + p**2) + floor + self.slack
            rows = rows / torch.from_numpy(bound)[:, None]
        return rows.to(self.device, dtype)

    def _tally(self, scores, mask, open_rows, start, left, rows, sizes) -> None:
        """Count one block of scores: what is certain at once, what is in doubt by float64 and exact sums."""
        copies = int(self.copies[left])
        above = torch.gt(scores, self._margin, out=mask).sum(dim=1)
        doubt = torch.ge(scores, -self._margin, out=mask).sum(dim=1) - above
        queries = start + open_rows.cpu().numpy()
        self.closer[queries] += copies * above.cpu().numpy().astype(np.int64)
        if self.exact:
            self.tied[queries] += copies * doubt.cpu().numpy().astype(np.int64)
            return
        unsure = (doubt > 0).nonzero().ravel()
        if len(unsure) == 0:
            return
        doubtful = scores[unsure].abs() <= CERTAIN
        at = open_rows[unsure].cpu().numpy()
        if DENSE * int(doubtful.sum()) > doubtful.numel() and self.dtype == torch.float32:
            right = left + doubtful.shape[1]
            ready = self._in_bounds(rows[at], tuple(x[at] for x in sizes), self.norms[right - 1], torch.float64)
            finer = ready @ self._columns(left, right).to(self.device).T
            closer = ((finer > CERTAIN) & doubtful).sum(dim=1).cpu().numpy()
            self.closer[start + at] += copies * closer
            doubtful &= finer.abs() <= CERTAIN
        row, group = (part.cpu().numpy() for part in doubtful.nonzero(as_tuple=True))
        self._settle(start + at[row], group + left, np.full(len(row), copies))


def _gamma(roundings: int, unit: float) -> float:
    """The share by which so many roundings change a number at most."""
    return roundings * unit / (1 - roundings * unit)
