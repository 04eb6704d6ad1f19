"""The arithmetic of published evaluators: which gallery rows their own rounding finds closer, as close, or NaN.

The distances are those of the sources named in `cvig.metrics.conventions`, computed in tiles. One liberty saves hours:
SciPy's ``cdist``, whose float64 differences err in the sixteenth digit only, is replaced by the exact comparison; it tells
permutations of one vector apart by that digit, the exact comparison does not.

A matrix product may round equal rows differently by their place in its blocks. Where only that tells rows apart, as for a
network of one output, a strict comparison gives anything from chance to 1, here as in the sources.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from cvig.ranking import Ranks, exact_ranks

ROWS, COLUMNS = 256, 2048  # a tile of distances stays in the processor's cache


@dataclass(frozen=True)
class Counts:
    """What one arithmetic makes of each query: integer arrays [n].

    Attributes
    ----------
    closer : gallery rows strictly closer than the answer; none where the distance to the answer is NaN.
    tied, before : other rows exactly as close; those of them above the answer in the gallery (not counted by differences).
    nan, nan_before : rows at a distance of NaN, the answer included; those of them above the answer.
    lost : 1 where the distance to the answer itself is NaN, else 0.
    """

    closer: np.ndarray
    tied: np.ndarray
    before: np.ndarray
    nan: np.ndarray
    nan_before: np.ndarray
    lost: np.ndarray

    def __len__(self) -> int:
        return len(self.closer)


@dataclass(frozen=True)
class Arithmetic:
    """How an evaluator computes what it compares; smaller is closer.

    Attributes
    ----------
    dtype : type
    normalized : set of str
        Which sides it divides by their lengths before the product: ``"query"``, ``"gallery"``. A zero row becomes NaN.
    distance : callable
        Product [b, c], query rows [b, D] and gallery rows [c, D], all in `dtype`, to [b, c].
    """

    dtype: type
    normalized: frozenset[str]
    distance: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


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
FAISS_DIFFERENCES = "float32 differences"
ARITHMETICS: dict[str, Arithmetic] = {
    "float64 product": Arithmetic(np.float64, _NEITHER, lambda product, *_: 2 - 2 * product),
    "float64 product with a normalized gallery": Arithmetic(np.float64, _GALLERY, lambda product, *_: 2 - 2 * product),
    "float64 cosine": Arithmetic(np.float64, _BOTH, lambda product, *_: -product),
    "float32 product": Arithmetic(np.float32, _NEITHER, lambda product, *_: -product),
    "float32 cosine": Arithmetic(np.float32, _BOTH, lambda product, *_: 2 * (1 - product)),
    "float32 expansion": Arithmetic(np.float32, _NEITHER, _expansion),
    FAISS_DIFFERENCES: Arithmetic(np.float32, _NEITHER, _in_float32),
}
FAISS = "FAISS"  # differences or the expansion, by size
# FAISS 1.14.2 and later: below so many entries of the queries it takes differences, from there on the expansion
FAISS_EXPANDS_FROM = 128_000
DIFFERENCES = "float64 differences"


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


def arithmetic_for(name: str, query: np.ndarray) -> str:
    """The key of `ARITHMETICS` that `name` means for these queries: `FAISS` computes as their size has it."""
    if name != FAISS:
        return name
    return FAISS_DIFFERENCES if query.size < FAISS_EXPANDS_FROM else "float32 expansion"


def _normalized(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt(_square(rows))[:, None]


def _count_tiles(query: np.ndarray, gallery: np.ndarray, names: list[str], bar: tqdm) -> dict[str, Counts]:
    """Counts of arithmetics that share one product."""
    n, shared = len(query), ARITHMETICS[names[0]]
    totals = {name: Counts(*np.zeros((6, n), dtype=np.int64)) for name in names}

    def prepared(rows: np.ndarray, side: str) -> np.ndarray:
        rows = np.asarray(rows, dtype=shared.dtype)
        return _normalized(rows) if side in shared.normalized else rows

    for start in range(0, n, ROWS):
        part = slice(start, min(start + ROWS, n))
        rows = prepared(query[part], "query")
        index = np.arange(len(rows))
        parts = {name: Counts(*(field[part] for field in vars(total).values())) for name, total in totals.items()}
        own = {}
        home = start - start % COLUMNS  # the tile of the answers comes first: it says what the others are compared with
        for column in (home, *(column for column in range(0, n, COLUMNS) if column != home)):
            others = prepared(gallery[column : column + COLUMNS], "gallery")
            product = rows @ others.T
            answer = start + index - column
            for name in names:
                distance = ARITHMETICS[name].distance(product, rows, others)
                if column == home:
                    own[name] = distance[index, answer][:, None]
                    parts[name].lost[:] = np.isnan(own[name][:, 0])
                _add(parts[name], distance, own[name], answer)
        bar.update(len(rows))
    return totals


def _whole(rows: np.ndarray) -> np.ndarray:
    """Which rows are finite throughout: bool [n]."""
    blocks = (np.isfinite(rows[start : start + 4096]).all(axis=1) for start in range(0, len(rows), 4096))
    return np.concatenate(list(blocks))


def _squared_differences(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Float64 [b, c], infinite or NaN where a difference is."""
    return np.stack([_square(gallery.astype(np.float64) - row) for row in query.astype(np.float64)])


