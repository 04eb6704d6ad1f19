"""The study of places apart beside its plan, on made-up runs whose embeddings are known."""

from pathlib import Path

import numpy as np
import pytest

from cvig.files import read_arrays, write_arrays
from study.chapters.results import apart, hypotheses
from study.ground import file_of, keep
from study.plans import Study
from tests.helpers.made_runs import cloud, make_run

N = 200
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One that ranks well, and one whose towers know nothing of each other."""
    folder = tmp_path_factory.mktemp("apart")
    keep(file_of(folder, "0"), RNG.uniform(0, 5000, (N, 2)))
    ground, near = cloud(N, 0.2)
    good = make_run(folder / "vgg16-modern-0", ground, near)
    bad = make_run(folder / "vgg16-as-coded-0", ground, cloud(N, 0.2, seed=1)[1], recipe="as-coded")
    return {run.folder.name: run for run in (good, bad)}


def test_the_plan_says_all_that_it_fixed_before_its_runs():
    said = apart.plan_in_markdown(Path(__file__).parents[2] / "study" / "plans" / "apart.yaml")
    assert [said.count(f"**{word}.**") for word in ("Question", "Hypothesis", "Measure", "Decision")] == [1] * 4


def test_a_recipe_beats_chance_where_all_its_runs_do(runs):
    plan = {
        name: {"arch": "vgg16", "recipe": recipe}
        for recipe in ("modern", "as-coded", "described")
        for name in (f"vgg16-{recipe}-0", f"vgg16-{recipe}-1")
    }
    study = Study(plan, runs, {"vgg16-described-1": "loss"})
    table = apart.outcome(study)
    assert table.loc[("vgg16", "modern"), "beats chance"] == "yes"
    assert table.loc[("vgg16", "as-coded"), "beats chance"] == "not shown"
    assert table.loc[("vgg16", "described"), "beats chance"] == "no run yet"
    assert table.loc[("vgg16", "modern"), "seeds"] == "1 of 2"
    assert (
        hypotheses.of_apart(study).splitlines()[0]
        == "- *Modern beats chance in every run*: holds. It beats chance with vgg16."
    )
    assert "stands, for none is shown to" in hypotheses.of_apart(study)
    said = apart.progress(study)
    assert said.startswith("**2 of 6 planned runs are finished, 1 ended without a finite loss.**")
    assert "`vgg16-modern-{1}`, `vgg16-as-coded-{1}`, `vgg16-described-{0}`." in said


def test_the_published_pattern_is_k_plus_one_at_every_k(runs):
    run = runs["vgg16-modern-0"]
    counts = apart.counts_by_code(run)
    assert {name: expected for name, (_, expected) in counts.items()} == {
        **{"R@1": 2, "R@5": 6, "R@10": 11, "R@1%": 3, "R@5%": 11, "R@10%": 21}
    }
    assert not apart.has_published_pattern(run)
    facts = run.facts["uncropped"]
    facts["as_coded"] = {name: expected / N for name, (_, expected) in counts.items()}
    assert apart.has_published_pattern(run)
    facts["as_coded"]["R@5%"] += 2 / N
    assert not apart.has_published_pattern(run)


def test_cropped_and_uncropped_tests_are_compared_query_by_query(runs):
    run = runs["vgg16-modern-0"]
    path = run.folder / "ranks-cropped.npz"
    stored = read_arrays(path)
    write_arrays(path, **stored | {"closer": np.minimum(stored["closer"] + 5, N - 1)})
    row = apart.crops(Study({}, {"a": run})).loc[run.label]
    assert row["cropped less uncropped"].startswith("-0.02")
    assert row["p by Holm"] != ""


def test_recipes_are_compared_seed_by_seed_and_crops_over_seeds(tmp_path, runs):
    plan, made = {}, {}
    for seed, noise in enumerate((0.2, 0.3)):
        for recipe, far in (("modern", 0), ("described", 1)):
            name = f"vgg16-{recipe}-{seed}"
            plan[name] = {"arch": "vgg16", "recipe": recipe}
            ground, near = cloud(N, noise + far)
            made[name] = make_run(tmp_path / name, ground, near, recipe=recipe, seed=seed)
    study = Study(plan, made)
    row = apart.contrasts(study).loc[("vgg16", "modern less described")]
    scores = {name: run.metrics["uncropped"].loc["PSSR", "value"] for name, run in made.items()}
    d = [scores[f"vgg16-modern-{seed}"] - scores[f"vgg16-described-{seed}"] for seed in (0, 1)]
    assert (row.n, row.difference) == (2, pytest.approx(np.mean(d)))
    assert row.low < min(d) < max(d) < row.high  # two seeds say little
    table = apart.crops_by_cell(study, apart.crops(study))
    assert table.loc[("vgg16", "modern"), "runs that differ"] == "0 of 2"
    assert table.loc[("vgg16", "modern"), "cropped less uncropped"] == "+0.0000 [+0.0000, +0.0000]"


def test_a_larger_test_refutes_where_a_network_beats_chance_on_one_and_not_on_the_other(runs):
    good, bad = runs.values()
    assert (apart.larger(Study({}, {"a": good}), Study({}, {"a": good})).holds == "yes").all()
    assert (apart.larger(Study({}, {"a": good}), Study({}, {"a": bad})).holds == "refuted").all()


def test_a_gallery_of_one_point_has_a_hub(tmp_path, runs):
    ground, _ = cloud(N, 0.2)
    far = np.zeros((N, 4))
    far[10:] = RNG.normal(size=(N - 10, 4)) + 50
    run = make_run(tmp_path / "hub", ground, far)
    facts = run.facts["uncropped"]
    facts["largest_hub"], runs["vgg16-modern-0"].facts["uncropped"]["largest_hub"] = 1.0, 0.1
    table = apart.hubs({"hub": run})
    assert table.loc["hub", "queries that share a tile"] == "100.0%"
    assert 5 < float(table.loc["hub", "by chance"].rstrip("%")) < 15


def test_published_first_hits_are_percentages_with_their_source():
    table = apart.published_first_hits()
    assert (table["greatest R@1"].astype(float) > table["least R@1"].astype(float)).any()
    assert (table["greatest R@1"].astype(float) <= 100).all()
