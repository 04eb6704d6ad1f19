"""Ground views of a limited field of view, cut from panoramas: what one photograph shows of a turn."""

import numpy as np
import torch

from cvig.datasets.base import PairedViews
from cvig.datasets.wrappers import Wrapper
from cvig.files import digest


class LimitedFields(Wrapper):
    """Another data set whose ground views are panoramas of a full turn, of which each query shows a part.

    Parts are cut without projection, as wide as they are, as limited fields of view are tested in the field (Shi et al.
    2020, *Where am I looking at?*; `LimitedFoV` of ConGeo). Networks whose head pools take them.

    Parameters
    ----------
    source : PairedViews
        Its ground views have north, or another direction that all share with the tiles, in the middle.
    fov : float
        Degrees that a view shows, above 0 and at most 360.
    turned : bool
        The middle of each view looks in a direction drawn once from `seed`, unknown to the network; else to the north.
    """

    def __init__(self, source: PairedViews, fov: float, *, turned: bool, seed: int = 0):
        if not 0 < fov <= 360:
            raise ValueError(f"fov {fov}: expected degrees above 0 and at most 360")
        super().__init__(source)
        self.fov, self.turned, self.seed = float(fov), turned, seed
        self.name = f"{source.name}/{fov:g}{'-turned' if turned else ''}"
        draw = np.random.default_rng(seed).random(source.ground_count)
        self.heading = 360 * (draw - 0.5) if turned else np.zeros(source.ground_count)

    @property
    def digest(self) -> str:
        """Digest of the panoramas, and of what is cut from them."""
        return digest(self.source.digest, *map(str, (self.fov, self.turned, self.seed)))

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, columns], the same number of columns in all."""
        panorama = self.source.ground_image(index)
        width = panorama.shape[2]
        columns = max(1, round(self.fov / 360 * width))
        first = round(width * (0.5 + self.heading[index] / 360) - columns / 2)
        return panorama.roll(-first, dims=2)[:, :, :columns]
