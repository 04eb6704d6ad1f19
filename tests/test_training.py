import dataclasses

import numpy as np
import pytest
import torch

from cvig import results
from cvig.datasets import PairedViews
from cvig.evaluation import open_evaluation, saved_boxes
from cvig.models import build
from cvig.recipes import RECIPES, Phase
from cvig.runs import open_training
from cvig.settings import EvaluateSettings, TrainSettings
from cvig.training import EpochBatches, augment, choose_device, fit


class Noise(PairedViews):
    """Pairs that share a random pattern, so that matching them can be learned."""

    def __init__(self, count: int = 24, seed: int = 0):
        self.name, self.digest, self.gallery_count = f"noise/{seed}", f"noise{count}{seed}", count
        self.places = self.positives = np.arange(count)
        self.epochs: list[int] = []
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)

    def ground_image(self, index):
        return self.images[index]

    def aerial_image(self, row):
        return 255 - self.images[row]

    def set_epoch(self, epoch):
        self.epochs.append(epoch)


def trained(recipe, seed=0, **options):
    network = build("resnet18", size=32, seed=0, unit_norm=recipe.unit_norm, final_relu=recipe.final_relu)
    data = Noise()
    settings = {"epochs": 2, "batch": 8, "seed": seed, "bf16": False} | options
    return network, fit(network, recipe, data, Noise(seed=1), **settings), data


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


def test_an_absent_device_is_refused():
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            choose_device("cuda")
    assert choose_device("cpu") == "cpu"


def test_a_checkpoint_brings_back_what_both_towers_share(tmp_path):
    settings = TrainSettings(
        arch="cvm-net-i",
        embedding=8,
        size=32,
        out=str(tmp_path / "run"),
        options={"extent": 1536},
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
    assert len(results.find(tmp_path)) == 0  # not evaluated yet


def test_views_of_one_place_do_not_meet_in_a_batch():
    """Their aerial image answers both, so that neither may be the other's negative."""
    data = Noise()
    data.places = np.repeat(np.arange(8), 3)
    batches = list(EpochBatches(data, 4, seed=0, epoch=lambda: 0))
    assert sorted(i for batch in batches for i in batch) == list(range(24))
    assert all(len(set(data.places[batch])) == 4 for batch in batches)
