"""Batches of neighbours: who comes with whom, and who never does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from noise import Noise

from cvig.datasets.world import WorldViews
from cvig.models import build
from cvig.training import fit
from cvig.training.batches import EpochBatches
from cvig.training.continuation import KeepEpochs
from cvig.training.recipes import SAMPLE4GEO
from cvig.training.sampling import NeighbourBatches, Neighbours, alike, at_odds, batches_for, near_by

SMALL = replace(SAMPLE4GEO, mine_every=2, neighbours=4, neighbour_range=8)


class Overlapping(Noise):
    """Views on a line, ten metres apart, each tile of which is neither right nor wrong for the two beside it."""

    def __init__(self, count: int = 60, each: int = 1):
        super().__init__(count)
        self.places = self.positives = np.arange(count) // each
        self.gallery_count = count // each
        self.coordinate_unit = "metres"
        self.coordinates = np.stack([10.0 * self.places, 0.0 * self.places], axis=1) + 1000
        tiles = np.arange(self.gallery_count)
        self.ignored = [np.setdiff1d(tiles[abs(tiles - place) <= 2], place) for place in self.places]


BY_PLACE = replace(SMALL, mine_every=0)


def batches(data, size=6, epoch=0, recipe=BY_PLACE):
    near = Neighbours(data, recipe, size, lambda: pytest.fail("nothing is mined"))
    return NeighbourBatches(data, size, 0, lambda: epoch, near)


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize("recipe", [BY_PLACE, replace(BY_PLACE, geographic=False)], ids=["near", "random"])
def test_no_negative_answers_a_query_of_its_batch_or_is_neither_right_nor_wrong(each, recipe):
    data = Overlapping(each=each)
    for epoch in range(5):
        found = list(batches(data, recipe=recipe, epoch=epoch))
        assert found
        for batch in found:
            for view in batch:
                barred = {*data.ignored[view].tolist(), int(data.positives[view])}
                assert not barred & {data.partner(other) for other in batch if other != view}


def test_a_view_comes_once_an_epoch_and_batches_are_full():
    for epoch in range(5):
        found = list(batches(Overlapping(), epoch=epoch))
        views = [view for batch in found for view in batch]
        assert len(set(views)) == len(views)
        assert {len(batch) for batch in found} == {6}
        assert len(views) >= 48
    assert list(batches(Overlapping(), epoch=1)) != list(batches(Overlapping(), epoch=2))
    assert list(batches(Overlapping(), epoch=1)) == list(batches(Overlapping(), epoch=1))


def test_the_first_batch_of_an_epoch_is_one_view_its_nearest_half_and_others_of_the_next():
    """Of the eight nearest that go with it, the four that it brings are the two nearest and two of the other six."""
    data = Overlapping()
    rows = near_by(data.coordinates, "metres", at_odds(data), 8)
    for epoch in range(20):
        seed, *brought = next(iter(batches(data, size=5, epoch=epoch)))
        near = rows[seed].tolist()
        assert brought[0] == near[0]
        own = [view for view in brought if view in near]  # what is at odds with one before stays away
        assert len(own) >= 2
        assert sum(view in near[2:] for view in own) <= 2


def test_neighbours_on_the_ground_are_those_of_the_coordinates():
    data = Overlapping()
    rows = near_by(data.coordinates, "metres", at_odds(data), 4)
    assert set(rows[30].tolist()) == {27, 33, 26, 34}
    # degrees: one of longitude is shorter than one of latitude at 60° north
    degrees = np.array([[60.0, 10.0], [60.0, 11.0], [60.8, 10.0], [61.5, 10.0]])
    assert near_by(degrees, "degrees", [set() for _ in range(4)], 2)[0].tolist() == [1, 2]


def test_alike_are_the_tiles_with_the_largest_cosine():
    rng = np.random.default_rng(0)
    ground, tiles = (rng.normal(size=(30, 8)).astype(np.float32) for _ in range(2))
    odds = [set() for _ in range(30)]
    odds[0] = {3, 4}
    cosine = (ground / np.linalg.norm(ground, axis=1, keepdims=True)) @ (
        tiles / np.linalg.norm(tiles, axis=1, keepdims=True)
    ).T
    expected = [i for i in np.argsort(-cosine[0]).tolist() if i not in (0, 3, 4)][:5]
    assert alike(ground, tiles, odds, 5)[0].tolist() == expected


def test_views_are_mined_anew_after_so_many_epochs():
    data, asked = Overlapping(), []

    def embed():
        asked.append(1)
        return (np.random.default_rng(len(asked)).normal(size=(60, 4)).astype(np.float32),) * 2

    near = Neighbours(data, SMALL, 6, embed)
    by_place = near.of(0)
    assert near.of(1) is by_place
    mined = near.of(2)
    assert len(asked) == 1
    assert not np.array_equal(mined, by_place)
    assert near.of(3) is near.of(2) is mined
    assert not np.array_equal(near.of(4), mined)
    other = Neighbours(data, SMALL, 6, lambda: pytest.fail("it was kept"))
    other.state = near.state
    assert np.array_equal(other.of(5), near.rows)


def test_data_with_tiles_that_are_neither_right_nor_wrong_are_sampled_with_care_by_every_recipe():
    plain = replace(SMALL, geographic=False, mine_every=0)
    near = Neighbours(Overlapping(), plain, 6, lambda: None)
    assert isinstance(batches_for(Overlapping(), plain, 6, 0, lambda: 0, near), NeighbourBatches)
    assert type(batches_for(Noise(), plain, 6, 0, lambda: 0, near)) is EpochBatches
    with pytest.raises(ValueError, match="batch of 40 of 60 pairs of noise/0: no so many go together"):
        list(batches(Overlapping(), size=40))


def test_a_training_that_mines_goes_on_to_the_same_end(tmp_path):
    """What was mined is kept with the weights: the network of that time is gone."""
    ends = []
    for name, stops in (("whole", ()), ("cut", (3,))):
        epochs = {}
        for until in (*stops, 5):
            network = build("conv4-layernorm", size=32, unit_norm=True, pool=1, projection=False, shared=True)
            keep = KeepEpochs(tmp_path / name, {}, every=0)

            def report(row, until=until):
                if row["epoch"] > until:
                    raise InterruptedError

            try:
                epochs, _ = fit(
                    network, SMALL, Overlapping(), Noise(8, seed=1), epochs=5, batch=6, bf16=False, keep=keep, report=report
                )
            except InterruptedError:
                assert until == 3
        ends.append((epochs.loss.tolist(), [p.clone() for p in network.parameters()]))
    assert ends[0][0] == ends[1][0]
    assert all(torch.equal(a, b) for a, b in zip(ends[0][1], ends[1][1], strict=True))


def test_the_world_s_overlapping_tiles_are_no_negatives():
    data = WorldViews("train", size=8, count=40, spacing=24, ignore_overlap=0.3)
    assert max(map(len, data.ignored)) > 2
    for batch in batches(data, size=4):
        where = data.coordinates[batch]
        apart = np.maximum(128 - abs(where[:, None] - where), 0).prod(2) / 128**2
        assert (apart[~np.eye(4, dtype=bool)] <= 0.3).all()


def test_no_number_of_a_gradient_is_larger_than_the_recipe_allows():
    """In bfloat16 too, where the trainer would refuse a fused optimizer."""
    kept = {}
    for clip in (0.0, 1e-6):
        network = build("conv4-layernorm", size=32, unit_norm=True, pool=1, projection=False, shared=True)
        recipe = replace(SMALL, clip=clip, mine_every=0, geographic=False)
        fit(network, recipe, Noise(8), Noise(4, seed=1), epochs=1, batch=8, bf16=True)
        kept[clip] = max(p.grad.abs().max() for p in network.parameters() if p.grad is not None)
    assert kept[1e-6] <= 1e-6 < kept[0.0]
