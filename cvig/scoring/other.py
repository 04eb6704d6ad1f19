"""The other model of ``cvig score --compare``, on the same queries and gallery."""

import dataclasses
from pathlib import Path

import numpy as np

from cvig.ranking import Ranks
from cvig.scoring.case import Case
from cvig.scoring.options import Options
from cvig.scoring.queries import read_per_query
from cvig.scoring.ranked import rank_case
from cvig.scoring.sides import read_sides


def ranks_of_other(case: Case, options: Options) -> Ranks:
    """Ranks of the file that --per-query wrote for the other model, or of its embeddings.

    Raises
    ------
    ValueError
        Other queries, or another gallery.
    """
    places = list(options.compare)
    if len(places) > 2:
        raise ValueError(
            f"--compare {' '.join(places)}: expected one file of both sides, or one for the queries and one gallery"
        )
    if len(places) == 1 and Path(places[0]).suffix.lower() == ".csv":
        return _of_file(case, Path(places[0]))
    other = dataclasses.replace(options, query=places[0], gallery=places[-1], matrix=None, closer=None)
    query, gallery = (side.rows for side in read_sides(other))
    if (len(query), len(gallery)) != (case.given, case.truth.gallery):
        raise ValueError(
            f"--compare: {len(query)} queries and {len(gallery)} gallery rows, expected the same {case.given} and "
            f"{case.truth.gallery}"
        )
    query = query if len(case.kept) == case.given else query[case.kept]
    ways = {"similarity": options.compared, "closer": None, "every": options.average_precision}
    return rank_case(case, **ways, query=query, gallery=gallery)


def _of_file(case: Case, path: Path) -> Ranks:
    if not path.is_file():
        raise FileNotFoundError(f"--compare file '{path}' does not exist")
    queries, ranks = read_per_query(path)
    expected = np.arange(case.given) if case.lost else case.kept
    if not np.array_equal(queries, expected):
        raise ValueError(f"--compare file '{path}' holds {len(queries)} queries, expected the same {len(expected)}")
    return ranks
