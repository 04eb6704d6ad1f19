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
    settings = {
        name: TrainSettings(**run | {"threads": study["threads"], "out": name}) for name, run in study["runs"].items()
    }
    several = len({run.arch for run in settings.values()}) > 1
    assert all(run.arch in name for name, run in settings.items() if several)


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


@pytest.mark.parametrize("out", ["$(touch owned)", "a|b", "a{b}", "../up", "", "-n", "a\nb", "`x`", "a'b"])
def test_a_folder_of_runs_is_a_name_alone(tmp_path, out):
    with pytest.raises(ValueError, match=r"study\.yaml, line \d+: out="):
        read(written(tmp_path, out=out))


def test_a_folder_of_runs_may_hold_a_space(tmp_path):
    assert read(written(tmp_path, out="results/my study"))["out"] == "results/my study"


@pytest.mark.parametrize("run", ["$(touch owned)", "../{arch}", "{arch}/{seed}", "{arch.__class__}", " {arch}", "{nothing}"])
def test_a_run_is_called_by_a_name_alone(tmp_path, run):
    with pytest.raises(ValueError, match=r"a run is called|no parameter 'nothing' is set"):
        read(written(tmp_path, run=run))


@pytest.mark.parametrize("place", ["train", "evaluate"])
def test_a_key_that_is_no_parameter_reaches_no_notebook(tmp_path, place):
    with pytest.raises(ValueError, match=r"line \d+: unknown parameter 'import os; os.system\(\"x\"\); y'"):
        read(written(tmp_path, **{place: {'import os; os.system("x"); y': 1}}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("out: a\nout: b\n", "line 2: key 'out' again, after line 1"),
        ("out: a\ntrain:\n  size: 32\n  size: 64\n", "line 4: key 'size' again, after line 3"),
        ("out: [\n", "line 2: "),
        ("out: !!python/object/apply:os.system [x]\n", "line 1: could not determine a constructor"),
        ("1: 2\n", "line 1: key 1: expected a name"),
        ("- a\n", "the study is ['a']: expected keys out"),
        ("", "the study is None: expected keys out"),
        ("out: a\nthreads: 1\ntrain: {}\nevaluate: {}\n", "line 1: the study lacks the key 'runs'"),
        ("question: q\nout: a\nthreads: 1\ntrain: {}\nevaluate: {}\nruns: []\n", "the study lacks the key 'decision'"),
        ("out: a\nthreads: yes\nruns: []\ntrain: {}\nevaluate: {}\n", "line 2: threads=True: expected a whole number"),
        ("out: a\nthreads: 1\nruns: [3]\ntrain: {}\nevaluate: {}\n", "a block of runs is 3"),
        (
            "out: a\nthreads: 1\ntrain: {}\nevaluate: {}\nruns:\n"
            "- {architectures: [vgg16], recipes: [modern], seeds: [0]}\n",
            "line 6: neither the block nor the study has the key 'run'",
        ),
        (
            "out: a\nrun: a\nthreads: 1\ntrain: {learning_rate: .inf}\nevaluate: {}\nruns:\n"
            "- {architectures: [vgg16], recipes: [modern], seeds: [0]}\n",
            "line 7: run 'a': parameter learning_rate=inf: ",
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_one_line_that_names_the_line(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"study\.yaml") as caught:
        read(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
