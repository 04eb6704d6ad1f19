"""What the search finds: the text of all pages, numbers made by cells among it, in one script that is read from disk too.

Sphinx indexes the words of a page's source, and fetches pages to show where they stand: the outputs of cells are not found,
and from disk only titles come. Here a section is found by any part of its words, and shown with what is round them.
"""

import html
import json
import re
from pathlib import Path

ARTICLE = re.compile(r'<article class="bd-article"[^>]*>(.*?)</article>', re.DOTALL)
UNREAD = re.compile(r"<(script|style|noscript|math)\b.*?</\1>|<a class=\"headerlink\".*?</a>", re.DOTALL)
SECTION = re.compile(r'<section\b[^>]*\bid="([^"]+)"[^>]*>')
HEADING = re.compile(r"<h[1-6][^>]*>(.*?)</h[1-6]>", re.DOTALL)
THEIRS = re.compile(r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>')
FILE = "_static/booktext.js"


def words(markup: str) -> str:
    """The text of some HTML, a space between cells and lines, and none within a line.

    >>> words("<td>world/<wbr><b>a</b></td><td>1</td>")
    'world/a 1'
    """
    joined = re.sub(r"</?(?:a|b|code|em|i|mark|span|strong|sub|sup|wbr)\b[^>]*>", "", markup)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", joined)).split())


def sections(text: str) -> list[dict[str, str]]:
    """A page's sections: where each begins, what it is called, and all its words to the next one."""
    article = ARTICLE.search(text)
    if not article:
        return []
    parts = SECTION.split(UNREAD.sub(" ", article[1]))
    found = []
    for anchor, part in zip(["", *parts[1::2]], parts[::2], strict=True):
        heading = HEADING.search(part)
        body = words(HEADING.sub(" ", part, count=1))
        if heading or body:
            found.append({"anchor": anchor, "heading": words(heading[1]) if heading else "", "text": body})
    return found


def write(root: Path) -> None:
    """Write the text of the book built in `root`, and let its pages search there instead of in Sphinx's index."""
    book = []
    for page in sorted(root.rglob("*.html")):
        name = page.relative_to(root).as_posix()
        if name.startswith("_static") or name in ("index.html", "genindex.html"):
            continue
        text = page.read_text()
        title = HEADING.search(text)
        if name != "search.html" and title:
            shown = [part for part in sections(text) if part["text"] or part["heading"]]
            book.append({"page": name, "title": words(UNREAD.sub("", title[1])), "sections": shown})
        ours = THEIRS.sub("", text)
        if name == "search.html":
            scripts = (
                '<script defer src="_static/booktext.js"></script><script defer src="_static/search.js"></script></head>'
            )
            ours = ours if "_static/search.js" in ours else ours.replace("</head>", scripts, 1)
        if ours != text:
            page.write_text(ours)
    (root / FILE).write_text(f"window.cvigBook = {json.dumps(book, ensure_ascii=False, separators=(',', ':'))};\n")
