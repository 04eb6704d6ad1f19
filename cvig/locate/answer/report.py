"""The answer as plain values, which `schema.json` describes, and in words."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cvig.locate.calibration import Calibration
from cvig.locate.geometry import areas, centers, sides
from cvig.locate.photograph import Photograph
from cvig.locate.region import Region
from cvig.locate.resemblance import UNLIKE, OpenWorld, Watch
from cvig.locate.sources import Tiles
from cvig.locate.usable import Verdict
from cvig.metrics.conformal import coverage_interval
from cvig.words import count

COVERAGES = (0.5, 0.8, 0.9, 0.95)
FACTOR = 1.5  # times as many, as wide, or as often
FIRST = 20  # places listed
LISTED = 20_000  # tiles of a region, the first in order, in all files but the GeoTIFF
SCHEMA = Path(__file__).with_name("schema.json")


@dataclass
class Case:
    """All that an answer is made of."""

    photographs: list[Photograph]
    tiles: Tiles
    calibration: Calibration
    region: Region
    coverage: float
    score: str
    model: str
    stands_out: np.ndarray
    p_unlike: float
    verdicts: list[Verdict]
    open_world: OpenWorld | None = None
    notes: list[str] = field(default_factory=list)


def _region(case: Case, coverage: float) -> dict[str, Any]:
    n = case.region.count(coverage)
    low, high = coverage_interval(case.calibration.count, coverage)
    return {
        "coverage": coverage,
        "tiles": n,
        "km2": case.region.area(coverage),
        "share": case.region.area(coverage) / case.region.whole,
        "rules_out_nothing": n == len(case.tiles),
        "coverage_low": low,
        "coverage_high": high,
    }


def _place(case: Case, row: int) -> dict[str, Any]:
    lon, lat = centers(case.tiles.corners[[row]])[0]
    return {
        "tile": row,
        "name": case.tiles.names[row],
        "rank": int(case.region.rank[row]),
        "tied": int((case.region.rank == case.region.rank[row]).sum()) - 1,
        "latitude": float(lat),
        "longitude": float(lon),
        "distance": float(case.region.distance[row]),
        "level": float(case.region.level[row]),
    }


def _photograph(photograph: Photograph, verdict: Verdict) -> dict[str, Any]:
    return {
        "file": str(photograph.path),
        "fov": photograph.fov,
        "fov_from": photograph.fov_from,
        "camera_position": None if photograph.position is None else list(photograph.position),
        "judged_by": verdict.by,
        "viable": verdict.viable,
        "filter_score": verdict.score,
    }


def conditions(case: Case) -> list[str]:
    """The two conditions of the coverage, and what speaks for the photographs."""
    made = case.calibration
    metres = "" if made.side is None else f" of {made.side:.0f} m"
    return [
        f"Coverage is over photographs like those of the calibration: {count(len(made), 'photograph')} from "
        f"{count(made.count, 'square')} of ground, in a gallery of {made.tiles} tiles{metres}.",
        "The place is in the gallery: of a place that no tile holds the region says nothing.",
        *[verdict.said for verdict in case.verdicts if verdict.viable],
    ]


def doubts(case: Case) -> list[str]:
    """What speaks against believing the answer."""
    said = [*case.notes, *[verdict.said for verdict in case.verdicts if not verdict.viable]]
    if case.p_unlike <= UNLIKE:
        said.append(
            f"These photographs do not resemble the calibration's (p = {case.p_unlike:.2g}): do not rely on the coverage."
        )
    said += other_gallery(case)
    if max(case.region.count(coverage) for coverage in (*COVERAGES, case.coverage)) > LISTED:
        said.append(
            f"region.geojson, region.kml and the page have the first {LISTED} tiles of a region; levels.tif has all."
        )
    for photograph in case.photographs:
        if photograph.position is not None:
            said.append(f"'{photograph.path.name}' holds a position of its camera, which was not used.")
    return said


def other_gallery(case: Case) -> list[str]:
    """How the gallery differs from the calibration's by more than `FACTOR` times, and what that does to the coverage."""
    made, here = case.calibration, len(case.tiles)
    overlap = float(areas(case.tiles.corners).sum() / case.region.ground[-1])
    said = []
    if not 1 / FACTOR <= here / made.tiles <= FACTOR:
        fits = "; --score share allows for that" * (case.score == "gap")
        said.append(
            f"This gallery has {here} tiles, the calibration's had {made.tiles}: regions hold the place "
            f"{'less' if here > made.tiles else 'more'} often than said, or about as often{fits}."
        )
    side = float(np.median(sides(case.tiles.corners)))
    if made.side and not 1 / FACTOR <= side / made.side <= FACTOR:
        said.append(f"Tiles are {side:.3g} m wide, the calibration's were {made.side:.3g} m: the coverage may be another.")
    if not 1 / FACTOR <= overlap / made.overlap <= FACTOR:
        said.append(
            f"A place lies in {overlap:.2g} tiles here, in the calibration's gallery in {made.overlap:.2g}: regions hold it "
            f"{'more' if overlap > made.overlap else 'less'} often than said, or about as often."
        )
    return said


