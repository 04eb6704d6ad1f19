"""The page on ties: what its tables show of each specimen."""

import pytest

from cvig.metrics import TIES
from cvig.metrics.conventions import CONVENTIONS
from study.chapters.ties.scores import (
    EXACT,
    PUBLISHED,
    as_text,
    beside_theory,
    convention_scores,
    gaps,
    shaded,
    solvable,
    verdicts,
)
from study.chapters.ties.specimens import measure, specimens

OPTIMISTIC = ["CVM-Net", "SAFA", "DSM", "GeoDTR+", "VIGOR", "TransGeo", "Sample4Geo"]


@pytest.fixture(scope="module")
def made():
    return specimens(400)


@pytest.fixture(scope="module")
def one_percent(made):
    return convention_scores(made, "1%")


def test_a_collapsed_gallery_is_perfect_or_hopeless_or_chance_by_convention(one_percent):
    row = one_percent.loc["one point", PUBLISHED]
    assert (row[["image-locate", *OPTIMISTIC]] == 100).all()
    assert row["WITW"] == 0
    assert (row[["University-1652", "OpenVPRLab", "VPR-methods-evaluation", "torchmetrics"]] < 3).all()


def test_a_network_that_outputs_nan_is_perfect_by_eight_conventions_and_refused_by_exact_ranks(one_percent):
    row = one_percent.loc["NaN"]
    assert row[EXACT].isna().all()
    assert (row[PUBLISHED][[*OPTIMISTIC, "WITW"]] == 100).all()
    assert (row[PUBLISHED].drop([*OPTIMISTIC, "WITW"]) < 3).all()


def test_a_tenth_of_nan_adds_a_tenth_of_recall(one_percent):
    row = one_percent.loc["one NaN in ten", PUBLISHED]
    assert (row[[*OPTIMISTIC, "WITW"]] >= 10).all()
    assert (row.drop([*OPTIMISTIC, "WITW"]) < 4).all()


def test_one_row_too_many_shows_where_every_rank_has_one_query(made):
    at_one = convention_scores({"one query": made["one query"]}, 1).loc["one query"]
    assert at_one[PUBLISHED]["image-locate"] == pytest.approx(100 * 2 / 400)
    assert at_one[EXACT].tolist() == pytest.approx([100 / 400] * 3)


def test_columns_are_every_rule_and_every_convention(one_percent, made):
    assert list(one_percent[EXACT]) == list(TIES)
    assert list(one_percent[PUBLISHED]) == list(CONVENTIONS)
    assert list(one_percent.index) == list(made)


def test_theory_stands_beside_what_is_measured(made):
    table = beside_theory(made, "PSSR")
    assert list(table.index) == list(solvable(made))
    assert table.loc["dead ReLU", ("optimistic", "measured")] == measure(made["dead ReLU"])["PSSR"]["optimistic"]
    assert table.loc["dead ReLU", ("optimistic", "expected")] == made["dead ReLU"].expected["PSSR"]["optimistic"].value


def test_text_gives_a_deviation_where_there_is_one(made):
    text = as_text(beside_theory(made, "R@1%"))
    assert text.loc["one point", ("optimistic", "theory")] == "100.0"
    assert text.loc["one point", ("expected", "measured")] == "1.0"
    assert text.loc["random", ("expected", "theory")] == "1.0 ± 0.5"


def test_the_figure_names_what_ties_can_move(made):
    figure, alt = gaps({metric: beside_theory(made, metric) for metric in ("R@1%", "PSSR")})
    assert len(figure.axes) == 2
    assert "PSSR: one point (0.000 to 0.998), dead ReLU (0.017 to 0.980)." in alt
    assert "random (" not in alt


def test_a_shaded_table_repeats_and_colors_by_the_gap(one_percent):
    html = shaded(one_percent, "R@1%: a caption").to_html()
    assert html == shaded(one_percent, "R@1%: a caption").to_html()
    assert html.count("refused") == 2 * len(TIES)
    assert "R@1%: a caption" in html


def test_verdicts_name_the_disease(made):
    verdict = verdicts(made).verdict
    assert verdict["healthy"].startswith("healthy")
    assert verdict["random"].startswith("healthy")
    for name, said in (
        ("one query", "of the ground views are one point"),
        ("one point", "100% of the gallery is one point"),
        ("one line", "almost a line"),
        ("dead ReLU", "of the gallery is one point"),
        ("duplicates", "300 of the 400 rows of the gallery are duplicates"),
        ("hubs", "among the nearest"),
        ("bfloat16", "rows of the gallery are duplicates"),
        ("NaN", "refused: .*400 of 400 rows hold NaN"),
        ("one NaN in ten", "refused: .*40 of 400 rows hold NaN"),
    ):
        assert verdict.str.contains(said, regex=True)[name], (name, verdict[name])
