"""The study of places apart on the page of the world study: its plan beside its outcome, by the rule that the plan gave."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

from cvig import metrics
from cvig.metrics.comparison import holm
from cvig.metrics.conventions import CONVENTIONS, PAPER_CODE, TOP_OF_PERCENT
from cvig.printed.tables import cutoffs
from cvig.words import say_p
from study.chapters.examined.calibration import published_tables
from study.ground import in_words, measured
from study.levels import DIFFERS
from study.plans import TEXTS, Study, read
from study.replicates import paired_t, t_interval
from study.runs import TEST_SETS, Run
from study.tables import METRICS
from study.words import SIGNED, code, seeds_of, with_interval

SAME = 0.03  # by the plan of the larger test: the least difference in PSSR that would refute the smaller one
RECIPES = ("modern", "described", "as-coded", "as-coded-june-1")  # each is compared with the next
NEAREST, SEEN = 10, 4096  # neighbours, and queries and tiles at most, that `cvig.metrics.collapse.diagnose` looks at


def plan_in_markdown(path: Path | str) -> str:
    """What a plan said before its runs: question, hypothesis, measure and decision, a paragraph each."""
    study = read(path)
    return "\n\n".join(f"**{text.capitalize()}.** {' '.join(study[text].split())}" for text in TEXTS)


def _above_chance(run: Run) -> bool:
    row = run.metrics["uncropped"].loc["PSSR"]
    return bool(row.low > row.chance)


def counts_by_code(run: Run) -> dict[str, tuple[int, int]]:
    """For each recall the queries that the paper's code counts as found in the uncropped test, and k + 1."""
    facts = run.facts["uncropped"]
    shares = {name: facts["as_coded"][name] for name in METRICS if name in facts["as_coded"] and name != "PSSR"}
    ks, queries = cutoffs(pd.DataFrame(columns=list(shares))), facts["queries"]
    percent = TOP_OF_PERCENT[CONVENTIONS[PAPER_CODE].percent]
    top = {name: percent(float(k[:-1]), queries) if isinstance(k, str) else k for name, k in ks.items()}
    return {name: (round(share * queries), top[name] + 1) for name, share in shares.items()}


def has_published_pattern(run: Run) -> bool:
    """Whether all six counts by the paper's code lie within 1 of k + 1."""
    return all(abs(found - expected) <= 1 for found, expected in counts_by_code(run).values())


def progress(study: Study) -> str:
    """Say in Markdown how many runs were made, and which of them are lacking."""
    lacking = [name for name in study.planned if name not in study.runs and name not in study.diverged]
    text = f"**{len(study.runs)} of {len(study.planned)} planned runs are finished"
    text += f", {len(study.diverged)} ended without a finite loss" if study.diverged else ""
    stems = dict.fromkeys(name.rpartition("-")[0] for name in lacking)
    each = (seeds_of(name for name in lacking if name.rpartition("-")[0] == stem) for stem in stems)
    return f"{text}.**" + (f" What the budget did not bear: {code(each)}." if lacking else "")


def _cells(study: Study) -> dict[tuple[str, str], list[Run]]:
    """The finished runs of each architecture and recipe of the plan, in the order of their seeds."""
    found: dict[tuple[str, str], list[Run]] = {}
    for name, settings in study.planned.items():
        found.setdefault((settings["arch"], settings["recipe"]), []).extend(filter(None, [study.runs.get(name)]))
    return found


def _score(run: Run, test_set: str = "uncropped") -> float:
    return float(run.metrics[test_set].loc["PSSR", "value"])


