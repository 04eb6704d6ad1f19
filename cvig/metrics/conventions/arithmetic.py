"""The arithmetic of published evaluators: which gallery rows their own rounding finds closer, as close, or NaN.

The distances are those of the sources named in `cvig.metrics.conventions`, computed in tiles.

A matrix product may round equal rows differently by their place in its blocks. Where only that tells rows apart, as for a
network of one output, a strict comparison gives anything from chance to 1, here as in the sources.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from cvig.metrics.conventions.counts import Counts
from cvig.metrics.conventions.differences import Differences

ROWS, COLUMNS = 256, 2048  # a tile of distances stays in the processor's cache


@dataclass(frozen=True)
class Arithmetic:
    """How an evaluator computes what it compares; smaller is closer.

    Attributes
    ----------
    dtype : type
    normalized : set of str
        Which sides it divides by their lengths before the product: ``"query"``, ``"gallery"``. A zero row becomes NaN.
    distance : callable, optional
        Product [b, c], query rows [b, D] and gallery rows [c, D], all in `dtype`, to [b, c]; None: `Differences` counts.
    """

    dtype: type
    normalized: frozenset[str]
    distance: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None


def _square(rows: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", rows, rows)


def _expansion(product: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return _returned(np.maximum(_square(rows)[:, None] + _square(others) - 2 * product, 0))


def _in_float32(product: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return _returned(np.stack([_square(others - row) for row in rows]))


def _returned(distance: np.ndarray) -> np.ndarray:
    """FAISS keeps the nearest below the largest float: a row at an infinite distance is never returned, as one at NaN."""
    distance[np.isinf(distance)] = np.nan
    return distance


_NEITHER, _GALLERY, _BOTH = frozenset(), frozenset({"gallery"}), frozenset({"query", "gallery"})
FAISS_DIFFERENCES, FAISS_EXPANSION = "float32 differences", "float32 expansion"
DIFFERENCES = "float64 differences"
OF_COLUMNS = "float64 differences, of each gallery row to the queries"
ARITHMETICS: dict[str, Arithmetic] = {
    "float64 product": Arithmetic(np.float64, _NEITHER, lambda product, *_: 2 - 2 * product),
    "float64 product with a normalized gallery": Arithmetic(np.float64, _GALLERY, lambda product, *_: 2 - 2 * product),
    "float64 cosine": Arithmetic(np.float64, _BOTH, lambda product, *_: -product),
    "float32 product": Arithmetic(np.float32, _NEITHER, lambda product, *_: -product),
    "float32 cosine": Arithmetic(np.float32, _BOTH, lambda product, *_: 2 * (1 - product)),
    FAISS_EXPANSION: Arithmetic(np.float32, _NEITHER, _expansion),
    FAISS_DIFFERENCES: Arithmetic(np.float32, _NEITHER, _in_float32),
    DIFFERENCES: Arithmetic(np.float64, _NEITHER, None),
    OF_COLUMNS: Arithmetic(np.float64, _NEITHER, None),
}
FAISS = "FAISS"  # differences or the expansion, by version and size
FAISS_EXPANDS_FROM = 128_000  # entries of the queries, from version 1.14.2 on
FAISS_EXPANDED_FROM = 20  # queries, up to version 1.13.2


def _add(counts: Counts, distance: np.ndarray, own: np.ndarray, answer: np.ndarray) -> None:
    """Add a tile [b, c] to the counts of its b queries; `answer` is the column of each answer, which may lie outside."""
    columns = np.arange(distance.shape[1])
    counts.closer[:] += np.count_nonzero(distance < own, axis=1)
    itself = (answer >= 0) & (answer < len(columns)) & (counts.lost == 0)
    tied = np.count_nonzero(distance == own, axis=1) - itself
    counts.tied[:] += tied
    some = np.flatnonzero(tied)
    counts.before[some] += np.count_nonzero((distance[some] == own[some]) & (columns < answer[some, None]), axis=1)
    some = np.flatnonzero(np.isnan(distance.sum(axis=1)))
    missing = np.isnan(distance[some])
    counts.nan[some] += np.count_nonzero(missing, axis=1)
    counts.nan_before[some] += np.count_nonzero(missing & (columns < answer[some, None]), axis=1)


def arithmetics_for(name: str, query: np.ndarray) -> tuple[str, ...]:
    """The keys of `ARITHMETICS` that `name` means for these queries: for `FAISS` that of new versions, then that of old."""
    if name != FAISS:
        return (name,)
    differs = (query.size < FAISS_EXPANDS_FROM, len(query) < FAISS_EXPANDED_FROM)
    return tuple(dict.fromkeys(FAISS_DIFFERENCES if few else FAISS_EXPANSION for few in differs))


def _normalized(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt(_square(rows))[:, None]


def _count_tiles(query: np.ndarray, gallery: np.ndarray, names: list[str], bar: tqdm) -> dict[str, Counts]:
    """Counts of arithmetics that share one product."""
    n, shared = len(query), ARITHMETICS[names[0]]
    totals = {name: Counts.of(n) for name in names}
    differences = Differences(query, gallery) if DIFFERENCES in names else None
    of_columns = Differences(gallery, query) if OF_COLUMNS in names else None

    def prepared(rows: np.ndarray, side: str) -> np.ndarray:
        rows = np.asarray(rows, dtype=shared.dtype)
        return _normalized(rows) if side in shared.normalized else rows

    for start in range(0, n, ROWS):
        part = slice(start, min(start + ROWS, n))
        rows = prepared(query[part], "query")
        index = np.arange(len(rows))
        parts = {name: total.part(part) for name, total in totals.items()}
        own = {}
        home = start - start % COLUMNS  # the tile of the answers comes first: it says what the others are compared with
        for column in (home, *(column for column in range(0, n, COLUMNS) if column != home)):
            others = prepared(gallery[column : column + COLUMNS], "gallery")
            product = rows @ others.T
            answer = start + index - column
            for name in names:
                if name == DIFFERENCES:
                    differences.add(parts[name], product, start, column)
                    continue
                if name == OF_COLUMNS:
                    of_columns.add(totals[name].part(slice(column, column + len(others))), product.T, column, start)
                    continue
                distance = ARITHMETICS[name].distance(product, rows, others)
                if column == home:
                    own[name] = distance[index, answer][:, None]
                    parts[name].lost[:] = np.isnan(own[name][:, 0])
                _add(parts[name], distance, own[name], answer)
        bar.update(len(rows))
    return totals


def count(query: np.ndarray, gallery: np.ndarray, names: Iterable[str], *, progress: bool = True) -> dict[str, Counts]:
    """Counts of several arithmetics; those that differ only after the product share it.

    Parameters
    ----------
    query, gallery : float arrays [n, D]
        Row i of the gallery answers query i.
    names : iterable of str
        Keys of `ARITHMETICS`.
    progress : bool
        Show a progress bar where it takes more than a few seconds.

    Returns
    -------
    dict of str to Counts
    """
    names = set(names)
    groups: dict[tuple, list[str]] = {}
    for name, arithmetic in ARITHMETICS.items():
        if name in names:
            groups.setdefault((arithmetic.dtype, arithmetic.normalized), []).append(name)
    found = {}
    bar = tqdm(total=len(query) * len(groups), desc="conventions", unit="query", delay=3, disable=not progress)
    with bar, np.errstate(all="ignore"):  # NaN and overflow are counted, as the sources silently do
        for chosen in groups.values():
            found |= _count_tiles(query, gallery, chosen, bar)
    return found
