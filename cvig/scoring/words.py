"""The report of ``cvig score`` for a reader."""

from typing import Any

import pandas as pd

from cvig.scoring.published import NORMS, folded
from cvig.words import say_p

PERCENT = ("R@", "hit rate")
FEW = 200  # places with which a mean over rare large ranks is known less well than its interval says


def number(metric: str, value: float) -> str:
    """A value as it is printed: recall in percent."""
    if metric.endswith("rank"):
        return f"{value:.1f}"
    return f"{100 * value:.2f}%" if metric.startswith(PERCENT) else f"{value:.4f}"


def _summary(report: dict[str, Any]) -> str:
    rows = {}
    for metric, row in report["summary"].items():
        say = {column: number(metric, value) for column, value in row.items()}
        rows[metric] = {
            report["ties"]: f"{say['value']} [{say['low']}, {say['high']}]",
            **{rule: say[rule] for rule in ("optimistic", "expected", "pessimistic") if rule != report["ties"]},
            "chance": f"{say['chance']} [{say['chance_low']}, {say['chance_high']}]",
            "p": say_p(row["p_value"]),
        }
    return pd.DataFrame(rows).T.to_string()


def _search_share(report: dict[str, Any]) -> str:
    shares = report["search_share"]
    said = [
        f"{100 * s['share']:.2f}% [{100 * s['low']:.2f}, {100 * s['high']:.2f}] for {100 * float(coverage):g}%"
        for coverage, s in shares.items()
    ]
    return f"Share of the gallery, closest rows first, that holds the answer: {'; '.join(said)} of the queries."


def _first_place(report: dict[str, Any]) -> str:
    metres = report["first_place"]
    said = "The closest gallery row is {median_metres:.0f} m [{low:.0f}, {high:.0f}] off in the median".format(**metres)
    if metres["optimistic"] == metres["pessimistic"]:
        return f"{said}."
    return f"{said}; {metres['optimistic']:.0f} to {metres['pessimistic']:.0f} m by the order of ties."


def _comparison(report: dict[str, Any]) -> str:
    rows = {
        metric: {
            "this": number(metric, row["a"]),
            "other": number(metric, row["b"]),
            "difference": "{} [{}, {}]".format(*(number(metric, row[end]) for end in ("difference", "low", "high"))),
            "p": say_p(row["p_value"]),
            "p (Holm)": say_p(row["p_holm"]),
        }
        for metric, row in report["comparison"].items()
    }
    return "Beside the other model, query by query:\n" + pd.DataFrame(rows).T.to_string()


def _published(report: dict[str, Any], whole_table: bool) -> str:
    shown = report["conventions"]
    left_out = report["truth"]["queries"] - report["truth"]["answered"] - report["truth"]["lost"]
    of_length_1 = not any(note.startswith(NORMS) for note in report["notes"])
    line = folded(shown, report["summary"], report["gallery"]["rows"], left_out, of_length_1)
    if not whole_table:
        return f"{line}. --all-conventions shows all."
    values = {}
    for name, evaluator in shown.items():
        values[name] = {metric: number(metric, value) for metric, value in evaluator["values"].items()}
        for metric, (low, high) in evaluator["bounds"].items():
            values[name][metric] = f"{number(metric, low)} to {number(metric, high)}"
    return f"{line}.\nPublished evaluators would have reported:\n" + pd.DataFrame(values).T.fillna("").to_string()


def _head(report: dict[str, Any]) -> str:
    query, gallery = report["query"], report["gallery"]
    rows = f"{query['rows']} queries, {gallery['rows']} gallery rows"
    dimensions = f", {query['dimensions']} dimensions" if query["dimensions"] else ""
    return f"{rows}{dimensions}; {report['similarity']}"


def text(report: dict[str, Any], *, all_conventions: bool) -> str:
    """The whole report."""
    scored = report["truth"]["answered"] + report["truth"]["lost"]
    ties = "none"
    if report["tied_queries"]:
        ties = (
            f"{report['tied_queries']} of {scored} queries have other gallery rows exactly as far as their answer, "
            f"{report['most_ties']} at most"
        )
    places = report["truth"]["places"]
    one, several = ("square", "squares") if report["truth"]["block_side"] else ("place", "places")
    shared = "" if places == scored else f" Queries that share their {one} count together: {places} {several}."
    if places < FEW:
        shared += (
            f" With {places} {several} that of the mean rank is too narrow where a few of them make most of it: "
            "by simulation it then holds the truth in 71 to 93 of 100, not 95."
        )
    parts = [
        "\n".join([_head(report), *report["understood"]]),
        _summary(report),
        f"In brackets: 95% intervals. p: how likely chance does as well under the pessimistic rule.{shared}",
        f"Ties: {ties}." + (f"\nCollapse: {report['collapse']['verdict']}." if report["collapse"] else ""),
    ]
    parts.append(_search_share(report))
    if report["first_place"]:
        parts.append(_first_place(report))
    if report["comparison"]:
        parts.append(_comparison(report))
    if report["conventions"]:
        parts.append(_published(report, all_conventions))
    return "\n\n".join([*parts, *report["notes"]])
