"""What pages say of runs: which they find, which they choose, and what they name."""

import numpy as np
import pandas as pd
import pytest
from made_runs import cloud, make_run

from cvig.files import write_arrays, write_json
from cvig.metrics.collapse import effective_rank, relative_spread
from study.chapters.results import all_runs, together
from study.chapters.runs import quick
from study.figures import show_each
from study.runs import find_all
from study.sessions.figure_data import principal_components
from study.tables import Folded


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    ground, aerial = cloud(120, 0.3)
    point, half = np.ones_like(aerial), aerial.copy()
    half[:30] = half[0]
    make_run(root / "quick" / "vgg16", ground, aerial)
    make_run(root / "dense-224" / "vgg16-modern-0", ground, cloud(120, 3)[1])
    make_run(root / "dense-224" / "vgg16-as-coded-0", ground, half, recipe="as-coded")
    make_run(root / "causes" / "resnet50-as-coded-0", ground, point, arch="resnet50", recipe="as-coded", as_coded=False)
    (root / "dense-224" / "unfinished").mkdir()
    return root


def test_runs_are_found_by_source_and_folder_and_no_source_is_needed(root, tmp_path):
    assert {source: list(runs) for source, runs in find_all(root).items()} == {
        "committed": ["vgg16"],
        "dense study at 224 px": ["vgg16-as-coded-0", "vgg16-modern-0"],
        "causes study": ["resnet50-as-coded-0"],
    }
    assert find_all(tmp_path) == {}


def test_a_networks_page_has_its_quick_runs_alone(root):
    assert list(quick.runs_of("vgg16", root)) == ["committed"]
    with pytest.raises(FileNotFoundError, match="no committed quick run of resnet50"):
        quick.runs_of("resnet50", root)


def test_the_best_run_and_the_most_collapsed_one_are_chosen_by_their_numbers(root):
    sources = find_all(root)
    every = [run for runs in sources.values() for run in runs.values()]
    (best, good), (worst, bad) = all_runs.best_and_most_collapsed(every).items()
    assert good.folder.name == "vgg16"
    assert bad.folder.name == "resnet50-as-coded-0"
    assert "of 4 runs" in best
    assert "120 of 120 rows on its fullest point, spread 0 of the norm; PSSR 0.000" in worst
    # without the collapsed run a quarter on one point counts more than a narrow spread, and then spread alone
    assert list(all_runs.best_and_most_collapsed(every[:-1]).values())[1].folder.name == "vgg16-as-coded-0"
    healthy = [run for run in every if run.folder.name in ("vgg16", "vgg16-modern-0")]
    assert list(all_runs.best_and_most_collapsed(healthy).values())[1].folder.name == "vgg16"


def test_duplicate_tiles_are_no_collapse(tmp_path):
    ground, aerial = cloud(120, 0.1)
    copies = make_run(tmp_path / "copies", ground, 10 * np.repeat(aerial[::4], 4, axis=0) + [1, 0, 0, 0])
    narrow = make_run(tmp_path / "narrow", ground, 0.1 * aerial + [1, 0, 0, 0])
    assert list(all_runs.best_and_most_collapsed([copies, narrow]).values())[1] is narrow


def test_of_several_seeds_the_smallest_stands_for_all(tmp_path):
    ground, aerial = cloud(12, 0.1)
    kinds = {"a-10": {"seed": 10}, "a-2": {"seed": 2}, "b-3": {"seed": 3, "recipe": "described"}}
    kinds |= {"c-4": {"seed": 4, "switches": {"linear-head": True}}, "d-5": {"seed": 5, "arch": "resnet50"}}
    kinds |= {"e-6": {"seed": 6, "start": "results/x/trunk"}}
    runs = {name: make_run(tmp_path / name, ground, aerial, **parameters) for name, parameters in kinds.items()}
    assert list(all_runs.first_seeds(runs)) == ["a-2", "b-3", "c-4", "d-5", "e-6"]


def test_a_run_that_others_start_from_is_a_trunk(tmp_path):
    ground, aerial = cloud(12, 0.1)
    starts = {"trunk": "", "trunk-0": "results/x/trunk", "alone": ""}
    runs = {name: make_run(tmp_path / name, ground, aerial, start=start) for name, start in starts.items()}
    assert list(all_runs.without_trunks(runs)) == ["trunk-0", "alone"]


