"""The first page: a picture of one run, and three ways through pages that exist."""

from pathlib import Path

import pytest

from study.chapters.intro import doors, findings
from study.chapters.intro.figures import idea
from study.runs import find

ROOT = Path(__file__).parents[2]
RUNS = find(ROOT / "results" / "dense-224")


def test_the_picture_says_what_its_run_found():
    _, alt = idea(RUNS["resnet50-modern-whole-0"])
    assert "rank 4" in alt
    assert "the other 6,190, 99.9%, are ruled out" in alt
    with pytest.raises(ValueError, match="not among the 5 nearest"):
        idea(RUNS["resnet50-as-coded-0"])


def test_doors_lead_to_pages_under_their_titles_and_reading_takes_time(tmp_path):
    (tmp_path / "a.md").write_text("---\nx: y\n---\n\n# A page\n\n" + "word " * 398 + "\n```\ncode code\n```\n")
    said = doors.in_markdown(tmp_path, {"Door": (("a", "What it says."),)})
    assert said == "**Door** (about 2 minutes)\n\n1. [A page](a.html). What it says."
    assert "(causes.html)" in doors.in_markdown(ROOT / "book")


def test_a_finding_that_the_results_no_longer_bear_stops_the_page(monkeypatch):
    row = findings.described()
    assert row["n"].startswith(row["found"].split(" of ")[1].split()[0])
    monkeypatch.setattr(findings, "collapsed", lambda run, test_set: "aerial")
    with pytest.raises(ValueError, match="no longer say"):
        findings.described()


def test_every_point_of_the_page_has_its_evidence():
    text = (ROOT / "book" / "intro.md").read_text()
    points = text[text.index("## What was found") : text.index("findings.evidence()")].count("\n- [**")
    assert points == len(findings.FINDINGS)
