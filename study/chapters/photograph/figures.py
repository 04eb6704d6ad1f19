"""A photograph on its map, one curve seen in three ways, and how often regions hold the place."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.collections import PolyCollection

from cvig.locate.answer.report import COVERAGES, Case
from cvig.locate.calibration import Calibration
from cvig.metrics import pssr, recall_curve, search_share
from cvig.ranking import Ranks
from study.chapters.ties.laboratory import Laboratory
from study.figures import PALETTE, Plot, new

NAMES = {"gap": "gap to the nearest tile", "share": "share of the gallery"}
ORDER = (
    "as calibrated",
    "narrower field of view",
    "mist",
    "winter",
    "fewer tiles",
    "overlapping tiles",
    "another country",
    "a third country",
)


def on_the_map(case: Case, place: tuple[float, float]) -> Plot:
    """The photograph, the levels of the tiles where they lie, and the true place (longitude, latitude)."""
    figure, axes = new(1, 2, size=(10, 3.4), width_ratios=(1, 2.6))
    picture, axis = axes[0]
    picture.imshow(case.photographs[0].image)
    picture.set(xticks=[], yticks=[], title="The photograph")
    picture.grid(False)
    order = case.region.order[::-1]
    step = np.searchsorted(COVERAGES, case.region.level, side="right")
    colours = np.array(["#0b3d91", "#4f7fc4", "#9fbbe3", "#d5e1f4", "#f1f1ef"])
    axis.add_collection(
        PolyCollection(case.tiles.corners[order], facecolors=colours[step[order]], edgecolors="white", linewidths=0.2)
    )
    axis.plot(*place, "*", ms=13, color=PALETTE[3], mec="black", label="where it was taken")
    for name, colour in zip([f"within {100 * c:g}%" for c in COVERAGES] + ["ruled out at 95%"], colours, strict=True):
        axis.plot([], [], "s", color=colour, mec="grey", label=name)
    axis.autoscale_view()
    axis.set(aspect="equal", xlabel="longitude", ylabel="latitude", title="Regions")
    axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    shares = [case.region.area(c) / case.region.whole for c in COVERAGES]
    said = ", ".join(f"{100 * s:.0f}% of the ground at {100 * c:g}%" for s, c in zip(shares, COVERAGES, strict=True))
    return figure, f"A small photograph beside a map of {len(case.tiles)} square tiles in five shades. Regions: {said}."


def ranks_of(made: Calibration) -> Ranks:
    """Ranks of the calibration's photographs, ties counted against them."""
    return Ranks(np.rint(made.share * made.tiles).astype(int) - 1, np.zeros(len(made), int), made.tiles)


def drawn_by_hand(case: Case, made: Calibration, *, seed: int = 0) -> Laboratory:
    """Photographs of known place, one a square of ground, drawn by the reader; and the region they give one new photograph.

    It is the region by the share of the gallery, whose bound is `cvig.metrics.search_share` of the photographs drawn.
    """
    shuffled = np.random.default_rng(seed).permutation(len(made))
    _, first = np.unique(made.square[shuffled], return_index=True)
    chosen = shuffled[np.sort(first)]
    middles = case.tiles.corners.mean(axis=1)
    low, high = middles.min(axis=0), middles.max(axis=0)
    data = {
        "shares": made.share[chosen].tolist(),
        "tiles": len(case.tiles),
        "ranks": case.region.rank.tolist(),
        "places": ((middles - low) / (high - low).max()).round(3).tolist(),
    }
    return Laboratory("region", data)


