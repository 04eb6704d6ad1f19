"""A gallery that repeats the aerial image of a place for each of its views, as the paper's public code stores it."""

import numpy as np
import torch

from cvig.datasets.base import PairedViews
from cvig.files import digest


class RepeatedTiles(PairedViews):
    """Another data set with one gallery row a ground view: views of one place bring exact copies of one aerial image.

    Parameters
    ----------
    source : PairedViews
    """

    def __init__(self, source: PairedViews):
        self.source, self.name = source, source.name
        self.places, self.coordinates = source.places, source.coordinates
        self.aligned, self.polar = source.aligned, source.polar
        self.gallery_count = source.ground_count
        self.positives = np.arange(source.ground_count)

    @property
    def digest(self) -> str:
        """Not that of the views it repeats: its gallery is another, and so is the test crop of its copies."""
        return digest("repeated", self.source.digest)

    def set_epoch(self, epoch: int) -> None:
        """Draw the fresh views of `epoch`."""
        self.source.set_epoch(epoch)

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, W]."""
        return self.source.ground_image(index)

    def aerial_image(self, row: int) -> torch.Tensor:
        """The aerial image of ground view `row`: uint8 [3, H, W]."""
        return self.source.aerial_image(self.source.partner(row))
