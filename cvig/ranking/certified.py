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
product again
    The same sum in float64, for the pairs in doubt, or for a whole tile where they are many: the same bound at v = 2⁻⁵³.
pair
    (u - p)·(2q - u - p), in float64 on numbers that are not centered: every factor is the result of at most three roundings,
    so the error is below γ(D + 8) Σ |uᵢ - pᵢ| (|qᵢ - uᵢ| + |qᵢ - pᵢ|), magnitudes that may be summed in float64.
exact
    Equal rows, sums without rounding, or fractions (`cvig.ranking.arithmetic.exact_sign`).

Underflow, gradual or to zero, loses at most the smallest normal number an operation: 2⁻¹²⁶ in float32 and 2⁻¹⁰²² in float64.
Bounds are never below 2⁻⁹⁰ and 2⁻⁹⁰⁰, so in units of the bound a factor is below 2⁹² or 2⁹⁰², and with D up to 2¹⁸ the
loss is below 2⁻¹⁵; certainty asks for 1 + 2⁻¹⁰.

Numbers that are whole up to one common factor, F then, and small, make every product and sum exact. Where float32 holds
them all (binary codes) nothing is centered, the first product's bound is zero, and ties are counted as they come. Where
float64 does (bytes), the center is whole too, and what the first product leaves in doubt the second decides.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cvig.ranking.arithmetic import cached_rows, length, merge_equal_rows
from cvig.ranking.pairs import CERTAIN, FLOOR, FLOOR32, UNIT, UNIT32, Pairs, gamma
from cvig.ranking.threads import Threads
from cvig.ranking.tiles import HostTiles

if TYPE_CHECKING:
    from cvig.ranking.device import DeviceTiles

DENSE = 64  # a float64 product of a tile is cheaper than its pairs where more than one in so many is in doubt
WAITING = 1 << 14  # pairs that wait to be settled together
FEW = 128  # queries that still make a product worth its while
SAMPLE = 255  # rows whose median is the center


class Block(NamedTuple):
    """Some queries: their numbers, rows of a product, float64 [b, D + 2], and |q|, |p| and |s(p)|, float64 [b] each."""

    queries: slice
    rows: np.ndarray
    sizes: tuple[np.ndarray, np.ndarray, np.ndarray]


class Counts(NamedTuple):
    """What some gallery rows are to some queries: rows closer than the answer and rows as far, int64 [b] each."""

    queries: slice
    rows: int
    closer: np.ndarray
    tied: np.ndarray


