"""The training loop of 1 June 2023: triplets, how their negatives are mined, and which tower's death it cannot undo.

Expected numbers of `SOURCE` are what the code's own functions give (S010MON/image-locate at 37cf3aa: `mine_hard_triplets`
and `DistanceLayer` of src/models.py, `max_margin_triplet_loss` of src/losses.py), run on these matrices with NumPy in place
of the TensorFlow calls ones, shape, eye, multiply, argmax, gather, square, reduce_sum and maximum.
"""

import numpy as np
import pytest
import torch
from torch import nn

from cvig.losses import TripletLoss
from cvig.models import build
from cvig.models.trunks import freeze, small_trunk
from cvig.training.mining import mined

ANCHOR = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
POSITIVE = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
CANDIDATES = torch.tensor([[4.0, 0.0], [1.0, 1.0], [3.0, 3.0], [-2.0, 0.0]])
POINT = torch.ones(4, 2)
SOURCE = {  # anchor, positive, candidates: rows that the source takes
    "as drawn": ((ANCHOR, POSITIVE, CANDIDATES), [3, 3, 0, 2]),
    "positives as candidates": ((ANCHOR, POSITIVE, POSITIVE), [3, 3, 3, 1]),
    "other tower on a point": ((ANCHOR, POINT, POINT), [3, 3, 3, 1]),
    "anchors on a point": ((POINT, POSITIVE, CANDIDATES), [2, 0, 0, 2]),
}


@pytest.mark.parametrize("case", SOURCE)
def test_negatives_are_those_that_the_source_mines(case):
    given, rows = SOURCE[case]
    assert mined(*given).tolist() == rows


def test_the_hinge_is_the_source_s():
    losses = [float(TripletLoss()(*(x[i : i + 1] for x in (ANCHOR, POSITIVE, CANDIDATES)))) for i in range(4)]
    assert losses == [0, 0.5, 0, 0]
    assert float(TripletLoss(margin=20)(ANCHOR, POSITIVE, CANDIDATES)) == (5 + 20 + 19 + 16) / 4


def test_triplets_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="expected three equal shapes"):
        TripletLoss()(ANCHOR, POSITIVE, CANDIDATES[:3])


def tower(seed: int, dead: bool) -> nn.Sequential:
    """A small tower; a dead one has a layer of ReLUs that no input wakes, and so gives one point."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    if dead:
        nn.init.constant_(layers[0].bias, -1e3)
    return layers.double()


def gradients(anchor: nn.Module, other: nn.Module) -> tuple[float, float]:
    """Largest gradient in the anchor's tower and in the other one, after a batch of random triplets."""
    draw = torch.Generator().manual_seed(0)
    a, p, n = (torch.randn(16, 6, generator=draw, dtype=torch.float64) for _ in range(3))
    TripletLoss()(anchor(a), other(p), other(n)).backward()
    return tuple(max(float(x.grad.abs().max()) for x in part.parameters()) for part in (anchor, other))


def test_a_dead_other_tower_is_the_end_of_training():
    """Exactly zero everywhere: the anchor's tower stays as it is, alive, and the loss is the margin for good."""
    anchor, other = tower(0, dead=False), tower(1, dead=True)
    assert gradients(anchor, other) == (0.0, 0.0)
    a = torch.randn(16, 6, dtype=torch.float64)
    assert TripletLoss()(anchor(a), other(a), other(a.flip(0))).item() == 0.5


def test_a_dead_anchor_goes_on_training_the_other_tower():
    """The anchor's last bias still has a gradient, and all of the other tower: what is dead is not yet the end."""
    anchor, other = tower(0, dead=True), tower(1, dead=False)
    in_anchor, in_other = gradients(anchor, other)
    assert in_anchor > 0
    assert in_other > 0
    assert float(anchor[0].weight.grad.abs().max()) == 0  # below the dead layer nothing can change
    assert float(anchor[2].bias.grad.abs().max()) == in_anchor


def test_the_tower_whose_death_is_the_end_follows_the_anchor():
    """With the ground view as anchor that is the aerial tower, with the aerial image as anchor the ground tower."""
    ground, aerial = tower(0, dead=False), tower(1, dead=False)
    assert min(gradients(ground, aerial)) > 0
    for dead in ("ground", "aerial"):
        towers = {side: tower(at, dead=side == dead) for at, side in enumerate(("ground", "aerial"))}
        for anchor, other in (("ground", "aerial"), ("aerial", "ground")):
            for each in towers.values():
                each.zero_grad()
            ends = max(gradients(towers[anchor], towers[other])) == 0
            assert ends == (dead == other)


def test_a_frozen_trunk_trains_from_the_named_layer_on():
    trunk = small_trunk()
    for at, expected in (("block4", {"block4"}), ("", set()), (None, {f"block{i}" for i in range(1, 5)})):
        freeze(trunk, at)
        assert {name.split(".")[0] for name, weights in trunk.named_parameters() if weights.requires_grad} == expected
    with pytest.raises(ValueError, match="'layer4': no such layer; the trunk begins with 'block1"):
        freeze(trunk, "layer4")


def test_channels_are_exchanged_in_training_alone():
    network = build("conv4", size=32, bgr=True)
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    plain = build("conv4", size=32)
    assert torch.equal(network.prepare(images), plain.prepare(images))
    assert torch.equal(network.prepare(images, training=True), plain.prepare(images.flip(1)))


def test_layers_that_start_as_keras_starts_them():
    """Within √(6 / (inputs + outputs)), by far not all within PyTorch's 1 / √inputs, and no biases."""
    head = build("conv4", size=32, glorot=True).ground.head
    weights, bias = head.fc1[1].weight.detach(), head.fc1[1].bias
    assert float(weights.abs().max()) == pytest.approx(np.sqrt(6 / (2048 + 512)), rel=1e-3)
    assert float(weights.abs().max()) <= np.sqrt(6 / (2048 + 512))
    assert not bias.any()


def test_cvm_net_without_its_projection_gives_netvlad_s_output():
    network = build("cvm-net-i", size=32, projection=False)
    assert network.embedding_dim == 64 * 512
    assert [name for name, _ in network.ground.head.named_children()] == ["netvlad"]
