"""Tables 1 and 2 of the paper with our runs below the published rows, as one data frame, CSV, Markdown and LaTeX.

Published recalls are taken to follow the rule of the paper's code: ties for the query, one row more than k names. Ours
follow exact ranks, ties against the query; a second line gives them by the rule of the code, for comparison.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import starmap

import numpy as np
import pandas as pd

from cvig.metrics import share_interval
from cvig.metrics.conventions import CONVENTIONS, PAPER_CODE, TOP_OF_PERCENT
from cvig.printed.tables import counts, cutoffs
from study import published, tables
from study.runs import Run
from study.words import with_interval

CODE = CONVENTIONS[PAPER_CODE]
RULES = (
    *("exact", "exact low", "exact high", "exact found", "optimistic", "chance"),
    *("as coded", "as coded low", "as coded high", "as coded found", "chance as coded"),
)
FACTS = ("queries", "gallery", "tied")
# a line for the reader, and the rules it shows
LINES = {
    "ties against": ("exact", "exact low", "exact high"),
    "found": ("exact found",),
    "ties for": ("optimistic",),
    "chance": ("chance",),
    "paper's code": ("as coded", "as coded low", "as coded high"),
    "found by it": ("as coded found",),
    "its chance": ("chance as coded",),
}


def name_of_test_set(number: int) -> str:
    """The test set of the paper's Table 1 or 2: ``"cropped"`` or ``"uncropped"``."""
    return published.numbers()["tables"][str(number)]["test_set"]


def _by_code(shares: Mapping[str, float], queries: int) -> dict[str, dict[str, float]]:
    """Rows of the rules "as coded"; recalls also have a count, an interval as if queries were independent, and chance."""
    found = {name: round(share * queries) for name, share in shares.items() if name != "PSSR"}
    rows = {"as coded": {name: share if name == "PSSR" else 100 * share for name, share in shares.items()}}
    intervals = {name: share_interval(np.arange(queries) < count) for name, count in found.items()}
    for end, rule in enumerate(("as coded low", "as coded high")):
        rows[rule] = {name: 100 * interval[end] for name, interval in intervals.items()}
    rows["as coded found"] = found
    ks = cutoffs(pd.DataFrame(columns=list(found)))
    top = {name: TOP_OF_PERCENT[CODE.percent](float(k[:-1]), queries) if isinstance(k, str) else k for name, k in ks.items()}
    rows["chance as coded"] = {name: 100 * min(k + 1, queries) / queries for name, k in top.items()}
    if "PSSR" in shares:
        rows["chance as coded"]["PSSR"] = (queries + 1) / (2 * queries)
    return rows


def _published(number: int) -> dict[str, dict[str, dict[str, float]]]:
    """The rows "as coded" of each architecture, with the values as printed."""
    queries = published.queries()
    printed = published.table(number)
    found = counts(published.cells(number), queries)
    rows = {}
    for arch in printed.index:
        rows[arch] = _by_code((found.loc[arch] / queries).to_dict(), queries)
        rows[arch]["as coded"] = printed.loc[arch].to_dict()
        facts = {"queries": queries, "gallery": queries}
        rows[arch] = {rule: row | facts for rule, row in rows[arch].items()}
    return rows


