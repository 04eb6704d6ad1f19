"""The search of the built book finds numbers that cells made, from disk."""

import sys
from pathlib import Path

import pytest
from browser import browser, missing

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))
import whole_search  # noqa: E402  of the book's extensions

PAGE = """<html><head></head><body><article class="bd-article">
<section id="top"><h1>Scores<a class="headerlink" href="#top">#</a></h1><p>What is scored.</p>
<section id="table"><h2>The table</h2><table><tr><th>PSSR</th><td>0.745</td></tr></table><script>const hidden = 1</script>
</section></section></article></body></html>"""


@pytest.fixture
def book(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "scores.html").write_text(PAGE)
    script = '<script src="_static/searchtools.js"></script><script src="searchindex.js"></script>'
    form = '<input type="search" name="q"><div id="search-results"></div>'
    (tmp_path / "search.html").write_text(f"<html><head>{script}</head><body><h1>Search</h1>{form}</body></html>")
    whole_search.write(tmp_path)
    (tmp_path / "_static" / "search.js").write_text((ROOT / "book" / "_static" / "search.js").read_text())
    return tmp_path


def test_sections_hold_their_words_and_the_cells_of_their_tables():
    top, table = whole_search.sections(PAGE)[-2:]
    assert top == {"anchor": "top", "heading": "Scores", "text": "What is scored."}
    assert table == {"anchor": "table", "heading": "The table", "text": "PSSR 0.745"}


def test_a_number_is_found_from_disk_with_the_place_where_it_stands(book):
    if missing():
        pytest.skip(missing())
    with browser() as driven:
        driven.open((book / "search.html").as_uri() + "?q=0.745")
        assert driven.run("return document.querySelector('#search-results a').getAttribute('href')") == "scores.html#table"
        assert driven.run("return document.querySelector('#search-results mark').textContent") == "0.745"
        driven.open((book / "search.html").as_uri() + "?q=absent")
        assert "Nothing in this book" in driven.run("return document.querySelector('#search-results').textContent")
        assert driven.log() == []
