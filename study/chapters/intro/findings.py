"""What was found, on the first page: each finding with its experiment, its n, an interval and what would have refuted it.

Every function reads the results that its finding rests on, raises where they say something else, and gives one paragraph of
Markdown.
"""

from collections.abc import Callable
from pathlib import Path

from cvig.printed import chance, tables
from cvig.printed.scan import scan
from study import published
from study.chapters.causes import screening
from study.chapters.losses import comparison
from study.chapters.promises import measured
from study.chapters.results import apart
from study.chapters.towers.experiment import Experiment, like_published, said, within_one
from study.collapse import collapsed
from study.levels import DIFFERS
from study.planned import SeedsPlan, read_table
from study.plans import Study
from study.runs import find_all
from study.words import SIGNED, with_interval

ROOT = Path(__file__).parents[3]
PLANS, RESULTS = ROOT / "study" / "plans", ROOT / "results"


def _held(*facts: bool) -> None:
    """ValueError unless all that a sentence says is so."""
    if not all(facts):
        raise ValueError(f"the results no longer say what the first page says of them: {facts}")


def finding(claim: str, page: str, text: str, *, rests: str, refuted: str) -> str:
    """One item of the list."""
    return f"- [**{claim}**]({page}.html). {text}\n  - *Rests on* {rests}.\n  - *Would have refuted it*: {refuted}."


def counts() -> str:
    """The printed cells as counts."""
    cells = published.all_cells()
    found, n = scan(cells, published.SIZES), published.queries()
    others = tables.counts(cells, n).drop(index=["T1 resnet50", "T2 resnet50"])
    top = chance.tops_under(tables.cutoffs(cells), n, "as-coded")
    against, scatter = chance.against_chance(others, top, n), chance.scatter(others, top, n)
    close = int((scatter.holm < DIFFERS).sum())
    _held(found.equals == [n, 2 * n, 3 * n], against.holm.min() > DIFFERS, close == 3, (scatter.closer < 0.5).sum() >= 3)
    stated = published.numbers()["test_pairs_stated"]
    return finding(
        "The published cells are counts of one number of queries",
        "examined",
        f"It is {n:,} (or a multiple), where the paper states {stated:,}. By those counts VGG16 and CVM-Net-I are not "
        f"shown to differ from chance, and {close} of their {len(others)} rows lie closer to it than independent "
        "rankings would.",
        rests=f"arithmetic on all {cells.size} printed recalls, {len(found.n):,} sizes tried; a chance fit has a "
        f"probability of at most {found.adjusted:.0e}. The smallest p of {len(against)} cells against chance is "
        f"{against.holm.min():.2f} after Holm; those of the close rows are at most "
        f"{scatter.holm[scatter.holm < DIFFERS].max():.2g}. The rows of one network share queries and are not two "
        "findings",
        refuted="a cell that this number of queries cannot print",
    )


def plateau() -> str:
    """ResNet50's rows."""
    import json

    found = json.loads((RESULTS / "examination" / "calibration.json").read_text())["plateaus"]
    return finding(
        "ResNet50's rows have a plateau, as a gallery on one point has",
        "examined",
        "That is an inference and no proof. Equation 2 of the paper would have shown such a collapse; the code's "
        "PSSR, which counts along the other axis, cannot.",
        rests=f"the two published rows, and {said(found['flat'], found['rows'])} rows of simulated models with skill "
        "that have a plateau; the second sentence is derived and not estimated",
        refuted="many plateaus among simulated models whose gallery has not collapsed",
    )


def described() -> str:
    """Runs by the paper's text."""
    runs = [run for each in find_all(RESULTS).values() for run in each.values() if run.recipe == "described"]
    gone = [run for run in runs if collapsed(run, "uncropped") != "neither"]
    started = sum(bool(run.start) for run in runs)
    _held(not gone, len(runs) > started)
    return finding(
        "No network trained by the paper's text collapsed",
        "results",
        f"Of {len(runs)} runs, {started} start from trunks that had learned the same task, and the others from random "
        "weights for few steps. So the runs do not show that the text's procedure learns by itself.",
        rests=f"every committed run of that recipe; collapsed {said(len(gone), len(runs))}, an exact interval that "
        "takes the runs for independent, which those that share a trunk or a seed are not",
        refuted="one run with a collapsed tower",
    )


