"""What a release must be, run by `make release-check` beside the built book: no part of `make test`."""

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
sys.path.insert(0, str(ROOT / "book"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source archive of the tree."""
    out = tmp_path_factory.mktemp("dist")
    words = ["uv", "build", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(out)]
    subprocess.run([*words, str(ROOT)], check=True)
    return out


@pytest.fixture(scope="module")
def metadata(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        (name,) = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(packed.read(name))


def test_the_tree_is_committed():
    said = subprocess.check_output(["git", "status", "--porcelain"], cwd=ROOT, text=True)
    assert said == "", "commit first: a release is of a commit"


def test_wheel_and_source_hold_the_licence_and_no_results(built):
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names} == {"cvig", f"cvig-{CITATION['version']}.dist-info"}
    with tarfile.open(source) as packed:
        assert any(name.endswith("/pyproject.toml") for name in packed.getnames())
    assert wheel.stat().st_size < 5e6


def test_metadata_name_version_licence_and_readme(metadata):
    assert (metadata["Name"], metadata["Version"]) == ("cvig", CITATION["version"])
    assert metadata["License-Expression"] == CITATION["license"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().lstrip().startswith("# cvig")


def test_the_citation_names_the_software_and_the_paper():
    assert {"cff-version", "title", "type", "license", "version", "authors", "references"} <= set(CITATION)
    (paper,) = CITATION["references"]
    assert paper["type"] == "article"
    assert {"title", "authors"} <= set(paper)


def test_the_changes_begin_with_this_version():
    text = (ROOT / "book" / "changes.md").read_text()
    assert re.search(r"^## (\S+)", text, re.MULTILINE)[1] == CITATION["version"]


def test_the_built_book_is_whole_and_of_this_commit():
    from check import problems

    html = ROOT / "book" / "_build" / "html"
    assert problems(html, ROOT / "_toc.yml") == []
    commit = subprocess.check_output(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, text=True).strip()
    assert f"commit <code>{commit}</code>" in (html / "intro.html").read_text(), "build the book of this commit first"
