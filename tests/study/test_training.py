import dataclasses
import json
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from noise import Noise
from safetensors import SafetensorError
from small_training import small_settings

import cvig
from cvig.metrics import pssr, recall_at_k
from cvig.models import build
from cvig.models.trunks import batch_norms
from cvig.training import fit
from cvig.training.augmentation import augment
from cvig.training.batches import EpochBatches
from cvig.training.continuation import BesideTheFile, KeepEpochs
from cvig.training.recipes import Phase
from study.runs import find
from study.sessions import training as runs
from study.sessions.evaluation import open_evaluation, saved_boxes
from study.sessions.training import open_training
from study.settings import EvaluateSettings, TrainSettings
from study.switches import LOSSES, SWITCHES
from study.switches import RECIPES as SWITCHED

RECIPES = {name: entry.recipe for name, entry in SWITCHED.items()}


def trained(recipe, seed=0, **options):
    network = build("resnet18", size=32, seed=0, unit_norm=recipe.unit_norm, final_relu=recipe.final_relu)
    data = Noise()
    settings = {"epochs": 2, "batch": 8, "seed": seed, "bf16": False} | options
    return network, fit(network, recipe, data, Noise(seed=1), **settings)[0], data


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_seed_trains_the_same_network_to_the_last_bit(name):
    (a, log_a, _), (b, log_b, _) = trained(RECIPES[name]), trained(RECIPES[name])
    assert all((x == y).all() for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert log_a.drop(columns="seconds").equals(log_b.drop(columns="seconds"))
    _, other, _ = trained(RECIPES[name], seed=1)
    assert (other.loss != log_a.loss).any()


def test_training_lowers_the_loss():
    recipe = dataclasses.replace(RECIPES["modern"], crop_min=1.0, quarter_turns=False)
    _, log, _ = trained(recipe, epochs=6)
    assert log.loss.iloc[-1] < log.loss.iloc[0]


def test_described_goes_from_max_margin_to_soft_margin():
    _, log, _ = trained(RECIPES["described"], epochs=4)
    assert log.phase.tolist() == ["max-margin", "max-margin", "soft-margin", "soft-margin"]


def test_a_phase_ends_when_its_loss_stops_falling():
    recipe = dataclasses.replace(RECIPES["described"], phases=(Phase("max-margin", "plateau", patience=1), Phase("infonce")))
    _, log, _ = trained(recipe, epochs=20, learning_rate=1e-12)  # nothing can improve
    first = (log.phase == "max-margin").sum()
    assert first < 10


def test_every_epoch_sets_its_own_views():
    _, _, data = trained(RECIPES["modern"], epochs=3)
    assert data.epochs == [0, 1, 2]


def test_batches_cover_the_data_once_and_differ_by_epoch():
    epoch = [0]
    batches = EpochBatches(Noise(), 8, seed=0, epoch=lambda: epoch[0])
    first = list(batches)
    assert sorted(index for batch in first for index in batch) == list(range(24))
    assert first == list(batches)
    epoch[0] = 1
    assert first != list(batches)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="batch of 25 is larger than the 24 pairs of noise/0"):
        EpochBatches(Noise(), 25, seed=0, epoch=lambda: 0)


def test_a_loss_that_is_not_finite_stops_training():
    with pytest.raises(FloatingPointError, match=r"loss is (nan|inf) in epoch \d+, batch \d+"):
        trained(RECIPES["described"], learning_rate=1e30)


def test_quarter_turns_keep_every_pixel():
    recipe = dataclasses.replace(RECIPES["modern"], crop_min=1.0)
    images = Noise().images
    turned = augment(images, recipe, torch.Generator().manual_seed(0))
    assert (turned != images).any()
    assert torch.equal(turned.flatten(1).sort(1).values, images.flatten(1).sort(1).values)


