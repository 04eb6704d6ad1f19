"""The page on results chooses among all runs, and shows their tables and figures."""

from collections.abc import Iterable, Sequence

import pandas as pd

from cvig import metrics
from cvig.metrics.collapse import Tower
from cvig.words import count, say_p
from study import figures
from study.collapse import collapsed
from study.levels import BEATS_CHANCE
from study.runs import TITLES, Run
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


def in_tables(sources: dict[str, dict[str, Run]]) -> dict[str, dict[str, Run]]:
    """The runs that stand in the paper's tables, by study: all but trunks and those that have a page of their own."""
    apart = {TITLES["causes"], TITLES["reference"]}
    return {title: without_trunks(runs) for title, runs in sources.items() if title not in apart}


def _against_chance(run: Run) -> dict[str, str]:
    """PSSR of the uncropped test set, its interval, what chance gives and how probable that is, and the tied queries."""
    row = run.metrics["uncropped"].loc["PSSR"]
    return {
        "PSSR": with_interval(row.value, row.low, row.high),
        "chance": f"{row.chance:.3f}",
        "p": say_p(run.p_above_chance("uncropped")),
        "tied": f"{100 * run.facts['uncropped']['tied_fraction']:.1f}%",
    }


def in_short(runs: Iterable[Run]) -> pd.DataFrame:
    """A row a run, by its folder: how it was trained, and its scores on the uncropped test set."""
    rows = {}
    for run in runs:
        recall = run.metrics["uncropped"].loc["R@1%"]
        against = _against_chance(run)
        rows[run.label] = {
            "PSSR": against["PSSR"],
            "R@1%": with_interval(*(100 * recall[key] for key in ("value", "low", "high")), "{:.1f}".format),
            "tied": against["tied"],
            "collapsed": collapsed(run, "uncropped"),
            "batch": str(run.batch),
            "recipe": run.recipe,
        }
    # what a random ranking gives; all have one gallery
    last = run.metrics["uncropped"]
    rows["chance"] = {
        "PSSR": f"{last.loc['PSSR', 'chance']:.3f}",
        "R@1%": f"{100 * last.loc['R@1%', 'chance']:.1f}",
    }
    return pd.DataFrame.from_dict(rows, orient="index").fillna("")


def say_count(title: str, runs: dict[str, Run]) -> str:
    """A study's title, how many runs it has, and how many of them rank better than chance."""
    better = sum(run.p_above_chance("uncropped") < BEATS_CHANCE for run in runs.values())
    return f"{title.capitalize()}: {count(len(runs), 'run')}, of which {better} are shown to rank better than chance"


def origins(runs: Iterable[Run]) -> pd.DataFrame:
    """Every run by its folder: how it was trained, PSSR against chance, and where it was made."""
    rows = {}
    for run in runs:
        rows[run.label] = {
            "recipe": run.recipe,
            "batch": run.batch,
            "epochs": len(run.log),
            "pairs an epoch": run.train["pairs_per_epoch"],
            "pixels": run.parameters["size"],
            "seed": run.parameters["seed"],
            **_against_chance(run),
            "commit": run.commit,
            "device": run.train["device"],
            "precision": run.precision,
            "seconds": round(run.train["seconds"] + run.evaluate["seconds"]),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