def three_views(made: Calibration, coverage: float) -> Plot:
    """The recall curve; PSSR is the area under it, and the search share is where it reaches the coverage."""
    ranks = ranks_of(made)
    curve, share = recall_curve(ranks), search_share(ranks, coverage, places=made.square)
    figure, axes = new(1, 1, size=(6, 3.6))
    axis, at = axes[0, 0], np.linspace(0, 1, len(curve))
    axis.fill_between(at, curve, color=PALETTE[0], alpha=0.2, label=f"PSSR {pssr(ranks):.3f}: the area")
    axis.plot(at, curve, color=PALETTE[0], label="recall")
    axis.plot([0, share.share, share.share], [coverage, coverage, 0], ":", color=PALETTE[3])
    axis.plot(share.share, coverage, "o", color=PALETTE[3], label=f"search share {share.share:.3f} for {100 * coverage:g}%")
    axis.set(xlabel="share of the gallery searched", ylabel="share of photographs found", xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(loc="lower right")
    alt = (
        f"The recall curve of {len(made)} photographs rises over the share of the gallery searched; the area under it is "
        f"{pssr(ranks):.3f}, and it reaches {100 * coverage:g}% near a share of {share.share:.3f}."
    )
    return figure, alt


def measured(path: Path | str) -> dict:
    """What `study.located` or `study.located_groups` wrote, its rows as frames."""
    record = json.loads(Path(path).read_text())
    return {name: pd.DataFrame(value) if isinstance(value, list) else value for name, value in record.items()}


def held(splits: pd.DataFrame) -> Plot:
    """How often regions held the place, over splits, against the coverage that was chosen; and how large they were."""
    figure, axes = new(1, 2, size=(9, 3.4))
    kept, size = axes[0]
    kept.plot([0.45, 1], [0.45, 1], color="grey", lw=1)
    for shift, (color, marker, (score, name)) in zip(
        (-0.005, 0.005), zip(PALETTE, "os", NAMES.items(), strict=False), strict=True
    ):
        rows = splits[splits.score == score]
        error = np.array([rows.held - rows.low, rows.high - rows.held])
        kept.errorbar(rows.coverage + shift, rows.held, error, fmt=marker, ms=5, color=color, label=name)
        size.plot(rows.coverage, 100 * rows["share"], f"{marker}-", color=color, label=name)
    kept.set(xlabel="coverage chosen", ylabel="share of places held")
    size.set(xlabel="coverage chosen", ylabel="tiles in the region, %", ylim=(0, 100))
    kept.legend(loc="lower right")
    worst = (splits.held - splits.coverage).abs().max()
    alt = (
        f"Left: the share of places held lies within {worst:.3f} of the coverage chosen, at {len(COVERAGES)} coverages and "
        "by two scores, with 95% intervals. Right: the mean size of the regions grows with the coverage, to "
        f"{100 * splits['share'].max():.0f}% of the tiles."
    )
    return figure, alt


def broken(changed: pd.DataFrame, coverage: float) -> Plot:
    """The share of places held under each condition, the calibration unchanged, at one coverage."""
    figure, axes = new(1, 1, size=(8, 4.4))
    axis, said = axes[0, 0], []
    for shift, (color, marker, (score, name)) in zip(
        (-0.12, 0.12), zip(PALETTE, "os", NAMES.items(), strict=False), strict=True
    ):
        part = changed[(changed.score == score) & (changed.coverage == coverage)].set_index("condition").loc[list(ORDER)]
        error = np.array([part.held - part.low, part.high - part.held])
        axis.errorbar(part.held, np.arange(len(part)) + shift, xerr=error, fmt=marker, color=color, label=name)
        said += [f"{condition} {value:.2f}" for condition, value in part.held.items()] if score == "gap" else []
    axis.axvline(coverage, color="black", ls=":", lw=1)
    axis.set_yticks(range(len(ORDER)), ORDER)
    axis.invert_yaxis()
    axis.set(xlabel=f"share of places held by regions of {100 * coverage:g}% coverage", xlim=(0, 1))
    axis.legend(loc="lower left")
    return figure, f"Places held at a coverage of {coverage:g}, by the gap: {'; '.join(said)}. Whiskers are 95% intervals."


def in_bins(bins: pd.DataFrame, coverage: float, score: str = "gap") -> Plot:
    """The share of places held of each kind of photograph, by one calibration of all and by one of each kind."""
    chosen = bins[(bins.coverage == coverage) & (bins.score == score)]
    rows = chosen.drop_duplicates(["by", "condition"])[["by", "condition"]]
    figure, axes = new(1, 1, size=(8, 2.8))
    axis, said = axes[0, 0], []
    for shift, (color, marker, how) in zip(
        (-0.12, 0.12), zip(PALETTE, "os", ("one calibration", "one a kind"), strict=False), strict=True
    ):
        part = rows.merge(chosen[chosen.calibration == how])
        error = np.array([part.held - part.low, part.high - part.held])
        axis.errorbar(part.held, np.arange(len(part)) + shift, xerr=error, fmt=marker, color=color, label=how)
        said += [f"{one.condition} by {how} {one.held:.2f}" for one in part.itertuples()]
    axis.axvline(coverage, color="black", ls=":", lw=1)
    axis.set_yticks(range(len(rows)), [f"{one.condition}\n({one.by})" for one in rows.itertuples()])
    axis.invert_yaxis()
    axis.set(xlabel=f"share of places held by regions of {100 * coverage:g}% coverage")
    axis.legend(loc="best")
    return figure, f"Places held at a coverage of {coverage:g}: {'; '.join(said)}. Whiskers are 95% intervals."


def in_percent(rows: pd.DataFrame) -> list[str]:
    """The share of each row with its interval: ``12% [9, 15]``."""
    return [f"{100 * one.held:.0f}% [{100 * one.low:.0f}, {100 * one.high:.0f}]" for one in rows.itertuples()]


def other_galleries(galleries: pd.DataFrame) -> pd.DataFrame:
    """The share of places held by score and by coverage, where the calibration's gallery was another."""
    table = galleries.assign(held=in_percent(galleries), score=galleries.score.map(NAMES))
    table = table.pivot(index=["condition", "score"], columns="coverage", values="held")
    table.columns = [f"{100 * coverage:g}%" for coverage in table.columns]
    return table.rename_axis(["calibrated among", "score"]).reset_index()


def outside_told(outside: pd.DataFrame) -> pd.DataFrame:
    """Of each statistic: how many places inside, and how many outside, are called outside."""
    named = outside.assign(held=in_percent(outside))
    named = named[named.condition.str.contains(":")]
    parts = named.condition.str.split(": ", expand=True)
    return named.assign(statistic=parts[0], where=parts[1]).pivot(index="statistic", columns="where", values="held")


def signs(told: pd.DataFrame) -> pd.DataFrame:
    """How often the tests of resemblance say that something is amiss, in percent: a row a condition."""
    table = told.set_index("condition")[["one", "20", "50"]] * 100
    return table.set_axis(["one photograph", "within twenty", "within fifty"], axis=1)
