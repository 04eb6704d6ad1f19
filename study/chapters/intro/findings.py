"""What each finding of the first page rests on: its experiment, its n, an interval, and what would have refuted it.

Every function reads the results of one finding, raises where they no longer say what the page says, and gives a row.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from cvig.printed import chance, tables
from cvig.printed.scan import scan
from study import published
from study.chapters.causes import screening
from study.chapters.losses import comparison
from study.chapters.promises import measured
from study.chapters.results import apart
from study.chapters.towers import resnet
from study.chapters.towers.experiment import Experiment, like_published, said, within_one
from study.collapse import collapsed
from study.levels import DIFFERS
from study.planned import SeedsPlan, read_table
from study.plans import Study
from study.runs import TITLES, find_all
from study.words import SIGNED, with_interval

ROOT = Path(__file__).parents[3]
PLANS, RESULTS = ROOT / "study" / "plans", ROOT / "results"
HARMFUL = ("detached-negatives", "frozen-batch-norm")


def _held(*facts: bool) -> None:
    """ValueError unless all that the page says is so."""
    if not all(facts):
        raise ValueError(f"the results no longer say what the first page says of them: {facts}")


def _row(experiment: str, n: str, found: str, refuted: str) -> dict[str, str]:
    return {"experiment": experiment, "n": n, "found": found, "would have refuted it": refuted}


def counts() -> dict[str, str]:
    """The printed cells are counts of one number of queries."""
    cells = published.all_cells()
    found, n = scan(cells, published.SIZES), published.queries()
    others = tables.counts(cells, n).drop(index=["T1 resnet50", "T2 resnet50"])
    top = chance.tops_under(tables.cutoffs(cells), n, "as-coded")
    against, scatter = chance.against_chance(others, top, n), chance.scatter(others, top, n)
    close = scatter[(scatter.holm < DIFFERS) & (scatter.closer < scatter.farther)]
    _held(found.equals == [n, 2 * n, 3 * n], against.holm.min() > DIFFERS, len(close) > len(others) / 2)
    return _row(
        "arithmetic on the printed cells",
        f"{cells.size} cells, {len(found.n):,} sizes tried",
        f"{n:,} and its multiples alone print all cells; such a fit by chance has p ≤ {found.adjusted:.0e}. Of "
        f"{len(against)} cells against chance the smallest p is {against.holm.min():.2f}; {len(close)} of "
        f"{len(others)} rows are closer than chance, p ≤ {close.holm.max():.2g} (Holm)",
        f"one cell that {n:,} queries cannot print",
    )


def plateau() -> dict[str, str]:
    """ResNet50's rows end flat."""
    found = json.loads((RESULTS / "examination" / "calibration.json").read_text())["plateaus"]
    return _row(
        "simulated tables (E5)",
        f"{found['rows']} rows of models with skill",
        f"{said(found['flat'], found['rows'])} end flat; what equation 2 and the code's PSSR give is derived, not estimated",
        "many such rows from galleries that have not collapsed",
    )


def described() -> dict[str, str]:
    """Runs by the paper's text do not collapse."""
    sources = find_all(RESULTS)
    sources.pop(TITLES["apart-6194"], None)  # the networks of another study, tested again
    runs = [run for each in sources.values() for run in each.values() if run.recipe == "described"]
    gone, started = [run for run in runs if collapsed(run, "uncropped") != "neither"], sum(bool(run.start) for run in runs)
    table = apart.outcome(Study.read(PLANS / "apart.yaml", RESULTS / "apart")).xs("described", level="recipe")
    beats = table["beats chance"].to_dict()
    _held(not gone, 0 < started < len(runs))
    _held(beats == {"resnet50": "not shown", "vgg16": "not shown", "cvm-net-i": "yes"})
    return _row(
        "every committed run by the text, and E6",
        f"{len(runs)} runs, {started} of them from learned trunks",
        f"collapsed: {said(len(gone), len(runs))}, if runs that share a trunk or a seed were independent. PSSR over "
        f"the seeds of E6: {'; '.join(f'{arch} {score}' for arch, score in table['over seeds'].items())}",
        "one run with a collapsed tower",
    )


def architectures() -> dict[str, str]:
    """The paper's architectures on places apart."""
    study = Study.read(PLANS / "apart.yaml", RESULTS / "apart")
    table = apart.outcome(study)
    recipes = table.index.get_level_values("recipe")
    modern, coded = table[recipes == "modern"], table[recipes.str.startswith("as-coded")]
    _held((modern["beats chance"] == "yes").all(), (coded["beats chance"] == "not shown").all())

    def listed(part: pd.DataFrame) -> str:
        return "; ".join(f"{arch}, {recipe}: {row['over seeds']}" for (arch, recipe), row in part.iterrows())

    return _row(
        "E6, places apart",
        f"{len(study.runs)} runs, {len(study.runs) // len(table)} seeds each, 1,000 places",
        f"PSSR over seeds: {listed(modern)}; {listed(coded)}",
        "a modern run whose interval over squares holds chance, or a run by the code whose interval lies above it",
    )


CODED = "ground-mixed-1e-3"  # the arm of E1 that is the code's own


