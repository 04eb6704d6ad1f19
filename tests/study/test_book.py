"""The book's sources: its pages exist, its figures speak, and the check of the built book bites."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "book").glob("*.md")) + sorted((ROOT / "book" / "runs").glob("*.md"))
spec = importlib.util.spec_from_file_location("check", ROOT / "book" / "check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


def test_every_page_is_in_the_table_of_contents_and_the_other_way_round():
    listed = check.pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    assert listed == {str(page.relative_to(ROOT / "book").with_suffix("")) for page in PAGES}


def test_the_links_in_book_lead_to_the_configuration():
    for name in ("_config.yml", "_toc.yml"):
        assert (ROOT / "book" / name).resolve() == ROOT / name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_figure_goes_through_show_which_gives_it_alt_text(page):
    code = "\n".join(re.findall(r"```\{code-cell\}.*?```", page.read_text(), re.DOTALL))
    assert "plt." not in code
    assert "![" not in page.read_text()


def test_every_reference_is_cited_and_every_citation_has_its_reference():
    text = "\n".join(page.read_text() for page in PAGES)
    cited = {key for keys in re.findall(r"\{cite:[pt]\}`([^`]+)`", text) for key in keys.split(",")}
    assert cited == set(re.findall(r"@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text()))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda html: (html / "intro.html").unlink(), "page intro.html is missing"),
        (lambda html: (html / "intro.html").write_text("<img src='x.png'>"), "image without alt text"),
        (lambda html: (html / "intro.html").write_text("<p>121 rows × 12 columns</p>"), "is cut short"),
        (lambda html: (html / "intro.html").write_text(f"<td>{'x' * 47}...</td>"), "a cell is cut short"),
        (
            lambda html: (html / "intro.html").write_text("<div class='a'></div><div class=\"output stderr\">"),
            "shows stderr",
        ),
        (lambda html: (html / "intro.html").write_text("<pre>&lt;a.Markdown object&gt;</pre>"), "shows a.Markdown object"),
        (lambda html: (html / "intro.html").write_text("<script src='https://x.org/a.js'>"), "from a network"),
        (lambda html: (html / "intro.html").write_text("<p>x</p>" * 200_000), "intro.html: 1.6 MB"),
        (lambda html: (html / "intro.html").write_text("<a href='a/c.html'>"), "a/c.html leads nowhere"),
        (lambda html: (html / "intro.html").write_text("<a href='a/b.html#x'>"), "leads to no place of its page"),
        (lambda html: (html / "a.css").write_text("@font-face { src: url(https://x.org/f) }"), "a.css: loads"),
    ],
)
def test_the_check_of_a_built_book_sees(harm, problem, tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text("root: intro\nchapters: [{file: a/b}]\n")
    (tmp_path / "html" / "a").mkdir(parents=True)
    for name in ("intro", "a/b"):
        (tmp_path / "html" / f"{name}.html").write_text("<p>text</p>")
    assert check.problems(tmp_path / "html", toc) == []
    harm(tmp_path / "html")
    found = check.problems(tmp_path / "html", toc)
    assert len(found) == 1
    assert problem in found[0]


def test_the_book_builds_without_a_warning_from_committed_results_and_is_whole(tmp_path):
    command = ["jupyter-book", "build", "book/", "-W", "-n", "--keep-going", "--quiet", "--path-output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert check.problems(tmp_path / "_build" / "html", ROOT / "_toc.yml") == []


def test_no_page_is_taken_from_an_earlier_build(tmp_path, monkeypatch):
    """Sphinx and the cache know a page by its source, which stays the same when the results that it shows change."""
    monkeypatch.syspath_prepend(ROOT / "book")
    execute = importlib.import_module("execute")
    monkeypatch.setattr(execute, "pages", lambda toc: [])
    for name in (".doctrees", ".jupyter_cache"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "intro").touch()
    execute.main(tmp_path, 1)
    assert not list(tmp_path.rglob("intro"))
