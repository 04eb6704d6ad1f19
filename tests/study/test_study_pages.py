"""The page of a study or measurement: its plan, its runs, and the command that makes it anew."""

from pathlib import Path

import pytest

from study.chapters.runs import studies
from study.planned import read_table
from study.runs import find

ROOT = Path(__file__).parents[2]


def test_a_study_s_page_has_its_plan_its_runs_and_a_command_and_a_measurement_s_has_its_commit(tmp_path):
    for name in ("e1-long", "ground"):
        (tmp_path / name).symlink_to(ROOT / "results" / name)
    bodies = studies.bodies(tmp_path)
    assert list(bodies) == ["e1-long", "ground"]
    assert "python -m study.seeds study/plans/seeds/e1-long.yaml</pre>" in bodies["e1-long"]
    runs = read_table(tmp_path / "e1-long", "runs").run
    assert all(f"<th>{run}</th>" in bodies["e1-long"] for run in runs)
    assert "python benchmarks/coverage.py 250 1000 results/ground/coverage.json</pre>" in bodies["ground"]
    table = studies.table(tmp_path)
    assert table.loc["results/e1-long", "runs"] == str(len(runs))
    assert table.loc["results/ground", "runs"] == ""


def test_the_cost_of_the_experiments_counts_threads_and_a_training_once(tmp_path):
    for name in ("e1-long", "e4-metrics", "apart", "apart-6194", "ground"):
        (tmp_path / name).symlink_to(ROOT / "results" / name)
    cost = studies.cost(tmp_path)
    assert cost.studies.to_dict() == {"E1": ["e1-long"], "E4": ["e4-metrics"], "E6": ["apart", "apart-6194"], "all": []}
    parts = {run: (run.train, run.evaluate) for name in ("apart", "apart-6194") for run in find(tmp_path / name).values()}
    trained = {train["identity"]: train["seconds"] for train, _ in parts.values()}
    assert len(trained) < len(parts)  # the larger test has networks of the smaller one
    hours = (sum(trained.values()) + sum(evaluate["seconds"] for _, evaluate in parts.values())) / 3600
    assert cost["core-hours"]["E6"] == pytest.approx(hours)
    assert cost["core-hours"]["all"] == pytest.approx(cost["core-hours"].iloc[:-1].sum())
    assert list(studies.cost_shown(cost)) == ["studies", "runs", "core-hours"]


def test_every_study_that_has_results_has_a_page():
    with_runs = {path.parent.name for path in (ROOT / "results").glob("*/runs.csv")}
    measured = {name for name in studies.MEASURED if (ROOT / "results" / name).is_dir()}
    assert with_runs | measured <= set(studies.names(ROOT / "results"))
