"""Ground truth as an array of numbers: rows, a mask [Q, N], pairs, or TREC's qrels; what could be two of them is refused."""

import numpy as np

from cvig.reading.numbering import Numbering, whole
from cvig.reading.truth import Truth


def read_numbers(array: np.ndarray, numbering: Numbering, form: str) -> Truth:
    """The truth that an array of numbers holds; `form` as of `cvig.reading.forms.Reader`."""
    q, n, what = numbering.queries, numbering.gallery, numbering.what
    if array.ndim > 2:
        array = np.squeeze(array)
    if array.ndim == 2 and 1 in array.shape and q in (array.size, 1):
        array = array.reshape(q, -1)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"{what} of shape {array.shape}: expected an entry for each of {q} queries")
    if _is_mask(array, numbering, form):
        return _mask(array, numbering)
    turned = ""
    if array.ndim == 2 and len(array) != q and (array.shape[1] == q or len(array) == 2 < array.shape[1]):
        array, turned = array.T, " in columns"
    if form != "rows" and _is_trec(array, numbering, form):
        query, _, row, relevance = whole(array, what).T
        return numbering.paired(query[relevance > 0], row[relevance > 0], "qrels")
    if array.ndim == 2 and array.shape[1] == 2 and form != "rows":
        numbers = whole(array, what) if form == "pairs" or len(array) != q else None
        if numbers is None:
            _refuse_pairs_or_rows(array, numbering)
        elif form == "pairs" or (numbers.min() >= 0 and numbers[:, 0].max() <= q and numbers[:, 1].max() <= n):
            return numbering.paired(*numbers.T, "pairs of a query and a gallery row")
    if form == "pairs":
        raise ValueError(f"{what} of shape {array.shape}: pairs have two columns, query and gallery row")
    if len(array) != q:
        raise ValueError(f"{what} of {len(array)} queries: expected one entry for each of {q}")
    numbers = whole(array, what).reshape(q, -1)
    query = np.repeat(np.arange(q), numbers.shape[1])
    return numbering.rows(query, numbers.ravel(), f"row numbers{turned}")


def read_sparse(matrix: object, numbering: Numbering) -> Truth:
    """The truth that a sparse mask of SciPy's holds: what it does not store does not answer."""
    table = matrix.tocoo()
    if table.nnz and not np.isin(table.data, (0, 1)).all():
        wrong = table.data[~np.isin(table.data, (0, 1))][0]
        raise ValueError(f"{numbering.what}, a sparse matrix that holds {wrong:g}: expected a mask of 0 and 1")
    marked = table.data != 0
    shape, pairs = (numbering.queries, numbering.gallery), (table.row[marked], table.col[marked])
    turned = table.shape != shape and table.shape == shape[::-1]
    if not turned and table.shape != shape:
        raise ValueError(f"{numbering.what}, a sparse mask of shape {table.shape}: expected {shape}, a row a query")
    return numbering.truth(*(pairs[::-1] if turned else pairs), f"a sparse mask{', transposed' if turned else ''}")


def _is_trec(array: np.ndarray, numbering: Numbering, form: str) -> bool:
    """Whether four columns are TREC's qrels: query, 0, gallery row and relevance."""
    if array.ndim != 2 or array.shape[1] != 4 or np.any(array[:, 1] != 0) or not np.isin(array[:, 3], (0, 1, 2, 3)).all():
        return False
    if len(array) == numbering.queries and form != "pairs":
        raise ValueError(
            f"{numbering.what} have four columns, the second 0: qrels of query, 0, gallery row and relevance, which --form "
            "pairs says, or four gallery rows for each query, which --form rows says"
        )
    return True


def _is_mask(array: np.ndarray, numbering: Numbering, form: str) -> bool:
    """Whether an array is a mask by its type, or by its zeros and ones and its shape."""
    if form != "auto" or array.dtype == bool:
        return form in ("auto", "mask")
    if array.ndim != 2 or (numbering.queries, numbering.gallery) not in (array.shape, array.shape[::-1]):
        return False
    if not all(np.isin(array[at : at + 1024], (0, 1)).all() for at in range(0, len(array), 1024)):
        return False
    if numbering.gallery <= 2:
        raise ValueError(
            f"{numbering.what} of shape {array.shape} hold 0 and 1: gallery rows, which --form rows says, or a mask of "
            "those that answer, which --form mask says"
        )
    return True


def _mask(array: np.ndarray, numbering: Numbering) -> Truth:
    shape, turned = (numbering.queries, numbering.gallery), ""
    if array.shape != shape and array.shape == shape[::-1]:
        array, turned = array.T, ", transposed"
    if array.shape != shape:
        raise ValueError(f"{numbering.what}, a mask of shape {array.shape}: expected {shape}, a row a query")
    found = [np.argwhere(np.asarray(array[at : at + 1024]) != 0) + np.array([at, 0]) for at in range(0, len(array), 1024)]
    return numbering.truth(*np.concatenate(found).T, f"a mask{turned}")


def _refuse_pairs_or_rows(array: np.ndarray, numbering: Numbering) -> None:
    """ValueError where two columns could be a query and its row as well as two rows a query."""
    first = np.sort(array[:, 0])
    if any(np.array_equal(first, np.arange(numbering.queries) + shift) for shift in (0, 1)) and np.min(array) >= 0:
        raise ValueError(
            f"{numbering.what} have two columns, and the first holds each query's number once: pairs of a query and its "
            "gallery row, which --form pairs says, or two gallery rows for each query, which --form rows says"
        )
