"""Batches of pairs in a new order each epoch."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from cvig.datasets import PairedViews
from cvig.training import processes


def check_batch(data: PairedViews, batch: int, together: int) -> None:
    """Raise ValueError where `data` cannot be cut into batches of `batch` pairs, shared by `together` processes."""
    if batch > len(data):
        raise ValueError(f"batch of {batch} is larger than the {len(data)} pairs of {data.name}")
    if batch < 2:
        raise ValueError(f"batch of {batch}: expected at least 2, for a pair needs others to differ from")
    if batch % together:
        raise ValueError(f"batch of {batch} for {together} processes: expected a multiple of their number")


class EpochBatches:
    """Batches of indices of ground views, in an order that is shuffled anew for each epoch.

    Views of one place have the same aerial image as their answer, so they must not be negatives of each other in one batch.
    An epoch therefore takes one view of every place before it takes a second view of any place. Only a batch at the border
    of two such rounds can hold two views of a place. Views that do not fill a last batch are left out of the epoch.

    If several processes train together, each takes its share of every batch, in the order of their ranks.

    Iterating also sets the epoch's views (`PairedViews.set_epoch`) before the first batch, so that worker processes, which
    are started afterwards, see them.

    Parameters
    ----------
    data : PairedViews
    batch : int
        Pairs in a batch, of all processes together.
    seed : int
        Seed of the order.
    epoch : callable
        Called without arguments at the start of each epoch; gives the epoch's number, from 0.

    Raises
    ------
    ValueError
        As `check_batch` raises it.
    """

    def __init__(self, data: PairedViews, batch: int, seed: int, epoch: Callable[[], int]):
        check_batch(data, batch, processes.count())
        self.data, self.batch, self.seed, self.epoch = data, batch, seed, epoch

    def __len__(self) -> int:
        return len(self.data) // self.batch

    def __iter__(self) -> Iterator[list[int]]:
        epoch = self.epoch()
        self.data.set_epoch(epoch)
        own = processes.share(self.batch)
        return iter(self.order(epoch).reshape(-1, self.batch)[:, own.start : own.stop].tolist())

    def order(self, epoch: int) -> np.ndarray:
        """The batches of an epoch, one after another: int64 [batches · batch]."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.data))
        turn = pd.Series(order).groupby(self.data.places[order]).cumcount()
        return order[np.argsort(turn.to_numpy(), kind="stable")][: len(self) * self.batch]
