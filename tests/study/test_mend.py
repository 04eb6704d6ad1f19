"""Pages after they are written: figures in files, no script that asks a network, a name for what has none."""

import importlib.util
from base64 import b64encode
from pathlib import Path

import pytest

from study.figures import new, show

spec = importlib.util.spec_from_file_location("mend", Path(__file__).parents[2] / "book" / "_ext" / "mend.py")
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
