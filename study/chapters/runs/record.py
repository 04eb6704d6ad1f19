"""The page of one run: what it is, what it scored, where it was made, and how it is repeated."""

import html
import json
from collections.abc import Mapping

import pandas as pd

from study.ground import in_words
from study.runs import TEST_SETS, Run
from study.tables import folded, recall_table


def chain(run: Run, runs: Mapping[str, Run]) -> list[Run]:
    """The runs that one started from, the first of them first, and the run itself; of those in its study's folder."""
    before = runs.get(run.start)
    return [*(chain(before, runs) if before and before is not run else []), run]


def origin(run: Run, runs: Mapping[str, Run]) -> dict[str, str]:
    """Where a run was made, of what, and how long that took, each by what it is called."""
    train, evaluate = run.train, run.evaluate
    parents = chain(run, runs)[:-1]
    seconds = {"seconds of training": train["seconds"], "seconds of evaluation": evaluate["seconds"]}
    if parents:
        seconds["seconds of the runs it starts from"] = sum(parent.train["seconds"] for parent in parents)
        seconds["seconds of all"] = sum(seconds.values())
    data = {f"digest of the {name} data": value for name, value in (train["data"] | evaluate["data"]).items()}
    versions = ", ".join(f"{name} {number}" for name, number in train["packages"].items())
    return {
        **({"starts from": parents[-1].label} if parents else {}),
        "commit of the training": train["commit"] or "unknown",
        "commit of the evaluation": evaluate.get("commit") or "unknown",
        "device": train["device"],
        "precision": run.precision,
        "threads": str(train.get("threads", "unknown")),
        "machine": train.get("machine", "unknown"),
        "Python": train.get("python", "unknown"),
        "packages": versions,
        **data,
        **{name: f"{value:,.0f}" for name, value in seconds.items()},
    }


def pairs(rows: Mapping[str, str], names: tuple[str, str]) -> str:
    """A table of two columns: what something is, and its value."""
    frame = pd.DataFrame({names[1]: rows}).rename_axis(names[0])
    with pd.option_context("display.max_colwidth", None, "display.max_rows", None):
        return shown(frame.reset_index().to_html(index=False))


def shown(table: str) -> str:
    """A table as the output of a page's cell: it looks as those do."""
    return f'<div class="cell_output"><div class="output text_html">{table}</div></div>'


def body(run: Run, runs: Mapping[str, Run]) -> str:
    """The page's HTML below its theme; `runs` are those of the run's study."""
    parents = [parent.label for parent in chain(run, runs)[:-1]]
    dirty = any((record.get("commit") or "").endswith("+") for record in (run.train, run.evaluate))
    said = [
        "The command takes the tree of the commit below, trains and evaluates there by the same parameters, and says "
        "whether ranks and scores agree."
    ]
    if parents:
        said.append(f"The run starts from {' and '.join(parents)}, which the command repeats first.")
    if dirty:
        said.append(
            "The commit has a “+”: files had been changed beside it that were not committed. So nobody can repeat this run "
            "exactly; the command repeats it without those changes."
        )
    parameters = {**run.parameters, **{f"evaluation: {name}": value for name, value in run.evaluate["parameters"].items()}}
    values = {name: json.dumps(value) for name, value in parameters.items()}
    log = shown(run.log.round(4).to_html(index=False))
    over = in_words(run.squares("uncropped"))
    return (
        f"<section><h1>{html.escape(run.label)}</h1><p>{html.escape(run.description)}.</p>"
        f"<h2>Scores</h2>{shown(recall_table({name: run.metrics[name] for name in TEST_SETS}).to_html())}"
        f"<p>Recall in percent, PSSR as a share, each with its 95% interval over {over}; a tie counts against the network. "
        f"Collapse, on the uncropped test set: {html.escape(run.facts['uncropped']['verdict'])}.</p>"
        f"<h2>How it is repeated</h2><pre>make check RUN=results/{html.escape(run.label)}</pre><p>{' '.join(said)}</p>"
        f"<h2>Where it was made</h2>{pairs(origin(run, runs), ('what', 'value'))}"
        f"<h2>Parameters</h2>{folded('every parameter of training and evaluation', pairs(values, ('parameter', 'value')))}"
        f"<h2>Log</h2>{folded(f'{len(run.log)} epochs, a line each', log)}</section>"
    )
