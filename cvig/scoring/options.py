"""What ``cvig score`` was asked, with the defaults of its options."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of ``cvig score``, under their own names.

    Attributes
    ----------
    query, gallery : str, optional
        Embeddings, FILE or FILE:NAME.
    matrix : str, optional
        A matrix [Q, N] in their place, ranked as stored; `closer` says whether its "smaller" or "larger" numbers are closer.
    positives, query_labels, gallery_labels, query_coordinates, gallery_coordinates : str, optional
        The ground truth; none of them: labels that lie beside the embeddings, else row i answers query i.
    radius : float, optional
        Metres within which a gallery row answers; `coordinates` is the unit of the coordinates.
    ignored, semi : str, optional
        Rows that are neither right nor wrong; rows that are so in the hit rate alone ("rest": all positives but the first;
        "none": there are no such rows, where four positives a query look like VIGOR's labels).
    block_side : str, optional
        Metres of a square of ground that intervals and tests resample, or "measured"; needs coordinates of the queries,
        which may then stand without a radius.
    """

    query: str | None = None
    gallery: str | None = None
    matrix: str | None = None
    closer: str | None = None
    positives: str | None = None
    query_labels: str | None = None
    gallery_labels: str | None = None
    query_coordinates: str | None = None
    gallery_coordinates: str | None = None
    coordinates: str = "auto"
    radius: float | None = None
    query_names: str | None = None
    gallery_names: str | None = None
    ignored: str | None = None
    semi: str | None = None
    form: str = "auto"
    first_row: int | None = None
    unanswered: str = "leave-out"
    own_row: str = "ask"
    layout: str = "auto"
    dim: int | None = None
    similarity: str = "euclidean"
    places: str | None = None
    block_side: str | None = None
    k: Sequence[str] = ()
    ties: str = "pessimistic"
    compare: Sequence[str] = ()
    average_precision: bool = False

    @property
    def compared(self) -> str:
        """The similarity by which rows are compared once they are read: binary codes are rows of bits by then."""
        return "euclidean" if self.similarity == "hamming" else self.similarity

    def __post_init__(self) -> None:
        if self.matrix is None and (self.query is None or self.gallery is None):
            raise ValueError("--query and --gallery name the embeddings, or --matrix a matrix of distances or similarities")
        if self.matrix is not None:
            if self.query is not None or self.gallery is not None:
                raise ValueError("--matrix takes the place of --query and --gallery: give one or the other")
            if self.closer is None:
                raise ValueError(
                    "--matrix needs --closer smaller for distances, --closer larger for similarities: they look alike"
                )
        elif self.closer is not None:
            raise ValueError("--closer is of --matrix; what makes embeddings close is --similarity")
        alone = self.block_side is not None and self.gallery_coordinates is None and self.radius is None  # squares only
        if self.block_side is not None:
            from cvig.scoring.squares import read_side

            read_side(self.block_side)
            if self.query_coordinates is None:
                raise ValueError("--block-side needs --query-coordinates: squares of ground hold queries by where they are")
        ways = [
            ("--positives", self.positives, self.positives),
            ("--query-labels and --gallery-labels", self.query_labels, self.gallery_labels),
            ("--query-coordinates and --gallery-coordinates", self.query_coordinates, self.gallery_coordinates),
        ][: 2 if alone else 3]
        used = [name for name, one, other in ways if one is not None or other is not None]
        if len(used) > 1:
            raise ValueError(f"{' and '.join(used)} both say what answers: give one")
        for name, one, other in ways:
            if (one is None) != (other is None):
                raise ValueError(f"{name} belong together: one is missing")
        if not alone and (self.query_coordinates is not None) != (self.radius is not None):
            raise ValueError("--radius in metres and --query-coordinates with --gallery-coordinates belong together")
        if self.radius is not None and not 0 < self.radius < float("inf"):
            raise ValueError(f"--radius {self.radius}: expected metres, above 0")


def _kept(path: str) -> bool:
    """Whether what is written there replaces what was before; a device or a pipe takes both."""
    return not os.path.exists(path) or os.path.isfile(path)


def refuse_to_overwrite(options: Options, outputs: Mapping[str, object]) -> None:
    """ValueError where a file to be written is one that is read, by whatever name, or is written twice, or is a folder."""
    from cvig.reading.containers import split_place

    given = [options.query, options.gallery, options.matrix, options.positives, options.query_labels, options.gallery_labels]
    given += [options.query_coordinates, options.gallery_coordinates, options.query_names, options.gallery_names]
    given += [options.ignored, options.semi, options.places, *options.compare]
    read = [path for place in given if place for path in [split_place(place)[0]] if path.is_file()]
    written: dict[str, str] = {}
    for option, name in outputs.items():
        if name and str(name) != "-":
            if Path(str(name)).is_dir():
                raise ValueError(f"{option} '{name}' is a folder: expected the name of a file to write")
            target = os.path.realpath(str(name))
            if target in written and _kept(target):
                raise ValueError(f"{option} and {written[target]} both write '{name}': name two files")
            written[target] = option
        for path in read:
            if name and Path(str(name)).exists() and path.samefile(str(name)):
                raise ValueError(f"{option} '{name}' is '{path}', which is read: name another file")
