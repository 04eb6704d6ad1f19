"""Data sets made of another one: what they do not change is the other's."""

from pathlib import Path

import numpy as np
import torch

from cvig.datasets.base import PairedViews
from cvig.datasets.files import FileViews
from cvig.datasets.paths import Paths
from cvig.files import digest


class _OfSource:
    """An attribute that a wrapper has from its source as it is now, unless the wrapper sets its own."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, wrapper, owner=None):
        return self if wrapper is None else getattr(wrapper.source, self.name)


class Wrapper(PairedViews):
    """Another data set, of which a subclass changes a part.

    Parameters
    ----------
    source : PairedViews
        Has every attribute and method that the subclass does not define.
    """

    def __init__(self, source: PairedViews):
        self.source = source

    def __getattr__(self, name: str):
        if name == "source" or name.startswith("__"):  # not set yet, while a pickle is read
            raise AttributeError(name)
        return getattr(self.source, name)

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, W]."""
        return self.source.ground_image(index)

    def aerial_image(self, row: int) -> torch.Tensor:
        """Gallery row `row`: uint8 [3, H, W]."""
        return self.source.aerial_image(row)

    def cropped_aerial(self, row: int, box: torch.Tensor) -> torch.Tensor:
        """Gallery row `row` cropped to `box`: uint8 [3, H, W]."""
        return self.source.cropped_aerial(row, box)

    def set_epoch(self, epoch: int) -> None:
        """Draw the fresh views of `epoch`."""
        self.source.set_epoch(epoch)


for _name in PairedViews.__annotations__:
    setattr(Wrapper, _name, _OfSource(_name))


class KeptViews(Wrapper):
    """The ground views that a file lists, one name a line, as ``notebooks/filter.ipynb`` writes it; the gallery stays whole.

    A name is that of the file below the root, or its end from some folder on.

    Parameters
    ----------
    source : FileViews
    path : path
        The list.

    Raises
    ------
    ValueError
        The views are no files, or none of them is listed.
    FileNotFoundError
        There is no such list.
    """

    def __init__(self, source: PairedViews, path: str | Path):
        if not isinstance(source, FileViews):
            raise ValueError(f"option keep '{path}': the views of {source.name} are no files to keep or drop")
        if not Path(path).is_file():
            raise FileNotFoundError(f"option keep: no file '{path}'")
        super().__init__(source)
        listed = set(Path(path).read_text().splitlines()) - {""}
        self.rows = np.flatnonzero([_is_listed(name, listed) for name in source.ground.names])
        if len(self.rows) == 0:
            raise ValueError(
                f"'{path}': none of its {len(listed)} names is one of the {source.ground_count} views of {source.name}"
            )
        self.ground = Paths(source.ground.root, [source.ground.names[row] for row in self.rows])
        self.places = source.places[self.rows]
        self.positives, self.ignored, self.coordinates = (
            values[self.rows] if isinstance(values, np.ndarray) else values and [values[row] for row in self.rows]
            for values in (source.positives, source.ignored, source.coordinates)
        )

    @property
    def digest(self) -> str:
        """Digest of the source's files, and of the names that are kept."""
        return digest("kept", self.source.digest, *self.ground.names)

    def ground_image(self, index: int) -> torch.Tensor:
        """Ground view `index`: uint8 [3, H, W]."""
        return self.source.ground_image(self.rows[index])


def _is_listed(name: str, listed: set[str]) -> bool:
    parts = name.split("/")
    return any("/".join(parts[start:]) in listed for start in range(len(parts)))


class RepeatedTiles(Wrapper):
    """A gallery that repeats an aerial image for each of its ground views, as the paper's public code stores it.

    Views of one place bring exact copies of one aerial image, and each is answered by its own copy alone.
    """

    def __init__(self, source: PairedViews):
        super().__init__(source)
        self.gallery_count = source.ground_count
        self.positives = np.arange(source.ground_count)
        if source.ignored is not None:
            shown = np.array([source.partner(index) for index in range(source.ground_count)])
            self.ignored = [np.flatnonzero(np.isin(shown, rows)) for rows in source.ignored]

    @property
    def digest(self) -> str:
        """Not that of the source: the gallery is another, and so is the test crop of its copies."""
        return digest("repeated", self.source.digest)

    def aerial_image(self, row: int) -> torch.Tensor:
        """The aerial image of ground view `row`: uint8 [3, H, W]."""
        return self.source.aerial_image(self.source.partner(row))

    def cropped_aerial(self, row: int, box: torch.Tensor) -> torch.Tensor:
        """The aerial image of ground view `row` cropped to `box`: uint8 [3, H, W]."""
        return self.source.cropped_aerial(self.source.partner(row), box)