def report(case: Case) -> dict[str, Any]:
    """The answer as JSON has it."""
    wanted = sorted({*COVERAGES, case.coverage})
    return {
        "format": 1,
        "photographs": [_photograph(*both) for both in zip(case.photographs, case.verdicts, strict=True)],
        "model": case.model,
        "gallery": {"tiles": len(case.tiles), "km2": case.region.whole, "notes": case.tiles.notes},
        "calibration": {
            "photographs": len(case.calibration),
            "squares": case.calibration.count,
            "tiles": case.calibration.tiles,
            "tile_metres": case.calibration.side,
            "square_metres": case.calibration.square_side,
            "source": case.calibration.source,
        },
        "score": case.score,
        "coverage": case.coverage,
        "regions": [_region(case, coverage) for coverage in wanted],
        "first": [_place(case, row) for row in case.region.order[:FIRST].tolist()],
        "p_resembles": case.p_unlike,
        "open_world": None if case.open_world is None else asdict(case.open_world),
        "conditions": conditions(case),
        "doubts": doubts(case),
    }


def text(answer: dict[str, Any]) -> str:
    """The answer for a terminal."""
    chosen = next(one for one in answer["regions"] if one["coverage"] == answer["coverage"])
    of = f"of {answer['gallery']['km2']:.3g} km² ({answer['gallery']['tiles']} tiles)"
    lines = []
    if answer["open_world"] and answer["open_world"]["abstains"]:
        lines.append("No answer: the place is probably not in this gallery. What the search would have said follows.")
    if chosen["rules_out_nothing"]:
        lines.append(f"Nothing can be ruled out at a coverage of {100 * chosen['coverage']:g}%: the region is all {of}.")
    else:
        lines.append(
            f"The place lies in {chosen['km2']:.3g} {of}, {100 * chosen['share']:.1f}%, with a coverage of "
            f"{100 * chosen['coverage']:g}%."
        )
    low, high = 100 * chosen["coverage_low"], 100 * chosen["coverage_high"]
    squares = count(answer["calibration"]["squares"], "square")
    lines.append(f"From {squares} of ground a calibration promises {low:.0f}% to {high:.0f}%.")
    if judged := answer["open_world"]:
        lines.append(
            f"In the gallery at all: p = {judged['p_inside']:.2g}. At {100 * judged['level']:g}% wrong abstentions, "
            f"{100 * judged['noticed']:.0f}% [{100 * judged['low']:.0f}, {100 * judged['high']:.0f}] of places outside show."
        )
    lines += ["", "rank  latitude   longitude  tile"]
    for place in answer["first"][:5]:
        tied = f" ({place['tied']} as far)" if place["tied"] else ""
        lines.append(f"{place['rank']:4d}  {place['latitude']:9.5f}  {place['longitude']:9.5f}  {place['name']}{tied}")
    return "\n".join([*lines, "", *answer["conditions"], *answer["doubts"], *answer["gallery"]["notes"]])


def watched(watch: Watch) -> dict[str, Any]:
    """What `cvig.locate.resemblance.watch` found, as JSON has it."""
    return {"capital": watch.path.tolist(), "p_resemble": watch.p, "unlike_from": watch.first}


def watch_text(watch: Watch) -> str:
    """The same for a terminal."""
    if watch.first is None:
        return (
            f"Together the {len(watch.path)} photographs, as of as many places, go on as the calibration's were "
            f"(p = {watch.p:.2g}): nothing speaks against the coverage, which proves little of few."
        )
    return (
        f"From photograph {watch.first + 1} of {len(watch.path)} on they do not resemble the calibration's "
        f"(p = {watch.p:.2g}): do not rely on the coverage of any."
    )


def schema() -> dict[str, Any]:
    """The JSON schema of the answer."""
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def level_of(case: Case) -> np.ndarray:
    """Levels of the tiles as the files give them, to four digits, rounded up so that no region grows."""
    return np.ceil(case.region.level * 1e4 - 1e-6) / 1e4
