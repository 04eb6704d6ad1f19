"""Tables as data frames, and as Markdown, LaTeX and HTML."""

from collections.abc import Mapping
from functools import partial
from typing import Protocol

import numpy as np
import pandas as pd

from study.words import score, with_interval

METRICS = ("R@1", "R@5", "R@10", "R@1%", "R@5%", "R@10%", "PSSR")


def _bare(name: str, value: float) -> str:
    """A score without its unit: recall in percent."""
    return score(name, value).rstrip("%")


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
            name: with_interval(*summary.loc[name, ["value", "low", "high"]], partial(_bare, name))
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


def _lines(table: pd.DataFrame) -> list[list[str]]:
    """Cells of a table row by row, the index first; an index label that repeats the one above is left blank."""
    index = table.index.to_frame(index=False).astype(str)
    new = (index != index.shift()).cummax(axis=1)
    return np.hstack([index.where(new, ""), table.astype(str)]).tolist()


def _names(table: pd.DataFrame) -> list[str]:
    return [*(name or "" for name in table.index.names), *map(str, table.columns)]


def markdown(table: pd.DataFrame) -> str:
    r"""A table of text as Markdown, its index included.

    >>> print(markdown(pd.DataFrame({"R@1%": ["2"]}, index=pd.Index(["a|b"], name="row"))))
    | row | R@1% |
    |---|---|
    | a\|b | 2 |
    """
    names = _names(table)
    rows = [[cell.replace("|", "\\|") for cell in line] for line in [names, *_lines(table)]]
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(names), *body])


LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {c: rf"\{c}" for c in "%&#$_{}"}


def latex(table: pd.DataFrame) -> str:
    r"""A table of text as a LaTeX tabular that needs no package, its index included, special characters escaped.

    >>> print(latex(pd.DataFrame({"R@1%": ["2"]}, index=pd.Index(["a_b"], name="row"))))
    \begin{tabular}{ll}
    \hline
    row & R@1\% \\
    \hline
    a\_b & 2 \\
    \hline
    \end{tabular}
    """
    names = _names(table)
    rows = [["".join(LATEX.get(c, c) for c in cell) for cell in line] for line in [names, *_lines(table)]]
    head, *body = [" & ".join(row) + r" \\" for row in rows]
    begin, end = rf"\begin{{tabular}}{{{'l' * len(names)}}}", r"\end{tabular}"
    return "\n".join([begin, r"\hline", head, r"\hline", *body, r"\hline", end])


def folded(summary: str, inside: str) -> str:
    """HTML: a line that opens to more."""
    return f"<details><summary>{summary}</summary>{inside}</details>"


class Displayed(Protocol):
    """What a page displays as HTML: a table or a shown figure."""

    def _repr_html_(self) -> str: ...


class Folded:
    """A line that opens to tables or figures, whole however long they are; what a page displays."""

    def __init__(self, summary: str, *parts: Displayed):
        self.summary, self.parts = summary, parts

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_rows", None, "display.max_columns", None, "display.max_colwidth", None):
            inside = "".join(part._repr_html_() for part in self.parts)
        return folded(self.summary, inside)

    def __repr__(self) -> str:
        return self.summary
