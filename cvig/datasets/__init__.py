"""Data sets of paired ground and aerial views, all behind one contract (`PairedViews`)."""

from difflib import get_close_matches
from importlib import import_module

from cvig.datasets.base import PairedViews
from cvig.datasets.cache import CachedViews
from cvig.datasets.crops import OPTIONS, PANORAMAS, of_panoramas
from cvig.datasets.wrappers import KeptViews, RepeatedTiles

__all__ = ["DATASETS", "SPLITS", "PairedViews", "load"]

DATASETS = {
    "world": "cvig.datasets.world",
    "flat": "cvig.datasets.flat",
    "cvusa": "cvig.datasets.cvusa",
    "cvusa_full": "cvig.datasets.cvusa_full",
    "cvact": "cvig.datasets.cvact",
    "vigor": "cvig.datasets.vigor",
    "university": "cvig.datasets.university",
    "witw": "cvig.datasets.witw",
}
SPLITS = ("train", "val", "test")


def load(
    data: str,
    root: str | None = None,
    split: str = "train",
    *,
    cache: str = "",
    keep: str = "",
    duplicates: bool = False,
    **options,
) -> PairedViews:
    """Open one split of a data set.

    Parameters
    ----------
    data : str
        A key of `DATASETS`. ``"world"`` is rendered and needs no files; all others are read from files below `root`.
    root : str, optional
        Folder of the data set.
    split : {"train", "val", "test"}
    cache : str
        Folder for decoded images (`cvig.datasets.cache`), or for the world's rendered ones; those that it lacks are made.
        Empty: no cache.
    keep : str
        A list of the training photographs to keep, as the filter writes it; empty: keep all. It changes the training split
        alone.
    duplicates : bool
        Repeat an aerial image in the gallery for each of its ground views, as the paper's public code does.
    **options
        Options of the data set's own ``load``, such as ``size`` in pixels. Data sets of panoramas also take those of
        `cvig.datasets.crops.PanoramaViews`: ``views="four"`` gives the paper's four 90° views of each panorama.

    Raises
    ------
    ValueError
        Unknown data set, split or option.
    FileNotFoundError
        A folder or file that is missing; the message names it.

    Examples
    --------
    >>> views = load("world", split="test", count=8, size=32, spacing=16)
    >>> views.ground_count, views.gallery_count, tuple(views.ground_image(0).shape)
    (8, 8, (3, 32, 32))
    """
    if data not in DATASETS:
        close = get_close_matches(data, DATASETS, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise ValueError(f"unknown data set '{data}': expected one of {', '.join(DATASETS)}{hint}")
    if split not in SPLITS:
        raise ValueError(f"unknown split '{split}' of data set '{data}': expected one of {', '.join(SPLITS)}")
    if data != "world" and not root:
        raise ValueError(f"data set '{data}' lies in a folder: give its root (-p root FOLDER)")
    if data == "world" and cache:
        options["cache"], cache = cache, ""  # it has no files, and keeps each epoch's views by itself
    cut = {name: options.pop(name) for name in OPTIONS if data in PANORAMAS and name in options}
    for name in ("views", "polar"):
        if name in options:
            raise ValueError(f"option '{name}' of data set '{data}': only the panoramas of {', '.join(PANORAMAS)} have it")
    views = import_module(DATASETS[data]).load(root or None, split, **options)
    if keep and split == "train":
        views = KeptViews(views, keep)
    if data in PANORAMAS:
        views = of_panoramas(data, views, cut)
    views = CachedViews(views, cache) if cache else views
    return RepeatedTiles(views) if duplicates else views
