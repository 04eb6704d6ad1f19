"""Intervals and tests of a run's test over squares of ground: the side is measured on the PSSR of its queries.

The queries of a test lie on one land. What makes one of them easy or hard, its neighbour often shares, most where tiles
overlap; then places one by one give intervals that are too narrow (`cvig.metrics.ground`). So the squares' side is measured
on each ranking, and all of its intervals and p-values take whole squares. Where no side can be measured, they take places.

Evaluations do so. For runs whose evaluation took places one by one, ``python -m study.ground FOLDER`` does it afterwards,
from their ranks and the coordinates that are kept beside them, and writes ``squares.json``; their own files stay as they
are.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cvig import files, metrics
from cvig.metrics.comparison import sign_flip_test
from cvig.metrics.ground import FEWEST, grouped, measured_side, spread_by_side
from cvig.ranking import Ranks

AFTERWARDS = "squares.json"


class Squares(NamedTuple):
    """The squares of ground that intervals and tests of one ranking take.

    Attributes
    ----------
    side : float
        In metres.
    settled : bool
        False: wider ones would widen the intervals further, but would be too few.
    inflation : float
        The standard error of PSSR over that of independent queries.
    """

    side: float
    settled: bool
    inflation: float


def measured(values: np.ndarray, coordinates: np.ndarray | None) -> Squares | None:
    """The squares for one value a query, such as its PSSR; None where there is nothing to measure a side from.

    That is so where a query has no coordinates, with fewer than `FEWEST` places, and where all values agree.
    """
    if coordinates is None or not np.isfinite(coordinates).all():
        return None
    if np.ptp(values) == 0 or len(np.unique(coordinates, axis=0)) < FEWEST:
        return None
    spread = spread_by_side(values, coordinates)
    side, settled = measured_side(spread)
    return Squares(side, settled, float(spread.inflation.max()))


def summarized(ranks: Ranks, places: np.ndarray, coordinates: np.ndarray | None) -> tuple[pd.DataFrame, Squares | None]:
    """`cvig.metrics.summary` over squares of ground, and the squares; over places where no side can be measured."""
    found = measured(metrics.per_query_pssr(ranks, ties="pessimistic"), coordinates)
    where = {} if found is None else {"coordinates": coordinates, "side": found.side}
    return metrics.summary(ranks, places=places, **where), found


def above_chance(excess: np.ndarray, coordinates: np.ndarray, side: float) -> float:
    """One-sided p that queries do as well by chance: signs of whole squares of ground are turned.

    Where the gallery's order is random for each query, an order and its reverse are as likely, so the sum of a square's
    values less chance is as often above zero as below, however the queries of one square hang together. So the test is
    valid where squares are independent. `cvig.metrics.summary` tests one query a square, which is valid too and sees less.

    Parameters
    ----------
    excess : float array [Q]
        PSSR of each query less what chance gives.

    >>> east = np.array([0.0, 100, 200, 300, 400, 500])
    >>> above_chance(np.array([0.2, 0.1, 0.3, 0.2, 0.1, 0.2]), np.stack([east, 0 * east], axis=1), 100.0)
    0.015625
    """
    both = sign_flip_test(np.bincount(grouped(None, len(excess), coordinates, side), excess))
    return both / 2 if excess.sum() > 0 else 1 - both / 2


def file_of(study: Path, digest: str) -> Path:
    """Where a study's folder keeps the coordinates of the test data of that digest, for all its runs."""
    return study / f"test-places-{digest[:8]}.npz"


def keep(path: Path, coordinates: np.ndarray) -> None:
    """Write the coordinates of test views, metres east and north [Q, 2], where they are not there yet."""
    if not path.exists():
        files.write_arrays(path, coordinates=np.asarray(coordinates, np.float32))


def kept(path: Path) -> np.ndarray | None:
    """The coordinates in a file of `keep`, float64 [Q, 2]; None where there is none."""
    return files.read_arrays(path)["coordinates"].astype(np.float64) if path.exists() else None


def in_words(squares: Squares | None) -> str:
    """What an interval resamples.

    >>> in_words(Squares(512.4, True, 1.2)), in_words(None)
    ('squares of ground of 512 m', 'places')
    """
    return "places" if squares is None else f"squares of ground of {squares.side:.0f} m"


def as_plain(summary: pd.DataFrame) -> dict:
    """A summary as plain data, for JSON; `pandas.read_json` with ``orient="split"`` reads it."""
    return json.loads(summary.to_json(orient="split", double_precision=15))


def main(folder: Path) -> None:
    """Write intervals and tests over squares of ground for the runs in `folder` that took places one by one."""
    from study.provenance import commit
    from study.runs import TEST_SETS, find

    found = {}
    for name, run in find(folder).items():
        if run.coordinates is None or run.facts["uncropped"].get("squares"):
            continue
        found[name] = {}
        for test_set in TEST_SETS:
            ranks = run.ranks(test_set)
            table, squares = summarized(ranks, np.arange(len(ranks)), run.coordinates)
            found[name][test_set] = {"summary": as_plain(table), "squares": squares and squares._asdict()}
        print(name, in_words(squares), flush=True)
    if not found:
        raise SystemExit(f"'{folder}': no run whose test views have coordinates took places one by one")
    files.write_json(folder / AFTERWARDS, {"commit": commit(), "runs": found})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