def _ours(run: Run, name: str) -> dict[str, dict[str, float]]:
    """All rows of a run on the test set of that name; those "as coded" are left out where views have several answers."""
    summary, facts = run.metrics[name], run.facts[name]
    names = [name for name in tables.METRICS if name in summary.index]
    scale = {name: 1 if name == "PSSR" else 100 for name in names}
    columns = {
        "exact": "pessimistic",
        "exact low": "low",
        "exact high": "high",
        "optimistic": "optimistic",
        "chance": "chance",
    }
    rows = {rule: {name: scale[name] * summary.loc[name, key] for name in names} for rule, key in columns.items()}
    recalls = [name for name in names if name != "PSSR"]
    rows["exact found"] = {name: round(summary.loc[name, "pessimistic"] * facts["queries"]) for name in recalls}
    if facts["as_coded"]:
        rows |= _by_code(facts["as_coded"], facts["queries"])
    common = {"queries": facts["queries"], "tied": 100 * facts["tied_fraction"]}
    gallery = {rule: facts["queries" if "as coded" in rule else "gallery"] for rule in rows}
    return {rule: rows[rule] | common | {"gallery": gallery[rule]} for rule in RULES if rule in rows}


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's tables beside ours.

    Attributes
    ----------
    number : {1, 2}
    numbers : DataFrame of float
        Index architecture, source, rule (`RULES`); columns R@1 … R@10% in percent, or queries where the rule ends in
        "found", PSSR as a share, queries, gallery, and tied, the percentage of tied queries. NaN is not known. Intervals
        are of 95%; those "as coded" are exact if queries are independent, which those of the paper need not be.
    whole : bool
        Whether a page shows every rule below the overview, or only offers it.
    """

    number: int
    numbers: pd.DataFrame
    whole: bool = True

    @property
    def overview(self) -> pd.DataFrame:
        """A row a source: str, index architecture, source. By exact ranks PSSR and R@1%, each with its interval, and the
        share of tied queries; then all recalls by the paper's code, as the paper has them.
        """
        rows = {}
        for (arch, source), block in self.numbers.groupby(level=[0, 1], sort=False):
            block = block.droplevel([0, 1]).reindex(RULES)
            exact = {name: _cell(block.loc[list(LINES["ties against"]), name]) for name in ("PSSR", "R@1%")}
            exact["tied"] = _tied(block.tied.iloc[0])
            if source == "published":
                exact |= {"PSSR": "not given", "R@1%": "unknown"}
            row = {("by exact ranks", name): cell for name, cell in exact.items()}
            for name in tables.METRICS:
                if name != "PSSR":
                    row["by the paper's code", name] = _cell(block.loc[["as coded"], name])
            rows[arch, source] = row
        return pd.DataFrame(rows).T

    @cached_property
    def text(self) -> pd.DataFrame:
        """For readers: str, a value and its interval in one cell, index architecture, source, line (`LINES`)."""
        rows = {}
        for key, block in self.numbers.groupby(level=[0, 1], sort=False):
            block = block.droplevel([0, 1])
            lines = {line: rules for line, rules in LINES.items() if rules[0] in block.index}
            for line, rules in lines.items():
                whole = rules[0].endswith("found")
                rows[*key, line] = {name: _cell(block.loc[list(rules), name], whole) for name in tables.METRICS}
            facts, first = block.iloc[0], rows[*key, next(iter(lines))]
            if key[1] == "published":
                first["PSSR"] = "not given"
            first |= {
                "queries": f"{facts.queries:.0f}",
                "gallery": f"{facts.gallery:.0f}",
                "tied": _tied(facts.tied),
            }
        return pd.DataFrame(rows).T.fillna("").rename_axis(["architecture", "source", "rule"])

    @property
    def csv(self) -> str:
        """`numbers` as CSV, to six digits; an empty cell is not known."""
        return self.numbers.to_csv(float_format="%.6g", lineterminator="\n")

    @property
    def markdown(self) -> str:
        """`text` as a Markdown table."""
        return tables.markdown(self.text)

    @property
    def latex(self) -> str:
        """`text` as a LaTeX tabular, which needs no package."""
        return tables.latex(self.text)

    @property
    def in_short(self) -> "PaperTable":
        """The same, of which a page shows the overview and offers the rest: for many runs."""
        return replace(self, whole=False)

    def _repr_html_(self) -> str:
        # a head for each architecture: the table is long
        parts = [part.to_html() for _, part in self.text.groupby(level=0, sort=False)] if self.whole else []
        every = tables.folded("every rule, count and interval", "".join(parts)) if parts else ""
        name = f"table-{self.number}{'' if self.whole else '-all-runs'}"
        files = {f"{name}.csv": self.csv, f"{name}.md": self.markdown, f"{name}.tex": self.latex}
        return f"{self.overview.to_html()}{every}<p>{', '.join(starmap(_offer, files.items()))}</p>"


def _offer(name: str, text: str) -> str:
    """HTML of a link that saves a text; it needs no server."""
    data = base64.b64encode(text.encode()).decode()
    return f'<a download="{name}" href="data:text/plain;charset=utf-8;base64,{data}">save {name}</a>'


def _tied(percent: float) -> str:
    """The share of tied queries."""
    return "unknown" if np.isnan(percent) else f"{percent:.1f}%"


def _number(value: float) -> str:
    """Three decimals as in the paper, and a fourth where there is one, as in one of its cells."""
    return f"{value:.3f}" if abs(value - round(value, 4)) > 1e-9 else f"{value:.4f}".removesuffix("0")


def _cell(values: pd.Series, whole: bool = False) -> str:
    """A value and its interval, if it has one; "" where it is not known."""
    if np.isnan(values.iloc[0]):
        return ""
    form = "{:.0f}".format if whole else _number
    return with_interval(*values, form) if len(values) == 3 else form(values.iloc[0])


def paper_table(number: int, runs: Iterable[Run]) -> PaperTable:
    """Table 1 (cropped test set) or 2 (uncropped) of the paper, each published row followed by our runs of its architecture.

    Runs of other architectures come last.

    Raises
    ------
    ValueError
        No such table.
    """
    blocks = {(arch, "published"): rows for arch, rows in _published(number).items()}
    for run in runs:
        blocks[run.name, run.label] = _ours(run, name_of_test_set(number))
    order = list(dict.fromkeys(arch for arch, _ in blocks))
    rows = {
        (*key, rule): row for key in sorted(blocks, key=lambda key: order.index(key[0])) for rule, row in blocks[key].items()
    }
    frame = pd.DataFrame(rows).T.reindex(columns=[*tables.METRICS, *FACTS]).astype(float)
    return PaperTable(number, frame.rename_axis(["architecture", "source", "rule"]))
