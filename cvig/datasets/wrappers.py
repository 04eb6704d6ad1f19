"""Data sets that wrap another one and change a part of it; everything else is passed on from the wrapped data set."""

from pathlib import Path

import numpy as np
import torch

from cvig.datasets.base import PairedViews
from cvig.datasets.files import FileViews
from cvig.datasets.paths import Paths
from cvig.files import digest


class _OfSource:
    """An attribute that is looked up in the wrapper's source at each use, unless the wrapper sets its own."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, wrapper, owner=None):
        return self if wrapper is None else getattr(wrapper.source, self.name)


class Wrapper(PairedViews):
    """A data set that passes everything on from `source`; a subclass defines what it changes.

    Parameters
    ----------
    source : PairedViews
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
        """Prepare the views of `epoch`."""
        self.source.set_epoch(epoch)


for _name in PairedViews.__annotations__:
    setattr(Wrapper, _name, _OfSource(_name))


class KeptViews(Wrapper):
    """A data set with those ground views alone that a list names; the gallery does not change.

    Parameters
    ----------
    source : FileViews
    path : path
        A text file of one name a line, as ``notebooks/filter.ipynb`` writes it. A name is a file's path below the root, or
        the last parts of that path.

    Raises
    ------
    ValueError
        The views are not files, or the list names none of them.
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
    """A data set whose gallery repeats an aerial image for each of its ground views, as the paper's public code does.

    Several views of one place have exact copies of one aerial image in the gallery. The right answer of each view is its own
    copy alone.
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
        """A digest that differs from the source's, because the gallery and its test crops differ."""
        return digest("repeated", self.source.digest)

    def aerial_image(self, row: int) -> torch.Tensor:
        """The aerial image of ground view `row`: uint8 [3, H, W]."""
        return self.source.aerial_image(self.source.partner(row))

    def cropped_aerial(self, row: int, box: torch.Tensor) -> torch.Tensor:
        """The aerial image of ground view `row` cropped to `box`: uint8 [3, H, W]."""
        return self.source.cropped_aerial(self.source.partner(row), box)
