"""Experiments of many small trainings, and the trunks that they start from."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

from cvig import files, locks
from cvig.models import build, load_network
from cvig.models.activity import silent_units
from study import pretraining
from study.planned import SeedsPlan, read_table
from study.plans import TEXTS
from study.sessions import seeds
from study.sessions.seeds import coded_counts, make
from study.settings import TrainSettings

ROOT = Path(__file__).parents[2]
PLANS = sorted((ROOT / "study" / "plans" / "seeds").glob("*.yaml"))
PLAN = {
    **dict.fromkeys(TEXTS, "as written before"),
    "threads": 1,
    "test_count": 12,
    "train": {
        "arch": "conv4",
        "recipe": "as-coded-june-1",
        "size": 32,
        "train_count": 32,
        "val_count": 8,
        "fresh": False,
        "epochs": 2,
        "options": {"spacing": 16},
    },
    "arms": {"ground": {}, "aerial": {"switches": {"aerial-anchor": True}}},
    "seeds": [0, 1],
}


def written(folder: Path, **changes) -> Path:
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(PLAN | {"out": str(folder / "out")} | changes, sort_keys=False))
    return path


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_committed_plan_says_what_it_expects_and_gives_runs(path):
    plan = SeedsPlan.read(path)
    assert all(len(getattr(plan, name)) > 15 for name in TEXTS)
    assert plan.out == Path("results") / path.stem
    assert len(plan.runs) >= 2
    assert all(settings.weights == "none" or (ROOT / settings.weights).exists() for settings in plan.runs.values())


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_tables_of_a_plan_are_of_its_runs_and_of_clean_commits(path):
    folder, plan = ROOT / "results" / path.stem, SeedsPlan.read(path)
    if not (folder / "runs.csv").exists():
        pytest.skip("not begun")
    runs, epochs = (read_table(folder, name) for name in ("runs", "epochs"))
    environments = json.loads((folder / "environments.json").read_text())
    assert runs.run.is_unique
    assert set(runs.run) <= set(plan.runs)
    assert set(epochs.run) == set(runs.run)
    for name, said in zip(runs.run, runs.settings, strict=True):
        assert TrainSettings(**json.loads(said)) == plan.runs[name]
    assert set(runs.environment) <= set(environments)
    assert not any(each["commit"] is None or each["commit"].endswith("+") for each in environments.values())


def test_a_plan_without_its_hypothesis_is_refused(tmp_path):
    content = {key: value for key, value in PLAN.items() if key != "hypothesis"} | {"out": "x"}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match="the plan lacks the key 'hypothesis'"):
        SeedsPlan.read(tmp_path / "plan.yaml")
    with pytest.raises(ValueError, match="run 'ground/0': parameter recipe='moden'"):
        SeedsPlan.read(written(tmp_path, train=PLAN["train"] | {"recipe": "moden"}))


def test_arms_blocks_and_seeds_are_crossed_and_a_part_of_them_is_balanced(tmp_path):
    blocks = {"north": {"options": {"seed": 5}}, "south": {}}
    runs = SeedsPlan.read(written(tmp_path, blocks=blocks)).runs
    assert list(runs)[:5] == ["ground/north/0", "aerial/north/0", "ground/south/0", "aerial/south/0", "ground/north/1"]
    assert runs["ground/north/1"].options == {"spacing": 16, "seed": 5}
    assert runs["aerial/south/1"].options == {"spacing": 16}


def test_a_study_that_was_cut_short_goes_on_and_is_not_made_twice(tmp_path, monkeypatch):
    path = written(tmp_path)
    made, real = [], seeds.trained
    monkeypatch.setattr(seeds, "trained", lambda *given, **more: made.append(1) or real(*given, **more))
    write = files.write_csv

    def killed(target, frame):
        if Path(target).name == "runs.csv" and len(frame) == 2:
            raise KeyboardInterrupt
        write(target, frame)

    monkeypatch.setattr(files, "write_csv", killed)
    with pytest.raises(KeyboardInterrupt):
        make(SeedsPlan.read(path))
    monkeypatch.setattr(files, "write_csv", write)
    locks.let_go(tmp_path / "out")
    tables = make(SeedsPlan.read(path))
    assert len(made) == 5  # the second one twice
    assert sorted(tables.runs.run) == ["aerial/0", "aerial/1", "ground/0", "ground/1"]
    assert tables.epochs.groupby("run").epoch.apply(list).tolist() == [[0, 1, 2]] * 4
    before = (tmp_path / "out" / "runs.csv").read_bytes()
    locks.let_go(tmp_path / "out")
    make(SeedsPlan.read(path))
    assert len(made) == 5
    assert (tmp_path / "out" / "runs.csv").read_bytes() == before
    again = tables.runs.set_index("run")
    assert again.loc["ground/0", "coded_10pct"] >= again.loc["ground/0", "coded_1"]
    assert again.loc["ground/0", "key"] != again.loc["aerial/0", "key"]


def test_a_run_may_start_from_the_trunks_of_another_whose_weights_its_key_names(tmp_path, monkeypatch):
    monkeypatch.setattr("study.planned.NETWORKS", tmp_path / "networks")
    small = {"keep_networks": True, "first_and_last": True, "arms": {"ground": {}}, "seeds": [0]}
    train = PLAN["train"] | {"epochs": 1, "recipe": "screening", "batch": 16}
    first = SeedsPlan.read(written(tmp_path, train=train, **small))
    make(first)
    start = first.network("ground/0")
    (tmp_path / "next").mkdir()
    more = {"start": str(start), "learning_rate": 1e-12}
    second = SeedsPlan.read(written(tmp_path / "next", train=train | more, **small | {"seeds": [1]}))
    row = make(second).runs.iloc[0]
    assert row.data_start == files.digest_file(start / "checkpoint.safetensors")[:12]
    before, after = (load_network(plan.network(name)) for plan, name in ((first, "ground/0"), (second, "ground/1")))
    new = second.runs["ground/1"].build()
    weights = [network.ground.trunk.state_dict()["block1.0.weight"] for network in (before, after, new)]
    assert torch.allclose(weights[1], weights[0], atol=1e-6)
    assert not torch.allclose(weights[1], weights[2], atol=1e-6)


def test_a_digest_that_looks_like_a_number_stays_a_digest(tmp_path):
    pd.DataFrame({"run": ["a/0"], "environment": ["96e359567717"], "key": ["012345678901"], "block": [""]}).to_csv(
        tmp_path / "runs.csv", index=False
    )
    table = read_table(tmp_path, "runs")
    assert table.environment.tolist() == ["96e359567717"]
    assert table.key.tolist() == ["012345678901"]


def test_queries_on_one_point_are_counted_one_place_too_far_by_the_code():
    rows = np.random.default_rng(0).normal(size=(1000, 4))
    counts = coded_counts(np.ones_like(rows), rows)
    assert list(counts.values()) == [2, 6, 11, 11, 51, 101]
    assert list(coded_counts(rows, np.ones_like(rows)).values()) == [1000] * 6


def test_silent_units_are_those_that_no_image_wakes():
    network = build("conv4", size=32, seed=0).eval()
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.nn.init.constant_(network.ground.head.fc2[0].bias, -1e6)
    silent = silent_units(network.ground, images)
    assert silent["head.fc2.1"] == 1
    assert silent["head.fc1.2"] < 0.5
    embedded = network.ground(images)
    assert len(torch.unique(embedded, dim=0)) == 1


def test_turned_images_are_turned_as_their_labels_say():
    images = torch.randint(0, 256, (32, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    given, turns = pretraining.turned(images, torch.Generator().manual_seed(1))
    assert sorted(set(turns.tolist())) == [0, 1, 2, 3]
    assert all(torch.equal(x.rot90(-int(turn), (1, 2)), y) for x, y, turn in zip(given, images, turns, strict=True))


@pytest.mark.parametrize("mark", sorted(ROOT.glob("results/neutral/*/pretraining.json")), ids=lambda mark: mark.parent.name)
def test_a_neutral_trunk_is_the_one_that_was_trained_and_knows_turns(mark):
    record = json.loads(mark.read_text())
    trunk = mark.parent / pretraining.TRUNK
    assert files.digest_file(trunk) == record["files"][trunk.name]
    assert min(record["accuracy"].values()) > 0.5  # chance is .25
    network = build(record["parameters"]["arch"], str(trunk), size=32)
    assert all(torch.equal(network.ground.trunk.state_dict()[name], x) for name, x in load_file(trunk).items())
    assert torch.equal(network.ground.trunk.block1[0].weight, network.aerial.trunk.block1[0].weight)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"out": "../elsewhere"}, "expected a folder"),
        ({"out": "$(touch x)"}, "expected a folder"),
        ({"arms": {"../../x": {}}}, "expected a name of letters"),
        ({"arms": {"a/b": {}}}, "expected a name of letters"),
        ({"arms": {"a\nb": {}}}, "expected a name of letters"),
        ({"arms": {"a": 5}}, "expected a mapping of parameters"),
        ({"blocks": {"/etc": {}}}, "expected a name of letters"),
        ({"seeds": ["x"]}, "expected whole numbers"),
    ],
)
def test_a_plan_writes_in_its_own_folders_alone_and_what_is_wrong_is_one_line(tmp_path, changes, said):
    with pytest.raises(ValueError, match=said) as caught:
        SeedsPlan.read(written(tmp_path, **changes))
    assert re.search(r"plan\.yaml, line \d+: ", str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b'run,"key\n', b"\xff\xfe"])
def test_a_table_that_is_damaged_is_named_and_stays(tmp_path, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "runs.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"runs\.csv' (cannot be read as a table|is no table of runs)"):
        make(SeedsPlan.read(written(tmp_path)))
    assert (tmp_path / "out" / "runs.csv").read_bytes() == content
    locks.let_go(tmp_path / "out")
