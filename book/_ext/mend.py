"""Sphinx extension: what pages need that neither their theme nor notebooks give, done to the files once they are written.

Figures become files of their own, which a page loads when it shows them and a click opens whole; so do texts that a page
offers to save. Tables are made to be read, and the runs that they name lead to their pages. Elements that a screen
reader could not name get names, scripts that would ask a network go, and the foot of each page says what to cite.
"""

import base64
import hashlib
import os
import re
import struct
import subprocess
from importlib.metadata import version
from pathlib import Path

import whole_search
from run_pages import links
from sphinx.application import Sphinx
from tidy import tidy

SAVED = re.compile(r'<a download="([^"]+)" href="data:text/plain;charset=utf-8;base64,([^"]+)"')
DATA = re.compile(r'<img\b([^>]*?)\ssrc="data:image/png;base64,([^"]+)"([^>]*)>')
THEBE = [
    re.compile(r"\s*<script[^>]*>\s*const THEBE_JS_URL.*?</script>", re.DOTALL),
    re.compile(r"\s*<(?:script|link)[^>]*sphinx-thebe[^>]*>(?:</script>)?"),
    re.compile(r'\s*<script type="text/x-thebe-config">.*?</script>', re.DOTALL),
    re.compile(r"\s*<script>kernelName = .*?</script>", re.DOTALL),
]
TWICE = re.compile(r'(<div id="jb-print-docs-body" class="onlyprint">)\s*<h1>.*?</h1>', re.DOTALL)  # a second title in print
TOGGLE = re.compile(r'(<a class="[^"]*" href="[^"]*">([^<]*)</a><details[^>]*>)<summary>')


def commit(folder: Path) -> str:
    """The commit that the book is built from, with "+" where files differ from it; "" outside a repository."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return said.stdout.strip()


def images_as_files(text: str, page: Path, root: Path) -> str:
    """The page with its embedded figures in files below `root`, each named after what it holds."""
    folder = root / "_images"

    def written(found: re.Match) -> str:
        before, data, after = found.groups()
        picture = base64.b64decode(data)
        name = f"figure-{hashlib.sha256(picture).hexdigest()[:16]}.png"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(picture)
        width, height = struct.unpack(">II", picture[16:24])  # the header of a PNG file
        address = f"{os.path.relpath(folder, page.parent)}/{name}"
        sized = "" if re.search(r"\b(width|height)=", before + after) else f' width="{width}" height="{height}"'
        image = f'<img{before} src="{address}"{sized} loading="lazy"{after}>'
        return f'<a class="whole" href="{address}" title="The figure in full size">{image}</a>'

    return DATA.sub(written, text)


def texts_as_files(text: str, page: Path, root: Path) -> str:
    """The page with the texts that it offers to save in files below `root`, each of its own name."""
    folder = root / "_downloads"

    def written(found: re.Match) -> str:
        name, data = found.groups()
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(base64.b64decode(data))
        return f'<a download="{name}" href="{os.path.relpath(folder, page.parent)}/{name}"'

    return SAVED.sub(written, text)


def named(text: str) -> str:
    """The page with names for what has none: the folds of its contents, the entries of its bibliography."""
    text = TOGGLE.sub(r'\1<summary aria-label="Pages below \2">', text)
    text = text.replace('role="doc-biblioentry"', 'role="listitem"').replace(' role="doc-backlink"', "")
    # a script makes pictures of these, whose titles would be text that the button's name does not hold
    text = re.sub(r'(<i class="theme-switch[^>]*?)\s+title="[^"]*"', r"\1", text)
    # the text of a button or of a fold is its name
    text = text.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    return re.sub(r'(<button class="btn search-button-field[^>]*?) aria-label="Search"', r"\1", text)


def mend(text: str, page: Path, root: Path) -> str:
    """A page as it should be; one that was mended before stays as it is."""
    for script in THEBE:
        text = script.sub("", text)
    text = TWICE.sub(r"\1", text)
    return links(tidy(named(texts_as_files(images_as_files(text, page, root), page, root))), page, root)


def _finish(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        root = Path(app.outdir)
        for page in sorted(root.rglob("*.html")):
            if "_static" not in page.relative_to(root).parts:
                text = page.read_text()
                mended = mend(text, page, root)
                if mended != text:
                    page.write_text(mended)
        whole_search.write(root)


def _foot(app: Sphinx) -> None:
    stand = commit(Path(app.srcdir))
    built_from = f", commit <code>{stand}</code>" if stand else ""
    app.config.html_theme_options["extra_footer"] = (
        f"<p>Cite this book: {app.config.author}, <em>{app.config.html_title}</em>, cvig {version('cvig')}{built_from}. "
        "The paper: Debnath, Briassouli and Popa, <em>Proportional Search Space Reduction</em>; "
        '<a href="https://github.com/S010MON/image-locate">its code</a>.</p>'
    )


def setup(app: Sphinx) -> dict:
    """Mend what was written, and prepare what each page's foot says."""
    app.connect("config-inited", lambda app, _: _foot(app))
    app.connect("build-finished", _finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
