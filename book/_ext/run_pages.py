"""Sphinx extension: a page for every committed run and every study, to which the texts lead that name it.

The pages are no part of the table of contents, which a hundred of them would bury; the page on all runs lists them.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

from study.chapters.runs import record, studies
from study.runs import TITLES, find

WORD = r"[A-Za-z0-9][\w./,+=@{}-]*"
SEEDS = re.compile(r"(.+-)\{(\d+(?:,\d+)*)\}")  # runs that differ in their seed, as a shell writes them
# where a name may stand: a word of code in a sentence, any word of a cell or a caption
CODE = re.compile(rf'(<code class="[^"]*literal[^"]*"><span class="pre">)({WORD})(</span></code>)')
SHORT_TEXT = re.compile(r"<(t[hd]|figcaption|caption)\b.*?</\1>", re.DOTALL)
WORD_OF_TEXT = re.compile(rf"<a\b.*?</a>|<[^>]*>|(?<![\w/])({WORD}?)(?=[.,:;)]*(?:[\s<]|$))", re.DOTALL)


def links(text: str, page: Path, root: Path) -> str:
    """A page whose tables, captions and sentences lead to the pages of the runs and studies that they name."""
    runs = {f"{path.parent.name}/{path.stem}": path for path in (root / "runs").glob("*/*.html")}
    made = {path.stem: path for path in (root / "studies").glob("*.html")}
    # "ground" alone is a word, and "e1-long" a name
    named = {name: path for name, path in made.items() if "-" in name} | {f"results/{name}": made[name] for name in made}
    known = {name: path for name, path in {**named, **runs}.items() if path != page}

    def link(name: str, words: str, kind: str = "run") -> str:
        return f'<a class="{kind}" href="{os.path.relpath(known[name], page.parent)}"{words}</a>'

    def linked(name: str) -> str:
        if name in known:
            study, slash, run = name.partition("/")
            return link(name, f"><span>{study}{slash}</span>" + (f"<wbr><span>{run}</span>" if run else ""))
        if (several := SEEDS.fullmatch(name)) and all(f"{several[1]}{seed}" in known for seed in several[2].split(",")):
            each = ((seed, f"{several[1]}{seed}") for seed in several[2].split(","))
            return " ".join(link(run, f' aria-label="{run}">{seed}', "run seed") for seed, run in each)
        return name

    def words(found: re.Match) -> str:
        return WORD_OF_TEXT.sub(lambda word: linked(word[1]) if word[1] else word[0], found[0])

    text = CODE.sub(lambda found: f"{found[1]}{linked(found[2])}{found[3]}", text)
    return SHORT_TEXT.sub(words, text)


def pages(app: Sphinx) -> Iterator[tuple[str, dict, str]]:
    """Name, context and template of the page of each run, and of each study."""
    results = Path(app.srcdir) / "results"
    for study in TITLES:
        runs = find(results / study) if study != "local" else {}
        for name, run in runs.items():
            yield _page(f"runs/{study}/{name}", run.label, record.body(run, runs))
    for name, body in studies.bodies(results).items():
        yield _page(f"{'runs' if '/' in name else 'studies'}/{name}", name, body)


def _page(name: str, title: str, body: str) -> tuple[str, dict, str]:
    parents = [{"link": f"{'../' * name.count('/')}all-runs.html", "title": "All runs"}]
    return name, {"title": title, "body": body, "parents": parents, "display_toc": False}, "page.html"


def setup(app: Sphinx) -> dict:
    """Write the pages beside those of the book."""
    app.connect("html-collect-pages", pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
