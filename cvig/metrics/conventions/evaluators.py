"""How published evaluators count recall, restated for comparison; never used for this package's own results.

Row i of the gallery answers query i. Each rule follows from a few counts a query: how many gallery rows the evaluator's own
arithmetic finds closer than the answer, exactly as close, or at a distance of NaN. The arithmetic is part of the rule, for
rounding makes ties and breaks them.

Where a library leaves the order of equal distances open, one order stands in for it, and `recall_bounds` gives what any
order could report. FAISS (not needed here; restated in NumPy, as of 1.14.2): the lowest gallery row first, as its heap
of the k best replaces an entry by a strictly closer one only; a distance that is NaN or infinite never enters. Torch's
argsort: the lowest row first, though from about 17 rows on it keeps no order of equals. NumPy's argsort read backwards:
the highest row first, though from 7 rows on it keeps none. Both sort NaN above every number. Evaluators without a
percentage (FAISS's users, torchmetrics) are given n // 100 for 1%. What is restated is a rule: a script may end with an
error on a test set that is too small for it (`Convention.least_rows`). GeoDTR+'s prints all recalls up to 1% as an array
below 1,000 rows, and TransGeo's asks for a multiple of 4 queries from 80,000 on.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from cvig.metrics.conventions.arithmetic import Counts, arithmetic_for, count, count_differences
from cvig.metrics.conventions.rules import CONVENTIONS, TOP_OF_PERCENT, Convention
from cvig.ranking import Ranks


def _top(convention: Convention, k: int | str, n: int) -> int:
    if isinstance(k, str) and re.fullmatch(r"\d+(\.\d+)?%", k) and 0 < float(k[:-1]) <= 100:
        return TOP_OF_PERCENT[convention.percent](float(k[:-1]), n)
    if isinstance(k, (int, np.integer)) and not isinstance(k, bool) and 1 <= k <= n:
        return int(k)
    raise ValueError(f"k {k!r}: expected a count from 1 to the {n} rows of the gallery, or a percentage such as '1%'")


def _check(query: np.ndarray, gallery: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    query, gallery = np.asanyarray(query), np.asanyarray(gallery)
    if query.shape != gallery.shape or query.ndim != 2 or 0 in query.shape:
        raise ValueError(f"query {query.shape} and gallery {gallery.shape}: conventions expect two equal shapes [n, D]")
    return query, gallery


def recalls(
    query: np.ndarray,
    gallery: np.ndarray,
    ks: Sequence[int | str],
    *,
    names: Iterable[str] = CONVENTIONS,
    ranks: Ranks | None = None,
    progress: bool = True,
) -> dict[str, dict[int | str, float]]:
    """Recall as published evaluators would report it, at the cost of five matrix products and with bounded memory.

    NaN is treated as each evaluator treats it.

    Parameters
    ----------
    query, gallery : float arrays [n, D]
        Row i answers query i.
    ks : sequence of int or str
        Counts from 1 to n, and percentages such as ``"1%"``, rounded to rows as each evaluator does.
    names : iterable of str
        Keys of `CONVENTIONS`; all by default.
    ranks : Ranks, optional
        Exact Euclidean ranks of the same arrays, where they are at hand: they save a sixth product.
    progress : bool
        Show a progress bar where it takes more than a few seconds.

    Returns
    -------
    dict of name to dict of k to float
        Fractions in [0, 1].

    Raises
    ------
    ValueError
        Unequal shapes, or a k that is neither a count within the gallery nor a percentage.
    """
    counted = _counted(query, gallery, ks, names, ranks, progress)
    return {
        convention.name: {k: float(convention.hits(counts, top).mean()) for k, top in tops.items()}
        for convention, counts, tops in counted
    }


def recall_bounds(
    query: np.ndarray,
    gallery: np.ndarray,
    ks: Sequence[int | str],
    *,
    names: Iterable[str] = CONVENTIONS,
    ranks: Ranks | None = None,
    progress: bool = True,
) -> dict[str, dict[int | str, tuple[float, float]]]:
    """Least and largest recall that each convention could report; they differ where a library leaves the order of ties open.

    Parameters as of `recalls`.

    Returns
    -------
    dict of name to dict of k to (least, largest)
    """
    found = recalls_with_bounds(query, gallery, ks, names=names, ranks=ranks, progress=progress)
    return {name: {k: tuple(bounds) for k, (_, *bounds) in values.items()} for name, values in found.items()}


def recalls_with_bounds(
    query: np.ndarray,
    gallery: np.ndarray,
    ks: Sequence[int | str],
    *,
    names: Iterable[str] = CONVENTIONS,
    ranks: Ranks | None = None,
    progress: bool = True,
) -> dict[str, dict[int | str, tuple[float, float, float]]]:
    """`recalls` and `recall_bounds` from one count: of each k the value, the least and the largest."""
    counted = _counted(query, gallery, ks, names, ranks, progress)
    return {
        convention.name: {
            k: (float(convention.hits(counts, top).mean()), *_bounds(convention, counts, top)) for k, top in tops.items()
        }
        for convention, counts, tops in counted
    }


def _bounds(convention: Convention, counts: Counts, top: int) -> tuple[float, float]:
    if convention.any_order is None:
        value = float(convention.hits(counts, top).mean())
        return value, value
    return tuple(float(convention.any_order(counts, top, sign).mean()) for sign in (1, -1))


def _counted(
    query: np.ndarray,
    gallery: np.ndarray,
    ks: Sequence[int | str],
    names: Iterable[str],
    ranks: Ranks | None,
    progress: bool,
) -> list[tuple[Convention, Counts, dict[int | str, int]]]:
    """Each convention with its counts, and how many rows each k means to it."""
    query, gallery = _check(query, gallery)
    chosen = [CONVENTIONS[name] for name in names]
    tops = [{k: _top(convention, k, len(query)) for k in ks} for convention in chosen]
    arithmetics = [arithmetic_for(convention.arithmetic, query) for convention in chosen]
    counts = count(query, gallery, set(arithmetics), ranks=ranks, progress=progress)
    return [(c, counts[arithmetic], top) for c, arithmetic, top in zip(chosen, arithmetics, tops, strict=True)]


def pssr_as_coded(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """PSSR as S010MON/image-locate, src/metrics.py, has it: for each *gallery* row, the share of queries as near as its own.

    Equation 2 counts gallery rows a query and takes (n - k) / n; the code counts along the other axis of the distance matrix
    and returns k / n. A NaN distance is not counted.

    Parameters
    ----------
    query, gallery : float arrays [n, D]

    Returns
    -------
    float64 array [n]
        In [0, 1].
    """
    query, gallery = _check(query, gallery)
    counts = count_differences(gallery, query)
    return (counts.closer + counts.tied + 1 - counts.lost) / len(query)