def suffices() -> str:
    """E1: two ways of preparing images."""
    made = {
        name: Experiment.read(PLANS / "seeds" / f"e1-{name}.yaml", RESULTS / f"e1-{name}")
        for name in ("towers", "apart", "long")
    }
    parts, dead, like, every = [], 0, 0, 0
    for name, experiment in made.items():
        queries = experiment.plan.content["test_count"]
        mixed, one = (experiment.runs[experiment.runs.arm.str.contains(f"-{which}-")] for which in ("mixed", "one"))
        near = int(within_one(mixed, queries).sum())
        _held(near > 0.9 * len(mixed))
        parts.append(f"e1-{name} {said(near, len(mixed))}")
        if len(one):
            parts[-1] += f" (prepared in one way {said(int(within_one(one, queries).sum()), len(one))})"
        dead += int(mixed.filter(regex="^dead_.*_test").any(axis=1).sum())
        like, every = like + int(like_published(experiment.runs, queries).sum()), every + len(experiment.runs)
    _held(not dead, not like)
    return finding(
        "Two ways of preparing images suffice for k + 1",
        "towers",
        "Experiment E1 trains small networks by the code of 1 June 2023, which darkens images in training and not in "
        "the test. Then all six counts of the code lie within one of k + 1, as if all queries shared one ranking, and "
        "no tower is dead in the test. So do the published rows of VGG16 and CVM-Net-I look, nearly. ResNet50's row "
        "did not come about: why its gallery died stays open.",
        rests=f"runs that prepare images in two ways: {'; '.join(parts)}. ResNet50's row: {said(like, every)}. The "
        "runs of e1-towers are of an older world, whose test tiles overlap",
        refuted="other counts in most of those runs",
    )


def departures() -> str:
    """E2: departures that do harm."""
    plans = {name: SeedsPlan.read(PLANS / "seeds" / f"e2-{name}.yaml") for name in ("screen", "alone")}
    runs = {name: read_table(RESULTS / f"e2-{name}", "runs") for name in plans}
    effects = {m: screening.screened(plans["screen"], runs["screen"], m) for m in screening.WORDS}
    alone = {m: screening.alone(plans["alone"], runs["alone"], runs["screen"], m) for m in screening.WORDS}
    names = {screening.name_of(plans["screen"], letter): letter for letter in plans["screen"].design}
    harmful, mixed = ("detached-negatives", "frozen-batch-norm"), "mixed-preprocessing"
    _held(*(effects[m].verdict[names[name]] == "harms" for m in effects for name in harmful))
    _held(*(table.verdict[mixed] == "harms" for table in alone.values()))
    _held(abs(alone[screening.OWN].score[mixed] - 0.5) < screening.NEGLIGIBLE)

    def of(row) -> str:
        return with_interval(row.effect, row.low, row.high, SIGNED)

    both = "; ".join(f"`{name}` {of(effects[screening.SEEN].loc[names[name]])}" for name in harmful)
    seen, own = (alone[m].loc[mixed] for m in (screening.SEEN, screening.OWN))
    return finding(
        "Some departures of the code do harm by themselves",
        "causes",
        "In small networks, negatives without a gradient and batch norm that is never trained each cost PSSR on the "
        "average over the other switches. The mixed preprocessing costs it alone, and leaves the code's own test next "
        "to chance.",
        rests=f"experiment E2, {runs['screen'].seed.nunique()} seeds a cell, differences in PSSR with intervals that "
        f"hold together: {both} (e2-screen, n = {len(runs['screen'])}); `{mixed}` {of(seen)} on images as in training, "
        f"{of(own)} in its own test (e2-alone). Diverged runs count as chance. On the paper's own architectures no "
        "switch was turned in a plan made before its runs",
        refuted="an interval that holds zero",
    )


