"""The paper's tables beside ours: cells as printed, their counts, our two rules, and three ways to write them down."""

import base64
import io
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from made_runs import cloud, make_run
from scipy import stats

from study import published, tables
from study.chapters.results.paper_tables import paper_table
from study.runs import Run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    ground, aerial = cloud(200, 0.3)
    return [
        make_run(folder / "resnet18_x", ground, aerial, arch="resnet18", as_coded=False),
        make_run(folder / "good", ground, aerial, arch="vgg16", switches={"linear-head": True}, seed=3),
        make_run(folder / "collapsed", ground, np.ones_like(aerial), arch="vgg16", recipe="as-coded"),
    ]


@pytest.mark.parametrize("number", [1, 2])
def test_published_cells_come_out_as_printed_and_their_counts_print_them(number):
    table, cells = paper_table(number, []), published.cells(number)
    for arch, row in cells.iterrows():
        shown = table.text.loc[arch, "published", "paper's code"]
        assert [shown[name].split(" [")[0] for name in cells] == row.tolist()
        found = table.numbers.loc[arch, "published", "as coded found"]
        assert all(abs(100 * found[name] / 6194 - float(cell)) < 1e-3 for name, cell in row.items())
        assert shown[["PSSR", "queries", "tied"]].tolist() == ["not given", "6194", "unknown"]


def test_published_counts_and_intervals_are_those_of_the_tables_own_test_set():
    row = paper_table(1, []).numbers.xs("resnet50").xs("published")
    assert row.loc["as coded found", "R@1%"] == 2144
    assert row.loc["chance as coded", "R@1%"] == pytest.approx(100 * 62 / 6194)
    low, high = row.loc[["as coded low", "as coded high"], "R@1"] / 100  # Clopper and Pearson: both tails hold 2.5%
    assert stats.binom.sf(32, 6194, low) == pytest.approx(0.025)
    assert stats.binom.cdf(33, 6194, high) == pytest.approx(0.025)


def test_a_run_follows_its_architecture_under_the_name_of_its_folder(runs):
    table = paper_table(1, runs).numbers
    order = list(dict.fromkeys(table.index.droplevel("rule")))
    assert order == [
        ("vgg16", "published"),
        ("vgg16", runs[1].label),
        ("vgg16", runs[2].label),
        ("resnet50", "published"),
        ("cvm-net-i", "published"),
        ("resnet18", runs[0].label),
    ]
    assert runs[1].label == f"{runs[1].folder.parent.name}/good"


def test_a_collapsed_gallery_is_nothing_by_exact_ranks_and_perfect_by_the_papers_code(runs):
    block = paper_table(2, runs).numbers.loc["vgg16"].loc[runs[2].label]
    assert (block.loc["exact", ["R@1", "R@10%", "PSSR"]] == 0).all()
    assert (block.loc["exact found", ["R@1", "R@10%"]] == 0).all()
    assert (block.loc["optimistic", ["R@1", "R@10%"]] == 100).all()
    assert (block.loc["as coded", ["R@1", "R@10%"]] == 100).all()
    assert (block.loc["as coded found", ["R@1", "R@10%"]] == 200).all()
    assert block.tied.eq(100).all()
    assert block.loc["chance", "R@5"] == 2.5
    assert block.loc["chance as coded", "R@5"] == 3  # one row more
    assert block.loc["chance as coded", "PSSR"] == pytest.approx(201 / 400)
    # columns of a collapsed gallery are one list of distances: each rank once
    assert block.loc["as coded", "PSSR"] == pytest.approx(201 / 400)


def test_values_and_intervals_are_those_of_the_runs_summary(runs):
    table, summary = paper_table(1, runs), runs[1].metrics["cropped"]
    block = table.numbers.loc["vgg16"].loc[runs[1].label]
    expected = summary.loc["R@10", ["pessimistic", "low", "high"]] * 100
    assert block.loc[["exact", "exact low", "exact high"], "R@10"].tolist() == pytest.approx(expected.tolist())
    assert block.loc["exact", "PSSR"] == pytest.approx(summary.loc["PSSR", "value"])
    assert block.loc["exact found", "R@10"] == pytest.approx(2 * block.loc["exact", "R@10"])
    shown = table.text.loc["vgg16"].loc[runs[1].label]
    assert re.fullmatch(r"\d+\.\d{3} \[\d+\.\d{3}, \d+\.\d{3}\]", shown.loc["ties against", "R@10"])
    assert (shown.loc["ties against", "tied"], shown.loc["chance", "tied"]) == ("0.0%", "")


