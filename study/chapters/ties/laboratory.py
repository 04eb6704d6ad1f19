"""The laboratory that the reader works by hand: its presets, and the figure as HTML.

The browser counts what `cvig` counts (`book/_static/lab/arithmetic.js`). Coordinates are multiples of a power of two, small
enough that squared distances have no rounding, so that what differs between rules is their rules alone.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np

from cvig.metrics.conventions import CONVENTIONS
from cvig.printed.chance import tops_under
from cvig.printed.tables import counts, cutoffs
from study.chapters.examined.made_embeddings import on_a_line
from study.published import cells, queries

COUNT, COARSE, FINE = 100, 2.0**-6, 2.0**-12
SCRIPTS = ("arithmetic", "canvas")  # of every figure, before its own


@dataclass(frozen=True)
class Preset:
    """Points of both towers, row i of the tiles answering query i.

    Attributes
    ----------
    story : str
    queries, tiles : float64 arrays [n, 2]
        NaN where a network gives it.
    view : tuple of four floats
        What the plot shows: left, right, bottom, top.
    grid : float
        What coordinates are multiples of; 0 where they are not.
    plane : bool
        Whether the second coordinate counts.
    bf16 : bool
        Whether they are stored as bfloat16.
    """

    story: str
    queries: np.ndarray
    tiles: np.ndarray
    view: tuple[float, float, float, float] = (-4, 4, -4, 4)
    grid: float = COARSE
    plane: bool = True
    bf16: bool = False


def _on(points: np.ndarray, grid: float = COARSE) -> np.ndarray:
    return np.round(points / grid) * grid


def _ring(radius: float, count: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(count) / count
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def presets(seed: int = 0) -> dict[str, Preset]:
    """Every preset by name, in the figure's order."""
    rng = np.random.default_rng(seed)
    places = _on(rng.uniform(-3.5, 3.5, (COUNT, 2)))
    near = _on(places + rng.normal(scale=0.2, size=(COUNT, 2)))
    few = _on(rng.uniform(-3.2, 3.2, (12, 2)))
    alive = _on(np.abs(rng.normal(scale=1.5, size=(COUNT, 2))).clip(0.25, 3.5))
    dead = np.where((np.arange(COUNT) % 6 == 0)[:, None], alive * [[1, 0]], 0.0)
    row = np.linspace(-3.5, 0.5, COUNT)
    hub = _ring(3, COUNT)
    hub[:: COUNT // 3] *= 0.1
    crowd = _on(1 + rng.uniform(-0.02, 0.02, (COUNT, 2)), FINE)
    missing = np.full((COUNT, 2), np.nan)
    printed = cells(1).loc[["resnet50"]]
    found = np.sort(counts(printed, queries()).to_numpy(int)[0])
    line = on_a_line(found, tops_under(cutoffs(printed), queries()).to_numpy(), queries())
    reach = float(max(np.abs(line.query).max(), np.abs(line.gallery).max()))
    flat = [np.column_stack([points[:, 0], np.zeros(len(points))]) for points in (line.query, line.gallery)]
    return {
        "by hand": Preset(
            "Twelve places. Drag a tile onto another, or a query away from its positive, and watch the rules.",
            _on(few + rng.normal(scale=0.3, size=(12, 2))),
            few,
        ),
        "healthy": Preset(
            "Each query lies near its positive. No two tiles coincide; the rules differ in where k ends.",
            near,
            places,
        ),
        "one point": Preset(
            "The whole gallery is one point. Every tile is as far as every other: a score is what its tie rule says.",
            near,
            np.zeros((COUNT, 2)),
        ),
        "dead ReLU": Preset(
            "Of five tiles in six only the last bias is left, one point. The other units still answer to one direction.",
            alive,
            _on(dead) + 0.5,
            view=(-0.5, 4.5, -0.5, 4.5),
        ),
        "one line": Preset(
            "Both towers lie on one line, the queries beyond its end. All rank the gallery alike.",
            _on(np.column_stack([2.5 + rng.uniform(0, 1, COUNT), np.zeros(COUNT)])),
            _on(np.column_stack([rng.permutation(row), np.zeros(COUNT)])),
            plane=False,
        ),
        "duplicates": Preset(
            "Every tile is in the gallery four times, as where a panorama's four views each bring their own copy.",
            near[np.arange(COUNT) // 4 * 4],
            places[np.arange(COUNT) // 4 * 4],
        ),
        "hubs": Preset(
            "A few tiles lie nearer to every query than its positive does. Recall at one is near chance, and PSSR is high.",
            _on(0.2 * _ring(3, COUNT)),
            _on(hub),
        ),
        "bfloat16": Preset(
            "A good pair, crowded into a small part of the plane, as bfloat16 stores it. Untick the box, and it is well.",
            _on(crowd + rng.normal(scale=0.0005, size=crowd.shape), FINE),
            crowd,
            view=(0.975, 1.025, 0.975, 1.025),
            grid=FINE,
            bf16=True,
        ),
        "NaN": Preset("The tower of the queries gives NaN. Many rules then report that it is perfect.", missing, places),
        "ResNet50, published": Preset(
            f"{queries()} places on a line that print the ResNet50 row of Table 1: nearly all tiles on one point.",
            *flat,
            view=(-0.2 * reach, reach, -1, 1),
            grid=0,
            plane=False,
        ),
    }


def _listed(points: np.ndarray) -> list:
    return [None if np.isnan(point).any() else point.tolist() for point in points]


def data(made: dict[str, Preset]) -> dict:
    """What the figure's script reads: presets, and the published rules with the names of their functions."""
    shown = {}
    for name, preset in made.items():
        shown[name] = {**asdict(preset), "queries": _listed(preset.queries), "tiles": _listed(preset.tiles)}
    rules = [
        {
            "name": rule.name,
            "rule": rule.rule,
            "hits": rule.hits.__name__,
            "percent": rule.percent,
            "anyOrder": rule.any_order.__name__ if rule.any_order else "",
        }
        for rule in CONVENTIONS.values()
    ]
    return {"presets": shown, "rules": rules}


class Laboratory:
    """An interactive figure as HTML; what a page's cell displays."""

    def __init__(self, kind: str, data: dict):
        self.kind, self.data = kind, data

    def _repr_html_(self) -> str:
        scripts = "".join(f'<script defer src="_static/lab/{name}.js"></script>' for name in (*SCRIPTS, self.kind))
        written = json.dumps(self.data, separators=(",", ":")).replace("</", "<\\/")
        return (
            '<link rel="stylesheet" href="_static/lab/lab.css">'
            f'<section class="cvig-lab cvig-{self.kind}" aria-label="Interactive figure">'
            "<noscript>This figure needs JavaScript. The tables of this page say the same of larger sets.</noscript>"
            f'<script type="application/json">{written}</script></section>{scripts}'
        )

    def __repr__(self) -> str:
        return "An interactive figure, shown in a browser."


def laboratory() -> Laboratory:
    """The tie laboratory."""
    return Laboratory("ties", data(presets()))


def recall_and_area(ranks: tuple[int, ...] = (1, 3, 6, 14, 19), n: int = 20) -> Laboratory:
    """Recall at every k of a few queries whose ranks the reader moves, and PSSR as its area."""
    return Laboratory("recall", {"ranks": ranks, "n": n})
