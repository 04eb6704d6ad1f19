"""The world study, on made-up runs whose embeddings are known."""

import numpy as np
import pytest
import yaml
from made_runs import make_run

from cvig.files import write_arrays
from study.chapters.results import world_study
from study.plans import Study

STUDY = {
    "out": "results/world",
    "run": "{arch}-{recipe}-{seed}",
    "threads": 1,
    "train": {"view": "90"},
    "runs": [
        {"run": "{arch}-trunk", "architectures": ["vgg16"], "recipes": ["modern"], "seeds": [7], "train": {"size": 16}},
        {
            "architectures": ["vgg16"],
            "recipes": ["modern", "as-coded"],
            "seeds": [0, 1],
            "train": {"start": "vgg16-trunk"},
        },
        {
            "run": "{arch}-whole-{seed}",
            "architectures": ["vgg16"],
            "recipes": ["modern"],
            "seeds": [0],
            "train": {"switches": {"no-training-crop": True}},
        },
    ],
    "evaluate": {"test_count": 200},
}
LOG = "epoch,val_recall_1pct,val_pssr\n1,{},.6\n2,9,.7\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    (folder / "world.yaml").write_text(yaml.safe_dump(STUDY))
    rng = np.random.default_rng(0)
    aerial = rng.normal(size=(200, 8)).astype(np.float32)
    near = aerial + 0.1 * rng.normal(size=aerial.shape).astype(np.float32)
    make_run(folder / "vgg16-trunk", near, aerial, seed=7, size=16, start="")
    make_run(folder / "vgg16-modern-0", near, aerial, batch=0, start="results/world/vgg16-trunk")
    make_run(folder / "vgg16-modern-1", near[::-1].copy(), aerial, seed=1, batch=0, start="results/world/vgg16-trunk")
    collapsed = np.ones_like(aerial)
    make_run(folder / "vgg16-as-coded-0", near, collapsed, recipe="as-coded", batch=4, start="results/world/vgg16-trunk")
    make_run(folder / "vgg16-whole-0", near, aerial, batch=0, start="", switches={"no-training-crop": True})
    # begun from random weights: not what the study asks for
    make_run(folder / "vgg16-as-coded-1", near, collapsed, recipe="as-coded", seed=1, start="")
    for i, path in enumerate(sorted(folder.glob("*/log.csv"))):
        path.write_text(LOG.format(i))
        for mark in ("train", "evaluate"):
            text = (path.parent / f"{mark}.json").read_text()
            (path.parent / f"{mark}.json").write_text(text.replace('"seconds": 1.0', '"seconds": 120.0, "threads": 1'))
    return folder


@pytest.fixture(scope="module")
def study(made):
    return Study.read(made / "world.yaml", made)


def test_a_run_counts_only_if_it_began_where_the_study_says(study):
    good = ["vgg16-modern-0", "vgg16-modern-1", "vgg16-whole-0"]
    assert sorted(study.planned) == ["vgg16-as-coded-0", "vgg16-as-coded-1", *good]
    assert sorted(study.runs) == ["vgg16-as-coded-0", *good]
    assert list(study.trunks) == ["vgg16-trunk"]
    said = world_study.progress(study)
    assert "4 of 5 planned" in said
    assert "`vgg16-trunk` was trained for 2 epochs of 8 pairs" in said
    assert "2.0 minutes on 1 thread of a CPU" in said


def test_without_a_finished_run_there_is_nothing_to_report(made, tmp_path):
    with pytest.raises(FileNotFoundError, match="none of the 5 runs"):
        Study.read(made / "world.yaml", tmp_path)


@pytest.fixture(scope="module")
def frames(study):
    """The uncropped test set, and a cropped one on which every run does half as well."""
    cropped = world_study.frame(study, "cropped")
    for measure in world_study.MEASURES:
        for column in ("value", "low", "high"):
            cropped[measure, column] /= 2
    return world_study.frame(study, "uncropped"), cropped


def test_cells_hold_what_their_runs_do(frames):
    cells = world_study.cells_table(*frames)
    good, bad = cells.loc[("vgg16", "modern", 64)], cells.loc[("vgg16", "as-coded", 4)]
    assert good["R@1%"] == "50.2% (0.5–100.0)"  # the pairs of one seed are shuffled
    assert good["R@1%, cropped"] == "25.1% (0.2–50.0)"
    assert good["beats chance"] == "1 of 2"
    assert good["collapse"] == "neither"
    assert bad[["R@1%", "PSSR", "beats chance"]].tolist() == ["0.0%", "0.000", "0 of 1"]
    assert bad["collapse"] == "aerial"


def test_the_comparison_says_what_each_recipe_comes_to_and_calls_no_run_the_best(frames):
    coded, modern = world_study.comparison(*frames).splitlines()
    assert coded == (
        "- *as-coded*: 0 of 1 runs are shown to rank better than chance (p below 0.001 each); R@1% 0.0%, cropped 0.0%; "
        "PSSR 0.000, cropped 0.000; towers collapsed: aerial."
    )
    assert modern.startswith("- *modern*: 2 of 3 runs are shown to rank better than chance")
    assert "R@1% 0.5% to 100.0%, cropped 0.2% to 50.0%" in modern
    assert "best" not in coded + modern


def test_the_margin_is_set_against_the_distances_of_the_embeddings(tmp_path):
    block = {"architectures": ["vgg16"], "recipes": ["described"], "seeds": [0]}
    (tmp_path / "world.yaml").write_text(yaml.safe_dump({**STUDY, "runs": [block]}))
    near = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    run = make_run(tmp_path / "vgg16-described-0", near, near, recipe="described", start="")
    (run.folder / "log.csv").write_text(
        "epoch,phase,loss,val_pssr\n1,max-margin,.3,.6\n2,max-margin,.125,.7\n3,soft-margin,14,.65\n"
    )
    square = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])  # of variance 1, half of the whole
    write_arrays(run.folder / "projection.npz", ground=square, aerial=square, explained=np.array([0.25, 0.25]))
    found = world_study.margins(Study.read(tmp_path / "world.yaml", tmp_path))
    row = found.loc[run.label]
    assert row.tolist() == ["4", "12", "0.125", "0.700", "0.650"]


def test_figures_say_in_words_what_they_show(study, frames):
    figure, alt = world_study.recipes_plot(*frames)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == [
        "vgg16, as-coded, batch 4",
        "vgg16, modern, batch 64",
        "vgg16, modern with no-training-crop, batch 64",
    ]
    assert "vgg16, as-coded, batch 4 0.0% and 0.000" in alt
    assert "vgg16, modern with no-training-crop, batch 64 100.0% and 0.995, cropped 50.0% and 0.497" in alt
    figure, alt = world_study.learning_plot(study)
    assert "vgg16-modern-0 from 0.600 to 0.700" in alt
    lines = figure.axes[0].lines
    assert lines[0].get_xdata().tolist() == [0.008, 0.016]  # the trunk
    assert all(line.get_xdata().tolist() == [0.024, 0.032] for line in lines[1:4])  # go on after it
