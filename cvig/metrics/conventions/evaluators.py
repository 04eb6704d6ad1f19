"""How published evaluators count recall, restated for comparison; never used for this package's own results.

Row i of the gallery answers query i. Each rule follows from a few counts a query: how many gallery rows the evaluator's own
arithmetic finds closer than the answer, exactly as close, or at a distance of NaN. The arithmetic is part of the rule, for
rounding makes ties and breaks them.

Where a library leaves the order of equal distances open, one order stands in for it, and `recall_bounds` gives what any
order could report. FAISS (not needed here; restated in NumPy, as of 1.14.2): the lowest gallery row first, as its heap
of the k best replaces an entry by a strictly closer one only; a distance that is NaN or infinite never enters. Torch's
argsort: the lowest row first, though from about 17 rows on it keeps no order of equals. NumPy's argsort read backwards:
the highest row first, though from 7 rows on it keeps none. Both sort NaN above every number. Evaluators without a
percentage (FAISS's users, torchmetrics) are given n // 100 for 1%. What is restated is a rule: a script may refuse a
test set that is too small for it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cvig.metrics.conventions.arithmetic import (
    DIFFERENCES,
    FAISS_DIFFERENCES,
    FAISS_EXPANDS_FROM,
    Counts,
    count,
    count_differences,
)
from cvig.ranking import Ranks


@dataclass(frozen=True)
class Convention:
    """A published evaluator's rule.

    Attributes
    ----------
    name : str
    source : str
        Repository and file.
    rule : str
        The rule in words.
    arithmetic : str
        Key of `cvig.metrics.conventions.arithmetic.ARITHMETICS`, `DIFFERENCES` or `FAISS`: how it computes distances.
    hits : callable
        `Counts` and a top of k rows to whether each query counts as recalled, bool [n].
    percent : str
        Key of `TOP_OF_PERCENT`: how many rows a percentage means.
    any_order : callable, optional
        Where its library leaves the order of equals open: the hits with every tie lost (+1) or won (-1).
    """

    name: str
    source: str
    rule: str
    arithmetic: str
    hits: Callable[[Counts, int], np.ndarray]
    percent: str
    any_order: Callable[[Counts, int, int], np.ndarray] | None = None

    def recall(self, query: np.ndarray, gallery: np.ndarray, ks: Sequence[int | str]) -> dict[int | str, float]:
        """Recall as this evaluator would report it, with memory that does not grow with n².

        Parameters
        ----------
        query, gallery : float arrays [n, D]
            Row i answers query i. NaN is treated as the evaluator treats it.
        ks : sequence of int or str
            Counts from 1 to n, and percentages such as ``"1%"``, rounded to rows as the evaluator does.

        Returns
        -------
        dict of k to float
            Fractions in [0, 1].

        Raises
        ------
        ValueError
            Unequal shapes, or a k that is neither a count within the gallery nor a percentage.
        """
        return recalls(query, gallery, ks, names=[self.name])[self.name]


def _optimistic(counts: Counts, k: int) -> np.ndarray:
    return counts.closer < k


def _optimistic_index_k(counts: Counts, k: int) -> np.ndarray:
    """At most as far as entry k, counted from 0, of the sorted row; NaN sorts last and compares as false."""
    return (counts.lost == 0) & (counts.closer <= k) & (len(counts) - counts.nan > k)


def _pessimistic(counts: Counts, k: int) -> np.ndarray:
    """The answer is itself as close as itself, unless its distance is NaN: then nothing is, and the rank is 0."""
    return counts.closer + counts.tied + 1 - counts.lost <= k


def _faiss(counts: Counts, k: int) -> np.ndarray:
    return (counts.lost == 0) & (counts.closer + counts.before < k)


def _faiss_last_label(counts: Counts, k: int) -> np.ndarray:
    """FAISS marks what it cannot fill with -1, which then indexes the label of the last row."""
    hits = _faiss(counts, k)
    hits[-1] |= len(counts) - counts.nan[-1] < k
    return hits


def _argsort(counts: Counts, k: int) -> np.ndarray:
    return np.where(counts.lost, counts.nan_before, counts.nan + counts.closer + counts.before) < k


def _argsort_backwards(counts: Counts, k: int) -> np.ndarray:
    nan_after = counts.nan - counts.nan_before - 1
    return np.where(counts.lost, nan_after, counts.nan + counts.closer + counts.tied - counts.before) < k


def _tied_closer(counts: Counts, sign: int) -> np.ndarray:
    return counts.tied if sign > 0 else np.zeros_like(counts.tied)


def _faiss_any(counts: Counts, k: int, sign: int) -> np.ndarray:
    return (counts.lost == 0) & (counts.closer + _tied_closer(counts, sign) < k)


def _argsort_any(counts: Counts, k: int, sign: int) -> np.ndarray:
    missing = counts.nan - 1 if sign > 0 else np.zeros_like(counts.nan)  # NaN are equals of each other
    return np.where(counts.lost, missing, counts.nan + counts.closer + _tied_closer(counts, sign)) < k


def _faiss_last_label_any(counts: Counts, k: int, sign: int) -> np.ndarray:
    hits = _faiss_any(counts, k, sign)
    hits[-1] |= len(counts) - counts.nan[-1] < k
    return hits


# what a percentage p of n rows means, named by its value at 1%
TOP_OF_PERCENT: dict[str, Callable[[float, int], int]] = {
    "int(.01 n)": lambda p, n: int(n * (p / 100)),
    "int(.01 n) + 1": lambda p, n: int(n * (p / 100)) + 1,
    "n // 100": lambda p, n: int(n * p // 100),
    "round(.01 n) + 1": lambda p, n: round(n * (p / 100)) + 1,
}

FAISS = "FAISS"  # differences or the expansion, by size
PAPER_CODE = "image-locate"  # the convention of the paper's public code
_STRICT = "#(strictly closer) < k: ties count for the query"
_FAISS = "in the top k of FAISS's flat index"
_TABLE = [
    Convention(
        PAPER_CODE,
        "S010MON/image-locate, src/metrics.py and src/testModel.py",
        "d <= sorted row[k], counted from 0: ties count for the query, and one row too many for every k",
        DIFFERENCES,
        _optimistic_index_k,
        "int(.01 n)",
    ),
    Convention(
        "CVM-Net",
        "david-husx/crossview_localisation, src/CVM-Net/train.py",
        f"{_STRICT}; only 1% is printed",
        "float64 product",
        _optimistic,
        "int(.01 n) + 1",
    ),
    Convention(
        "SAFA",
        "YujiaoShi/cross_view_localization_SAFA, script/test_cvusa.py",
        _STRICT,
        "float64 product",
        _optimistic,
        "int(.01 n)",
    ),
    Convention(
        "DSM",
        "YujiaoShi/cross_view_localization_DSM, script/test_cvusa_fov.py",
        f"{_STRICT}; script/cal_FOV_acc.py takes one row more at 1%",
        "float64 product with a normalized gallery",
        _optimistic,
        "int(.01 n)",
    ),
    Convention(
        "GeoDTR+",
        "zxh009123/GeoDTR_plus, utils/utils.py (validatenp)",
        _STRICT,
        "float64 product",
        _optimistic,
        "int(.01 n)",
    ),
    Convention(
        "VIGOR",
        "Jeff-Zilence/VIGOR, train_SAFA.py (validate_top)",
        _STRICT,
        "float64 product",
        _optimistic,
        "int(.01 n) + 1",
    ),
    Convention(
        "TransGeo",
        "Jeff-Zilence/TransGeo2022, train.py (accuracy)",
        f"{_STRICT}; embeddings are normalized first, and zero rows become NaN",
        "float64 cosine",
        _optimistic,
        "n // 100",
    ),
    Convention(
        "Sample4Geo",
        "Skyy93/Sample4Geo, sample4geo/evaluate/cvusa_and_cvact.py (calculate_scores)",
        _STRICT,
        "float32 product",
        _optimistic,
        "n // 100",
    ),
    Convention(
        "WITW",
        "IQTLabs/WITW, model/cvig_fov.py (test)",
        "#(closer or as close) <= k: ties count against the query; zero rows become NaN, as in TransGeo",
        "float32 cosine",
        _pessimistic,
        "n // 100",
    ),
    Convention(
        "University-1652",
        "layumi/University1652-Baseline, evaluate_gpu.py",
        "in the first k of an unstable argsort read backwards",
        "float32 product",
        _argsort_backwards,
        "round(.01 n) + 1",
        _argsort_any,
    ),
    Convention(
        "OpenVPRLab",
        "amaralibey/OpenVPRLab, src/utils/metrics.py",
        _FAISS,
        FAISS,
        _faiss,
        "n // 100",
        _faiss_any,
    ),
    Convention(
        "VPR-methods-evaluation",
        "gmberton/VPR-methods-evaluation, main.py",
        _FAISS,
        FAISS,
        _faiss,
        "n // 100",
        _faiss_any,
    ),
    Convention(
        "torchmetrics",
        "Lightning-AI/torchmetrics 1.9, functional/retrieval/hit_rate.py",
        "in the first k of an argsort",
        "float32 product",
        _argsort,
        "n // 100",
        _argsort_any,
    ),
    Convention(
        "pytorch-metric-learning",
        "KevinMusgrave/pytorch-metric-learning 2.9, utils/accuracy_calculator.py and utils/inference.py",
        f"{_FAISS}, a missing entry taken for the last row; precision at 1 only: k > 1 is carried on here",
        FAISS,
        _faiss_last_label,
        "n // 100",
        _faiss_last_label_any,
    ),
]
CONVENTIONS: dict[str, Convention] = {convention.name: convention for convention in _TABLE}


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
    """`Convention.recall` of several conventions at the cost of five matrix products.

    Parameters
    ----------
    names : iterable of str
        Keys of `CONVENTIONS`; all by default.
    ranks : Ranks, optional
        Exact Euclidean ranks of the same arrays, where they are at hand: they save a sixth product.
    progress : bool
        Show a progress bar where it takes more than a few seconds.

    Returns
    -------
    dict of name to dict of k to float
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
    faiss = FAISS_DIFFERENCES if query.size < FAISS_EXPANDS_FROM else "float32 expansion"
    chosen = [CONVENTIONS[name] for name in names]
    tops = [{k: _top(convention, k, len(query)) for k in ks} for convention in chosen]
    arithmetics = [faiss if convention.arithmetic == FAISS else convention.arithmetic for convention in chosen]
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
