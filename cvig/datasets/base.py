"""The contract of every data set of ground and aerial views."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from cvig.datasets.geometry import crop_resize


class PairedViews(Dataset):
    """Ground views (queries), a gallery of unique aerial images, and which rows answer which query.

    A subclass sets the attributes below and implements `ground_image` and `aerial_image`. A data set that changes part of
    another one is a subclass of `cvig.datasets.wrappers.Wrapper`. Indexing gives one training pair:
    ``{"ground": uint8 [3, H, W], "aerial": uint8 [3, H, W], "index": int, "place": int}``.

    Attributes
    ----------
    name : str
        The data set and its split, for readers: ``"world/test"``.
    positives : int64 array [ground_count], or a list of ground_count int64 arrays
        For each ground view the gallery rows that are right answers, as `cvig.ranking.exact_ranks` takes them. If a view has
        several, each of them is right, and training pairs the view with the first.
    ignored : list of ground_count int64 arrays, or None
        Gallery rows that are neither right nor wrong for a query (VIGOR's semi-positives).
    places : int64 array [ground_count]
        Views of one place share a number; intervals are resampled by place.
    coordinates : float64 array [ground_count, 2] or None
        Where each view was taken.
    coordinate_unit : {"degrees", "metres"}
        ``"degrees"``: coordinates are latitude and longitude. ``"metres"``: metres east and north.
    gallery_count : int
        Number of unique aerial images.
    digest : str
        Hexadecimal digest that changes when the data do.
    aligned : bool
        The middle of a ground view looks in the direction of the top of its aerial image, so that the aerial image must not
        be turned alone.
    polar : bool
        Aerial images are unrolled around their middle (`cvig.datasets.geometry.polar_transform`). They must be neither
        cropped nor turned as square tiles are.
    """

    name: str
    positives: np.ndarray | Sequence[np.ndarray]
    ignored: Sequence[np.ndarray] | None = None
    places: np.ndarray
    coordinates: np.ndarray | None = None
    coordinate_unit: str = "degrees"
    gallery_count: int
    digest: str
    aligned: bool = False
    polar: bool = False

    @property
    def ground_count(self) -> int:
        """Number of ground views (queries)."""
        return len(self.places)

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index` as uint8 [3, H, W]."""
        raise NotImplementedError

    def aerial_image(self, row: int) -> torch.Tensor:
        """Gallery row `row` as uint8 [3, H, W]."""
        raise NotImplementedError

    def cropped_aerial(self, row: int, box: torch.Tensor) -> torch.Tensor:
        """Gallery row `row` cropped to `box` (top, left, height, width, as fractions of the side) and scaled back."""
        tile = self.aerial_image(row)
        return crop_resize(tile[None], box[None], tuple(tile.shape[1:]))[0]

    def set_epoch(self, epoch: int) -> None:
        """Prepare the views of `epoch`, for data sets that draw new ones every epoch; others do nothing."""

    def partner(self, index: int) -> int:
        """The gallery row that training pairs with ground view `index`: the first of its positives."""
        return int(np.atleast_1d(self.positives[index])[0])

    def __len__(self) -> int:
        return self.ground_count

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < self.ground_count:
            raise IndexError(f"{self.name}: index {index} is outside its {self.ground_count} ground views")
        return {
            "ground": self.ground_image(index),
            "aerial": self.aerial_image(self.partner(index)),
            "index": int(index),
            "place": int(self.places[index]),
        }