def outcome(study: Study) -> pd.DataFrame:
    """A row for each architecture and recipe: PSSR of each seed and over them, and what the plan's decision rule says."""
    rows: dict[tuple[str, str], dict] = {}
    planned = Counter((settings["arch"], settings["recipe"]) for settings in study.planned.values())
    for cell, runs in _cells(study).items():
        above, pattern = [sum(map(test, runs)) for test in (_above_chance, has_published_pattern)]
        said = "no run yet" if not runs else "yes" if above == len(runs) else "not shown" if not above else "open"
        each = [run.metrics["uncropped"].loc["PSSR", ["value", "low", "high"]] for run in runs]
        scores = [_score(run) for run in runs]
        rows[cell] = {
            "seeds": f"{len(runs)} of {planned[cell]}",
            "each": seeds_of(run.label for run in runs) if runs else "",
            "PSSR of each": ", ".join(with_interval(*score) for score in each),
            "over seeds": with_interval(np.mean(scores), *t_interval(scores)) if len(runs) > 1 else "",
            "beats chance": said,
            "published pattern": f"{pattern} of {len(runs)}" if runs else "",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["architecture", "recipe"])


def contrasts(study: Study) -> pd.DataFrame:
    """Recipes of one architecture, paired by seed: n, difference in PSSR with its 95% t interval over seeds, p by Holm."""
    rows, cells = {}, _cells(study)
    for arch in dict.fromkeys(arch for arch, _ in cells):
        of = {
            recipe: {run.parameters["seed"]: _score(run) for run in runs} for (a, recipe), runs in cells.items() if a == arch
        }
        for one, other in pairwise(recipe for recipe in RECIPES if recipe in of):
            d = np.array([of[one][seed] - of[other][seed] for seed in of[one] if seed in of[other]])
            if len(d) > 1:
                low, high = t_interval(d)
                rows[arch, f"{one} less {other}"] = {
                    "n": len(d),
                    "difference": d.mean(),
                    "low": low,
                    "high": high,
                    "p": paired_t(d),
                }
    index = pd.MultiIndex.from_tuples(list(rows), names=["architecture", "recipes"])
    found = pd.DataFrame(list(rows.values()), index, columns=["n", "difference", "low", "high", "p"])
    return found.assign(p=holm(found.p.to_numpy(float)))


def contrasts_shown(found: pd.DataFrame) -> pd.DataFrame:
    """`contrasts` as text."""
    table = found[["n"]].astype(int).astype(str)
    table["difference"] = [with_interval(row.difference, row.low, row.high, SIGNED) for row in found.itertuples()]
    return table.assign(**{"p by Holm": [say_p(p) for p in found.p]})


def larger(small: Study, large: Study) -> pd.DataFrame:
    """The same networks on few and on many places: PSSR, R@1 and R@1% of both test sets, the verdict by the plan's rule."""
    rows = {}
    for name, run in large.runs.items():
        before, verdicts = small.runs[name], []
        for test_set in TEST_SETS:
            one, two = (each.metrics[test_set] for each in (before, run))
            near = abs(one.loc["PSSR", "value"] - two.loc["PSSR", "value"]) < SAME
            verdicts.append(near and len({bool(m.loc["PSSR", "low"] > m.loc["PSSR", "chance"]) for m in (one, two)}) == 1)
            places = [each.facts[test_set]["queries"] for each in (before, run)]
            row = {
                f"PSSR, {n:,}": with_interval(*m.loc["PSSR", ["value", "low", "high"]])
                for n, m in zip(places, (one, two), strict=True)
            }
            for recall in ("R@1", "R@1%"):
                row[recall] = " to ".join(f"{100 * m.loc[recall, 'value']:.2f}%" for m in (one, two))
            rows[run.label, test_set] = row
        for test_set, holds in zip(TEST_SETS, verdicts, strict=True):
            rows[run.label, test_set]["holds"] = "yes" if holds else "refuted"
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["network", "test set"])


