"""What axe-core finds on every page of the built book: by day and by night, on a desktop and a telephone, folds open.

Usage: python book/axe.py book/_build/html node_modules/axe-core/axe.min.js [PAGE ...]

One line a rule and setting: how many elements break it, and where the first of them is. Ends with 1 where one does.
"""

import sys
from collections import Counter
from pathlib import Path

from browser import DESKTOP, PHONE, Browser, browser, missing

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SETTINGS = {
    "light desktop": (DESKTOP, False),
    "dark desktop": (DESKTOP, True),
    "light phone": (PHONE, False),
    "dark phone": (PHONE, True),
}
# folds open at once: what is half faded in has no contrast yet
OPEN = """const style = '<style>* { animation: none !important; transition: none !important }</style>';
  document.head.insertAdjacentHTML('beforeend', style);
  document.querySelectorAll('details').forEach((fold) => (fold.open = true))"""
ASK = """return axe.run(document, {runOnly: arguments[0], resultTypes: ['violations']}).then((found) =>
  found.violations.map((rule) => [rule.id, rule.nodes.map((node) => [node.target.join(' '), node.html.slice(0, 160)])]))"""
WIDTH = "return document.documentElement.scrollWidth"


def wide(driven: Browser) -> list[str]:
    """What is wider than the window."""
    width, window = driven.run(WIDTH), driven.run("return innerWidth")
    return [f"{width} px"] if width > window else []


def look(driven: Browser, page: Path, axe: str, setting: str) -> list[tuple[str, list]]:
    """The rules that one page breaks in one setting, each with the elements that do."""
    size, dark = SETTINGS[setting]
    driven.view(size, dark=dark)
    driven.open(page)
    driven.run(OPEN)
    driven.run(axe)
    return [*driven.run(ASK, TAGS), *(["wider than the window", [[said, ""]]] for said in wide(driven))]


def main(html: Path, axe: Path, chosen: list[str]) -> int:
    """Print what is found, and how much of it."""
    if missing():
        print(missing(), file=sys.stderr)
        return 2
    script = axe.read_text() + "; window.axe = axe"
    pages = sorted(page for page in html.rglob("*.html") if "_static" not in page.parts and page.name != "index.html")
    # the pages of runs are of one form: the first of each study stands for it
    studies = [min(folder.glob("*.html")) for folder in sorted((html / "runs").glob("*/"))]
    pages = [page for page in pages if page.parent.parent.name != "runs" or page in studies]
    total: Counter[tuple[str, str]] = Counter()
    with browser() as driven:
        for page in pages:
            name = str(page.relative_to(html))
            if chosen and name not in chosen:
                continue
            for setting in SETTINGS:
                for rule, nodes in look(driven, page, script, setting):
                    total[rule, setting] += len(nodes)
                    print(f"{name}, {setting}: {rule}, {len(nodes)}: {nodes[0][0]}  {nodes[0][1]}", flush=True)
    for (rule, setting), count in sorted(total.items()):
        print(f"{count:6} {rule}, {setting}")
    return int(bool(total))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
