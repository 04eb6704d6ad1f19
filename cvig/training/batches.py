"""Batches of pairs, shuffled anew each epoch, and the augmentation of aerial images."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch

from cvig.datasets import PairedViews
from cvig.datasets.geometry import crop_resize, random_crop_boxes
from cvig.training import processes
from cvig.training.recipes import Recipe


def check_batch(data: PairedViews, batch: int, together: int) -> None:
    """Raise ValueError where `data` cannot be cut into batches of `batch` pairs, shared by `together` processes."""
    if batch > len(data):
        raise ValueError(f"batch of {batch} is larger than the {len(data)} pairs of {data.name}")
    if batch < 2:
        raise ValueError(f"batch of {batch}: expected at least 2, for a pair needs others to differ from")
    if batch % together:
        raise ValueError(f"batch of {batch} for {together} processes: expected a multiple of their number")


class EpochBatches:
    """Batches of shuffled indices; each epoch has its own order and, where the data has them, its own views.

    Views of one place answer each other's aerial image, so they must not be negatives in one batch: an epoch takes one view
    of every place before it takes a second one. Only a batch where such rounds meet can hold two views of a place.

    Of several processes each takes its share of every batch, in the order of the ranks.

    An epoch's views are set before the first batch is asked for, so worker processes see them too.
    """

    def __init__(self, data: PairedViews, batch: int, seed: int, epoch: Callable[[], int]):
        check_batch(data, batch, processes.count())
        self.data, self.batch, self.seed, self.epoch = data, batch, seed, epoch

    def __len__(self) -> int:
        return len(self.data) // self.batch

    def __iter__(self) -> Iterator[list[int]]:
        epoch = self.epoch()
        self.data.set_epoch(epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.data))
        turn = pd.Series(order).groupby(self.data.places[order]).cumcount()
        order = order[np.argsort(turn.to_numpy(), kind="stable")]
        own = processes.share(self.batch)
        return iter(order[: len(self) * self.batch].reshape(-1, self.batch)[:, own.start : own.stop].tolist())


def augment(aerial: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Crop and turn a batch of square aerial tiles as `recipe` asks: uint8 [B, 3, S, S] in and out.

    The tiles are this process's share of a batch, for all of which chance is drawn in every process.
    """
    whole = len(aerial) * processes.count()
    own = processes.share(whole)
    if recipe.crop_min < 1:
        boxes = random_crop_boxes(whole, generator, recipe.crop_min)[own.start : own.stop].to(aerial.device)
        aerial = crop_resize(aerial, boxes, tuple(aerial.shape[2:]))
    if recipe.quarter_turns:
        turns = torch.randint(4, (whole, 1, 1, 1), generator=generator)[own.start : own.stop].to(aerial.device)
        upright = aerial
        for turn in range(1, 4):
            aerial = torch.where(turns == turn, upright.rot90(turn, (2, 3)), aerial)
    return aerial