def unit_length() -> str:
    """E3: losses."""
    runs = read_table(RESULTS / "e3-losses", "runs")
    found, gain = comparison.differences(runs), comparison.with_and_without(runs)
    unit = found.loc[lambda x: [a.endswith("-unit") and b.endswith("-unit") for a, b in x.index]]
    _held(gain.low.min() > unit[["low", "high"]].abs().max(axis=None))
    least, most = gain.loc[gain.difference.idxmin()], unit.loc[unit.difference.abs().idxmax()]
    return finding(
        "Unit length matters more than the loss, at a small equal budget",
        "losses",
        "Each of three losses gains more by unit length than any two of them, both of unit length, differ.",
        rests=f"experiment E3, a small network, n = {int(found.n.min())} pairs of country and seed: the least gain is "
        f"{with_interval(least.difference, least.low, least.high, SIGNED)}, the greatest difference "
        f"{with_interval(abs(most.difference), *sorted(map(abs, (most.low, most.high))), SIGNED)} (90% t intervals)",
        refuted="an overlap of these intervals",
    )


def metrics() -> str:
    """E4: what PSSR promises."""
    tables = measured.read(RESULTS / "e4-metrics")
    claims = measured.claims(tables)
    _held((claims.verdict == "holds").all())
    sooner, thrift, blind = (claims.found.iloc[at] for at in (1, 2, 4))
    return finding(
        "PSSR keeps most of its promises",
        "promises",
        "It tells with fewer queries than R@1% which of two small networks is better and that a network learned, "
        "contradicts R@1% in no decided pair, and follows R@1 less than R@1% does. Against ties it is protected by "
        "its tie rule, which protects recall as well.",
        rests=f"experiment E4, n = {int(claims.n.min())} replicates of six networks that learned little; {sooner}; "
        f"{thrift}; {blind}; p at most {claims['p (Holm)'].astype(float).max():.2g} (sign flips, Holm over "
        f"{len(claims)} claims)",
        refuted="a significant difference the other way",
    )


def architectures() -> str:
    """E6: three architectures on places apart."""
    study = Study.read(PLANS / "apart.yaml", RESULTS / "apart")
    table = apart.outcome(study)
    recipes = table.index.get_level_values("recipe")
    modern, coded = table[recipes == "modern"], table[recipes.str.startswith("as-coded")]
    _held((modern["beats chance"] == "yes").all(), (coded["beats chance"] == "not shown").all())
    of = "; ".join(f"{arch} {row['over seeds']}" for (arch, _), row in modern.iterrows())
    worst = "; ".join(f"{arch} {recipe} {row['over seeds']}" for (arch, recipe), row in coded.iterrows())
    return finding(
        "The paper's three architectures learn by a modern recipe, and are not shown to by its code",
        "world-study",
        "From random weights, in few steps and on small images, the modern recipe beats chance with each architecture "
        "and in each run. Runs by the paper's code do not, in training and test together. A longer training could.",
        rests=f"experiment E6, {table.seeds.iloc[0].split(' of ')[-1]} seeds a recipe, 1,000 test places apart; PSSR "
        f"over seeds: {of}; {worst}; chance is "
        f"{next(iter(study.runs.values())).metrics['uncropped'].loc['PSSR', 'chance']:.4f}",
        refuted="a modern run whose interval over squares of ground holds chance, or a run by the code whose interval "
        "lies above it",
    )


FINDINGS: tuple[Callable[[], str], ...] = (
    counts,
    plateau,
    described,
    architectures,
    suffices,
    departures,
    unit_length,
    metrics,
)


def in_markdown() -> str:
    """All findings, an item each."""
    return "\n".join(each() for each in FINDINGS)
