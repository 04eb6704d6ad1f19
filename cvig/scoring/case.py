"""A case for ``cvig score``: embeddings or a matrix, and what answers each query, read and looked over."""

from dataclasses import dataclass, field

import numpy as np

from cvig.reading import vigor
from cvig.reading.forms import Reader, read_list, read_truth
from cvig.reading.parts import as_array
from cvig.reading.truth import Truth, from_diagonal, from_labels
from cvig.scoring.doubts import ask_if_turned, ask_if_vigor, look_for_own_rows
from cvig.scoring.options import Options
from cvig.scoring.sides import read_sides


@dataclass
class Case:
    """What is to be scored.

    Attributes
    ----------
    query, gallery : arrays [Q, D], [N, D], optional
        None where a matrix is given.
    matrix : array [Q, N], optional
    truth : Truth
        Of the queries that are scored.
    ignored, semi : Truth, optional
    kept : int64 array [Q]
        Which queries of the files these are.
    lost : int
        Queries without an answer that count as lost, beside those scored.
    given : int
        Queries of the files.
    places : array [Q], optional
    coordinates : (query [Q, 2], gallery [N, 2], unit), optional
    where : float64 array [Q, 2], optional
        Where all queries of the files are, in metres.
    said : list of str
        What was understood, a line each.
    notes : list of str
    """

    query: np.ndarray | None
    gallery: np.ndarray | None
    matrix: np.ndarray | None
    truth: Truth
    ignored: Truth | None = None
    semi: Truth | None = None
    kept: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    lost: int = 0
    given: int = 0
    places: np.ndarray | None = None
    coordinates: tuple | None = None
    where: np.ndarray | None = None
    names: tuple = (None, None)
    said: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int]:
        """Queries and gallery rows."""
        return self.matrix.shape if self.matrix is not None else (len(self.query), len(self.gallery))

    @property
    def is_paired(self) -> bool:
        """Whether row i of the gallery, and no other, answers query i."""
        pairs = self.truth.pairs
        square = self.truth.queries == self.truth.gallery == len(pairs) and self.lost == 0
        return square and self.ignored is None and bool((pairs[:, 0] == pairs[:, 1]).all())


def read_case(options: Options) -> Case:
    """Read all files of a call.

    Raises
    ------
    ValueError
        Whatever cannot be read, or could be read in two ways; the message names the option that settles it.
    """
    case = _read_matrix(options) if options.matrix is not None else _read_embeddings(options)
    case.given = case.truth.queries
    case.said.append(case.truth.said())
    if options.query_coordinates is not None and case.where is None:
        case.where = _read_where(options, case.given)
    if options.places is not None:
        case.places = _read_places(options.places, case.given)
    _read_others(case, options)
    answered = np.flatnonzero(case.truth.counts)
    missing = case.given - len(answered)
    if len(answered) == 0:
        raise ValueError(f"none of the {case.given} queries has an answer in the gallery")
    if missing:
        wrong = options.unanswered == "wrong"
        verb = "count as lost" if wrong else "are left out; --unanswered wrong counts them as lost"
        case.said.append(f"{missing} of {case.given} queries have no answer in the gallery and {verb}")
        case.lost = missing if wrong else 0
    _keep(case, answered)
    return case


def _reader(options: Options, case: Case, what: str) -> Reader:
    names = [
        own if place is None else list(map(str, read_list(place, f"{side} names")))
        for side, place, own in zip(
            ("query", "gallery"), (options.query_names, options.gallery_names), case.names, strict=True
        )
    ]
    for side, known, size in zip(("query", "gallery"), names, case.shape, strict=True):
        if known is not None and len(known) != size:
            raise ValueError(f"{len(known)} {side} names: expected one for each of {size} rows")
    return Reader(
        *case.shape, what=what, form=options.form, first_row=options.first_row, query_names=names[0], gallery_names=names[1]
    )


def _read_truth(options: Options, case: Case, labels: tuple) -> Truth:
    """What answers each query, by the way that the options name."""
    queries, gallery = case.shape
    if options.positives == "diagonal":
        return from_diagonal(queries, gallery)
    if options.positives is not None:
        return read_truth(options.positives, _reader(options, case, "positives"))
    if options.query_labels is not None:
        given = (read_list(place, "labels") for place in (options.query_labels, options.gallery_labels))
        return from_labels(*given, queries, gallery)
    if options.radius is not None:
        return _read_within(options, case)
    if all(x is not None for x in labels):
        return from_labels(*labels, queries, gallery)
    if labels[0] is not None and not np.array_equal(labels[0], np.arange(queries)):
        raise ValueError(
            "labels lie beside the queries and none beside the gallery: give them as --positives if they are numbers of "
            "gallery rows, --query-labels with --gallery-labels if they name places, or --positives diagonal if row i "
            "answers query i"
        )
    return from_diagonal(queries, gallery)


