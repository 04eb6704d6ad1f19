"""What the filter kept, applied: a data set's ground views that a list names."""

from pathlib import Path

import numpy as np

from cvig.datasets.files import FileViews, Paths


def _is_listed(name: str, listed: set[str]) -> bool:
    parts = name.split("/")
    return any("/".join(parts[start:]) in listed for start in range(len(parts)))


def keep_listed(views: FileViews, path: str | Path) -> None:
    """Keep the ground views that a file lists, one name a line, as ``notebooks/filter.ipynb`` writes it; in place.

    A name is that of the file below the root, or its end from some folder on. The gallery stays whole.

    Raises
    ------
    ValueError
        The views are no files, or none of them is listed.
    FileNotFoundError
        There is no such list.
    """
    if not isinstance(views, FileViews):
        raise ValueError(f"option keep '{path}': the views of {views.name} are no files to keep or drop")
    if not Path(path).is_file():
        raise FileNotFoundError(f"option keep: no file '{path}'")
    listed = set(Path(path).read_text().splitlines()) - {""}
    rows = np.flatnonzero([_is_listed(name, listed) for name in views.ground.names])
    if len(rows) == 0:
        raise ValueError(
            f"'{path}': none of its {len(listed)} names is one of the {views.ground_count} views of {views.name}"
        )
    views.ground = Paths(views.ground.root, [views.ground.names[row] for row in rows])
    views.places = views.places[rows]
    for part in ("positives", "ignored", "coordinates"):
        values = getattr(views, part)
        if values is not None:
            setattr(views, part, values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows])
