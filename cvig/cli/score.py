"""``cvig score``: exact metrics of anyone's embeddings, and what published evaluators would have made of them."""

import dataclasses
import json
import math
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from cvig.ranking import Ranks


def score(
    query: Annotated[str, typer.Option(help="Embeddings of the queries: FILE or FILE:NAME.")],
    gallery: Annotated[str, typer.Option(help="Embeddings of the gallery: FILE or FILE:NAME.")],
    positives: Annotated[
        str | None, typer.Option(help="Gallery rows, from 0, that answer each query; without it row i answers query i.")
    ] = None,
    similarity: Annotated[Literal["euclidean", "dot"], typer.Option(help="What makes a gallery row close.")] = "euclidean",
    ties: Annotated[
        Literal["pessimistic", "optimistic", "expected"], typer.Option(help="The tie rule of the value.")
    ] = "pessimistic",
    json_to: Annotated[str | None, typer.Option("--json", help="Write everything to this file; - is stdout.")] = None,
    csv_to: Annotated[str | None, typer.Option("--csv", help="Write both tables to this file; - is stdout.")] = None,
    conventions: Annotated[bool, typer.Option(help="Show what published evaluators would have reported.")] = True,
) -> None:
    """Score embeddings exactly: recall, PSSR and MRR with intervals and chance, ties, and a verdict on collapse.

    Embeddings are rows of a .npy, .npz, .pt, .safetensors or .mat file. Positives may also be a text file, a line a query.
    Queries of one answer count as views of one place in intervals and tests. The report goes to stdout, unless --json -
    or --csv - takes its place.
    """
    import numpy as np

    from cvig.metrics import summary
    from cvig.metrics.collapse import diagnose
    from cvig.ranking import as_rows, exact_ranks
    from cvig.reading.embeddings import read_array, read_positives

    if json_to == csv_to == "-":
        raise ValueError("--json - and --csv - both claim stdout: name a file for one of them")
    ground = as_rows(read_array(query, "query"), f"query '{query}'")
    aerial = as_rows(read_array(gallery, "gallery"), f"gallery '{gallery}'")
    answers = None if positives is None else read_positives(positives)
    ranks = exact_ranks(ground, aerial, answers, similarity=similarity)
    places = answers if isinstance(answers, np.ndarray) else None
    table, diagnosis = summary(ranks, ties=ties, places=places), diagnose(ground, aerial)
    paired = len(ground) == len(aerial) and (answers is None or np.array_equal(answers, np.arange(len(aerial))))
    published, notes = None, []
    if conventions and paired:
        published = _published(ground, aerial, list(table.index), ranks if similarity == "euclidean" else None)
        notes = _notes(ground, aerial)
    elif conventions:
        notes = ["Published evaluators are not shown: they expect row i of the gallery to answer query i."]
    report = {
        "query": {"file": query, "rows": len(ground), "dimensions": ground.shape[1]},
        "gallery": {"file": gallery, "rows": len(aerial), "dimensions": aerial.shape[1]},
        "positives": positives,
        "similarity": similarity,
        "ties": ties,
        "tied_queries": int((ranks.tied > 0).sum()),
        "most_ties": int(ranks.tied.max()),
        "summary": table.to_dict(orient="index"),
        "collapse": {"verdict": diagnosis.verdict, **dataclasses.asdict(diagnosis)},
        "conventions": published,
        "notes": notes,
    }
    _deliver(report, table, json_to, csv_to)


def _published(
    ground: "np.ndarray", aerial: "np.ndarray", metrics: list[str], ranks: "Ranks | None"
) -> dict[str, dict[str, Any]]:
    """Source, rule and values by metric of each convention."""
    from cvig.metrics.conventions import CONVENTIONS, PAPER_CODE, pssr_as_coded, recalls

    ks = {name: name[2:] if name.endswith("%") else int(name[2:]) for name in metrics if name.startswith("R@")}
    found = recalls(ground, aerial, list(ks.values()), ranks=ranks)
    published = {
        name: {
            "source": CONVENTIONS[name].source,
            "rule": CONVENTIONS[name].rule,
            "values": {metric: found[name][k] for metric, k in ks.items()},
        }
        for name in CONVENTIONS
    }
    published[PAPER_CODE]["values"]["PSSR"] = float(pssr_as_coded(ground, aerial).mean())
    return published