def test_the_test_crop_is_drawn_once_and_belongs_to_its_data(tmp_path):
    path = tmp_path / "crop.npz"
    first = saved_boxes(path, Noise(), 0.7)
    written = path.read_bytes()
    assert torch.equal(saved_boxes(path, Noise(), 0.7), first)
    assert path.read_bytes() == written
    assert (first[:, 2:] >= 0.7).all()
    with pytest.raises(ValueError, match="name another file"):
        saved_boxes(path, Noise(seed=1), 0.7)
    for name, content in (("text", b"no crop"), ("cut", written[:-50]), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}' is damaged, or holds no arrays"):
            saved_boxes(tmp_path / name, Noise(), 0.7)
    with pytest.raises(ValueError, match="'/dev/null' is no regular file: expected arrays"):
        saved_boxes(Path("/dev/null"), Noise(), 0.7)
    np.savez(path, boxes=first)
    with pytest.raises(ValueError, match=r"crop\.npz' is no test crop; name another file"):
        saved_boxes(path, Noise(), 0.7)


def test_a_checkpoint_brings_back_what_both_towers_share(tmp_path):
    settings = TrainSettings(
        arch="cvm-net-i",
        embedding=8,
        size=32,
        out=str(tmp_path / "run"),
        options={"spacing": 16},
        train_count=16,  # 4 local features each: as many as NetVLAD's clusters
        val_count=4,
        epochs=1,
        batch=4,
        threads=1,
    )
    session = open_training(settings)
    session.fit()
    session.finish()
    evaluation = open_evaluation(EvaluateSettings(run=str(tmp_path / "run"), test_count=4, threads=1))
    trained, read = session.network.state_dict(), evaluation.network.state_dict()
    assert all(torch.equal(trained[name], read[name]) for name in trained)
    assert find(tmp_path) == {}  # not evaluated yet


def test_views_of_one_place_do_not_meet_in_a_batch():
    """Their aerial image answers both, so that neither may be the other's negative."""
    data = Noise()
    data.places = np.repeat(np.arange(8), 3)
    batches = list(EpochBatches(data, 4, seed=0, epoch=lambda: 0))
    assert sorted(i for batch in batches for i in batch) == list(range(24))
    assert all(len(set(data.places[batch])) == 4 for batch in batches)


def test_validation_ranks_of_every_epoch_are_what_the_log_sums_up():
    network = build("resnet18", size=32, seed=0, unit_norm=True)
    log, ranks = fit(network, RECIPES["modern"], Noise(), Noise(seed=1), epochs=2, batch=8, seed=0, bf16=False)
    assert len(ranks) == 2
    assert [pssr(each, ties="pessimistic") for each in ranks] == log.val_pssr.tolist()


def norms_after(switch: bool) -> list[torch.Tensor]:
    recipe = SWITCHED["described"].turned({"frozen-batch-norm": switch}).recipe
    network, _, _ = trained(recipe, epochs=2)
    return [norm.running_mean for tower in (network.ground, network.aerial) for norm in batch_norms(tower.head)]


def test_frozen_batch_norm_keeps_its_statistics_in_every_epoch():
    assert all((mean == 0).all() for mean in norms_after(True))
    assert all((mean != 0).any() for mean in norms_after(False))


def test_a_recipe_without_training_crop_leaves_the_tiles_alone():
    recipe = SWITCHED["described"].turned({"no-training-crop": True}).recipe
    images = Noise().images
    assert torch.equal(augment(images, recipe, torch.Generator().manual_seed(0)), images)
    assert not torch.equal(augment(images, RECIPES["described"], torch.Generator().manual_seed(0)), images)


def test_every_switch_can_be_turned():
    assert SWITCHED["as-coded"].turned(dict.fromkeys(SWITCHES, False)).on == SWITCHED["described"].on == ()
    for name in SWITCHES:
        assert SWITCHED["described"].turned({name: True}).on == (name,)
    with pytest.raises(ValueError, match="unknown switch 'detached': expected one of detached-negatives"):
        SWITCHED["as-coded"].turned({"detached": False})
    with pytest.raises(ValueError, match="switch linear-head: 'no': expected true or false"):
        SWITCHED["as-coded"].turned({"linear-head": "no"})


