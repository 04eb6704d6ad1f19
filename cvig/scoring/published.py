"""What published evaluators would have made of a case, and how that differs from the exact values."""

import re
from typing import Any

import numpy as np

from cvig.scoring.case import Case

NORMS = "Published evaluators that compare inner products"
LEAST = 1e-9  # recalls are shares of whole queries


def published(case: Case, metrics: list[str]) -> tuple[dict[str, dict[str, Any]] | None, list[str]]:
    """Source, rule, values and bounds by metric of each evaluator that applies to this ground truth; and notes.

    Parameters
    ----------
    metrics : list of str
        Those named R@k are looked at.
    """
    from cvig.metrics.conventions import CONVENTIONS, PAPER_CODE
    from cvig.metrics.conventions.answers import ANSWERS_CONVENTIONS, recalls_of_answers
    from cvig.metrics.conventions.evaluators import reported

    if case.matrix is not None:
        return None, ["Published evaluators are not shown: they compute distances from embeddings."]
    if case.ignored is not None:
        return None, ["Published evaluators are not shown: none of them leaves rows out for single queries."]
    ks = {name: name[2:] if name.endswith("%") else int(name[2:]) for name in metrics if name.startswith("R@")}
    notes = _norms(case)
    if case.is_paired:
        found, known = reported(case.query, case.gallery, list(ks.values())), CONVENTIONS
    else:
        pairs = case.truth.pairs
        found = recalls_of_answers(case.query, case.gallery, pairs, list(ks.values()), given=case.given)
        known = ANSWERS_CONVENTIONS
        names = ", ".join(found)
        notes.append(f"Published evaluators that apply where row i does not answer query i alone: {names}.")
    shown = {
        name: {
            "source": known[name].source,
            "least_rows": CONVENTIONS[name].least_rows,
            "rule": known[name].rule,
            "values": {metric: values[k][0] for metric, k in ks.items()},
            "bounds": {metric: list(values[k][1:]) for metric, k in ks.items() if values[k][2] - values[k][1] > LEAST},
        }
        for name, values in found.items()
    }
    if refusing := {name: least for name in shown if (least := CONVENTIONS[name].least_rows or 0) > case.shape[1]}:
        named = ", ".join(f"{name} ({least} rows)" for name, least in refusing.items())
        notes.append(f"Scripts that end with an error on so small a gallery, where their rule alone is applied: {named}.")
    if PAPER_CODE in shown:
        value, low, high = found[PAPER_CODE]["PSSR"]
        shown[PAPER_CODE]["values"]["PSSR"] = value
        if high - low > LEAST:
            shown[PAPER_CODE]["bounds"]["PSSR"] = [low, high]
    return shown, notes


def _norms(case: Case) -> list[str]:
    blocks = (rows[start : start + 4096] for rows in (case.query, case.gallery) for start in range(0, len(rows), 4096))
    norms = np.concatenate([np.linalg.norm(np.asarray(block, dtype=np.float64), axis=1) for block in blocks])
    if np.abs(norms - 1).max() <= 1e-2:
        return []
    return [f"{NORMS} expect embeddings of norm 1; these have norms from {norms.min():.3g} to {norms.max():.3g}."]


def folded(
    shown: dict[str, dict[str, Any]], summary: dict[str, dict[str, float]], gallery: int, left_out: int, of_length_1: bool
) -> str:
    """One line: how many agree with the exact values, and the first value in which each other differs, and why."""
    differing: dict[str, list[str]] = {}
    for name, evaluator in shown.items():
        said = _difference(name, evaluator, summary, gallery, left_out, of_length_1)
        if said is not None:
            differing.setdefault(said, []).append(name)
    agree = len(shown) - sum(map(len, differing.values()))
    head = f"Published evaluators: {agree} of {len(shown)} agree with the exact values"
    return "; ".join([head, *(f"{', '.join(names)} {said}" for said, names in differing.items())])


def _difference(
    name: str, evaluator: dict[str, Any], summary: dict, gallery: int, left_out: int, of_length_1: bool
) -> str | None:
    from cvig.metrics.conventions import PAPER_CODE

    for metric, value in evaluator["values"].items():
        if not metric.startswith("R@"):
            continue
        low, high = sorted((summary[metric]["pessimistic"], summary[metric]["optimistic"]))
        bounds = evaluator["bounds"].get(metric)
        if bounds is not None and not (bounds[0] >= low - LEAST and bounds[1] <= high + LEAST):
            more = ", and it takes one place too many" if name == PAPER_CODE else ""
            why = f"a library's order of rows as far, or its version, decides{more}"
            return f"{metric} {100 * bounds[0]:.2f}% to {100 * bounds[1]:.2f}%: {why}"
        if bounds is not None or low - LEAST <= value <= high + LEAST:
            continue
        if name == PAPER_CODE:
            why = "one place too many"
        elif metric.endswith("%") and _rows_meant(name, metric, gallery) is not None:
            why = _rows_meant(name, metric, gallery)
        elif left_out:
            why = "queries without an answer count as lost"
        elif not of_length_1 and re.search("product|cosine", _convention(name).arithmetic):
            compared = "angles" if "cosine" in _convention(name).arithmetic else "inner products"
            why = f"it compares {compared}, and embeddings are not of length 1"
        else:
            why = "its own rounding"
        return f"{metric} {100 * value:.2f}%: {why}"
    return None


def _convention(name: str):
    from cvig.metrics.conventions import CONVENTIONS
    from cvig.metrics.conventions.answers import ANSWERS_CONVENTIONS

    return CONVENTIONS.get(name) or ANSWERS_CONVENTIONS[name]


def _rows_meant(name: str, metric: str, gallery: int) -> str | None:
    """How many rows a percentage means to an evaluator, where that is not what it means here."""
    from cvig.metrics.conventions.evaluators import TOP_OF_PERCENT

    percent = _convention(name).percent
    theirs, ours = (
        TOP_OF_PERCENT[percent](float(metric[2:-1]), gallery),
        max(1, int(float(metric[2:-1]) * gallery / 100 + 1e-9)),
    )
    return None if theirs == ours else f"the first {theirs} rows, not {ours}"
