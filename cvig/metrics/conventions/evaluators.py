"""How published evaluators count recall, restated for comparison; never used for this package's own results.

Row i of the gallery answers query i. Each rule follows from a few counts a query: how many gallery rows the evaluator's own
arithmetic finds closer than the answer, exactly as close, or at a distance of NaN. The arithmetic is part of the rule, for
rounding makes ties and breaks them.

Where a library leaves the order of equal distances open, one order stands in for it, and `recall_bounds` gives what any
order could report. FAISS (not needed here; restated in NumPy): the lowest gallery row first, as its heap of the k best
replaces an entry by a strictly closer one only; a distance that is NaN or infinite never enters. From 1.14.2 on it takes
differences where the queries have fewer than 128,000 entries in all, up to 1.13.2 where there are fewer than 20 queries,
and else the expansion; the newer rule gives the value, and the bounds hold what either could report. image-locate: SciPy's
own sums give the value, and the bounds hold what sums in another order could report of rows as far but for rounding. Torch's
argsort: the lowest row first, though from about 17 rows on it keeps no order of equals. NumPy's argsort read backwards:
the highest row first, though from 7 rows on it keeps none. Both sort NaN above every number. Evaluators without a
percentage (FAISS's users, torchmetrics) are given n // 100 for 1%. What is restated is a rule: a script may end with an
error on a test set that is too small for it (`Convention.least_rows`). GeoDTR+'s prints all recalls up to 1% as an array
below 1,000 rows, and TransGeo's asks for a multiple of 4 queries from 80,000 on.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from cvig.metrics.conventions.arithmetic import OF_COLUMNS, arithmetics_for, count
from cvig.metrics.conventions.counts import Counts
from cvig.metrics.conventions.rules import CONVENTIONS, PAPER_CODE, TOP_OF_PERCENT, Convention


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
    counted, _ = _counted(query, gallery, ks, names, progress)
    return {
        convention.name: {k: float(convention.hits(counts[0], top).mean()) for k, top in tops.items()}
        for convention, counts, tops in counted
    }


def recall_bounds(
    query: np.ndarray,
    gallery: np.ndarray,
    ks: Sequence[int | str],
    *,
    names: Iterable[str] = CONVENTIONS,
    progress: bool = True,
) -> dict[str, dict[int | str, tuple[float, float]]]:
    """Least and largest recall that each convention could report; they differ where a library leaves the order of ties open.

    Parameters as of `recalls`.

    Returns
    -------
    dict of name to dict of k to (least, largest)
    """
    counted, _ = _counted(query, gallery, ks, names, progress)
    return {
        convention.name: {k: _bounds(convention, counts, top) for k, top in tops.items()}
        for convention, counts, tops in counted
    }


def reported(
    query: np.ndarray, gallery: np.ndarray, ks: Sequence[int | str]
) -> dict[str, dict[int | str, tuple[float, float, float]]]:
    """`recalls` and `recall_bounds` of all from one count, and under ``"PSSR"`` the mean that image-locate's code gives.

    Returns
    -------
    dict of name to dict of k to (value, least, largest)
    """
    counted, counts = _counted(query, gallery, ks, CONVENTIONS, True, also=OF_COLUMNS)
    found = {
        convention.name: {
            k: (float(convention.hits(of[0], top).mean()), *_bounds(convention, of, top)) for k, top in tops.items()
        }
        for convention, of, tops in counted
    }
    found[PAPER_CODE]["PSSR"] = _pssr_with_bounds(counts[OF_COLUMNS])
    return found


def _pssr_with_bounds(counts: Counts) -> tuple[float, float, float]:
    kept = _kept(counts)
    sure = kept - counts.open_closer - counts.open_tied
    return tuple(float(each.mean() / len(counts)) for each in (kept, sure, sure + counts.open))


def _bounds(convention: Convention, counts: list[Counts], top: int) -> tuple[float, float]:
    if convention.any_order is None:
        value = float(convention.hits(counts[0], top).mean())
        return value, value
    ends = (min, 1), (max, -1)
    return tuple(end(float(convention.any_order(of, top, sign).mean()) for of in counts) for end, sign in ends)


def _counted(
    query: np.ndarray,
    gallery: np.ndarray,
    ks: Sequence[int | str],
    names: Iterable[str],
    progress: bool,
    also: str | None = None,
) -> tuple[list[tuple[Convention, list[Counts], dict[int | str, int]]], dict[str, Counts]]:
    """Each convention, its counts by each arithmetic that it may have, and how many rows each k means; and all counts."""
    query, gallery = _check(query, gallery)
    chosen = [CONVENTIONS[name] for name in names]
    tops = [{k: _top(convention, k, len(query)) for k in ks} for convention in chosen]
    arithmetics = [arithmetics_for(convention.arithmetic, query) for convention in chosen]
    wanted = {key for keys in arithmetics for key in keys} | ({also} if also else set())
    counts = count(query, gallery, wanted, progress=progress)
    every = [(c, [counts[key] for key in keys], top) for c, keys, top in zip(chosen, arithmetics, tops, strict=True)]
    return every, counts


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
    counts = count(query, gallery, [OF_COLUMNS], progress=False)[OF_COLUMNS]
    return _kept(counts) / len(query)


def _kept(counts: Counts) -> np.ndarray:
    return counts.closer + counts.tied + 1 - counts.lost