def test_a_switch_changes_what_it_names_and_the_library_asks_for_none():
    plain, code = vars(RECIPES["described"]), [path.read_text() for path in Path(cvig.__file__).parent.rglob("*.py")]
    for name, switch in SWITCHES.items():
        changed = vars(SWITCHED["described"].turned({name: True}).recipe)
        assert changed == plain | switch.change
        assert any(vars(recipe) != vars(recipe) | switch.change for recipe in RECIPES.values())
        assert not any(f'"{name}"' in text for text in code)


def test_a_recipe_with_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss 'hinge' of recipe 'modern': expected max-margin"):
        trained(dataclasses.replace(RECIPES["modern"], phases=(Phase("hinge"),)))


def test_a_run_starts_from_the_trunks_of_another(tmp_path):
    first = open_training(small_settings(tmp_path / "first"))
    with pytest.raises(FileNotFoundError, match="no finished training run to start from"):
        open_training(small_settings(tmp_path / "second", start=str(tmp_path / "first")))
    first.fit()
    first.finish()
    second = open_training(small_settings(tmp_path / "second", start=str(tmp_path / "first"), seed=7))
    for side in ("ground", "aerial"):
        a, b = (getattr(session.network, side).state_dict() for session in (first, second))
        assert all(torch.equal(a[key], b[key]) for key in a if key.startswith("trunk."))
        assert not torch.equal(a["head.fc1.1.weight"], b["head.fc1.1.weight"])
    with pytest.raises(ValueError, match=r"lacks the|has the unexpected"):
        open_training(small_settings(tmp_path / "third", start=str(tmp_path / "first"), arch="vgg16"))


def test_duplicate_tiles_give_every_view_its_own_copy(tmp_path):
    settings = small_settings(
        tmp_path / "unused", recipe="described", switches={"duplicate-tiles": True}, options={"spacing": 16, "each": 4}
    )
    session = open_training(settings)
    assert session.train.gallery_count == 16
    assert torch.equal(session.train.aerial_image(0), session.train.aerial_image(3))
    assert not torch.equal(session.train.aerial_image(3), session.train.aerial_image(4))
    assert session.train.places.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert session.train.digest != open_training(settings.model_copy(update={"switches": {}})).train.digest  # nor its crop


def test_as_coded_trains_and_is_scored_by_both_rules(tmp_path):
    options = {"spacing": 16, "each": 2}
    session = open_training(small_settings(tmp_path / "run", recipe="as-coded", options=options))
    session.fit()
    session.finish()
    evaluation = open_evaluation(EvaluateSettings(run=str(tmp_path / "run"), test_count=12, threads=1))
    evaluation.score()
    evaluation.finish()
    (run,) = find(tmp_path).values()
    facts = run.facts["uncropped"]
    assert facts["towers"]["aerial"]["distinct"] <= 6 < facts["towers"]["aerial"]["rows"]
    assert facts["as_coded"]["PSSR"] == pytest.approx(run.columns_as_coded("uncropped").mean())
    # its rule takes k + 1 rows and counts ties for the query
    optimistic = recall_at_k(run.ranks("uncropped"), 6, ties="optimistic")
    assert facts["as_coded"]["R@5"] == optimistic
    assert len(run.validation) == 1


def test_a_run_that_diverges_leaves_word_of_it_and_no_result(tmp_path):
    session = open_training(small_settings(tmp_path / "run", learning_rate=1e30, recipe="described", epochs=3))
    with pytest.raises(FloatingPointError):
        session.fit()
    word = json.loads((tmp_path / "run" / "diverged.json").read_text())
    assert word["error"].startswith("loss is ")
    assert word["parameters"]["learning_rate"] == 1e30
    assert not (tmp_path / "run" / "train.json").exists()
    assert [path.name for path in (tmp_path / "run").iterdir() if not path.name.startswith(".")] == ["diverged.json"]
    session = open_training(small_settings(tmp_path / "run"))
    session.fit()
    session.finish()
    assert not (tmp_path / "run" / "diverged.json").exists()


