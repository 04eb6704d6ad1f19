"""Experiment E4's claims on made tables."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from study.chapters.promises import figures, measured
from study.yardsticks import METRICS, QUERIES, SIZES, SPACINGS

LEVELS = dict(zip("abcdef", np.linspace(0.55, 0.75, 6), strict=True))


def made(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Tables in which PSSR and R@1% see the arms' levels, R@1 does not, and more land is ruled out where tiles overlap."""
    rng = np.random.default_rng(seed)
    values, signals, telling = [], [], []
    for block in "123":
        for number in range(5):
            for arm, level in LEVELS.items():
                about = {"run": f"{arm}/{block}/{number}", "arm": arm, "block": block, "seed": number}
                for spacing in SPACINGS:
                    for size in SIZES:
                        row = dict.fromkeys(METRICS, level) | {"metres": -1000.0, "land": level + 0.05 * (spacing < 128)}
                        row |= {"R@1%": level / 20, "R@1": 1 / size + rng.normal(0, 1e-4), "PSSR": level - 0.5 / size}
                        row = {name: value + rng.normal(0, abs(value) * 0.005) for name, value in row.items()}
                        values.append(about | {"spacing": spacing, "size": size} | row)
                    signals.append(about | {"spacing": spacing, "PSSR": 2 * (level - 0.5), "R@1%": level / 10, "R@1": 0.05})
            for spacing in SPACINGS:
                for queries in QUERIES:
                    for name in METRICS:
                        right = {"PSSR": 0.9, "R@1%": 0.7}.get(name, 0.6) + rng.normal(0, 0.02)
                        telling.append(
                            {
                                "spacing": spacing,
                                "block": block,
                                "seed": number,
                                "queries": queries,
                                "metric": name,
                                "right": right,
                            }
                        )
    return {name: pd.DataFrame(rows) for name, rows in (("values", values), ("signals", signals), ("telling", telling))}


def test_each_claim_is_decided_by_its_rule():
    table = measured.claims(made())
    assert table.n.tolist() == [15] * 6
    assert table.verdict.tolist() == ["holds", "holds", "holds", "holds", "open", "holds"]
    turned = made()
    turned["telling"]["right"] = 1 - turned["telling"].right
    turned["values"]["R@1%"] = 1 - turned["values"]["R@1%"]
    table = measured.claims(turned)
    assert table.verdict.iloc[:2].tolist() == ["refuted", "refuted"]
    assert "60 contradictions over 4 spacings" in table.found.iloc[0]


def test_one_spacing_at_which_pairs_are_decided_oppositely_refutes_that_they_order_alike():
    crossed = made()
    near = crossed["values"].spacing == min(SPACINGS)
    crossed["values"].loc[near, "R@1%"] = 1 - crossed["values"].loc[near, "R@1%"]
    table = measured.claims(crossed)
    assert "15 contradictions over 4 spacings" in table.found.iloc[0]
    assert table.verdict.iloc[0] == "refuted"


def test_a_change_of_pssr_with_the_gallery_refutes_that_it_does_not_depend_on_it():
    moved = made()
    moved["values"].loc[moved["values"]["size"] == min(SIZES), "PSSR"] -= 0.05
    assert measured.claims(moved).verdict.iloc[3] == "refuted"


def test_trainings_needed_have_the_power_that_simulation_gives_them():
    rng = np.random.default_rng(0)
    n = int(measured.needed(0.5, 1.0))
    draws = rng.normal(0.5, 1.0, (20000, n))
    assert (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.02)
    assert measured.needed(1e-6, 1.0) == np.inf


def test_replicates_without_an_order_count_as_none():
    equal = made()["values"].query("spacing == 128 and size == 1000").assign(**{"R@1": 0.001})
    assert (measured.taus(equal, "PSSR", "R@1") == 0).all()
    assert measured.taus(equal, "PSSR", "AUROC").min() > 0.7


def test_tables_and_figures_say_what_they_show():
    tables = made()
    table = measured.agreement(tables["values"])
    assert table["decided", 128]["PSSR"] == "15 of 15"
    assert table["against PSSR", 12]["land"] == "0"
    assert list(measured.by_size(tables["values"]).index) == list(SIZES)
    alts = {
        "PSSR at 128 m from 0.90 to 0.90": figures.telling(tables["telling"], (12, 128), METRICS[:4]),
        "median distance to the first tile from 100": figures.spacings(measured.by_spacing(tables["values"])),
    }
    for said, (figure, alt) in alts.items():
        assert figure.axes
        assert said in alt
