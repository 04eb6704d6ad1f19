"""Sphinx extension: a page for every committed run, to which tables and captions that name the run lead.

The pages are no part of the table of contents, which a hundred of them would bury; the page on all runs lists them.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

from study.chapters.runs import record
from study.runs import TITLES, find

NAME = r"[A-Za-z0-9][\w.,+=@-]*/[\w.,+=@-]+"
CELL = re.compile(rf"(<t[hd]\b[^>]*>)({NAME})(</t[hd]>)")
CAPTION = re.compile(rf"(<figcaption>(?:<[^>]*>)*)({NAME})(?=: )")


def links(text: str, page: Path, root: Path) -> str:
    """A page whose tables and captions lead to the pages of the runs that they name."""
    known = {f"{path.parent.name}/{path.stem}" for path in (root / "runs").glob("*/*.html")}
    own = f"{page.parent.name}/{page.stem}"

    def link(label: str) -> str:
        if label not in known or label == own:
            return label
        study, name = label.split("/")
        address = os.path.relpath(root / "runs" / f"{label}.html", page.parent)
        return f'<a class="run" href="{address}"><span>{study}/</span><wbr><span>{name}</span></a>'

    text = CELL.sub(lambda found: f"{found[1]}{link(found[2])}{found[3]}", text)
    return CAPTION.sub(lambda found: f"{found[1]}{link(found[2])}", text)


def pages(app: Sphinx) -> Iterator[tuple[str, dict, str]]:
    """Name, context and template of each run's page."""
    results = Path(app.srcdir) / "results"
    for study in TITLES:
        runs = find(results / study) if study != "local" else {}
        for name, run in runs.items():
            context = {
                "title": run.label,
                "body": record.body(run, runs),
                "parents": [{"link": "../../all-runs.html", "title": "All runs"}],
                "display_toc": False,
            }
            yield f"runs/{study}/{name}", context, "page.html"


def setup(app: Sphinx) -> dict:
    """Write the pages beside those of the book."""
    app.connect("html-collect-pages", pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