def test_the_first_epochs_see_half_the_size_and_the_last_the_whole():
    network, seen = build("cvm-net-i", size=64, embedding=8), []
    network.register_forward_pre_hook(lambda _, images: seen.append(images[0].shape[2]))
    fit(network, RECIPES["modern"], Noise(8), Noise(4), epochs=2, batch=8, half_size_epochs=1, bf16=False)
    assert seen == [16, 32]  # images of Noise have 32 pixels a side
    assert not network.half_size


@pytest.mark.parametrize(("arch", "size"), [("resnet18", 64), ("cvm-net-i", 16)])
def test_a_network_that_takes_one_size_alone_is_refused_half_of_it(arch, size):
    network = build(arch, size=size, embedding=8)
    with pytest.raises(ValueError, match=f"this {arch} takes {size} × {size} images alone"):
        fit(network, RECIPES["modern"], Noise(8), Noise(4), epochs=2, batch=8, half_size_epochs=1)


class CutShort(Exception):
    pass


def cut_after(epoch):
    def report(row):
        if row["epoch"] == epoch:
            raise CutShort

    return report


@pytest.mark.parametrize(("name", "arch"), [("described", "resnet18"), ("modern", "efficientnet_b0")])
def test_a_training_cut_short_goes_on_to_the_same_last_bit(tmp_path, name, arch):
    """EfficientNet leaves out whole layers by chance."""

    def train(keep=None, report=None):
        network = build(arch, size=32, seed=0, unit_norm=RECIPES[name].unit_norm)
        options = {"epochs": 4, "batch": 8, "bf16": False, "keep": keep, "report": report}
        log, ranks = fit(network, RECIPES[name], Noise(16), Noise(8, seed=1), **options)
        return network.state_dict(), log.drop(columns="seconds"), [r.closer.tolist() for r in ranks]

    def keep(run):
        return KeepEpochs(tmp_path / "unfinished.ckpt", run, every=0)

    weights, log, ranks = train()
    with pytest.raises(CutShort):
        train(keep({"a": 1}), cut_after(3))  # the third epoch is lost
    seen = []
    again = keep({"a": 1})
    weights_again, log_again, ranks_again = train(again, lambda row: seen.append(row["epoch"]))
    assert seen == [3, 4]
    assert again.earlier > 0
    assert log_again.equals(log)
    assert ranks_again == ranks
    assert all(torch.equal(weights[key], weights_again[key]) for key in weights)
    # trained to the end, but never finished
    assert all(torch.equal(value, weights[key]) for key, value in train(keep({"a": 1}), cut_after(1))[0].items())
    kept = (tmp_path / "unfinished.ckpt").read_bytes()
    with pytest.raises(ValueError, match="keeps another training than this one"):
        train(keep({"a": 2}), cut_after(1))
    assert (tmp_path / "unfinished.ckpt").read_bytes() == kept


@pytest.mark.parametrize("damage", ["no checkpoint", "cut", "one byte", "another pickle"])
def test_a_damaged_kept_epoch_is_set_aside_and_the_training_begins_anew(tmp_path, capsys, damage):
    path = tmp_path / "unfinished.ckpt"

    def train(report=None):
        network = build("resnet18", size=32, seed=0, unit_norm=True)
        keep = KeepEpochs(path, {"a": 1}, every=0)
        fit(network, RECIPES["modern"], Noise(8), Noise(4), epochs=2, batch=8, bf16=False, keep=keep, report=report)

    with pytest.raises(CutShort):
        train(cut_after(2))
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(
        {
            "no checkpoint": b"x",
            "cut": content[:half],
            "one byte": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
            "another pickle": pickle.dumps(print),
        }[damage]
    )
    seen = []
    train(lambda row: seen.append(row["epoch"]))
    assert seen == [1, 2]
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"'{path}' is damaged: it is 'unfinished.ckpt.damaged' now, and the training begins anew"
    assert (tmp_path / "unfinished.ckpt.damaged").exists()


