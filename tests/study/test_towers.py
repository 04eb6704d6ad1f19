"""The page on which tower dies: its rules on made tables, and its gradients."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from study.chapters.towers import figures, gradients, published, repeats, resnet
from study.chapters.towers.experiment import (
    TOWERS,
    Experiment,
    alone,
    control_verdicts,
    deaths,
    verdicts,
    within_one,
)
from study.planned import plan_table
from study.plans import TEXTS

N, QUERIES = 8, 1000
COLLAPSED = dict(zip(("1", "5", "10", "1pct", "5pct", "10pct"), (2, 6, 11, 11, 51, 101), strict=True))
ROW = {"1": 20, "5": 30, "10": 40, "1pct": 400, "5pct": 980, "10pct": 980}
ARMS = ["ground-mixed-1e-3", "aerial-mixed-1e-3", "ground-one-1e-3", "ground-mixed-1e-5", "june-1-scratch", "modern"]


def made(folder: Path, dead: dict[str, str], counts: dict[str, dict] = {}, test_dead: dict[str, str] = {}) -> Experiment:  # noqa: B006
    """An experiment of which the named arms have that tower dead in training, or in the test, in every seed."""
    plan = {
        **dict.fromkeys(TEXTS, "as written before"),
        "out": str(folder),
        "threads": 1,
        "test_count": QUERIES,
        "train": {"arch": "conv4", "recipe": "as-coded-june-1", "size": 32, "epochs": 1, "train_count": 64},
        "arms": {arm: {} for arm in ARMS},
        "seeds": list(range(N)),
    }
    runs, epochs = [], []
    for arm in ARMS:
        for seed in range(N):
            name = f"{arm}/{seed}"
            row = {
                "run": name,
                "arm": arm,
                "seed": seed,
                "seconds": 10.0,
                "pssr": (0.7 if arm == "modern" else 0.5) + 0.001 * seed,
            }
            row |= {f"coded_{top}": count for top, count in counts.get(arm, COLLAPSED).items()}
            for tower in TOWERS:
                gone = test_dead.get(arm) == tower
                row |= {f"{tower}_largest": 0.99 if gone else 0.001, f"{tower}_distinct": 0.02 if gone else 1.0}
                row[f"{tower}_spread"] = 0.01
            runs.append(row)
            for epoch in (0, 1):
                line = {"run": name, "epoch": epoch}
                for tower in TOWERS:
                    line[f"seen_{tower}_largest"] = 1.0 if epoch and dead.get(arm) == tower else 0.005
                    line |= {f"{prefix}{tower}_silent_fc2": 0.5 + 0.4 * epoch for prefix in ("", "seen_")}
                epochs.append(line)
    folder.mkdir(parents=True)
    pd.DataFrame(runs).to_csv(folder / "runs.csv", index=False)
    pd.DataFrame(epochs).to_csv(folder / "epochs.csv", index=False)
    path = folder / "made.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    return Experiment.read(path, folder)


def verdict(table: pd.DataFrame, beginning: str) -> str:
    (found,) = [row.verdict for (_, statement), row in table.iterrows() if statement.startswith(beginning)]
    return found


def test_each_hypothesis_is_decided_by_its_rule(tmp_path):
    anchors = {"ground-mixed-1e-3": "ground", "aerial-mixed-1e-3": "aerial"}
    whole = made(tmp_path / "a", anchors)
    table = verdicts(whole, made(tmp_path / "b", {})).loc[["made"]].iloc[:2]
    assert table.verdict.tolist() == ["holds", "holds"]
    assert alone(whole, "aerial-mixed-1e-3") == (N, 0, N)
    other = {"ground-mixed-1e-3": "aerial", "aerial-mixed-1e-3": "ground"}
    table = verdicts(made(tmp_path / "c", other), whole)
    assert table.verdict.iloc[:2].tolist() == ["refuted", "refuted"]
    table = verdicts(made(tmp_path / "d", {"ground-one-1e-3": "ground"}), made(tmp_path / "e", {}))
    assert table.verdict.iloc[:2].tolist() == ["open", "open"]
    assert verdict(table, "H2") == "refuted"
    assert verdict(table, "H3") == "holds up to 36.94%"


def test_the_published_row_is_known_and_a_collapsed_query_tower_is_another(tmp_path):
    arm = "ground-mixed-1e-3"
    row = made(tmp_path / "a", {}, {arm: ROW}, {arm: "aerial"})
    none = made(tmp_path / "b", {arm: "ground"})
    table = verdicts(row, none)
    found = table[table.index.get_level_values(1).str.startswith("the published")].verdict
    assert found.tolist() == ["reproduced", "not reproduced"]
    assert not within_one(row.arm(arm), QUERIES).any()
    assert within_one(none.arm(arm), QUERIES).all()


def test_controls_learn_where_their_interval_is_above_the_plan_s_bound(tmp_path):
    table = control_verdicts(made(tmp_path / "a", {"june-1-scratch": "ground"}))
    assert table.verdict["june-1-scratch"] == table.verdict["modern"] == "holds"
    table = control_verdicts(made(tmp_path / "b", {"june-1-scratch": "aerial", "modern": "aerial"}))
    assert table.verdict["june-1-scratch"] == table.verdict["modern"] == "refuted"
    assert table.verdict["ground-mixed-1e-3"] == "refuted"  # at chance
    part = made(tmp_path / "c", {})
    part = dataclasses.replace(part, runs=part.runs[part.runs.seed < 3])
    assert set(control_verdicts(part).verdict) == {"open: not all seeds are made"}


def test_the_plan_and_the_deaths_are_tabled(tmp_path):
    experiment = made(tmp_path / "a", {"ground-mixed-1e-3": "ground"})
    table = deaths(experiment)
    assert table.loc["ground-mixed-1e-3", "ground, training"] == "8 of 8 [63%, 100%]"
    assert table.loc["ground-mixed-1e-3", "ground, test"] == "0 of 8 [0%, 37%]"
    assert plan_table(experiment.plan, experiment.runs).loc["made", "as planned"].startswith("48 of 48 runs")
    assert "ground-mixed-1e-3, ground tower, training: 8 of 8" in figures.deaths_plot(experiment)[1]
    assert "ground tower, test: 0.50 to 0.90" in figures.silence_plot(experiment, ARMS[:2])[1]


def test_the_paper_s_collapsed_rows_are_close_to_k_plus_one_and_resnet50_s_are_not():
    excess = published.excess()
    assert excess.loc["T2 cvm-net-i"].abs().max() <= 3
    assert excess.loc["T2 resnet50", "R@5%"] == excess.loc["T2 resnet50", "R@10%"] + 310  # one count, two cut-offs
    assert excess.loc["T2 resnet50"].min() > 20


def test_only_the_other_tower_s_death_leaves_no_gradient_anywhere():
    table = gradients.table()
    for (anchor, dead), row in table.iterrows():
        ends = dead not in (anchor, "neither")
        assert (row == 0).all() == ends
        assert (row > 0).all() == (not ends)
    assert "exactly zero where the anchor is the ground view and the aerial tower is dead" in gradients.plot()[1]


@pytest.mark.parametrize("seed", range(5))
def test_the_zero_does_not_hang_on_the_weights(seed):
    assert max(gradients.gradients("ground", "aerial", seed).values()) == 0
    assert min(gradients.gradients("ground", "ground", seed).values()) > 0
    assert np.isfinite(list(gradients.gradients("ground", "neither", seed).values())).all()


def test_what_a_repeat_refutes_or_carries_over_follows_its_plan(tmp_path):
    arms = {arm: ROW for arm in ARMS if "-one-" in arm}
    whole, other = made(tmp_path / "a", {}, arms), made(tmp_path / "b", {"ground-one-1e-3": "ground"}, {ARMS[0]: ROW})
    assert set(repeats.of_apart(whole).verdict) == {"carries over"}
    found = repeats.of_apart(other).verdict.tolist()
    assert found[0] == f"does not in {ARMS[0]}"  # of either kind an arm whose counts are the other kind's
    assert found[1].startswith("does not in ")
    assert found[2] == "refuted in ground-one-1e-3"
    part = dataclasses.replace(whole, runs=whole.runs[whole.runs.seed < 3])
    assert repeats.of_apart(part).verdict.iloc[0] == f"carries over, of {3 * len(ARMS)} of {N * len(ARMS)} runs"


def renamed(experiment: Experiment, name: str) -> Experiment:
    """The experiment as if it were of another plan, whose rules hold for it."""
    return dataclasses.replace(experiment, plan=dataclasses.replace(experiment.plan, path=Path(name).with_suffix(".yaml")))


def test_each_plan_with_resnet50_is_told_by_its_own_rule_and_so_is_its_absence(tmp_path):
    whole = made(tmp_path / "a", {}, {"modern": ROW})
    first, more, large = (renamed(whole, name) for name in resnet.PLANS)
    assert resnet.by_plan(first).verdict.tolist() == ["holds"] * 3
    assert resnet.by_plan(more).verdict.tolist() == ["refuted", "holds"]
    assert resnet.by_plan(large).verdict.tolist() == ["refuted"]
    table = resnet.each(first)
    assert table.loc["ground-one-1e-3/0", "R@1":"R@10%"].tolist() == ["+0"] * 6
    assert table.loc["modern/0", "R@5%"] == f"{980 - 51:+d}"
    assert "all six counts within one of k + 1 in 40 of 48 [70%, 93%]" in resnet.in_words([first])
    part = dataclasses.replace(first, runs=whole.runs[whole.runs.arm == "modern"])
    assert resnet.by_plan(part).verdict.tolist()[-1] == "refuted, of 8 of 48 runs"
    part = dataclasses.replace(more, runs=whole.runs[whole.runs.arm == "modern"])
    assert resnet.by_plan(part).verdict.tolist() == ["open, of 8 of 48 runs", "holds, of 8 of 48 runs"]
    assert resnet.made(tmp_path) == []
    assert "none of its runs is made" in resnet.in_words([])


def test_a_dead_gallery_beside_living_queries_is_told_apart_from_the_whole_row(tmp_path):
    arm = ARMS[0]
    like = made(tmp_path / "a", {arm: "aerial"}, {arm: dict.fromkeys(ROW, QUERIES)}, {arm: "aerial"})
    first, more, large = (renamed(like, name) for name in resnet.PLANS)
    said = resnet.gallery_died([first, large])
    assert "8 of 48 [7%, 30%] (`e1-resnet50`, 48 runs); 8 of 48 [7%, 30%] (`e1-resnet50-224`, 48 runs)" in said
    assert "In 0 of 16 of these runs every unit" in said  # of the made ones a tenth still speaks
    assert "in 16 of 16 of these runs all of the gallery is on one point" in said
    assert resnet.by_plan(first).verdict.tolist()[:2] == [f"refuted in {arm}", "refuted"]
    assert resnet.by_plan(more).verdict.tolist() == ["holds", "holds"]
    assert resnet.by_plan(large).verdict.tolist() == ["holds"]
    assert "stays open" in resnet.gallery_died([])
