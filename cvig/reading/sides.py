"""Which array of a file is the queries and which the gallery, by the names that projects give them; and what lies beside."""

from collections.abc import Mapping

import numpy as np

from cvig.reading.parts import Parts, as_array, is_array

SIDES = {
    "query": ("query", "queries", "q", "ground", "grd", "gnd", "street", "surface", "pano", "panorama", "drone", "queries_"),
    "gallery": ("gallery", "reference", "references", "database", "db", "g", "aerial", "sat", "satellite", "overhead"),
}
ENDS = ("", "_f", "_features", "_feature", "_feats", "_embeddings", "_embedding", "_descriptors", "_descriptor")
ENDS += ("_global_descriptor", "_global_descriptors", "_des", "_desc", "_vecs", "_vectors", "_vlad")
NAMES = {side: [f"{head}{end}" for head in heads for end in ENDS] for side, heads in SIDES.items()}
LABELS_OF_EITHER = ("label", "labels", "ids")
PATHS_OF_EITHER = ("path", "paths", "name", "names")
LABELS = {side: [f"{head}_{end}" for head in heads for end in LABELS_OF_EITHER] for side, heads in SIDES.items()}
PATHS = {side: [f"{head}_{end}" for head in heads for end in PATHS_OF_EITHER] for side, heads in SIDES.items()}


def choose(parts: Mapping, side: str) -> str | None:
    """The name of the only array, or of the one whose name tells the side."""
    arrays = (
        parts
        if isinstance(parts, Parts)
        else {k: v for k, v in parts.items() if is_array(v) or isinstance(v, (list, tuple))}
    )
    if len(arrays) == 1:
        return next(iter(arrays))
    known = [name for name in arrays if str(name).lower() in NAMES[side]]
    if len(known) > 1:  # DSM's files hold a map beside its global descriptor
        known = [name for name in known if "global" in str(name).lower()] or known
    if not known and len(arrays) <= 8:  # features with labels beside them
        known = [
            name
            for name, value in arrays.items()
            if is_array(value) and value.ndim >= 2 and as_array(value).dtype.kind == "f"
        ]
    return known[0] if len(known) == 1 else None


def beside(parts: Mapping, known: list[str]) -> object:
    """The part of one of the known names, in lower case; None where there is none, or several."""
    found = [name for name in parts if str(name).lower() in known]
    return parts[found[0]] if len(found) == 1 else None


def text_list(value: object) -> list[str] | None:
    """Names as text: MATLAB pads them with blanks, and torchvision's image folders give (path, class)."""
    if value is None:
        return None
    value = np.asarray(value, dtype=object)
    value = value[:, 0] if value.ndim == 2 and value.shape[1] == 2 and len(value) > 2 else value.ravel()
    return [str(np.asarray(x).ravel()[0] if np.ndim(x) else x).rstrip() for x in value]


def listed_names(parts: Mapping) -> str:
    """The first of the names, for messages."""
    names = sorted(map(str, parts))
    return (", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")) or "none"