def _notes(ground: "np.ndarray", aerial: "np.ndarray") -> list[str]:
    import numpy as np

    blocks = (rows[start : start + 4096] for rows in (ground, aerial) for start in range(0, len(rows), 4096))
    norms = np.concatenate([np.linalg.norm(np.asarray(block, dtype=np.float64), axis=1) for block in blocks])
    if np.abs(norms - 1).max() <= 1e-2:
        return []
    return [
        "Published evaluators that compare inner products expect embeddings of norm 1; "
        f"these have norms from {norms.min():.3g} to {norms.max():.3g}."
    ]


def _plain(value: Any) -> Any:
    """What JSON can say: Python's own types, with null for NaN and infinity."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tidy(report: dict[str, Any], table: "pd.DataFrame") -> "pd.DataFrame":
    """A row an evaluator and metric; a published evaluator has a value alone."""
    import pandas as pd

    ours = table.rename_axis("metric").reset_index()
    ours.insert(0, "evaluator", "cvig")
    theirs = [
        {"evaluator": name, "metric": metric, "value": value}
        for name, convention in (report["conventions"] or {}).items()
        for metric, value in convention["values"].items()
    ]
    return pd.concat([ours, pd.DataFrame(theirs, columns=["evaluator", "metric", "value"])], ignore_index=True)


def _text(report: dict[str, Any]) -> str:
    """The report for a reader: recall in percent."""
    import pandas as pd

    from cvig.words import say_p

    def number(metric: str, value: float) -> str:
        if metric.endswith("rank"):
            return f"{value:.1f}"
        return f"{100 * value:.2f}%" if metric.startswith("R@") else f"{value:.4f}"

    rows = {}
    for metric, row in report["summary"].items():
        say = {column: number(metric, value) for column, value in row.items()}
        rows[metric] = {
            report["ties"]: f"{say['value']} [{say['low']}, {say['high']}]",
            **{rule: say[rule] for rule in ("optimistic", "expected", "pessimistic") if rule != report["ties"]},
            "chance": f"{say['chance']} [{say['chance_low']}, {say['chance_high']}]",
            "p": say_p(row["p_value"]),
        }
    query, gallery = report["query"], report["gallery"]
    answers = f"answers in {report['positives']}" if report["positives"] else "row i answers query i"
    ties = (
        "none"
        if not report["tied_queries"]
        else (
            f"{report['tied_queries']} of {query['rows']} queries have other gallery rows exactly as far as their answer, "
            f"{report['most_ties']} at most"
        )
    )
    parts = [
        f"{query['rows']} queries, {gallery['rows']} gallery rows, {query['dimensions']} dimensions; "
        f"{report['similarity']}; {answers}",
        pd.DataFrame(rows).T.to_string(),
        "In brackets: 95% intervals. p: how likely chance does as well under the pessimistic rule.",
        f"Ties: {ties}.\nCollapse: {report['collapse']['verdict']}.",
    ]
    if report["conventions"]:
        values = {
            name: {metric: number(metric, value) for metric, value in convention["values"].items()}
            for name, convention in report["conventions"].items()
        }
        parts.append("Published evaluators would have reported:\n" + pd.DataFrame(values).T.fillna("").to_string())
    return "\n\n".join([*parts, *report["notes"]])


def _deliver(report: dict[str, Any], table: "pd.DataFrame", json_to: str | None, csv_to: str | None) -> None:
    from cvig.files import write_csv, write_json

    plain = _plain(report)
    if json_to == "-":
        typer.echo(json.dumps(plain, indent=1, sort_keys=True, allow_nan=False))
    elif json_to:
        write_json(json_to, plain)
    if csv_to == "-":
        _tidy(report, table).to_csv(sys.stdout, index=False)
    elif csv_to:
        write_csv(csv_to, _tidy(report, table))
    if "-" not in (json_to, csv_to):
        typer.echo(_text(report))
