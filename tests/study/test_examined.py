"""What printed tables of recall give away, and embeddings that print them."""

import itertools
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

import numpy as np
import pandas as pd
import pytest
from command_line import call
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cvig.metrics.conventions import PAPER_CODE, pssr_as_coded, recalls
from cvig.printed import chance as count_tests
from cvig.printed.reading import read_table
from cvig.printed.scan import LEVEL, scan
from cvig.printed.tables import PRINTING, count_range, counts, cutoffs, impossible_orderings
from cvig.ranking import exact_ranks
from study import published
from study.chapters.examined import figures
from study.chapters.examined.made_embeddings import agreement, on_a_line, pssr_by_rule

COLUMNS = ["R@1", "R@5", "R@10", "R@1%", "R@5%", "R@10%"]
PUBLISHED = published.all_cells()
COUNTS = {
    "T1 vgg16": (1, 6, 12, 65, 333, 683),
    "T1 resnet50": (33, 41, 38, 2144, 6117, 6117),
    "T1 cvm-net-i": (3, 7, 12, 63, 310, 620),
    "T2 vgg16": (2, 6, 11, 63, 311, 627),
    "T2 resnet50": (23, 30, 38, 3379, 6116, 6116),
    "T2 cvm-net-i": (2, 7, 12, 63, 312, 623),
}


def printed(count: int, n: int, decimals: int, rounding: str) -> str:
    return str((Decimal(100 * count) / n).quantize(Decimal(10) ** -decimals, rounding=rounding))