class Search:
    """One gallery, or a part of it, prepared for counting what is closer than each query's answer.

    Parameters
    ----------
    query, answers, gallery : finite arrays [Q, D], [Q, D], [N, D]
        The answers, a row a query, need not be rows of this gallery, but both are of one type.
    euclidean : bool
        Distances, else inner products.
    tiles : HostTiles or DeviceTiles
        Where products are made.
    threads : Threads
        What works.
    """

    def __init__(
        self,
        query: np.ndarray,
        answers: np.ndarray,
        gallery: np.ndarray,
        euclidean: bool,
        tiles: "HostTiles | DeviceTiles",
        threads: Threads,
    ):
        self.query, self.answers, self.gallery, self.euclidean = query, answers, gallery, euclidean
        self.dimensions, self.tiles, self.threads = query.shape[1], tiles, threads
        self.pairs = Pairs(query, [answers, gallery], euclidean)
        # so many roundings leave float32 no certainty
        self.dtype = np.float32 if self.dimensions <= 2**18 else np.float64
        first, group = merge_equal_rows(gallery, threads.map)
        self.center = self._choose_center(first)
        table, norms = self._table(first)
        copies = np.bincount(group, minlength=len(first))
        # a tile's columns share one count of copies and nearly one length, hence one bound
        order = np.lexsort([norms, copies])
        self.order, self.norms, self.copies = first[order], norms[order], copies[order]
        self.table = tiles.put(table[order])
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        self.group = place[group]
        starts = [0, *(np.flatnonzero(np.diff(self.copies)) + 1), len(order)]
        self.spans = [
            (left, min(left + tiles.columns, stop))
            for start, stop in pairwise(starts)
            for left in range(start, stop, tiles.columns)
        ]

    def _choose_center(self, first: np.ndarray) -> np.ndarray:
        if self.pairs.small:
            return np.zeros(self.dimensions)
        # a median, so that a few rows far away leave the center in the cloud
        sample = first[np.linspace(0, len(first) - 1, min(SAMPLE, len(first))).astype(np.int64)]
        center = np.median(self.pairs.scaled(self.gallery[sample]), axis=0)
        return np.rint(center) if self.pairs.whole else center

    def _centered(self, rows: np.ndarray, query: bool = False) -> np.ndarray:
        rows = self.pairs.scaled(rows)
        if self.euclidean or not query:
            rows -= self.center
        return rows

    def _columns(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns u, -|u|², -1 of a product, float64 [c, D + 2], and |u|, float64 [c], of gallery rows `index`."""
        columns = np.empty((len(index), self.dimensions + 2))
        columns[:, :-2] = rows = self._centered(self.gallery[index])
        columns[:, -2] = -np.einsum("nd,nd->n", rows, rows) * self.euclidean
        columns[:, -1] = -1
        return columns, length(rows)

    def _table(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`_columns` of many rows, in the first product's type."""
        table, norms = np.empty((len(index), self.dimensions + 2), self.dtype), np.empty(len(index))
        step = cached_rows(self.dimensions)

        def fill(at: int) -> None:
            table[at : at + step], norms[at : at + step] = self._columns(index[at : at + step])

        list(self.threads.map(fill, range(0, len(index), step)))
        return table, norms

    def count(self, left_out: np.ndarray, block: int | None = None) -> Iterator[Counts]:
        """Counts of all queries and gallery rows, part by part: their sums are what is looked for.

        `left_out` are distinct pairs of a query and a gallery row that count as neither, int64 [P, 2] sorted by query;
        `block` queries are ranked at a time, at most.
        """
        # what is left out is struck from the products by its group of equal rows; the group's other rows count one by one
        pairs, removed = np.unique(left_out[:, 0] * len(self.order) + self.group[left_out[:, 1]], return_counts=True)
        query, group = np.divmod(pairs, len(self.order))
        rest = self.copies[group] - removed
        count, threads = len(self.query), self.threads.count
        blocks = max(-(-count // (block or self.tiles.rows)), min(threads, count // FEW))
        parts = min(len(self.spans), -(-threads // blocks))  # few queries: threads share the gallery
        work = []
        for start, stop in pairwise(np.linspace(0, count, blocks + 1).astype(np.int64)):
            for spans in np.array_split(self.spans, parts):
                of = slice(*np.searchsorted(query, [start, stop]))
                inside = (group[of] >= spans[0, 0]) & (group[of] < spans[-1, 1])
                work.append((slice(start, stop), spans, query[of][inside] - start, group[of][inside], rest[of][inside]))
        return self.threads.map(lambda task: self._count_part(*task), work)

    def _block(self, queries: slice) -> Block:
        q, p = self._centered(self.query[queries], query=True), self._centered(self.answers[queries])
        target = 2 * np.einsum("nd,nd->n", q, p) - np.einsum("nd,nd->n", p, p) * self.euclidean
        return Block(queries, np.column_stack([2 * q, np.ones(len(q)), target]), (length(q), length(p), np.abs(target)))

    def _count_part(
        self, queries: slice, spans: np.ndarray, query: np.ndarray, group: np.ndarray, rest: np.ndarray
    ) -> Counts:
        """Some queries against some spans of the table; of `query` and `group`, which are struck, `rest` rows count."""
        block, tiles = self._block(queries), self.tiles
        rows = int(self.copies[spans[0, 0] : spans[-1, 1]].sum())
        counts = Counts(queries, rows, *np.zeros((2, len(block.rows)), np.int64))
        self._settle(block, counts, query[rest > 0], group[rest > 0], rest[rest > 0])
        by_group = np.argsort(group, kind="stable")
        query, group = query[by_group], group[by_group]
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        bounded, margin = None, 0.0 if self.pairs.small else CERTAIN
        for left, right in spans:
            # few lengths, rounded up, so that most tiles share their bounds
            reach = 2.0 ** (math.ceil(4 * math.log2(self.norms[right - 1])) / 4)
            if reach != bounded:
                bounded, ready = reach, tiles.put(self._in_bounds(block, reach, self.dtype))
            of = slice(*np.searchsorted(group, [left, right]))
            struck = query[of], group[of] - left
            tally = tiles.tally(ready, self.table[left:right], struck, margin)
            certain = self.pairs.small
            dense = DENSE * int(tally.doubt.sum()) > len(block.rows) * (right - left)
            if dense and not certain and self.dtype == np.float32:
                finer = self._in_bounds(block, reach, np.float64), self._columns(self.order[left:right])[0]
                certain = self.pairs.whole
                tally = tiles.tally(*(tiles.put(part) for part in finer), struck, 0.0 if certain else CERTAIN)
            copies = self.copies[left]
            np.add(counts.closer, copies * tally.above, out=counts.closer)
            if certain:
                np.add(counts.tied, copies * tally.doubt, out=counts.tied)
            elif tally.doubt.any():
                row, column = tally.find()
                waiting.append((row, column + left))
                if sum(len(row) for row, _ in waiting) > WAITING:
                    self._settle_waiting(block, counts, waiting)
        self._settle_waiting(block, counts, waiting)
        return counts

    def _in_bounds(self, block: Block, reach: float, dtype: type) -> np.ndarray:
        """The queries' rows of a product, in units of its error against gallery rows of length up to `reach`."""
        if self.pairs.small or (self.pairs.whole and dtype == np.float64):
            return block.rows.astype(dtype)
        return (block.rows / self._bound(block.sizes, reach, UNIT32 if dtype == np.float32 else UNIT)[:, None]).astype(dtype)

    def _bound(self, sizes: tuple[np.ndarray, ...], reach: float | np.ndarray, unit: float) -> np.ndarray:
        """How far a product may err at gallery rows of length `reach`."""
        q, p, target = sizes
        given = 2 * q * reach + reach**2
        bound = gamma(self.dimensions + 8, unit) * (given + target)
        bound += gamma(2 * self.dimensions + 16, UNIT) * (given + 2 * q * p + p**2) + self.pairs.slack
        return bound + (FLOOR32 if unit == UNIT32 else FLOOR)

    def _settle_waiting(self, block: Block, counts: Counts, waiting: list[tuple[np.ndarray, np.ndarray]]) -> None:
        if waiting:
            row, group = (np.concatenate(part) for part in zip(*waiting, strict=True))
            waiting.clear()
            self._settle(block, counts, row, group, self.copies[group])

    def _settle(self, block: Block, counts: Counts, row: np.ndarray, group: np.ndarray, weight: np.ndarray) -> None:
        """Count pairs of a query of the block and a group of equal rows one by one."""
        step = cached_rows(self.dimensions)
        for at in range(0, len(row), step):
            i, index = row[at : at + step], self.order[group[at : at + step]]
            columns, norms = self._columns(index)
            score = np.einsum("nd,nd->n", block.rows[i], columns)
            sign = np.sign(score).astype(np.int64)
            if not self.pairs.whole:
                doubt = np.flatnonzero(np.abs(score) <= CERTAIN * self._bound(tuple(x[i] for x in block.sizes), norms, UNIT))
                queries = block.queries.start + i[doubt]
                sign[doubt] = self.pairs.signs(queries, (self.answers, queries), (self.gallery, index[doubt]))
            for found, count in ((1, counts.closer), (0, counts.tied)):
                np.add.at(count, i[sign == found], weight[at : at + step][sign == found])