def count_differences(query: np.ndarray, gallery: np.ndarray, *, ranks: Ranks | None = None) -> Counts:
    """Counts by exact Euclidean distance; an infinite one and NaN as a difference would give them.

    Parameters
    ----------
    query, gallery : float arrays [n, D]
    ranks : Ranks, optional
        Their exact Euclidean ranks, where they are at hand.
    """
    n = len(query)
    finite, present = _whole(query), _whole(gallery)
    counts = Counts(*np.zeros((6, n), dtype=np.int64))
    known = finite & present
    if known.all():
        ranks = ranks or exact_ranks(query, gallery)
        counts.closer[:], counts.tied[:] = ranks.closer, ranks.tied
        return counts
    if known.any():
        ranks = exact_ranks(query[known], gallery[present], (np.cumsum(present) - 1)[known])
        counts.closer[known], counts.tied[known] = ranks.closer, ranks.tied
    with np.errstate(all="ignore"):
        # a finite query: rows with an infinity are infinitely far, those with NaN at NaN
        missing = np.isnan(gallery).any(axis=1)
        counts.nan[:] = missing.sum()
        counts.lost[:] = missing
        far = finite & ~present & ~missing
        counts.closer[far], counts.tied[far] = present.sum(), (~present & ~missing).sum() - 1
        for row in np.flatnonzero(~finite):
            distance = _squared_differences(query[row : row + 1], gallery)[0]
            counts.nan[row], counts.lost[row] = np.isnan(distance).sum(), np.isnan(distance[row])
            counts.closer[row] = (distance < distance[row]).sum()
            counts.tied[row] = max(0, (distance == distance[row]).sum() - 1)
    return counts


def count(
    query: np.ndarray, gallery: np.ndarray, names: Iterable[str], *, ranks: Ranks | None = None, progress: bool = True
) -> dict[str, Counts]:
    """Counts of several arithmetics; those that differ only after the product share it.

    Parameters
    ----------
    query, gallery : float arrays [n, D]
        Row i of the gallery answers query i.
    names : iterable of str
        Keys of `ARITHMETICS`, or `DIFFERENCES`.
    ranks : Ranks, optional
        Exact Euclidean ranks, where they are at hand, for `DIFFERENCES`.
    progress : bool
        Show a progress bar where it takes more than a few seconds.

    Returns
    -------
    dict of str to Counts
    """
    names = set(names)
    found = {DIFFERENCES: count_differences(query, gallery, ranks=ranks)} if DIFFERENCES in names else {}
    groups: dict[tuple, list[str]] = {}
    for name, arithmetic in ARITHMETICS.items():
        if name in names:
            groups.setdefault((arithmetic.dtype, arithmetic.normalized), []).append(name)
    bar = tqdm(total=len(query) * len(groups), desc="conventions", unit="query", delay=3, disable=not progress)
    with bar, np.errstate(all="ignore"):  # NaN and overflow are counted, as the sources silently do
        for chosen in groups.values():
            found |= _count_tiles(query, gallery, chosen, bar)
    return found
