"""Pages after they are written: figures in files, no script that asks a network, a name for what has none."""

import importlib.util
import sys
from base64 import b64encode
from pathlib import Path

import pandas as pd
import pytest

from study.figures import new, show

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
sys.path.append(str(EXTENSIONS))  # as Sphinx does for its extensions
spec = importlib.util.spec_from_file_location("mend", EXTENSIONS / "mend.py")
mend = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mend)


@pytest.fixture
def page(tmp_path):
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs" / "a.html"


def test_a_figure_becomes_a_file_beside_its_page_with_alt_text_and_size_kept(page, tmp_path):
    shown = show((new(size=(2, 1))[0], "what it shows"), "caption")._repr_html_()
    mended = mend.mend(shown, page, tmp_path)
    (picture,) = (tmp_path / "_images").iterdir()
    assert b64encode(picture.read_bytes()).decode() in shown
    assert f'src="../_images/{picture.name}" width="220" height="110"' in mended
    assert 'alt="what it shows"' in mended
    assert f'<a class="whole" href="../_images/{picture.name}"' in mended
    assert "base64" not in mended
    assert mend.mend(mended, page, tmp_path) == mended


def test_scripts_of_a_network_go_and_folds_have_names(page, tmp_path):
    text = (
        '<script>const THEBE_JS_URL = "https://x.org"; const a = 1</script>'
        '<script async src="_static/sphinx-thebe.js"></script>'
        '<li><a class="reference internal" href="r.html">Results</a><details open="open"><summary><span></span></summary>'
    )
    mended = mend.mend(text, page, tmp_path)
    assert "thebe" not in mended.lower()
    assert '<summary aria-label="Pages below Results">' in mended


def test_a_text_to_save_becomes_a_file_of_its_name(page, tmp_path):
    data = b64encode(b"a,b\n1,2\n").decode()
    offer = f'<a download="t.csv" href="data:text/plain;charset=utf-8;base64,{data}">save t.csv</a>'
    assert mend.mend(offer, page, tmp_path) == '<a download="t.csv" href="../_downloads/t.csv">save t.csv</a>'
    assert (tmp_path / "_downloads" / "t.csv").read_text() == "a,b\n1,2\n"


def test_tables_and_captions_lead_to_the_pages_of_the_runs_that_they_name(page, tmp_path):
    (tmp_path / "runs" / "world").mkdir()
    (tmp_path / "runs" / "world" / "a-0.html").touch()
    table = pd.DataFrame({"x": ["1"] * 2}, index=["world/a-0", "world/b-0"]).to_html()
    mended = mend.mend(table + "<figcaption>world/a-0: a run.</figcaption>", page, tmp_path)
    assert mended.count('<a class="run" href="world/a-0.html"><span>world/</span><wbr><span>a-0</span></a>') == 2
    assert "b-0.html" not in mended
    assert mend.mend(mended, page, tmp_path) == mended


def test_a_table_keeps_numbers_right_intervals_whole_and_headings_in_two_lines(page, tmp_path):
    frame = pd.DataFrame(
        {"margin in percent of it": ["1.5 [1.2, 1.8]", "2 of 3"], "what it is": ["short", "a text " * 9]}, index=["a", "b"]
    )
    mended = mend.mend(frame.to_html(), page, tmp_path)
    assert '<th scope="col" class="num">margin in<br>percent of it</th>' in mended
    assert '<td class="num">1.5 [1.2, 1.8]</td>' in mended
    assert "<td>short</td>" in mended
    assert '<td class="long">a text' in mended
    assert '<th scope="row">a</th>' in mended
    assert mend.mend(mended, page, tmp_path) == mended
