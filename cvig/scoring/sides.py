"""The embeddings of both sides of a case."""

import numpy as np

from cvig.ranking import as_bits, as_rows
from cvig.reading.embeddings import Embeddings, read_embeddings
from cvig.scoring.options import Options


def read_side(options: Options, side: str) -> Embeddings:
    """The embeddings of one side, finite and two-dimensional."""
    place = getattr(options, side)
    found = read_embeddings(place, side, dimensions=options.dim, layout=options.layout)
    return Embeddings(as_rows(found.rows, f"{side} '{place}'"), found.names, found.labels, found.said)


def read_sides(options: Options) -> tuple[Embeddings, Embeddings]:
    """The embeddings of queries and gallery; of binary codes their bits.

    Raises
    ------
    ValueError
        Different dimensions, or codes that are none.
    """
    query, gallery = (read_side(options, side) for side in ("query", "gallery"))
    (count, width), (rows, other) = query.rows.shape, gallery.rows.shape
    if width != other:
        turned = count == rows and options.layout == "auto"
        hint = "; if the files hold columns [D, N], say --layout columns" if turned else ""
        raise ValueError(f"query has {width} dimensions, gallery {other}: expected the same number{hint}")
    if options.similarity != "hamming":
        if query.rows.dtype == gallery.rows.dtype == np.uint8 and max(query.rows.max(), gallery.rows.max()) > 1:
            gallery.said.append(
                "uint8, as are the queries, ranked as numbers; if they are packed binary codes (np.packbits), say "
                "--similarity hamming"
            )
        return query, gallery
    bits = as_bits(query.rows, gallery.rows)
    said = [f"{bits[0].shape[1]} bits a row"]
    return tuple(
        Embeddings(rows, side.names, side.labels, side.said + said)
        for rows, side in zip(bits, (query, gallery), strict=True)
    )
