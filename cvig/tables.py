"""Tables as data frames: the published ones, ours, and both side by side."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pandas as pd

METRICS = ("R@1", "R@5", "R@10", "R@1%", "R@5%", "R@10%", "PSSR")


@cache
def published() -> dict:
    """The paper's numbers, as printed (``published.json``)."""
    return json.loads(Path(__file__).with_name("published.json").read_text())


def published_cells(number: int) -> pd.DataFrame:
    """Table 1 (cropped test set) or 2 (uncropped) of the paper, cells as printed: str, a row an architecture."""
    table = published()["tables"].get(str(number))
    if table is None:
        raise ValueError(f"table {number}: the paper has tables 1 and 2")
    return pd.DataFrame(table["rows"], index=table["columns"]).T


def published_table(number: int) -> pd.DataFrame:
    """Table 1 or 2 of the paper as numbers: recall in percent, a row an architecture."""
    return published_cells(number).astype(float)


def all_published_cells() -> pd.DataFrame:
    """Both tables as printed, one below the other; rows such as ``"T1 vgg16"``."""
    return pd.concat([published_cells(number).rename(index=f"T{number} {{}}".format) for number in (1, 2)])


def _cell(row: pd.Series, scale: float, digits: int) -> str:
    value, low, high = (scale * row[key] for key in ("value", "low", "high"))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def recall_table(summaries: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Recall in percent and PSSR, each with its interval, and what chance gives.

    Parameters
    ----------
    summaries : mapping of label to data frame
        Each as `cvig.metrics.summary` makes it.
    """
    table = {}
    for label, summary in summaries.items():
        table[label] = {
            name: _cell(summary.loc[name], *((1, 3) if name == "PSSR" else (100, 1)))
            for name in METRICS
            if name in summary.index
        }
    last = next(reversed(summaries.values()))
    table["chance"] = {
        name: f"{last.loc[name, 'chance']:.3f}" if name == "PSSR" else f"{100 * last.loc[name, 'chance']:.2f}"
        for name in METRICS
        if name in last.index
    }
    return pd.DataFrame(table).T


def beside(number: int, ours: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """A published table, its rows followed by ours for the same test set.

    Parameters
    ----------
    number : int
        1 (cropped) or 2 (uncropped).
    ours : mapping of source to a mapping of architecture to summary
        For example ``{"quick": {"vgg16": frame, …}}``.
    """
    rows = {}
    for arch, row in published_table(number).iterrows():
        rows[arch, "published"] = {name: f"{value:g}" for name, value in row.items()} | {"PSSR": "not given"}
        for source, summaries in ours.items():
            if arch in summaries:
                rows[arch, source] = recall_table({source: summaries[arch]}).loc[source].to_dict()
    table = pd.DataFrame(rows).T
    table.index.names = ["architecture", "source"]
    return table[[name for name in METRICS if name in table]]
