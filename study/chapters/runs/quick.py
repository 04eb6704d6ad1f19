"""The page of an architecture shows its quick runs."""

from pathlib import Path

import pandas as pd

from cvig import metrics
from cvig.words import say_p
from study import figures, tables
from study.ground import in_words
from study.levels import BEATS_CHANCE
from study.runs import TEST_SETS, TITLES, Run, find_all


def runs_of(arch: str, root: Path | str) -> dict[str, Run]:
    """The quick runs of one architecture, which are named after it, by source; at least the committed one."""
    found = {label: runs[arch] for label, runs in find_all(root).items() if arch in runs}
    if TITLES["quick"] not in found:
        raise FileNotFoundError(f"no committed quick run of {arch} below '{root}/quick'")
    return found


def _sentence(label: str, run: Run) -> str:
    row, p_value = run.metrics["uncropped"].loc["PSSR"], run.p_above_chance("uncropped")
    over = in_words(run.squares("uncropped"))
    text = (
        f"**{label.capitalize()}.** {run.description}. On the uncropped test set a query rules out {row.value:.3f} "
        f"of the gallery on average (95% interval over {over} {row.low:.3f} to {row.high:.3f}); chance gives "
        f"{row.chance:.3f}. "
    )
    if p_value < BEATS_CHANCE:
        text += f"That is better than chance (one-sided p: {say_p(p_value)}). "
    else:
        text += (
            f"That is **not shown** to be better than chance at the level of {BEATS_CHANCE} (p = {say_p(p_value)}), after "
            f"{len(run.log)} epochs from random weights. "
        )
    return text + f"Collapse: {run.facts['uncropped']['verdict']}."


def verdict(runs: dict[str, Run]) -> str:
    """Say in Markdown what each run is and whether it beats chance: a paragraph a run."""
    return "\n\n".join(_sentence(label, run) for label, run in runs.items())


def histogram(run: Run) -> figures.Plot:
    """Per-query PSSR of both test sets."""
    return figures.pssr_histogram({name: metrics.per_query_pssr(run.ranks(name), ties="pessimistic") for name in TEST_SETS})


def scores(runs: dict[str, Run]) -> pd.DataFrame:
    """Recall and PSSR of every run and test set, with chance."""
    return tables.recall_table({f"{label}, {name}": run.metrics[name] for label, run in runs.items() for name in TEST_SETS})
