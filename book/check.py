"""Is the built book whole? Its pages exist, every image has alt text, no table is cut short, no page shows what programs
say on stderr or an object without a form, links between pages lead somewhere, nothing loads from a network, no page weighs a
megabyte.

Usage: python book/check.py book/_build/html
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import yaml

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
PASSIVE_LINKS = {"canonical", "author", "search", "next", "prev", "license", "index"}


class Page(HTMLParser):
    """Collects what a page loads, the images without alt text, its links and where links can lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.silent: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = dict(attributes)
        source = given.get(LOADS.get(tag, "")) or ""
        if tag == "a" and (given.get("href") or "").strip():
            self.links.append(given["href"])
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
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


def lost_links(pages_read: dict[Path, Page]) -> list[str]:
    """Links within the book that lead to no file, or to no place in it; by path of each page."""
    found = []
    for path, page in pages_read.items():
        for link in sorted(set(page.links)):
            target, _, anchor = unquote(link).partition("#")
            if re.match(r"[a-z][a-z+.-]*:", target) or link == "#":
                continue
            there = (path.parent / target).resolve() if target else path
            if not there.exists():
                found.append(f"{path.name}: the link {link} leads nowhere")
            elif anchor and there in pages_read and anchor not in pages_read[there].anchors:
                found.append(f"{path.name}: the link {link} leads to no place of its page")
    return found


def problems(html: Path, toc: Path) -> list[str]:
    """Everything wrong with the book built in `html`, a line each."""
    found = [
        f"page {name}.html is missing"
        for name in sorted(pages(yaml.safe_load(toc.read_text())))
        if not (html / f"{name}.html").is_file()
    ]
    read: dict[Path, Page] = {}
    for path in sorted(html.rglob("*.html")):
        if "_static" in path.parts:
            continue
        page = read[path.resolve()] = Page()
        text = path.read_text()
        page.feed(text)
        name = path.relative_to(html)
        found += [f"{name}: {len(text) / 1e6:.1f} MB"] * (len(text) > 1_000_000)
        found += [f"{name}: loads {source} from a network" for source in page.loads]
        found += [f"{name}: image without alt text: {source}" for source in page.silent]
        # pandas says so below a table of which it shows the ends alone
        found += [f"{name}: a table of {size} is cut short" for size in re.findall(r"\d+ rows × \d+ columns", text)]
        found += [f"{name}: a cell is cut short: {cell}" for cell in re.findall(r"<td[^>]*>([^<]{20,})\.\.\.</td>", text)]
        # what a page displays without a form that a reader can read, such as empty Markdown
        found += [f"{name}: shows {what}" for what in re.findall(r"&lt;([\w.]+ object)(?: at 0x[0-9a-f]+)?&gt;", text)]
        found += [f"{name}: shows stderr" for _ in re.findall(r'class="[^"]*\bstderr\b', text)]
    found += lost_links(read)
    for path in sorted(html.rglob("*.css")):
        found += [
            f"{path.relative_to(html)}: loads {u}" for u in re.findall(r"url\([\"']?(https?://[^\"')]+)", path.read_text())
        ]
    return found


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]), Path(__file__).parent.parent / "_toc.yml")
    print("\n".join(wrong) or "the book is whole")
    sys.exit(bool(wrong))
