"""The page on results chooses among all runs, and shows their tables and figures."""

from collections.abc import Iterable, Sequence

import pandas as pd

from cvig import metrics
from cvig.metrics.collapse import Tower
from cvig.words import say_p
from study import figures
from study.runs import Run
from study.words import with_interval


def first_seeds(runs: dict[str, Run]) -> dict[str, Run]:
    """The runs of the smallest seed among those that differ only in seed and folder."""
    first: dict[str, str] = {}
    for name in sorted(runs, key=lambda name: runs[name].parameters["seed"]):
        shared = {key: value for key, value in runs[name].parameters.items() if key not in ("seed", "out")}
        first.setdefault(str(sorted(shared.items())), name)
    return {name: run for name, run in runs.items() if name in first.values()}


def without_trunks(runs: dict[str, Run]) -> dict[str, Run]:
    """The runs that no other of them starts from."""
    starts = {run.start for run in runs.values()}
    return {name: run for name, run in runs.items() if name not in starts}


def both_axes(run: Run) -> figures.Plot:
    """PSSR of the uncropped test set, query by query (equation 2) and, beside it, as the paper's code counts.

    Where views have several answers the code has no count, and equation 2 stands alone.
    """
    rows = metrics.per_query_pssr(run.ranks("uncropped"), ties="pessimistic")
    columns = run.columns_as_coded("uncropped")
    return figures.pssr_on_both_axes(rows, columns) if len(columns) else figures.pssr_histogram({"equation 2": rows})


def embeddings(run: Run) -> figures.Plot:
    """Both towers of the uncropped test set on two principal axes."""
    stored = run.projection
    return figures.projection(stored["ground"], stored["aerial"], tuple(stored["explained"]))


def best_and_most_collapsed(runs: Sequence[Run]) -> dict[str, Run]:
    """The run with the highest PSSR and the one with the most collapsed gallery, on the uncropped test set, by a sentence.

    The most collapsed gallery has most rows on one point, or, if none has a tenth of its rows on one, the least spread.
    """
    towers = [Tower(**run.facts["uncropped"]["towers"]["aerial"]) for run in runs]
    scores = [run.metrics["uncropped"].loc["PSSR", "value"] for run in runs]
    keys = [(-tower.largest / tower.rows if tower.is_one_point else 0.0, tower.spread) for tower in towers]
    highest, lowest = scores.index(max(scores)), keys.index(min(keys))
    tower = towers[lowest]
    return {
        f"The best PSSR of {len(runs)} runs, {scores[highest]:.3f}.": runs[highest],
        f"The most collapsed gallery of {len(runs)} runs: {tower.largest} of {tower.rows} rows on its fullest point, "
        f"spread {tower.spread:.2g} of the norm; PSSR {scores[lowest]:.3f}.": runs[lowest],
    }


def against_chance(runs: dict[str, Run]) -> pd.DataFrame:
    """PSSR of the uncropped test set, its interval, chance, the p-value and the share of tied queries."""
    rows = {}
    for name, run in runs.items():
        row = run.metrics["uncropped"].loc["PSSR"]
        rows[name] = {
            "PSSR": with_interval(row.value, row.low, row.high),
            "chance": f"{row.chance:.4f}",
            "p": say_p(row.p_value),
            "tied queries": f"{100 * run.facts['uncropped']['tied_fraction']:.1f}%",
        }
    return pd.DataFrame(rows).T


def origins(runs: Iterable[Run]) -> pd.DataFrame:
    """Provenance of every run, by its folder: parameters that matter, data, commit, device and time."""
    rows = {}
    for run in runs:
        p = run.parameters
        rows[run.label] = {
            "recipe": run.recipe,
            "batch": run.batch,
            "epochs": len(run.log),
            "pairs an epoch": run.train["pairs_per_epoch"],
            "pixels": p["size"],
            "seed": p["seed"],
            "test data": run.evaluate["data"]["test"],
            "commit": (run.train["commit"] or "unknown")[:8],
            "torch": run.train["packages"]["torch"],
            "device": run.train["device"],
            "precision": run.precision,
            "seconds": round(run.train["seconds"] + run.evaluate["seconds"]),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
