"""Is the built book whole? Its pages exist, every image has alt text, no table is cut short, no page shows what programs say
on stderr, nothing loads from a network.

Usage: python book/check.py book/_build/html
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import yaml

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
PASSIVE_LINKS = {"canonical", "author", "search", "next", "prev", "license", "index"}


class Page(HTMLParser):
    """Collects what a page loads and the images without alt text."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = dict(attributes)
        source = given.get(LOADS.get(tag, "")) or ""
        passive = tag == "link" and set((given.get("rel") or "").split()) & PASSIVE_LINKS
        if re.match(r"(https?:)?//", source) and not passive:
            self.loads.append(source)
        if tag == "img" and not (given.get("alt") or "").strip():
            self.silent.append(source[:60])


def pages(toc: object) -> set[str]:
    """The files that a table of contents names; globs are left to what they find."""
    found = set()
    if isinstance(toc, dict):
        found |= {toc[key] for key in ("root", "file") if key in toc}
        toc = list(toc.values())
    if isinstance(toc, list):
        for entry in toc:
            found |= pages(entry)
    return found


def problems(html: Path, toc: Path) -> list[str]:
    """Everything wrong with the book built in `html`, a line each."""
    found = [
        f"page {name}.html is missing"
        for name in sorted(pages(yaml.safe_load(toc.read_text())))
        if not (html / f"{name}.html").is_file()
    ]
    for path in sorted(html.rglob("*.html")):
        if "_static" in path.parts:
            continue
        page = Page()
        text = path.read_text()
        page.feed(text)
        name = path.relative_to(html)
        found += [f"{name}: loads {source} from a network" for source in page.loads]
        found += [f"{name}: image without alt text: {source}" for source in page.silent]
        # pandas says so below a table of which it shows the ends alone
        found += [f"{name}: a table of {size} is cut short" for size in re.findall(r"\d+ rows × \d+ columns", text)]
        found += [f"{name}: shows stderr" for _ in re.findall(r'class="[^"]*\bstderr\b', text)]
    for path in sorted(html.rglob("*.css")):
        found += [
            f"{path.relative_to(html)}: loads {u}" for u in re.findall(r"url\([\"']?(https?://[^\"')]+)", path.read_text())
        ]
    return found


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]), Path(__file__).parent.parent / "_toc.yml")
    print("\n".join(wrong) or "the book is whole")
    sys.exit(bool(wrong))
