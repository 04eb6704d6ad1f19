"""The whole book as one PDF file, printed by headless Chromium: python book/pdf.py book/_build/html book/_build/book.pdf

Pages are joined in the order of the table of contents, so that links between them lead to places in the file. Numbers
and figures are those of the built pages: nothing is computed anew.
"""

import html as text_of
import os
import re
import sys
from pathlib import Path

import yaml
from browser import browser, missing

TOP = Path(__file__).resolve().parent.parent
ARTICLE = re.compile(r'<article class="bd-article"[^>]*>(.*?)</article>', re.DOTALL)
SCRIPT = re.compile(r"<script\b.*?</script>|<noscript>|</noscript>|<link\b[^>]*>", re.DOTALL)
PRINTED = """
html { font-size: 10pt; }
body { display: block; overflow: visible; height: auto; font-family: sans-serif; color: #000; background: #fff; }
article { break-before: page; max-width: none; }
article:first-of-type { break-before: auto; }
a { color: inherit; }
details.hide > summary, a.headerlink, .copybtn, .cvig-lab button, .cvig-lab input, .cvig-lab label { display: none; }
table { font-size: 7pt; border-collapse: collapse; width: auto !important; max-width: 100%; overflow: visible !important; }
table.dataframe, .cell_output table { display: table !important; }
:is(td, th) { white-space: normal !important; padding: 1pt 3pt; min-width: 0 !important; }
pre { white-space: pre-wrap; font-size: 7.5pt; }
img { max-width: 100%; height: auto; }
@page { margin: 15mm; }
"""


def in_order(toc: object) -> list[str]:
    """The pages that a table of contents names, as they are read; globs are left out."""
    if isinstance(toc, list):
        return [name for entry in toc for name in in_order(entry)]
    if not isinstance(toc, dict):
        return []
    own = [toc[key] for key in ("root", "file") if key in toc]
    return own + [name for key, value in toc.items() if key not in ("root", "file") for name in in_order(value)]


def joined_page(name: str, html: Path, names: list[str]) -> str:
    """One page's article, its anchors and its links made those of the joined file."""
    article = ARTICLE.search((html / f"{name}.html").read_text())[1]
    article = SCRIPT.sub("", article).replace("<details", "<details open").replace(' loading="lazy"', "")
    folder = (html / name).parent

    def link(found: re.Match) -> str:
        target = text_of.unescape(found[1])
        if re.match(r"[a-z]+:", target):
            return found[0]
        path, _, anchor = target.partition("#")
        page = os.path.relpath(folder / path, html).removesuffix(".html") if path else name
        if page not in names:
            return ""
        return f'href="#{page}{f"--{anchor}" if anchor else ""}"'

    article = re.sub(r'\bid="([^"]*)"', rf'id="{name}--\1"', article)
    article = re.sub(r'\bhref="([^"]*)"', link, article)
    article = re.sub(r'\bsrc="(?!data:)([^"]*)"', lambda found: f'src="{os.path.relpath(folder / found[1], html)}"', article)
    return f'<article id="{name}">{article}</article>'


def joined(html: Path, toc: Path) -> str:
    """All pages of a built book as one."""
    names = in_order(yaml.safe_load(toc.read_text()))
    styles = sorted((html / "_static").rglob("*.css"))
    wanted = [path for path in styles if path.name in ("pygments.css", "tables.css", "lab.css")]
    sheets = "".join(f'<link rel="stylesheet" href="{path.relative_to(html)}">' for path in wanted)
    first = (html / f"{names[0]}.html").read_text()
    title = re.search(r"<title>(.*?)</title>", first, re.DOTALL)[1].strip()
    foot = re.search(r"<p>Cite this book:.*?</p>", first, re.DOTALL)
    body = "".join(joined_page(name, html, names) for name in names)
    return (
        f'<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>{title}</title>{sheets}'
        f"<style>{PRINTED}</style><body>{foot[0] if foot else ''}<hr>{body}</body></html>"
    )


def main(html: Path, file: Path) -> int:
    """Write the file."""
    if missing():
        print(missing(), file=sys.stderr)
        return 2
    page = html / "joined.html"
    page.write_text(joined(html, TOP / "_toc.yml"))
    with browser() as driven:
        driven.open(page)
        driven.print(file)
    page.unlink()
    print(f"the book in one file: {file}, {file.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