def scores(study: Study) -> pd.DataFrame:
    """A row a run and test set: PSSR with its interval over squares, p against chance over the same, R@1 and R@1%."""
    rows = {}
    for run in study.runs.values():
        for test_set in TEST_SETS:
            summary = run.metrics[test_set]
            row = summary.loc["PSSR"]
            rows[run.label, test_set] = {
                "PSSR": with_interval(row.value, row.low, row.high),
                "p": say_p(run.p_above_chance(test_set)),
                **{recall: f"{100 * summary.loc[recall, 'value']:.2f}%" for recall in ("R@1", "R@1%")},
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["network", "test set"])


def by_the_code(study: Study) -> pd.DataFrame:
    """A row a run: the queries that the paper's code counts as found in the uncropped test; the last row is k + 1."""
    rows, expected = {}, {}
    for run in study.runs.values():
        found = counts_by_code(run)
        rows[run.label] = {recall: str(of[0]) for recall, of in found.items()}
        expected = {recall: str(of[1]) for recall, of in found.items()}
    return pd.DataFrame.from_dict(rows | {"k + 1": expected}, orient="index")


def crops(study: Study) -> pd.DataFrame:
    """A row a run: PSSR of the cropped test less that of the uncropped one, query by query, over squares of ground.

    p is two-sided, adjusted by Holm's method for all rows.
    """
    rows, p_values = {}, []
    for run in study.runs.values():
        cropped, uncropped = run.ranks("cropped"), run.ranks("uncropped")
        each = [metrics.per_query_pssr(ranks, ties="pessimistic") for ranks in (cropped, uncropped)]
        squares = measured(each[0] - each[1], run.coordinates)
        where = {} if squares is None else {"coordinates": run.coordinates, "side": squares.side}
        row = metrics.compare(cropped, uncropped, places=np.arange(len(cropped)), **where).loc["PSSR"]
        rows[run.label] = {
            "cropped less uncropped": with_interval(row.difference, row.low, row.high, "{:+.4f}".format),
            "over": in_words(squares),
        }
        p_values.append(row.p_value)
    adjusted = holm(np.array(p_values))
    for row, p_value in zip(rows.values(), adjusted, strict=True):
        row["p by Holm"], row["p"] = say_p(p_value), p_value
    return pd.DataFrame.from_dict(rows, orient="index")


def crops_by_cell(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """`crops` over seeds: a row an architecture and recipe, its mean and 95% t interval, and how many runs differ alone."""
    rows = {}
    for cell, runs in _cells(study).items():
        d = np.array([_score(run, "cropped") - _score(run) for run in runs])
        names = [run.label for run in runs]
        if len(d) > 1:
            rows[cell] = {
                "cropped less uncropped": with_interval(d.mean(), *t_interval(d), "{:+.4f}".format),
                "runs that differ": f"{int((table.p[names] < DIFFERS).sum())} of {len(runs)}",
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["architecture", "recipe"])


def hubs(runs: dict[str, Run]) -> pd.DataFrame:
    """A row a run: of which share of the queries of the uncropped test one and the same tile is among the ten nearest.

    By chance is the median of the largest such share over random orders of the gallery, in which tiles are independent.
    """
    rows = {}
    for name, run in runs.items():
        facts = run.facts["uncropped"]
        seen = min(SEEN, facts["gallery"])
        largest = binom.ppf(0.5 ** (1 / seen), seen, NEAREST / seen) / seen
        rows[name] = {
            "queries that share a tile": f"{100 * facts['largest_hub']:.1f}%",
            "by chance": f"{100 * largest:.1f}%",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def published_first_hits(data: str = "CVUSA") -> pd.DataFrame:
    """R@1 of published tables on a data set: a row a table, with the queries, and the least and the greatest as printed."""
    rows = {}
    for table in published_tables():
        column = table["columns"].index("R@1") if "R@1" in table["columns"] else None
        if data not in table["name"] or column is None:
            continue
        printed = sorted((row[column] for row in table["rows"].values() if row[column]), key=float)
        if printed:
            rows[table["name"], table["source"]] = {
                "queries": table["n"],
                "least R@1": printed[0],
                "greatest R@1": printed[-1],
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["table", "source"])