def test_each_table_takes_its_own_test_set_and_each_rule_its_own_gallery(runs):
    run = Run(runs[1].folder)
    run.metrics["cropped"].loc["R@1", "pessimistic"] = 0.125
    run.facts["cropped"]["gallery"] = 50
    cropped, uncropped = (paper_table(number, [run]).numbers.xs("vgg16").xs(run.label) for number in (1, 2))
    assert cropped.loc["exact", ["R@1", "gallery"]].tolist() == [12.5, 50]
    assert cropped.loc["as coded", "gallery"] == 200  # a copy for each view
    assert uncropped.loc["exact", "R@1"] != 12.5


def test_where_views_have_several_answers_the_papers_code_has_no_say(runs):
    lines = paper_table(1, runs).text.loc["resnet18"].index.get_level_values("rule")
    assert list(lines) == ["ties against", "found", "ties for", "chance"]


def test_the_overview_has_the_papers_recalls_and_the_exact_ones_in_a_row(runs):
    overview = paper_table(2, runs).overview
    code, exact = overview["by the paper's code"], overview["by exact ranks"]
    cells = published.cells(2)
    row = [(arch, "published") for arch in cells.index]
    assert code.loc[row, cells.columns].to_numpy().tolist() == cells.to_numpy().tolist()
    assert exact.loc["vgg16", "published"].tolist() == ["not given", "unknown", "unknown"]
    several, _, collapsed = ((run.name, run.label) for run in runs)
    assert code.loc[collapsed].unique().tolist() == ["100.000"]
    assert exact.loc[collapsed].str.split(" ").str[0].tolist() == ["0.000", "0.000", "100.0%"]
    assert code.loc[several].unique().tolist() == [""]
    assert exact.loc[several].str.len().gt(0).all()


def test_csv_holds_every_number(runs):
    table = paper_table(1, runs)
    again = pd.read_csv(io.StringIO(table.csv), index_col=[0, 1, 2])
    pd.testing.assert_frame_equal(again.astype(float), table.numbers, rtol=1e-5)


def test_markdown_and_latex_hold_every_cell_of_the_text(runs):
    table = paper_table(1, runs)
    text = table.text.to_numpy().tolist()
    head, rule, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.markdown.splitlines())
    assert head[:5] == ["architecture", "source", "rule", "R@1", "R@5"]
    assert set(rule) == {"---"}
    assert [line[3:] for line in lines] == text
    assert [line[0] for line in lines if line[0]] == ["vgg16", "resnet50", "cvm-net-i", "resnet18"]
    rows = [line.removesuffix(r" \\") for line in table.latex.splitlines() if line.endswith(r"\\")]
    assert not re.search(r"(?<!\\)[%#_$]", "".join(rows))
    cells = [[cell.strip().replace("\\", "") for cell in row.split("&")] for row in rows]
    assert [line[3:] for line in cells[1:]] == text


def test_a_page_shows_the_table_and_offers_each_form_to_read_and_to_save(runs):
    table = paper_table(2, runs)
    page = table._repr_html_()
    assert "ties against" in page
    assert page.startswith(table.overview.to_html())
    assert page.count("<thead>") == 1 + 4  # vgg16, resnet50, cvm-net-i, resnet18
    for name, text in (("csv", table.csv), ("md", table.markdown), ("tex", table.latex)):
        saved = re.search(rf'download="table-2\.{name}" href="data:text/plain;charset=utf-8;base64,([^"]*)"', page)
        assert base64.b64decode(saved[1]).decode() == text


def test_a_table_of_many_runs_shows_its_overview_and_offers_the_rest_under_another_name(runs):
    page = paper_table(2, runs).in_short._repr_html_()
    assert "ties against" not in page
    assert re.findall(r'download="([^"]*)"', page) == [f"table-2-all-runs.{end}" for end in ("csv", "md", "tex")]


def test_characters_that_mean_something_elsewhere_are_escaped():
    table = pd.DataFrame({"a|b": ["100% & $#_{}~^\\"]}, index=["i"])
    assert r"| a\|b |" in tables.markdown(table)
    escaped = r"100\% \& \$\#\_\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    assert f"i & {escaped} " + r"\\" in tables.latex(table)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no LaTeX on this machine")
def test_latex_compiles(runs, tmp_path):
    source = rf"\documentclass{{article}}\begin{{document}}{paper_table(1, runs).latex}\end{{document}}"
    (tmp_path / "table.tex").write_text(source)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_only_the_papers_tables_exist():
    with pytest.raises(ValueError, match="tables 1 and 2"):
        paper_table(3, [])