def test_epochs_are_kept_where_the_systems_temporary_folder_has_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    network = build("resnet18", size=32, seed=0, unit_norm=True)
    keep = KeepEpochs(tmp_path / "run" / "unfinished.ckpt", {"a": 1}, every=0)
    fit(network, RECIPES["modern"], Noise(8), Noise(4), epochs=1, batch=8, bf16=False, keep=keep)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["unfinished.ckpt"]


def test_a_run_cut_short_goes_on_and_leaves_nothing_unfinished(tmp_path, monkeypatch):
    def opened():
        session = open_training(small_settings(tmp_path / "run", epochs=3))
        session.keep.every = 0
        return session

    with monkeypatch.context() as patch:
        patch.setattr(runs.watching, "print_row", cut_after(2))
        with pytest.raises(CutShort):
            opened().fit()
    (file,) = (tmp_path / "run").glob(".train-*/unfinished.ckpt")
    session = opened()
    assert len(session.fit()) == 3
    assert session.keep.earlier > 0
    assert session.finish()["seconds"] > session.keep.earlier
    assert not file.parent.exists()


def test_june_1_mines_its_negatives_as_it_tests_and_trains_as_it_darkens(tmp_path):
    """Its batch norm learns nothing, the frozen part of the trunk stays, and both anchors train both towers."""
    for anchor in (False, True):
        switched = SWITCHED["as-coded-june-1"].turned({"aerial-anchor": anchor})
        network = build("conv4", size=32, dark=True, bgr=True, seed=0)
        before = {name: x.clone() for name, x in network.state_dict().items()}
        fit(network, switched.recipe, Noise(), Noise(seed=1), epochs=1, batch=8, seed=0, bf16=False)
        changed = {name for name, x in network.state_dict().items() if not torch.equal(x, before[name])}
        assert {name.rsplit(".", 3)[0] for name in changed if ".trunk." in name} == {"ground.trunk", "aerial.trunk"}
        assert all(name.split(".")[2] == "block4" for name in changed if ".trunk." in name)
        assert not any("running" in name for name in changed)
        assert {f"{side}.head.fc1.1.weight" for side in ("ground", "aerial")} <= changed


def test_losses_at_equal_budget_differ_in_nothing_but_loss_and_length():
    modern = vars(RECIPES["modern"])
    for name, entry in LOSSES.items():
        changed = {field for field, value in vars(entry.recipe).items() if value != modern[field]}
        assert changed <= {"name", "summary", "phases", "unit_norm"}
        assert entry.recipe.unit_norm == name.endswith("-unit")
    assert len(LOSSES) == 6


def test_a_full_disk_is_said_as_such_by_the_file_that_has_no_room(tmp_path, monkeypatch):
    """torch and safetensors raise errors of their own kinds, as here; nothing is left of the file."""

    def full(kind):
        def save(content, path):
            Path(path).write_bytes(b"half")
            raise kind("unexpected pos 11241664 vs 11241560\nand more")

        return save

    monkeypatch.setattr("cvig.models.checkpoint.save_file", full(SafetensorError))
    with pytest.raises(OSError, match=r"checkpoint\.safetensors' cannot be written: unexpected pos"):
        build("conv4", size=16, embedding=8, pool=1).save(tmp_path)
    monkeypatch.setattr("torch.save", full(RuntimeError))
    with pytest.raises(OSError, match=r"unfinished\.ckpt' cannot be written: unexpected pos 11241664 vs 11241560$"):
        BesideTheFile().save_checkpoint({}, tmp_path / "unfinished.ckpt")
    assert list(tmp_path.iterdir()) == []
