"""Gradient caching takes the plain step in parts."""

import pandas as pd
import pytest
import torch
from noise import Noise

from cvig.losses import InfoNCELoss
from cvig.models import build, preprocess
from cvig.training import fit
from cvig.training.caching import embed_in_parts
from cvig.training.recipes import MODERN


def prepare(images: torch.Tensor) -> torch.Tensor:
    return preprocess(images).double()


def gradients(embed) -> torch.Tensor:
    network, loss = build("squeezenet1_1", size=32, embedding=8, seed=0).double(), InfoNCELoss().double()
    ground, aerial = Noise(12).images, 255 - Noise(12).images
    loss(embed(network.ground, ground), embed(network.aerial, aerial)).backward()
    return torch.cat([parameter.grad.flatten() for parameter in (*network.parameters(), *loss.parameters())])


@pytest.mark.parametrize("size", [1, 5, 12])
def test_the_gradient_is_that_of_the_plain_step(size):
    plain = gradients(lambda tower, images: tower(prepare(images)))
    cached = gradients(lambda tower, images: embed_in_parts(tower, images, prepare, size))
    assert (cached - plain).norm() < 1e-12 * plain.norm()


def test_a_part_of_the_activations_is_held_at_a_time():
    network, held = build("squeezenet1_1", size=32, embedding=8, seed=0), {}
    for size in (0, 2):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, kept=kept: kept.append(x.numel()) or x, lambda x: x):
            tower, images = network.ground, Noise(12).images
            embed_in_parts(tower, images, preprocess, size) if size else tower(preprocess(images))
        held[size] = sum(kept)
    assert held[2] < held[0] / 3


def test_a_training_in_parts_is_the_plain_one_but_for_rounding():
    def log(size: int) -> pd.DataFrame:
        network = build("squeezenet1_1", size=32, embedding=8, seed=0)
        options = {"epochs": 2, "batch": 8, "bf16": False, "learning_rate": 1e-4}
        return fit(network, MODERN, Noise(8), Noise(4, seed=1), micro_batch=size, **options)[0]

    assert log(3).loss.to_numpy() == pytest.approx(log(0).loss.to_numpy(), rel=1e-4)


def test_a_trunk_whose_batch_norm_needs_the_whole_batch_is_refused():
    with pytest.raises(ValueError, match="the batch norm in the trunk of resnet18 must see the whole batch"):
        fit(build("resnet18", size=32), MODERN, Noise(8), Noise(4), epochs=1, batch=8, micro_batch=2)
