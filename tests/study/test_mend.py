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


def test_tables_captions_and_code_lead_to_the_pages_of_the_runs_and_studies_that_they_name(page, tmp_path):
    for name in ("runs/world/a-0", "runs/world/a-1", "studies/e1-long", "studies/ground"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.html").touch()
    rows = ["world/a-0", "world/b-0", "ground", "results/ground", "world/a-{0,1}", "E1, e1-long and more"]
    table = pd.DataFrame({"x": ["1"] * len(rows)}, index=rows).to_html()
    code = '<code class="docutils literal notranslate"><span class="pre">{}</span></code>'
    mended = mend.mend(
        f"{table}<figcaption>e1-long: of world/a-0.</figcaption>{code.format('world/a-0')}{code.format('x')}", page, tmp_path
    )
    run = '<a class="run" href="world/a-0.html"><span>world/</span><wbr><span>a-0</span></a>'
    assert mended.count(run) == 3
    assert '<figcaption><a class="run" href="../studies/e1-long.html"><span>e1-long</span></a>: of ' + f"{run}." in mended
    assert '<a class="run seed" href="world/a-1.html" aria-label="world/a-1">1</a>' in mended
    assert mended.count("studies/ground.html") == 1  # of the two rows of that name the one below results
    assert mended.count("studies/e1-long.html") == 2
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
