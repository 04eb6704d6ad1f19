"""Binary codes, packed or not, as rows of bits: their Euclidean order is that of the Hamming distance, and exact."""

import numpy as np

from cvig.ranking.ranks import as_rows

FEW = 64  # rows that mostly show whether there are more than two values


def _values(rows: np.ndarray) -> np.ndarray:
    """The values of the rows, or of the first of them where these are more than two already."""
    some = np.unique(rows[:FEW])
    return some if len(some) > 2 else np.unique(rows)


def as_bits(query: np.ndarray, gallery: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sides as rows of 0 and 1, uint8.

    Parameters
    ----------
    query, gallery : arrays [Q, W], [N, W]
        Unsigned integers whose bits are packed, as ``np.packbits`` gives them; or numbers of two values in all, such as
        -1 and 1, which stand for a bit each.

    Raises
    ------
    ValueError
        Other numbers, or two types.

    Examples
    --------
    >>> as_bits(np.array([[5], [2]], np.uint8), np.array([[255]], np.uint8))[0]
    array([[0, 0, 0, 0, 0, 1, 0, 1],
           [0, 0, 0, 0, 0, 0, 1, 0]], dtype=uint8)
    """
    query, gallery = as_rows(query, "query"), as_rows(gallery, "gallery")
    values = np.union1d(_values(query), _values(gallery))
    if len(values) <= 2:
        return tuple((rows == values[-1]).view(np.uint8) for rows in (query, gallery))
    for name, rows in (("query", query), ("gallery", gallery)):
        if rows.dtype.kind != "u":
            raise ValueError(
                f"{name} of type {rows.dtype} with more than two values, such as {values[0]:g}, {values[1]:g} and "
                f"{values[2]:g}: binary codes are unsigned integers of packed bits, or rows of two values"
            )
    if query.dtype != gallery.dtype:
        raise ValueError(f"query of type {query.dtype}, gallery of type {gallery.dtype}: expected one type of packed bits")
    return tuple(np.unpackbits(np.ascontiguousarray(rows).view(np.uint8), axis=1) for rows in (query, gallery))
