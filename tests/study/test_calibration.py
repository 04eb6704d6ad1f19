"""The examination's calibration: the data file is what it says, and verdicts are those of tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from cvig.printed.scan import LEVEL, scan
from cvig.printed.tables import check_table
from study.chapters.examined import calibration

COLUMNS_40 = [f"R@{k}" for k in range(1, 41)]
TABLES = calibration.published_tables()


def test_thirty_to_fifty_published_tables_each_with_its_sources():
    assert 30 <= len(TABLES) <= 50
    assert len({table["name"] for table in TABLES}) == len(TABLES)
    for table in TABLES:
        check_table(calibration.cells_of(table))
        assert table["n"] > 100
        assert all(table[key] for key in ("source", "where", "n_source"))


@pytest.mark.parametrize(("rows", "decimals", "verdict"), [(9, 3, "recovered"), (1, 1, "none")])
def test_many_cells_give_a_size_away_and_few_do_not(rows, decimals, verdict):
    counts = calibration.skilled_counts(701, rows, np.random.default_rng(0))
    assert (np.diff(counts, axis=1) >= 0).all()
    table = calibration.printed(counts, 701, decimals)
    assert calibration.judge(table, 701, range(100, 5001))["verdict"] == verdict


def test_a_size_that_others_cells_speak_for_is_a_wrong_one():
    table = calibration.printed(calibration.skilled_counts(701, 9, np.random.default_rng(0)), 701, 3)
    assert calibration.judge(table, 800, range(100, 5001))["verdict"] == "wrong"
    assert calibration.judge(table, 1402, range(100, 5001))["verdict"] == "kin"


def test_beyond_the_bound_every_size_prints_every_cell():
    cells = calibration.cells_of(TABLES[0])
    n = int(np.ceil(calibration.bound(cells)))
    assert scan(cells, [n, n + 1, n + 97]).explained.tolist() == [int((cells != "").sum().sum())] * 3


def test_rows_with_a_plateau_are_built_on_a_line():
    assert calibration.lines(10) == {"rows": 10, "built": 10, "checked": 10, "of": 10}


def test_no_size_is_named_because_its_counts_lie_just_below_the_values_printed():
    """With two decimals, rounded or cut, 4998 prints any value near 100: many cells are no evidence for it."""
    cells = pd.DataFrame([[f"{v:.2f}" for v in np.random.default_rng(0).uniform(97, 100, 40)]], columns=COLUMNS_40)
    found = scan(cells, range(4900, 5101))
    assert found.at(4998) >= 39
    assert found.adjusted > LEVEL
    assert found.chance[:, found.n == 4998].mean() > 0.95
    assert found.chance[:, found.n == 5002].mean() < 0.55