def suffices() -> dict[str, str]:
    """Two ways of preparing images are enough for k + 1."""
    near, rows, every = [], [], 0
    for name in ("e1-towers", "e1-apart", "e1-long", *resnet.PLANS):
        experiment = Experiment.of_plan(name, ROOT)
        if experiment is None:  # a plan with ResNet50 that waits for its runs
            continue
        runs, queries = experiment.runs, experiment.plan.content["test_count"]
        mixed, one = (within_one(runs[runs.arm.str.contains(f"-{which}-")], queries) for which in ("mixed", "one"))
        like, dead = like_published(runs, queries), runs.filter(regex="^dead_.*_test")
        _held(name in resnet.PLANS or (mixed.all() and not dead.any(axis=None) and not like.any()))
        near.append(f"{name} {said(mixed.sum(), len(mixed))}" + (f", else {said(one.sum(), len(one))}" if len(one) else ""))
        rows.append(f"{name} {said(like[runs.arm == CODED].sum(), (runs.arm == CODED).sum())}")
        every += len(runs)
    return _row(
        "E1; e1-towers is of an older world, whose test tiles overlap",
        f"{every} runs, of a small network unless the plan says resnet50",
        f"k + 1 within one, of runs that prepare images in two ways: {'; '.join(near)}. The shape of ResNet50's row, "
        f"trained as the code does: {'; '.join(rows)}",
        "other counts in most runs that prepare images in two ways",
    )


def departures() -> dict[str, str]:
    """Some departures of the code do harm by themselves."""
    plans = {name: SeedsPlan.read(PLANS / "seeds" / f"e2-{name}.yaml") for name in ("screen", "alone")}
    runs = {name: read_table(RESULTS / f"e2-{name}", "runs") for name in plans}
    effects = {m: screening.screened(plans["screen"], runs["screen"], m) for m in screening.WORDS}
    alone = {m: screening.alone(plans["alone"], runs["alone"], runs["screen"], m) for m in screening.WORDS}
    letters = {screening.name_of(plans["screen"], letter): letter for letter in plans["screen"].design}
    mixed = {m: table.loc["mixed-preprocessing"] for m, table in alone.items()}
    _held(*(effects[m].verdict[letters[name]] == "harms" for m in effects for name in HARMFUL))
    _held(*(row.verdict == "harms" for row in mixed.values()))
    _held(abs(mixed[screening.OWN].score - 0.5) < screening.NEGLIGIBLE)

    def of(row: pd.Series) -> str:
        return with_interval(row.effect, row.low, row.high, SIGNED)

    both = "; ".join(f"{name} {of(effects[screening.SEEN].loc[letters[name]])}" for name in HARMFUL)
    return _row(
        "E2, e2-screen and e2-alone",
        f"{len(runs['screen'])} and {len(runs['alone'])} runs of a small network, {runs['screen'].seed.nunique()} "
        "seeds a cell",
        f"PSSR on images as in training: {both}; mixed preprocessing {of(mixed[screening.SEEN])}, in its own test "
        f"{of(mixed[screening.OWN])}. Intervals hold together; diverged runs count as chance",
        "an interval that holds zero",
    )


def unit_length() -> dict[str, str]:
    """Unit length matters more than the loss."""
    runs = read_table(RESULTS / "e3-losses", "runs")
    gain, unit = comparison.gains_and_differences(runs)
    _held(gain.low.min() > unit[["low", "high"]].abs().max(axis=None))
    least, most = gain.loc[gain.difference.idxmin()], unit.loc[unit.difference.abs().idxmax()]
    ends = sorted((most.low, most.high), key=abs)
    return _row(
        "E3, e3-losses",
        f"{len(comparison.by_replicate(runs, 'pssr'))} pairs of country and seed, a small network",
        f"PSSR: the least gain {with_interval(least.difference, least.low, least.high, SIGNED)}, the greatest "
        f"difference of two losses {with_interval(abs(most.difference), *map(abs, ends), SIGNED)}; intervals of all "
        "gains and differences hold together",
        "an overlap of these intervals",
    )


def promises() -> dict[str, str]:
    """PSSR keeps most of its promises."""
    found = measured.claims(measured.read(RESULTS / "e4-metrics"))
    _held((found.verdict == "holds").all())
    return _row(
        "E4, e4-metrics",
        f"{int(found.n.min())} replicates of six networks that learned little",
        "; ".join(found.found.iloc[at] for at in (1, 2, 4))
        + f"; p ≤ {found['p (Holm)'].astype(float).max():.2g} (Holm, {len(found)} claims)",
        "a significant difference the other way",
    )


FINDINGS: dict[str, Callable[[], dict[str, str]]] = {
    "The published cells are counts": counts,
    "ResNet50's rows": plateau,
    "No network trained by the paper's text collapsed": described,
    "Three architectures": architectures,
    "Images prepared in two ways": suffices,
    "Some departures do harm": departures,
    "Unit length": unit_length,
    "PSSR's promises": promises,
}


def evidence() -> pd.DataFrame:
    """A row a finding, in the order of the page: experiment and n, what was found, what would have refuted it."""
    table = pd.DataFrame.from_dict({name: row() for name, row in FINDINGS.items()}, orient="index").rename_axis("finding")
    table.insert(0, "experiment, n", table.pop("experiment") + ": " + table.pop("n"))
    return table