def table_of(n: int, seed: int, rows: int = 4, decimals: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nested random counts, and the table they print, some cells rounded and some cut."""
    rng = np.random.default_rng(seed)
    known = np.sort(rng.integers(1, n, (rows, len(COLUMNS))), axis=1)
    known[0, 0] = known[0, 1] - 1  # without a common factor
    cells = [[printed(c, n, decimals, rng.choice([ROUND_HALF_EVEN, ROUND_DOWN])) for c in row] for row in known.tolist()]
    names = [f"model {i}" for i in range(rows)]
    return pd.DataFrame(cells, index=names, columns=COLUMNS), pd.DataFrame(known, index=names, columns=COLUMNS)


def random_table(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = np.sort(rng.uniform(0.1, 99, (4, len(COLUMNS))), axis=1)
    return pd.DataFrame([[f"{v:.3f}" for v in row] for row in values], index=list("abcd"), columns=COLUMNS)


@pytest.mark.parametrize("printing", PRINTING)
@pytest.mark.parametrize("decimals", [0, 1, 3])
def test_a_cell_stands_for_exactly_the_counts_that_print_so(printing, decimals):
    roundings = {"rounded": [ROUND_HALF_EVEN], "cut": [ROUND_DOWN], "either": [ROUND_HALF_EVEN, ROUND_DOWN]}[printing]
    for n in (7, 97, 331):  # with none of these is a share halfway between two cells
        prints = {}
        for c in range(n + 1):
            for rounding in roundings:
                prints.setdefault(printed(c, n, decimals, rounding), set()).add(c)
        cells = [f"{v / 10**decimals:.{decimals}f}" for v in range(0, 100 * 10**decimals + 1, 1 if decimals < 3 else 37)]
        for cell in [*cells, *prints]:
            first, last = count_range(cell, n, printing)
            assert set(range(max(first, 0), last + 1)) == prints.get(cell, set()), (cell, n)


def test_a_share_halfway_between_two_cells_may_be_rounded_either_way():
    assert count_range("12", 96, "rounded") == count_range("13", 96, "rounded") == (12, 12)
    assert count_range("13", 96, "cut") == (13, 13)


def test_the_published_cells_are_counts_of_6194_not_of_the_6149_stated():
    found = scan(PUBLISHED, range(500, 20_001))
    assert found.best == 6194
    assert found.equals == [6194, 2 * 6194, 3 * 6194]
    assert found.at(6194) == 36
    assert found.at(published.numbers()["test_pairs_stated"]) == 7
    assert found.runner_up == (6193, 28)
    assert found.adjusted < 1e-20
    assert counts(PUBLISHED, 6194).equals(pd.DataFrame(COUNTS, index=COLUMNS).T.astype("Int64"))


@pytest.mark.parametrize(("n", "seed"), [(1021, 0), (2500, 1), (8884, 2)])
def test_n_and_counts_of_a_known_table_are_recovered(n, seed):
    table, known = table_of(n, seed)
    found = scan(table, range(500, 12_001))
    assert found.best == n
    assert found.adjusted < LEVEL
    assert counts(table, n).astype(int).equals(known)
    assert impossible_orderings(table, n).empty


def test_no_n_stands_out_for_tables_of_random_numbers():
    adjusted = [scan(random_table(seed), range(500, 8001)).adjusted for seed in range(40)]
    assert min(adjusted) > LEVEL
    assert sum(p < 0.05 for p in adjusted) <= 5


def test_the_chance_of_a_match_is_how_often_random_values_match():
    table = random_table(0)
    found = scan(table, range(4000, 8001))
    assert found.explained.mean() == pytest.approx(found.chance.sum(0).mean(), rel=0.03)
    rounded = scan(table, range(4000, 8001), "rounded")
    assert rounded.tail[:, 0] == pytest.approx(stats.binom.sf(np.arange(25) - 1, 24, 4000 / 100_000))


def test_equal_cells_are_one_piece_of_evidence():
    table, _ = table_of(2500, 1)
    twice = pd.concat([table, table.rename(index="again {}".format)])
    alone, doubled = scan(table, range(2000, 3000)), scan(twice, range(2000, 3000))
    assert doubled.at(2500) == 2 * alone.at(2500)
    assert doubled.adjusted == alone.adjusted


def test_random_last_digits_never_come_near_the_published_fit():
    found = scan(PUBLISHED, range(500, 20_001))
    smallest = found.random_tables(20, seed=0)
    assert smallest.min() > 1e-9
    assert found.p_value.min() < 1e-25


def test_an_impossible_ordering_is_flagged_and_two_ways_to_print_one_count_are_not():
    wrong = impossible_orderings(PUBLISHED)
    assert wrong.to_numpy().tolist() == [["T1 resnet50", "R@5", "R@10", "0.662", "0.613"]]
    same = pd.DataFrame([["0.178", "0.177"], ["0.179", "0.177"]], index=["same", "more"], columns=["R@5", "R@10"])
    assert impossible_orderings(same).row.tolist() == ["more"]


def test_counts_and_percentages_of_places_compare_once_n_is_known():
    table = pd.DataFrame([["7.0", "5.0"]], index=["a"], columns=["R@10", "R@1%"])
    assert impossible_orderings(table).empty
    assert len(impossible_orderings(table, 5000)) == 1  # R@1% looks at 50 rows
    assert len(impossible_orderings(table, 1000)) == 0  # at as many
    assert len(impossible_orderings(table.assign(**{"R@1%": "9.0"}), 500)) == 1  # at 5


def test_the_coded_rule_looks_at_one_place_more_than_it_names():
    n = 300
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(2, n, 4))
    ks = cutoffs(PUBLISHED)
    top = count_tests.tops_under(ks, n, "as-coded")
    closer = exact_ranks(query, gallery).closer
    coded = recalls(query, gallery, list(ks.values()), names=[PAPER_CODE])[PAPER_CODE]
    assert [(closer < top[name]).mean() for name in ks] == [coded[k] for k in ks.values()]
    assert (top - count_tests.tops_under(ks, n, "plain") == 1).all()


def test_published_rows_but_resnet50_are_at_chance_cell_by_cell():
    top = count_tests.tops_under(cutoffs(PUBLISHED), 6194)
    rows = counts(PUBLISHED, 6194).drop(index=["T1 resnet50", "T2 resnet50"])
    tests = count_tests.against_chance(rows, top, 6194)
    least = tests.loc[tests.p_value.idxmin()]
    assert (least.row, least.column, len(tests)) == ("T1 vgg16", "R@10%", 24)
    mass = stats.binom.pmf(np.arange(6195), 6194, 620 / 6194)
    assert least.p_value == pytest.approx(mass[mass <= mass[683] * (1 + 1e-7)].sum())
    assert least.holm == least.bonferroni == pytest.approx(24 * least.p_value)
    assert least.holm > 0.2


def test_shares_of_draws_are_the_multinomial_probabilities():
    n, top = 12, pd.Series({"R@1": 2, "R@5": 5})
    expected = np.array([2, 3, 7])
    outcomes = [(a, b, n - a - b) for a, b in itertools.product(range(n + 1), repeat=2) if a + b <= n]
    weight = stats.multinomial.pmf(outcomes, n, expected / n)
    distance = ((np.array(outcomes) - expected) ** 2 / expected).sum(1)
    rows = pd.DataFrame([[2, 6], [4, 5], [0, 0]], columns=top.index)
    found = count_tests.scatter(rows, top, n, draws=200_000)
    for i, x in enumerate(found.chi_square):
        assert found.closer[i] == pytest.approx(weight[distance <= x + 1e-9].sum(), abs=0.005)
        assert found.farther[i] == pytest.approx(weight[distance >= x - 1e-9].sum(), abs=0.005)


def test_three_published_rows_lie_closer_to_chance_than_independent_rankings_do():
    top = count_tests.tops_under(cutoffs(PUBLISHED), 6194)
    rows = counts(PUBLISHED, 6194).drop(index=["T1 resnet50", "T2 resnet50"])
    found = count_tests.scatter(rows, top, 6194, draws=100_000)
    assert found.index[found.holm < 0.02].tolist() == ["T1 cvm-net-i", "T2 vgg16", "T2 cvm-net-i"]
    assert (found.closer < found.farther)[found.holm < 0.02].all()
    assert found.closer_approx["T1 cvm-net-i"] == pytest.approx(0.0022, abs=5e-5)


def test_a_row_that_cannot_be_tested_is_left_out_and_a_table_of_such_rows_refused():
    rows = pd.DataFrame([[3, 2], [2, 6]], columns=["R@1", "R@5"])
    top = pd.Series({"R@1": 2, "R@5": 5})
    assert count_tests.scatter(rows, top, 12, draws=10).index.tolist() == [1]
    with pytest.raises(ValueError, match="no row has a count"):
        count_tests.scatter(rows.iloc[:1], top, 12)


def test_queries_that_agree_are_found_exactly_as_often_as_there_are_places():
    n = 400
    top = count_tests.tops_under(cutoffs(PUBLISHED), n)

    shared, nearly, own = agreement([0, 1e-3, 10], top, n).values()
    assert shared == [0, 0, 0]
    far_away = agreement([1], top, n, offset=1000)[1]
    assert max(nearly + far_away) < stats.chi2.ppf(0.01, 6) < min(own) < max(own) < stats.chi2.ppf(0.999, 6)


@pytest.mark.parametrize("row", ["T1 resnet50", "T2 resnet50"])
def test_a_collapsed_gallery_on_a_line_prints_every_resnet50_cell(row):
    n, ks = 6194, cutoffs(PUBLISHED)
    wanted = np.sort(COUNTS[row])
    line = on_a_line(wanted, count_tests.tops_under(ks, n).to_numpy(), n)
    recall = recalls(line.query, line.gallery, list(ks.values()), names=[PAPER_CODE])[PAPER_CODE]
    assert [round(n * value) for value in recall.values()] == wanted.tolist()
    for name, value in recall.items():
        cell = PUBLISHED.loc[row, f"R@{name}"]
        if row == "T2 resnet50" or name not in (5, 10):
            assert abs(100 * value - float(cell)) < 0.001
    assert len(np.unique(line.query)) == n
    assert (line.gallery == 0).sum() == line.modal
    against, in_favor, half, coded = pssr_by_rule(line)
    assert against < 0.03 < 0.97 < in_favor
    assert half == pytest.approx(0.5, abs=0.001)
    columns = pssr_as_coded(line.query, line.gallery)
    assert coded == columns.mean() == pytest.approx(0.5, abs=0.01)
    assert stats.kstest(columns, "uniform").statistic < 0.03


def test_columns_of_a_wholly_collapsed_gallery_are_exactly_uniform():
    query = np.random.default_rng(0).normal(size=(50, 3))
    assert np.sort(pssr_as_coded(query, np.ones((50, 3)))).tolist() == [k / 50 for k in range(1, 51)]


@st.composite
def plateau_rows(draw):
    n = draw(st.integers(200, 400))
    top = np.array([2, 6, 11, 31, 61])
    wrong, beyond = draw(st.integers(0, 20)), draw(st.integers(1, 40))
    within = sorted(draw(st.integers(0, 9)) for _ in range(2))
    first = [2 + wrong + extra for extra in (0, *within)]
    edge = draw(st.integers(wrong + 31, n - beyond - 1))
    return np.array([*first, edge, n - beyond, n - beyond]), np.array([*top, 91]), n


@given(plateau_rows())
@settings(derandomize=True, deadline=None, max_examples=60)
def test_any_row_with_a_plateau_is_printed_by_its_line(row):
    wanted, top, n = row
    line = on_a_line(wanted, top, n)
    closer = exact_ranks(line.query, line.gallery).closer
    assert (closer[:, None] < top).sum(0).tolist() == wanted.tolist()
    assert line.nearer + line.modal + line.beyond == n == len(line.query)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ([2, 6, 11, 62, 310, 620], "expected the last two equal"),
        ([33, 41, 38, 2144, 6117, 6117], "both ascending"),
        ([1, 6, 11, 62, 6117, 6117], "no modal point"),
        ([33, 38, 41, 2144, 6194, 6194], "expected the last two equal, fewer than 6194"),
    ],
)
def test_a_row_that_no_such_line_prints_is_refused(wanted, said):
    top = count_tests.tops_under(cutoffs(PUBLISHED), 6194).to_numpy()
    with pytest.raises(ValueError, match=said):
        on_a_line(np.array(wanted), top, 6194)


def test_examine_finds_n_counts_and_the_impossible_cell(monkeypatch, capsys, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(PUBLISHED.to_csv())
    words = ("examine", path, "--stated-n", 6149, "--rule", "as-coded")
    code, said, _ = call(monkeypatch, capsys, *words)
    assert code == 0
    for line in (
        "n = 6194 explains 36 of 36 cells; the median n explains 5",
        "the stated n = 6149 explains 7",
        "T1 resnet50: R@5 is 0.662, above R@10 at 0.613",
        "12 differ at 0.05",
    ):
        assert line in said
    expected = next(line for line in said.splitlines() if line.startswith("  chance"))
    assert [int(count) for count in expected.split()[1:]] == [2, 6, 11, 62, 310, 620]
    assert call(monkeypatch, capsys, *words)[1] == said


def test_examine_does_not_read_more_out_of_a_table_than_is_in_it(monkeypatch, capsys, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(random_table(0).to_csv())
    code, said, _ = call(monkeypatch, capsys, "examine", path, "--stated-n", 6149)
    assert code == 0
    assert "no n stands out" in said
    assert "Counts and their tests need an n" in said
    path.write_text("model,R@1,R@5\na,12.0,34.0\n")
    code, said, _ = call(monkeypatch, capsys, "examine", path, "--stated-n", 100)
    assert code == 0
    assert "Counts at n = 100" in said


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", (), "an empty file"),
        ("model,R@1\n", (), "table without cells"),
        ("model,R@1\na,\n", (), "table of empty cells"),
        ("model,R@1\na,101.0\n", (), "row 'a', column 'R@1': '101.0' is not a percentage"),
        ("model,R@1\na,12 of 20\n", (), "row 'a', column 'R@1': '12 of 20' is not a percentage"),
        ("model\na\n", (), "a first line of one cell, 'model': expected the models' column and recalls such as R@5"),
        ("model,AP,PSSR\na,1.0,.5\n", (), "no column of recalls among 'AP', 'PSSR'"),
        ("model,R@0\na,1.0\n", (), "column 'R@0': expected R@k or R@k%"),
        ("model,R@1,Recall@1\na,1.0,2.0\n", (), "column 'R@1' twice"),
        ("model,R@1,R@5\na,61,48,87,54\n", (), "row 2 has 5 cells, the header 3"),
        ("model,R@1,R@5\na,0.61,0.87\n", (), "fractions of 1, or percentages below 1%?"),
        ("model,R@1\na,1.5\n", ("--unit", "fraction"), "--unit fraction: 1.5 is above 1"),
        ("model,R@1\na,2.0\n", ("--n-range", "9:3"), "--n-range '9:3': expected FIRST:LAST"),
        ("model,R@1\na,2.0\n", ("--rule", "mine"), "'mine' is not one of 'plain', 'as-coded'"),
        ("model,R@1\na,2.0\n", ("--printing", "up"), "'up' is not one of 'either', 'rounded', 'cut'"),
    ],
)
def test_examine_refuses_what_is_no_table_of_recall_in_one_line(text, options, said, monkeypatch, capsys, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(text)
    code, out, errors = call(monkeypatch, capsys, "examine", path, *options)
    assert code == 2
    assert out == ""
    assert said in errors
    assert errors.count("\n") == 1


def test_cells_not_given_are_left_out(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("model, R@1, R@5\na, 1.10,\nb,2.0, 3.0\n")
    table = read_table(path).cells
    assert table.loc["a"].tolist() == ["1.10", ""]
    assert scan(table, [1000]).cells == ["1.10", "2.0", "3.0"]
    assert counts(table, 1000).loc["a"].tolist() == [11, pd.NA]


AS_PASTED = {
    "semicolons and decimal commas": "Model;R@1;R@1%\nA;61,481;87,50\nB;-;80,1\n",
    "tabs and percent signs": "Model\tR@1\tR@1%\nA\t61.481%\t87.50 %\nB\tn/a\t80.1%\n",
    "names of logs": "Model,Recall@1,Recall@top1\nA,61.481,87.50\nB,,80.1\n",
    "markdown": "| Method | R@1 | AP | R@1% |\n|:--|--:|--|--:|\n| A | **61.481** | 3 | 87.50 |\n| B | – | 2 | 80.1 |\n",
    "arrows and a word for nothing": "Method | R@1 ↑ | Top-1% $\\uparrow$\nA | 61.481 | 87.50\nB | n. a. | 80.1\n",
    "latex": r"""\begin{table}\begin{tabular}{l|cc}
\toprule Method & R@1 & R@1\% \\ \midrule
A & \textbf{61.481} & \underline{87.50} \\ \hline
B & - & 80.1$^*$ \\ \bottomrule
\end{tabular}\end{table}""".replace("$^*$", "*"),
    "byte-order mark and quotes": '\ufeff"Model","R@1","R@1%"\n"A","61.481","87.50"\n"B","","80.1"\n',
}


@pytest.mark.parametrize("text", AS_PASTED.values(), ids=AS_PASTED)
def test_a_table_is_read_in_the_forms_that_people_paste(text, tmp_path):
    path = tmp_path / "table"
    path.write_text(text)
    cells = read_table(path).cells
    assert cells.to_dict("index") == {"A": {"R@1": "61.481", "R@1%": "87.50"}, "B": {"R@1": "", "R@1%": "80.1"}}


def test_fractions_are_percentages_of_the_same_digits(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("model,R@1,R@5,R@10\na,0.06148,.5,1\n")
    assert read_table(path, "fraction").cells.loc["a"].tolist() == ["6.148", "50", "100"]
    assert read_table(path, "percent").cells.loc["a"].tolist() == ["0.06148", "0.5", "1"]


def test_what_is_read_otherwise_or_left_out_is_said(monkeypatch, capsys, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("model,Recall@1,Recall@top1,AP\nS4G,98.68,99.87,1\nS4G,97.1,,2\n")
    code, said, _ = call(monkeypatch, capsys, "examine", path, "--stated-n", 8884)
    assert code == 0
    assert "Recall@1 as R@1, Recall@top1 as R@1%" in said
    assert "left out, for it is no recall at k: AP" in said
    assert "rows of one name are numbered: S4G" in said
    assert "from n = 6667 on any n prints any cell of so few decimals" in said
    assert "<NA>" not in said
    assert [line.split() for line in said.splitlines() if line.startswith("  S4G")][:2] == [
        ["S4G", "8767", "8873"],
        ["S4G", "(2)", "?", "-"],
    ]


@pytest.mark.parametrize(
    "spread", ["±0.2", " ± 0,2", " +/- 1", "(±0.20)", " (± .2%)", "$\\pm$0.2", " \\pm 0.2", "_{\\pm 0.2}"]
)
def test_a_spread_is_left_out_and_said(spread, tmp_path):
    path = tmp_path / "table"
    path.write_text(f"Model & R@1 & R@5 \\\\\nA & 55.11{spread} & 80.10 \\\\\n")
    cells, notes = read_table(path)
    assert cells.loc["A"].tolist() == ["55.11", "80.10"]
    assert "1 cells carry a spread (±), which is left out" in notes[0]


def test_short_rows_and_a_fraction_among_percentages_are_said(tmp_path):
    path = tmp_path / "table"
    path.write_text("model,R@1,R@5\na,61.48,87.5\nb,55.1\nc,0.5511,81.2\nd,0.02,0.08\n")
    cells, notes = read_table(path)
    assert cells.loc["b"].tolist() == ["55.1", ""]
    assert "rows of fewer cells than the first, whose last cells count as not given: b" in notes
    assert "read as percentages, though they look like fractions among them: c, R@1: 0.5511" in notes


def test_cells_that_stand_for_several_counts_each_are_not_tested(monkeypatch, capsys, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("model,R@1,R@5,R@10,R@1%\nours,10.2,30.1,45.0,70.3\ntheirs,8.1,20.0,33.3,61.4\n")
    code, said, errors = call(monkeypatch, capsys, "examine", path, "--stated-n", 6149, "--rule", "as-coded")
    assert (code, errors) == (0, "")
    assert "No count is certain" in said


def test_cells_that_the_best_n_leaves_unexplained_are_named(monkeypatch, capsys, tmp_path):
    table = PUBLISHED.copy()
    table.iloc[0, 0] = "0.029"  # no share of 6194
    path = tmp_path / "table.csv"
    path.write_text(table.to_csv())
    code, said, _ = call(monkeypatch, capsys, "examine", path)
    assert code == 0
    assert "n = 6194 explains 35 of 36 cells" in said
    assert "it leaves 1 unexplained (0.029)" in said


@pytest.mark.parametrize(
    ("plot", "said"),
    [
        (
            lambda: figures.explained_cells(scan(PUBLISHED, range(6000, 6400)), 6149),
            "7 at the stated n = 6149, and 36",
        ),
        (lambda: figures.agreement({0.1: [1.0, 3.0]}, pd.Series({"a": 0.5})), "2 at 0.1.*a 0.50"),
        (
            lambda: figures.on_the_line(
                on_a_line(np.array([33, 38, 41, 2144, 6117, 6117]), np.array([2, 6, 11, 62, 310, 620]), 6194)
            ),
            "6055 of 6194 aerial images on one point, 77 on its left and 62 on its right; 31 queries",
        ),
    ],
)
def test_alt_text_says_what_the_data_say(plot, said):
    figure, alt = plot()
    assert figure.axes
    assert pd.Series([alt]).str.contains(said, regex=True).all(), alt
