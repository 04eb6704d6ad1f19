"""The rules of published evaluators as data: what counts as recalled, by which arithmetic, and what a percentage means."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cvig.metrics.conventions.arithmetic import DIFFERENCES, FAISS
from cvig.metrics.conventions.counts import Counts


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
        Key of `cvig.metrics.conventions.arithmetic.ARITHMETICS`, or `FAISS`: how it computes distances.
    hits : callable
        `Counts` and a top of k rows to whether each query counts as recalled, bool [n].
    percent : str
        Key of `TOP_OF_PERCENT`: how many rows a percentage means.
    any_order : callable, optional
        Where its library leaves the order of equals or of sums open: the hits with all of that lost (+1) or won (-1).
    least_rows : int, optional
        The smallest gallery that its script reports on, as its own lines say; below it ends with an error. None: not known.
    least_source : str
        The lines that say so, where it is more than 1.
    """

    name: str
    source: str
    rule: str
    arithmetic: str
    hits: Callable[[Counts, int], np.ndarray]
    percent: str
    any_order: Callable[[Counts, int, int], np.ndarray] | None = None
    least_rows: int | None = None
    least_source: str = ""


def _optimistic(counts: Counts, k: int) -> np.ndarray:
    return counts.closer < k


def _optimistic_index_k(counts: Counts, k: int) -> np.ndarray:
    """At most as far as entry k, counted from 0, of the sorted row; NaN sorts last and compares as false."""
    return (counts.lost == 0) & (counts.closer <= k) & (len(counts) - counts.nan > k)


def _index_k_any(counts: Counts, k: int, sign: int) -> np.ndarray:
    closer = counts.closer - counts.open_closer + (counts.open if sign > 0 else 0)
    return (counts.lost == 0) & (closer <= k) & (len(counts) - counts.nan > k)


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
        _index_k_any,
        least_rows=501,
        least_source="src/testModel.py calls recall_at_k, which takes sorted_dists[:, 500]",
    ),
    Convention(
        "CVM-Net",
        "david-husx/crossview_localisation, src/CVM-Net/train.py",
        f"{_STRICT}; only 1% is printed",
        "float64 product",
        _optimistic,
        "int(.01 n) + 1",
        least_rows=1,
    ),
    Convention(
        "SAFA",
        "YujiaoShi/cross_view_localization_SAFA, script/test_cvusa.py",
        _STRICT,
        "float64 product",
        _optimistic,
        "int(.01 n)",
        least_rows=1000,
        least_source="script/test_cvusa.py prints val_accuracy[0, 10], of int(.01 n) + 1 columns",
    ),
    Convention(
        "DSM",
        "YujiaoShi/cross_view_localization_DSM, script/test_cvusa_fov.py",
        f"{_STRICT}; the gallery alone is divided by its norms, and zero rows of it become NaN",
        "float64 product with a normalized gallery",
        _optimistic,
        "int(.01 n)",
        least_rows=1,
    ),
    Convention(
        "GeoDTR+",
        "zxh009123/GeoDTR_plus, utils/utils.py (validatenp)",
        _STRICT,
        "float64 product",
        _optimistic,
        "int(.01 n)",
        least_rows=1,
    ),
    Convention(
        "VIGOR",
        "Jeff-Zilence/VIGOR, train_SAFA.py (validate_top)",
        _STRICT,
        "float64 product",
        _optimistic,
        "int(.01 n) + 1",
        least_rows=1,
    ),
    Convention(
        "TransGeo",
        "Jeff-Zilence/TransGeo2022, train.py (accuracy)",
        f"{_STRICT}; embeddings are normalized first, and zero rows become NaN",
        "float64 cosine",
        _optimistic,
        "n // 100",
        least_rows=1,
    ),
    Convention(
        "Sample4Geo",
        "Skyy93/Sample4Geo, sample4geo/evaluate/cvusa_and_cvact.py (calculate_scores)",
        _STRICT,
        "float32 product",
        _optimistic,
        "n // 100",
        least_rows=1,
    ),
    Convention(
        "WITW",
        "IQTLabs/WITW, model/cvig_fov.py (test)",
        "#(closer or as close) <= k: ties count against the query; zero rows become NaN, as in TransGeo",
        "float32 cosine",
        _pessimistic,
        "n // 100",
        least_rows=2,
        least_source="model/cvig_fov.py indexes torch.squeeze(distances), a number where there is one row",
    ),
    Convention(
        "University-1652",
        "layumi/University1652-Baseline, evaluate_gpu.py",
        "in the first k of an unstable argsort read backwards",
        "float32 product",
        _argsort_backwards,
        "round(.01 n) + 1",
        _argsort_any,
        least_rows=10,
        least_source="evaluate_gpu.py prints CMC[9]",
    ),
    Convention(
        "OpenVPRLab",
        "amaralibey/OpenVPRLab, src/utils/metrics.py",
        _FAISS,
        FAISS,
        _faiss,
        "n // 100",
        _faiss_any,
        least_rows=1,
    ),
    Convention(
        "VPR-methods-evaluation",
        "gmberton/VPR-methods-evaluation, main.py",
        _FAISS,
        FAISS,
        _faiss,
        "n // 100",
        _faiss_any,
        least_rows=1,
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