def test_figure_2_has_both_axes_where_the_code_has_a_count(root):
    runs = find_all(root)
    run = runs["dense study at 224 px"]["vgg16-as-coded-0"]
    figure, alt = all_runs.both_axes(run)
    assert len(figure.axes) == 2
    values = run.columns_as_coded("uncropped")
    assert f"as coded: 120 aerial images, mean {values.mean():.4f}" in alt
    assert f"equation 2: 120 queries, mean {run.metrics['uncropped'].loc['PSSR', 'value']:.4f}" in alt
    figure, alt = all_runs.both_axes(runs["causes study"]["resnet50-as-coded-0"])
    assert len(figure.axes) == 1
    assert "equation 2: mean 0.000" in alt


def test_captions_and_provenance_name_the_folder(root):
    sources = find_all(root)
    captions = [
        shown.caption for shown in show_each(sources["dense study at 224 px"].values(), quick.histogram, "A remark.")
    ]
    assert captions[1].startswith("dense-224/vgg16-modern-0: vgg16 trained from random weights")
    assert all(caption.endswith(" A remark.") for caption in captions)
    origin = all_runs.origins(sources["causes study"].values()).loc["causes/resnet50-as-coded-0"]
    assert (origin.device, origin.precision) == ("cpu", "32")
    in_short = all_runs.in_short(sources["causes study"].values())
    assert list(in_short.index) == ["causes/resnet50-as-coded-0", "chance"]
    assert in_short.loc["causes/resnet50-as-coded-0", ["tied", "collapsed"]].tolist() == ["100.0%", "aerial"]


def test_a_dirty_commit_keeps_its_plus(tmp_path):
    run = make_run(tmp_path, *cloud(8, 0.1))
    assert run.commit == "unknown"
    run.train["commit"] = "0123456789abcdef" + "+"
    assert run.commit == "01234567+"


def test_a_folded_table_is_whole():
    names = [f"run-{i}-{60 * 'x'}" for i in range(200)]
    assert Folded("many", pd.DataFrame({"name": names}))._repr_html_().count(60 * "x") == 200


def test_an_early_run_was_as_precise_as_it_was_asked_to_be(tmp_path):
    run = make_run(tmp_path, *cloud(8, 0.1), precision="bf16")
    del run.train["precision"]
    assert run.precision == "bf16"


def test_a_caption_tells_where_a_run_started_and_what_it_saw_at_half_the_size(tmp_path):
    plain = make_run(tmp_path / "a", *cloud(8, 0.1), size=64)
    assert "from random weights" in plain.description
    assert "for 1 epochs at 64 px on 8 pairs" in plain.description
    more = make_run(tmp_path / "b", *cloud(8, 0.1), size=64, half_size_epochs=2, start="results/x/a")
    assert "from the trunks of a" in more.description
    assert "at 64 px, the first 2 at 32 px, on 8 pairs" in more.description


def test_a_p_value_too_small_for_a_float_is_not_called_zero(tmp_path):
    run = make_run(tmp_path, *cloud(6000, 0.01))
    assert all_runs.origins([run]).loc[run.label, "p"] == "below 1e-300"


def test_shared_axes_belong_to_the_larger_cloud_and_spread_does_not(tmp_path):
    """The same cloud twice, once a hundred times as large: the smaller one looks like a point, and has not collapsed."""
    cloud_of = np.random.default_rng(0).normal(size=(60, 5)) + 1
    clouds = {"resnet50_ground": cloud_of, "vgg16_ground": 100 * cloud_of}
    facts = {n: {"spread": relative_spread(c), "effective_rank": effective_rank(c)} for n, c in clouds.items()}
    write_arrays(tmp_path / "modern" / "projection.npz", **principal_components(**clouds))
    write_json(tmp_path / "modern" / "record.json", {"towers": facts})
    found = together.read(tmp_path)
    points = found["modern"][0]
    assert points["vgg16_ground"].std(0).min() > 50 * points["resnet50_ground"].std(0).max()
    table = together.table(found)
    assert table.loc[("modern", "vgg16")].tolist() == table.loc[("modern", "resnet50")].tolist()
    assert "vgg16 ground" in together.plot(found)[1]
