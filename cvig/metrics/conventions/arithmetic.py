"""The arithmetic of published evaluators: which gallery rows their own rounding finds closer, as close, or NaN.

The distances are those of the sources named in `cvig.metrics.conventions`, computed in tiles. Two liberties save three of
the five matrix products: cosines divide the product by the norms instead of normalizing first, which differs in the last
digit; and SciPy's ``cdist``, whose float64 differences err in the sixteenth digit only, is replaced by the exact
comparison.

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


def _cosine(product: np.ndarray, query_square: np.ndarray, gallery_square: np.ndarray) -> np.ndarray:
    return product / (np.sqrt(query_square) * np.sqrt(gallery_square))


Distance = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

# inner products [b, c] and squared norms [b, 1] and [1, c] to what is compared, smaller is closer
ARITHMETICS: dict[str, tuple[type, Distance]] = {
    "float64 product": (np.float64, lambda product, *_: 2 - 2 * product),
    "float64 cosine": (np.float64, lambda *terms: -_cosine(*terms)),
    "float32 product": (np.float32, lambda product, *_: -product),
    "float32 cosine": (np.float32, lambda *terms: 2 * (1 - _cosine(*terms))),
    "float32 expansion": (np.float32, lambda product, query, gallery: np.maximum(query + gallery - 2 * product, 0)),
}
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


def _square(rows: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", rows, rows)


def _count_tiles(query: np.ndarray, gallery: np.ndarray, names: list[str], dtype: type, bar: tqdm) -> dict[str, Counts]:
    n = len(query)
    totals = {name: Counts(*np.zeros((6, n), dtype=np.int64)) for name in names}
    for start in range(0, n, ROWS):
        part = slice(start, min(start + ROWS, n))
        rows = np.asarray(query[part], dtype=dtype)
        index = np.arange(len(rows))
        parts = {name: Counts(*(field[part] for field in vars(total).values())) for name, total in totals.items()}
        own = {}
        home = start - start % COLUMNS  # the tile of the answers comes first: it says what the others are compared with
        for column in (home, *(column for column in range(0, n, COLUMNS) if column != home)):
            others = np.asarray(gallery[column : column + COLUMNS], dtype=dtype)
            terms = rows @ others.T, _square(rows)[:, None], _square(others)
            answer = start + index - column
            for name in names:
                distance = ARITHMETICS[name][1](*terms)
                if column == home:
                    own[name] = distance[index, answer][:, None]
                    parts[name].lost[:] = np.isnan(own[name][:, 0])
                _add(parts[name], distance, own[name], answer)
        bar.update(len(rows))
    return totals


def _has_nan(rows: np.ndarray) -> np.ndarray:
    blocks = (np.isnan(rows[start : start + 4096]).any(axis=1) for start in range(0, len(rows), 4096))
    return np.concatenate(list(blocks))


def count_differences(query: np.ndarray, gallery: np.ndarray, *, ranks: Ranks | None = None) -> Counts:
    """Counts by exact Euclidean distance, NaN as a difference would give it.

    Parameters
    ----------
    query, gallery : float arrays [n, D]
    ranks : Ranks, optional
        Their exact Euclidean ranks, where they are at hand.
    """
    n = len(query)
    present = ~_has_nan(gallery)
    known = present & ~_has_nan(query)
    counts = Counts(*np.zeros((6, n), dtype=np.int64))
    counts.lost[:] = ~known
    counts.nan[:] = np.where(_has_nan(query), n, n - present.sum())
    if known.all():
        ranks = ranks or exact_ranks(query, gallery)
    elif known.any():
        ranks = exact_ranks(query[known], gallery[present], (np.cumsum(present) - 1)[known])
    if known.any():
        counts.closer[known], counts.tied[known] = ranks.closer, ranks.tied
    return counts


def count(
    query: np.ndarray, gallery: np.ndarray, names: Iterable[str], *, ranks: Ranks | None = None, progress: bool = True
) -> dict[str, Counts]:
    """Counts of several arithmetics, those of one precision from the same products.

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
    wanted = {
        dtype: [name for name, (own, _) in ARITHMETICS.items() if name in names and own is dtype]
        for dtype in (np.float32, np.float64)
    }
    wanted = {dtype: chosen for dtype, chosen in wanted.items() if chosen}
    bar = tqdm(total=len(query) * len(wanted), desc="conventions", unit="query", delay=3, disable=not progress)
    with bar, np.errstate(all="ignore"):  # NaN and overflow are counted, as the sources silently do
        for dtype, chosen in wanted.items():
            found |= _count_tiles(query, gallery, chosen, dtype, bar)
    return found
