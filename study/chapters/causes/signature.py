"""The signature of the paper's ResNet50 row, and how near a run comes to it.

Most of the gallery lies on one point, and the queries differ.
"""

from functools import cache

import numpy as np
import pandas as pd

from cvig.printed import tables as printed
from cvig.printed.chance import tops_under
from cvig.words import count
from study import published
from study.chapters.causes.effects import TEST_SET, key, variant
from study.chapters.examined.made_embeddings import Line, on_a_line
from study.collapse import LITTLE_SPREAD, collapsed, towers
from study.plans import Study
from study.runs import Run
from study.words import code, percent, span, tally

PUBLISHED = "resnet50"
FEW = (0.005, 0.1)  # share of distinct gallery rows: a few per cent
ONE_POINT = 0.5  # share of the gallery on its commonest point, at least
ALIVE = 0.9  # share of distinct queries, at least
FULL, FLAT = 0.9, 0.01  # recall as coded at 5%, at least, and how much less that may be than at 10%
PARTS = {
    "gallery": "a gallery mostly on one point, a few per cent of its rows distinct",
    "queries": "a ground tower whose rows differ and spread",
    "plateau": "recall as coded that jumps to a plateau between 1% and 5%",
}


@cache
def published_lines() -> dict[str, Line]:
    """Fewest distinct rows that print the paper's ResNet50 rows, by table: `examined.made_embeddings` on a line."""
    cells = published.all_cells()
    n = published.queries()
    counts = np.sort(printed.counts(cells, n).astype(int).to_numpy(), axis=1)  # one row has two cells exchanged
    top = tops_under(printed.cutoffs(cells), n, "as-coded").to_numpy()
    names = [name for name in cells.index if name.endswith(PUBLISHED)]
    return {name: on_a_line(counts[cells.index.get_loc(name)], top, n) for name in names}


def published_share() -> float:
    """Share of distinct gallery rows behind the published rows, mean of both tables, by that construction."""
    return float(np.mean([(line.nearer + 1 + line.beyond) / len(line.gallery) for line in published_lines().values()]))


def epochs_alike(run: Run) -> int:
    """Number of epochs after which the validation embeddings had both towers' parts of the signature."""
    log = run.log
    few = log.aerial_distinct.between(*FEW) & (log.aerial_distinct * run.validation[-1].gallery_size > 1.5)
    return int((few & (log.ground_distinct >= ALIVE) & (log.ground_spread >= LITTLE_SPREAD)).sum())


def signature(run: Run, test_set: str = TEST_SET) -> dict[str, float]:
    """Measure on a run what the paper's ResNet50 row shows.

    Returns
    -------
    dict
        Shares in [0, 1]: ``aerial_distinct``, ``aerial_largest`` (rows on the commonest point), ``ground_distinct``; both
        spreads; recall as coded ``R@1%``, ``R@5%``, ``R@10%``; whether each of `PARTS` is there; ``parts``, how many are;
        ``factor``, by which the share of distinct gallery rows differs from the published one, at least 1; ``epochs``, as
        `epochs_alike`.
    """
    ground, aerial = towers(run, test_set)
    recall = {name: run.facts[test_set]["as_coded"][name] for name in ("R@1%", "R@5%", "R@10%")}
    distinct, largest = aerial.distinct / aerial.rows, aerial.largest / aerial.rows
    found = {
        "gallery": FEW[0] <= distinct <= FEW[1] and largest >= ONE_POINT and aerial.distinct > 1,
        "queries": ground.distinct >= ALIVE * ground.rows and ground.spread >= LITTLE_SPREAD,
        "plateau": recall["R@1%"] < recall["R@5%"] - FLAT
        and recall["R@5%"] >= FULL
        and recall["R@10%"] - recall["R@5%"] <= FLAT,
    }
    return {
        "aerial_distinct": distinct,
        "aerial_largest": largest,
        "aerial_spread": aerial.spread,
        "ground_distinct": ground.distinct / ground.rows,
        "ground_spread": ground.spread,
        **recall,
        **found,
        "parts": sum(found.values()),
        "factor": float(np.exp(abs(np.log(distinct / published_share())))),
        "epochs": epochs_alike(run),
    }


def signatures(*studies: Study, test_set: str = TEST_SET) -> pd.DataFrame:
    """`signature` of every finished run, a row a run, the nearest first: by parts, then by the share of distinct rows."""
    rows = {name: signature(run, test_set) for study in studies for name, run in study.runs.items()}
    return pd.DataFrame.from_dict(rows, orient="index").sort_values(["parts", "factor"], ascending=[False, True])


