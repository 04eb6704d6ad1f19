"""Pairs of noise, to be matched."""

import numpy as np
import torch

from cvig.datasets import PairedViews


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