def _read_within(options: Options, case: Case) -> Truth:
    from cvig.reading.coordinates import on_a_plane, read_coordinates, settle_unit, within_radius

    (query, said), (gallery, other) = (
        read_coordinates(place, side)
        for place, side in ((options.query_coordinates, "query"), (options.gallery_coordinates, "gallery"))
    )
    if (len(query), len(gallery)) != case.shape:
        raise ValueError(f"coordinates of {len(query)} queries and {len(gallery)} gallery rows: expected {case.shape}")
    if said != other and said is not None and other is not None:
        raise ValueError(f"coordinates of the queries are {said}, of the gallery {other}: expected one kind")
    asked = options.coordinates if options.coordinates != "auto" else said or other or "auto"
    unit = settle_unit(query, gallery, asked, options.radius)
    case.coordinates, case.where = (query, gallery, unit), on_a_plane(query, unit)
    return within_radius(query, gallery, options.radius, unit)


def _read_where(options: Options, queries: int) -> np.ndarray:
    """Where the queries are, in metres, when that is not what says which gallery rows answer."""
    from cvig.reading.coordinates import on_a_plane, read_coordinates, settle_unit

    points, said = read_coordinates(options.query_coordinates, "query")
    if len(points) != queries:
        raise ValueError(f"coordinates of {len(points)} queries: expected one for each of {queries}")
    asked = options.coordinates if options.coordinates != "auto" else said or "auto"
    return on_a_plane(points, settle_unit(points, points, asked, 0))


def _read_embeddings(options: Options) -> Case:
    sides = read_sides(options)
    query, gallery = (side.rows for side in sides)
    said = [f"{name}: {line}" for name, side in zip(("query", "gallery"), sides, strict=True) for line in side.said]
    case = Case(query, gallery, None, None, names=tuple(side.names for side in sides), said=said)
    if options.layout == "auto":
        case.notes += ask_if_turned(query, gallery)
    try:
        case.truth = _read_truth(options, case, tuple(side.labels for side in sides))
    except ValueError as error:
        if options.layout == "auto" and "expected one entry for each of" in str(error):
            expected = f"{query.shape[1]}"
            if f" of {expected} queries" in str(error):
                raise ValueError(
                    f"{error}; as many as query has columns: if these are its rows, say --layout columns"
                ) from error
        raise
    look_for_own_rows(case, options.own_row)
    return case


def _read_matrix(options: Options) -> Case:
    from cvig.reading.containers import read_content

    content = read_content(options.matrix, "matrix")
    if hasattr(content, "tocoo"):
        raise ValueError(f"matrix '{options.matrix}' is sparse: what it leaves out has no number; give it dense")
    matrix = as_array(content)
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiu":
        raise ValueError(
            f"matrix '{options.matrix}' of shape {matrix.shape} and type {matrix.dtype}: expected numbers [Q, N]"
        )
    matrix = matrix.T if options.layout == "columns" else matrix
    case = Case(None, None, matrix, None)
    case.truth = _read_truth(options, case, (None, None))
    case.said.append(f"matrix: {matrix.dtype} {list(matrix.shape)}, ranked as stored, {options.closer} is closer")
    return case


def _read_places(place: str, queries: int) -> np.ndarray:
    """The place that each query shows, numbered."""
    values = np.asarray(read_list(place, "places"))
    values = np.ravel(values) if 1 in values.shape else values
    if values.shape != (queries,):
        raise ValueError(f"places file '{place}' of shape {values.shape}: expected one for each of {queries} queries")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise ValueError(f"places file '{place}': {np.isnan(values).sum()} are NaN")
    return np.unique(values, return_inverse=True)[1]


def _read_others(case: Case, options: Options) -> None:
    """Ignored rows and semi-positives, less the answers."""
    if options.ignored is not None:
        found = read_truth(options.ignored, _reader(options, case, "ignored")).without(case.truth.pairs)
        case.said.append(found.said("ignored"))
        if case.ignored is not None:
            pairs = np.unique(np.concatenate([found.pairs, case.ignored.pairs]), axis=0)
            found = Truth(pairs, found.queries, found.gallery, found.origin)
        case.ignored = found
    if options.semi == "rest" or (options.semi is None and case.truth.origin == vigor.ORIGIN):
        case.truth, case.semi = case.truth.parted()
        case.said.append("semi-positives: all but the first gallery row of each query")
    elif options.semi not in (None, "none"):
        case.semi = read_truth(options.semi, _reader(options, case, "semi-positives")).without(case.truth.pairs)
        case.said.append(case.semi.said("semi-positives"))
    elif options.semi is None and options.ignored is None:
        ask_if_vigor(case.truth)


def _keep(case: Case, answered: np.ndarray) -> None:
    """Leave out the queries without an answer."""
    case.kept = answered
    if len(answered) == case.given:
        return
    case.truth = case.truth.of(answered)
    case.ignored = case.ignored and case.ignored.of(answered)
    case.semi = case.semi and case.semi.of(answered)
    if case.query is not None:
        case.query = case.query[answered]
    else:
        case.matrix = case.matrix[answered]
    if case.coordinates is not None:
        query, gallery, unit = case.coordinates
        case.coordinates = query[answered], gallery, unit
    if case.names[0] is not None:
        case.names = [case.names[0][i] for i in answered], case.names[1]
