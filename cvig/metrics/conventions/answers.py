"""Published evaluators that take several answers a query, or a gallery of another size than the queries.

Their own arithmetic says which rows are closer than the best of the answers and which as close, as in
`cvig.metrics.conventions.evaluators`; where their library leaves the order of equals open, the least and the largest recall
are given. University-1652 and the evaluators of visual place recognition divide by all queries, those without an answer
among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvig.metrics.conventions.arithmetic import ARITHMETICS, FAISS, arithmetics_for
from cvig.metrics.conventions.rules import TOP_OF_PERCENT

ROWS = 128  # queries at a time


@dataclass(frozen=True)
class AnswersConvention:
    """A published rule for answers other than row i for query i.

    Attributes
    ----------
    name, source, rule : str
    arithmetic : str
        Key of `cvig.metrics.conventions.arithmetic.ARITHMETICS`, or `FAISS`.
    several : bool
        Whether a query may have several answers.
    strict : bool
        Whether ties count for the query; else their order is open.
    percent : str
        Key of `TOP_OF_PERCENT`, n being the size of the gallery.
    """

    name: str
    source: str
    rule: str
    arithmetic: str
    several: bool
    strict: bool
    percent: str


_STRICT = "#(strictly closer) < k: ties count for the query"
_FAISS = "any answer in the top k of FAISS's flat index"
ANSWERS_CONVENTIONS = {
    convention.name: convention
    for convention in (
        AnswersConvention(
            "GeoDTR+",
            "zxh009123/GeoDTR_plus, utils/utils.py (validateVIGOR)",
            _STRICT,
            "float64 product",
            False,
            True,
            "n // 100",
        ),
        AnswersConvention(
            "TransGeo", "Jeff-Zilence/TransGeo2022, train.py (accuracy)", _STRICT, "float64 cosine", False, True, "n // 100"
        ),
        AnswersConvention(
            "Sample4Geo",
            "Skyy93/Sample4Geo, sample4geo/evaluate/vigor.py (calculate_scores)",
            _STRICT,
            "float32 product",
            False,
            True,
            "n // 100",
        ),
        AnswersConvention(
            "University-1652",
            "layumi/University1652-Baseline, evaluate_gpu.py",
            "the first answer in an unstable argsort read backwards",
            "float32 product",
            True,
            False,
            "round(.01 n) + 1",
        ),
        AnswersConvention(
            "OpenVPRLab", "amaralibey/OpenVPRLab, src/utils/metrics.py", _FAISS, FAISS, True, False, "n // 100"
        ),
        AnswersConvention(
            "VPR-methods-evaluation", "gmberton/VPR-methods-evaluation, main.py", _FAISS, FAISS, True, False, "n // 100"
        ),
    )
}


def _ready(rows: np.ndarray, side: str, arithmetic) -> np.ndarray:
    rows = np.asarray(rows, dtype=arithmetic.dtype)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) if side in arithmetic.normalized else rows


def _counts(query: np.ndarray, gallery: np.ndarray, pairs: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows closer than the best answer, and other rows that are no answers and as close: int64 [Q] each."""
    arithmetic = ARITHMETICS[name]
    others = _ready(gallery, "gallery", arithmetic)
    closer, tied = np.zeros((2, len(query)), dtype=np.int64)
    for start in range(0, len(query), ROWS):
        rows = _ready(query[start : start + ROWS], "query", arithmetic)
        distance = arithmetic.distance(rows @ others.T, rows, others)
        own = pairs[slice(*np.searchsorted(pairs[:, 0], [start, start + len(rows)]))] - np.array([start, 0])
        values = distance[own[:, 0], own[:, 1]]
        best = np.minimum.reduceat(values, np.flatnonzero(np.diff(own[:, 0], prepend=-1)))
        closer[start : start + len(rows)] = np.count_nonzero(distance < best[:, None], axis=1)
        tied[start : start + len(rows)] = np.count_nonzero(distance == best[:, None], axis=1)
        tied[start : start + len(rows)] -= np.bincount(own[:, 0], values == best[own[:, 0]], len(rows)).astype(np.int64)
    return closer, tied


def recalls_of_answers(
    query: np.ndarray, gallery: np.ndarray, pairs: np.ndarray, ks: Sequence[int | str], *, given: int | None = None
) -> dict[str, dict[int | str, tuple[float, float, float]]]:
    """Recall as these evaluators would report it: of each k the value, the least and the largest.

    Parameters
    ----------
    query, gallery : finite arrays [Q, D], [N, D]
    pairs : int64 array [P, 2]
        Query and gallery row, sorted by query, at least one each.
    ks : sequence of int or str
        Counts, and percentages of the gallery such as ``"1%"``.
    given : int, optional
        All queries, those without an answer among them: what the evaluators that allow such divide by.
    """
    count, n = len(query), len(gallery)
    single = len(pairs) == count
    chosen = [c for c in ANSWERS_CONVENTIONS.values() if c.several or (single and given in (None, count))]
    names = {c.name: arithmetics_for(c.arithmetic, query) for c in chosen}
    with np.errstate(all="ignore"):
        counted = {name: _counts(query, gallery, pairs, name) for name in sorted({x for of in names.values() for x in of})}
    found = {}
    for convention in chosen:
        counts = [counted[name] for name in names[convention.name]]
        found[convention.name] = {}
        for k in ks:
            top = TOP_OF_PERCENT[convention.percent](float(k[:-1]), n) if isinstance(k, str) else k
            most = [float((closer < top).sum()) / (given or count) for closer, _ in counts]
            least = most if convention.strict else [float((c + tied < top).sum()) / (given or count) for c, tied in counts]
            found[convention.name][k] = (most[0] if convention.strict else least[0], min(least), max(most))
    return found