def closest_table(found: pd.DataFrame, count: int = 8) -> pd.DataFrame:
    """The nearest runs for a reader; `found` as `signatures` gives it."""
    near = found.head(count)
    shares = {
        "gallery distinct": near.aerial_distinct,
        "on its commonest point": near.aerial_largest,
        "queries distinct": near.ground_distinct,
        **{f"{name} as coded": near[name] for name in ("R@1%", "R@5%", "R@10%")},
    }
    table = pd.DataFrame({name: values.map(percent) for name, values in shares.items()})
    table.insert(3, "spread of ground, aerial", [f"{r.ground_spread:.2g}, {r.aerial_spread:.2g}" for r in near.itertuples()])
    table["parts there"] = [", ".join(part for part in PARTS if row[part]) or "none" for _, row in near.iterrows()]
    table["epochs alike"] = near.epochs
    return table.rename_axis("run")


def attempts_table(study: Study) -> pd.DataFrame:
    """Runs that try for the signature, by variant, learning rate, first trunks and epochs; ranges are over seeds."""
    found, groups, rows = signatures(study), {}, {}
    for name, settings in study.planned.items():
        end, _, switch = key(settings)
        trunks = "another run's trunks" if settings.get("start") else "random trunks"
        how = f"rate {settings['learning_rate']:g}, {trunks}, {count(settings['epochs'], 'epoch')}"
        groups.setdefault((variant(end, switch), how), []).append(name)
    for group, names in groups.items():
        its = found.loc[found.index.isin(names)]
        stopped = sum(name in study.diverged for name in names)
        rows[group] = {"runs": f"{len(its)} of {len(names)}" + (f", {stopped} diverged" if stopped else "")}
        if len(its):
            rows[group] |= {
                "collapsed": tally(collapsed(study.runs[name]) for name in its.index),
                "queries distinct": span(its.ground_distinct, percent),
                "gallery distinct": span(its.aerial_distinct, percent),
                "R@5% as coded": span(its["R@5%"], percent),
                "parts there": span(its.parts, str),
            }
    return pd.DataFrame.from_dict(rows, orient="index").fillna("").rename_axis(["trained", "how"])


def verdict(found: pd.DataFrame) -> str:
    """Say in Markdown whether any run reproduces the published row; `found` as `signatures` gives it."""
    whole = found.index[found.parts == len(PARTS)]
    each = "; ".join(f"{text}: {int(found[part].sum())}" for part, text in PARTS.items())
    if len(whole):
        said = f"**{len(whole)} of {len(found)} finished runs reproduce the ResNet50 row**: {', '.join(whole)}."
    else:
        best = found.iloc[0]
        said = (
            f"**None of the {len(found)} finished runs reproduces the ResNet50 row.** The nearest is {found.index[0]}, with "
            f"{best.parts} of the {len(PARTS)} parts: {percent(best.aerial_distinct)} of its gallery rows are distinct, "
            f"{100 * best.ground_distinct:.1f}% of its queries."
        )
    passing = int((found.epochs > 0).sum())
    during = f"{count(passing, 'run')} {'passes' if passing == 1 else 'pass'}" if passing else "no run passes"
    return (
        f"{said} How many runs show each part — {each}. During training {during} through a state with the first two parts "
        "on the validation views."
    )


def mirror(found: pd.DataFrame) -> str:
    """Say in which runs the towers have exchanged their parts, and how often few rows differ; `found` as by `signatures`."""
    ground, aerial = found.ground_distinct <= FEW[1], found.aerial_distinct <= FEW[1]
    point = found.index[(found.ground_spread == 0) & ~aerial]
    text = (
        f"At most {100 * FEW[1]:g}% of a tower's rows are distinct for the ground tower alone in "
        f"{(ground & ~aerial).sum()} of {len(found)} runs, for the aerial tower alone in {(aerial & ~ground).sum()}, for "
        f"both in {(ground & aerial).sum()}."
    )
    if len(point):
        text += (
            f" In {len(point)} it is the **mirror image** of the published row: all queries are one point, exactly, and "
            f"the gallery's images differ ({code(sorted(point))}). Then all queries rank the "
            "gallery alike, so recall is what chance gives at every k, as it nearly is in the published rows of VGG16 and "
            "CVM-Net-I."
        )
    return text
