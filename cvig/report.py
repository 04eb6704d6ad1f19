"""What the book's pages say of runs: sentences, tables and figures made from stored results."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from cvig import figures, metrics, results, tables
from cvig.results import TEST_SETS, Run

SOURCES = {"quick": "committed", "local": "this machine"}
LEVEL = 0.001  # of the tests against chance


def runs_by_source(root: Path | str) -> dict[str, dict[str, Run]]:
    """Finished runs below ``quick`` (committed) and, if any, ``local`` (this machine's), by source and name."""
    found = {label: {run.name: run for run in results.find(Path(root) / folder)} for folder, label in SOURCES.items()}
    return {label: runs for label, runs in found.items() if runs}


def runs_of(arch: str, root: Path | str) -> dict[str, Run]:
    """The runs of one architecture by source; at least the committed one."""
    found = {label: runs[arch] for label, runs in runs_by_source(root).items() if arch in runs}
    if SOURCES["quick"] not in found:
        raise FileNotFoundError(f"no committed quick run of {arch} below '{root}/quick'")
    return found


def _sentence(label: str, run: Run) -> str:
    row = run.metrics["uncropped"].loc["PSSR"]
    text = (
        f"**{label.capitalize()}.** {run.description}. On the uncropped test set a query rules out {row.value:.3f} "
        f"of the gallery on average (95% interval {row.low:.3f} to {row.high:.3f}); chance gives {row.chance:.3f}. "
    )
    if row.p_value < LEVEL:
        p = f"p = {row.p_value:.1e}" if row.p_value > 1e-300 else "p below 1e-300"
        text += f"That is better than chance ({p}, one-sided). "
    else:
        text += (
            f"That is **not** distinguishable from chance at the level of {LEVEL} (p = {row.p_value:.2g}): "
            f"{len(run.log)} epochs from random weights were too few. "
        )
    return text + f"Collapse: {run.facts['uncropped']['verdict']}."


def verdict(runs: dict[str, Run]) -> str:
    """Markdown: a paragraph a run, which says what was run and whether it beats chance."""
    return "\n\n".join(_sentence(label, run) for label, run in runs.items())


def display_each(runs: dict[str, Run], plot: Callable[[Run], figures.Plot]) -> None:
    """Display one plot a run, its caption naming the run."""
    from IPython.display import display

    for label, run in runs.items():
        display(figures.show(plot(run), caption=f"{label.capitalize()}: {run.description}."))


def histogram(run: Run) -> figures.Plot:
    """Per-query PSSR of both test sets."""
    return figures.pssr_histogram({name: metrics.per_query_pssr(run.ranks(name), ties="pessimistic") for name in TEST_SETS})


def scores(runs: dict[str, Run]) -> pd.DataFrame:
    """Recall and PSSR of every run and test set, with chance."""
    return tables.recall_table({f"{label}, {name}": run.metrics[name] for label, run in runs.items() for name in TEST_SETS})


def per_query(runs: dict[str, Run], test_set: str) -> dict[str, np.ndarray]:
    """Pessimistic per-query PSSR of each architecture."""
    return {name: metrics.per_query_pssr(run.ranks(test_set), ties="pessimistic") for name, run in runs.items()}


def against_chance(runs: dict[str, Run]) -> pd.DataFrame:
    """PSSR of the uncropped test set, its interval, chance, the p-value and the share of tied queries."""
    rows = {}
    for name, run in runs.items():
        row = run.metrics["uncropped"].loc["PSSR"]
        rows[name] = {
            "PSSR": f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]",
            "chance": f"{row.chance:.4f}",
            "p": f"{row.p_value:.1e}",
            "tied queries": f"{100 * run.facts['uncropped']['tied_fraction']:.1f}%",
        }
    return pd.DataFrame(rows).T


def origins(sources: dict[str, dict[str, Run]]) -> pd.DataFrame:
    """Provenance of every run: parameters that matter, data, commit, device and time."""
    rows = {}
    for label, runs in sources.items():
        for name, run in runs.items():
            p = run.parameters
            rows[label, name] = {
                "recipe": p["recipe"],
                "epochs": len(run.log),
                "pairs an epoch": run.train["pairs_per_epoch"],
                "pixels": p["size"],
                "seed": p["seed"],
                "test data": run.evaluate["data"]["test"],
                "commit": (run.train["commit"] or "unknown")[:8],
                "torch": run.train["packages"]["torch"],
                "device": run.train["device"],
                "seconds": round(run.train["seconds"] + run.evaluate["seconds"]),
            }
    return pd.DataFrame(rows).T.rename_axis(["runs", "architecture"])
