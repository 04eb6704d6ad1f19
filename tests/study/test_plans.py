from pathlib import Path

import pytest
import yaml

from study.plans import diverged, finished, read
from study.settings import TrainSettings

ROOT = Path(__file__).parents[2]
STUDY = {
    "out": "results/x",
    "run": "{arch}-{recipe}-{seed}",
    "threads": 1,
    "train": {"size": 32, "epochs": 2},
    "per_architecture": {"vgg16": {"epochs": 3}},
    "runs": [{"architectures": ["vgg16", "resnet50"], "recipes": ["modern"], "seeds": [0, 1]}],
    "evaluate": {},
}


def written(tmp_path, **changes):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY | changes))
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "study" / "plans").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_run_of_a_committed_study_has_parameters_that_the_notebook_takes(path):
    study = read(path)
    for name, settings in study["runs"].items():
        assert TrainSettings(**settings | {"threads": study["threads"], "out": name}).arch in name


def test_a_block_is_every_combination_and_the_nearest_setting_counts(tmp_path):
    runs = read(written(tmp_path))["runs"]
    assert list(runs) == ["vgg16-modern-0", "vgg16-modern-1", "resnet50-modern-0", "resnet50-modern-1"]
    assert (runs["vgg16-modern-0"]["epochs"], runs["resnet50-modern-0"]["epochs"]) == (3, 2)
    block = STUDY["runs"][0] | {"train": {"epochs": 9}}
    assert read(written(tmp_path, runs=[block]))["runs"]["vgg16-modern-1"]["epochs"] == 9


def test_one_at_a_time_turns_each_switch_from_both_ends(tmp_path):
    block = {"architectures": ["vgg16"], "recipes": ["described", "as-coded"], "seeds": [0]}
    runs = read(written(tmp_path, runs=[block | {"one_at_a_time": ["linear-head"]}]))["runs"]
    assert {name: run["switches"] for name, run in runs.items()} == {
        "vgg16-described-0": {},
        "vgg16-described-with-linear-head-0": {"linear-head": True},
        "vgg16-as-coded-0": {},
        "vgg16-as-coded-without-linear-head-0": {"linear-head": False},
    }


def test_switches_of_a_block_turn_in_all_its_runs(tmp_path):
    block = STUDY["runs"][0] | {"recipes": ["modern"], "seeds": [0], "one_at_a_time": ["linear-head"]}
    block["train"] = {"switches": {"no-training-crop": True}}
    runs = read(written(tmp_path, runs=[block]))["runs"]
    assert runs["vgg16-modern-0"]["switches"] == {"no-training-crop": True}
    both = {"no-training-crop": True, "linear-head": True}
    assert runs["vgg16-modern-with-linear-head-0"]["switches"] == both


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "unknown key 'seed'"),
        ({"runs": [STUDY["runs"][0] | {"seed": 1}]}, "unknown key 'seed' of a block"),
        ({"runs": [STUDY["runs"][0] | {"recipes": ["ancient"]}]}, "unknown recipe 'ancient'"),
        ({"runs": STUDY["runs"] * 2}, "two runs are called 'vgg16-modern-0'"),
        ({"runs": [STUDY["runs"][0] | {"one_at_a_time": ["bias"]}]}, "unknown switch 'bias'"),
        ({"train": {"switches": {"bias": True}}}, "unknown switch 'bias'"),
        ({"train": {"start": "nowhere"}}, "starts from 'nowhere', which is no run of this study"),
    ],
)
def test_what_is_wrong_with_a_study_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read(written(tmp_path, **changes))


def test_a_run_is_finished_when_both_marks_are_there_and_its_parameters_are_the_studys(tmp_path):
    settings = {"arch": "vgg16", "epochs": 2, "start": "other"}
    assert not finished(tmp_path, settings)
    (tmp_path / "train.json").write_text('{"parameters": {"arch": "vgg16", "epochs": 2, "start": "results/x/other"}}')
    assert not finished(tmp_path, settings)
    (tmp_path / "evaluate.json").write_text("{}")
    assert finished(tmp_path, settings)
    assert not finished(tmp_path, settings | {"epochs": 3})


def test_a_run_that_diverged_says_why(tmp_path):
    settings = {"arch": "vgg16", "epochs": 2}
    assert diverged(tmp_path, settings) is None
    (tmp_path / "diverged.json").write_text('{"parameters": {"arch": "vgg16", "epochs": 2}, "error": "loss is inf"}')
    assert diverged(tmp_path, settings) == "loss is inf"
    assert diverged(tmp_path, settings | {"epochs": 3}) is None
