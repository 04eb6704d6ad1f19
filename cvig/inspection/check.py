"""Is a data set on disk what it should be? Every file decoded, every split compared with the others, before any training.

An **error** would end a run or make its score meaningless: a half that is missing, an image that cannot be read, a split
that cannot be opened, one aerial image that answers queries of two splits. A **warning** is for a human to judge: an image
of another size than its kind, two rows of a gallery with one content (their ties cannot be broken), places of two splits
nearer than a given distance, a panorama that does not join at its edges.

What a copy and a seam are is told in `cvig.inspection.survey`. At the height of its publication a panorama's width tells
its span as well, for it was only cut.
"""

import inspect
import itertools
import os
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import KDTree
from tqdm import tqdm

from cvig.datasets import DATASETS, SPLITS
from cvig.datasets.files import FileViews
from cvig.datasets.paths import Paths
from cvig.inspection.findings import Findings, Inspection
from cvig.inspection.survey import Survey, survey

SHARE_OF_ALIKE = 0.75  # of a kind's images: where so many have one size, the others are unlike the rest
EARTH = 6_371_008.8  # mean radius in metres


@dataclass(frozen=True)
class Published:
    """What is known of a data set's files.

    Attributes
    ----------
    sizes : dict
        Width and height by kind, "ground" or "aerial".
    panoramas : bool
        Ground views are panoramas of a full turn.
    varied : bool
        Ground views are photographs of any size.
    """

    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    panoramas: bool = False
    varied: bool = False


# CVUSA's sizes were read off its files; CVACT's and VIGOR's are in their authors' readers (Liumouliu/OriCNN,
# Jeff-Zilence/VIGOR), University-1652's in the paper (Zheng et al. 2020).
PUBLISHED = {
    "cvusa": Published({"ground": (1232, 224), "aerial": (750, 750)}, panoramas=True),
    "cvact": Published({"ground": (1664, 832), "aerial": (1200, 1200)}, panoramas=True),
    "vigor": Published({"ground": (2048, 1024), "aerial": (640, 640)}, panoramas=True),
    "university": Published({"aerial": (512, 512)}, varied=True),
    "cvusa_full": Published(varied=True),
    "witw": Published(varied=True),
    "flat": Published(),
}


def open_splits(data: str, root: str, splits: tuple[str, ...], options: dict, findings: Findings) -> dict[str, FileViews]:
    """The splits that can be opened; of the others a finding.

    Raises
    ------
    ValueError
        An unknown data set, split or option.
    FileNotFoundError, ValueError
        No split can be opened: what the first one lacks.
    """
    if data not in PUBLISHED:
        known = ", ".join(PUBLISHED)
        why = "the world is made, not read" if data in DATASETS else f"unknown data set '{data}'"
        raise ValueError(f"{why}: expected one of {known}")
    load = import_module(DATASETS[data]).load
    known = [name for name in inspect.signature(load).parameters if name not in ("root", "split")]
    for what, given, expected in (("option", options, known), ("split", splits, SPLITS)):
        unknown = [name for name in given if name not in expected]
        if unknown:
            raise ValueError(f"unknown {what} '{unknown[0]}' of data set '{data}': expected one of {', '.join(expected)}")
    # what a loader would stop at is a finding here, and the rest is looked at
    tolerant = {name: value for name, value in {"skip_missing": True, "verify": False}.items() if name in known}
    views, first = {}, None
    for split in splits:
        try:
            views[split] = load(root, split, **{**options, **tolerant})
        except (FileNotFoundError, ValueError) as error:
            first = first or error
            findings.add("split", split, str(error))
    if not views:
        raise first
    return views


def _union(views: dict[str, FileViews], kind: str) -> tuple[Paths, dict[str, np.ndarray]]:
    """All files of one kind, once each, and for each split the rows of its own among them."""
    paths = {split: getattr(its, kind) for split, its in views.items()}
    codes, names = pd.factorize(np.array([name for its in paths.values() for name in its.names], dtype=object))
    bounds = np.cumsum([len(its) for its in paths.values()])[:-1]
    root = next(iter(paths.values())).root
    return Paths(root, names), dict(zip(paths, np.split(codes, bounds), strict=True))


def _splits_of(rows: dict[str, np.ndarray], count: int) -> np.ndarray:
    """For each file the names of the splits that use it: str [count]."""
    names = np.full(count, "", dtype=object)
    for split, its in rows.items():
        its = np.unique(its)
        names[its] = [f"{there}, {split}" if there else split for there in names[its]]
    return names


def check_files(kind: str, found: Survey, rows: dict, published: Published, findings: Findings) -> dict:
    """Findings on single files of one kind; what is common to them."""
    splits = _splits_of(rows, len(found.names))
    for row in found.missing:
        findings.add("missing", splits[row], "not there", found.names[row])
    for row, why in found.unreadable.items():
        findings.add("unreadable", splits[row], why.split(" cannot be read: ")[-1], found.names[row])
    for row, what in found.peculiar.items():
        findings.add("peculiar", splits[row], what, found.names[row])
    sizes, count = np.unique(found.size[found.readable], axis=0, return_counts=True)
    if len(sizes) == 0:
        return {"files": len(found.names), "size": None, "share": 0.0}
    usual, share = sizes[count.argmax()], float(count.max() / count.sum())
    expected = published.sizes.get(kind)
    if share >= SHARE_OF_ALIKE and not (kind == "ground" and published.varied):
        for row in np.flatnonzero(found.readable & (found.size != usual).any(axis=1)):
            is_, of = "×".join(map(str, found.size[row])), "×".join(map(str, usual))
            findings.add("size", splits[row], f"{is_}, where {count.max()} of {count.sum()} are {of}", found.names[row])
        if expected and tuple(usual) != expected:
            is_, was = "×".join(map(str, usual)), "×".join(map(str, expected))
            findings.add("size", ", ".join(rows), f"{kind} images are {is_}, and were published as {was}")
    return {"files": len(found.names), "size": usual.tolist(), "share": share}


def check_spans(found: Survey, rows: dict, published: Published, findings: Findings) -> None:
    """Panoramas that by their width, at the published height, or by their edges span less than a full turn."""
    splits = _splits_of(rows, len(found.names))
    width, height = published.sizes.get("ground", (0, 0))
    narrow = (found.size[:, 1] == height) & (found.size[:, 0] < 0.99 * width)
    for row in np.flatnonzero(narrow | (found.seam > 0)):
        reasons = []
        if narrow[row]:
            reasons.append(f"by its width it spans {360 * found.size[row, 0] / width:.1f} of 360 degrees")
        if found.seam[row]:
            reasons.append(f"its edges differ {found.seam[row]:.1f} times as much as neighboring columns do")
        findings.add("panorama", splits[row], "; ".join(reasons), found.names[row])


def _partners(views: FileViews) -> np.ndarray:
    """Gallery row of each ground view's first positive: int64 [Q]."""
    return views.positives if isinstance(views.positives, np.ndarray) else np.array([rows[0] for rows in views.positives])


def _answers(views: FileViews, rows: np.ndarray) -> np.ndarray:
    """Files that answer a query of the split, once each."""
    positives = views.positives
    return np.unique(rows[positives if isinstance(positives, np.ndarray) else np.concatenate(positives)])


def check_copies(views: dict, found: Survey, rows: dict, shared: bool, findings: Findings) -> dict[str, np.ndarray]:
    """Copies within a gallery, and answers that two splits share; for each split which of all contents it shares."""
    content = np.arange(len(found.names))  # a file that could not be read is like no other
    content[found.readable] = len(content) + np.unique(found.content[found.readable], return_inverse=True)[1]
    for split, its in rows.items():
        _, first, which = np.unique(content[its], return_index=True, return_inverse=True)
        for row in np.flatnonzero(first[which] != np.arange(len(its))):
            names = found.names[its[row]], found.names[its[first[which[row]]]]
            findings.add("duplicate", split, f"shows what '{names[1]}' shows", *names)
        for copy, original in views[split].copies:
            findings.add("duplicate", split, f"same bytes as '{original}', and one gallery row with it", copy, original)
    answers = {split: _answers(views[split], its) for split, its in rows.items()}
    common = {split: np.empty(0, dtype=np.int64) for split in rows}
    for one, two in itertools.combinations(rows, 2):
        both, first, second = np.intersect1d(content[answers[one]], content[answers[two]], return_indices=True)
        common[two] = np.union1d(common[two], both)
        for a, b in zip(answers[one][first], answers[two][second], strict=True):
            detail = "one file" if a == b else f"shows what '{found.names[a]}' shows"
            detail, severity = (f"{detail}, as published", "warning") if shared else (detail, None)
            findings.add("shared", f"{one}, {two}", detail, found.names[b], found.names[a], severity=severity)
    return {split: np.isin(content[rows[split]], its) for split, its in common.items()}


def check_places(views: dict[str, FileViews], findings: Findings) -> None:
    """Ground views of two splits whose names say that they show one place."""
    for one, two in itertools.combinations(views, 2):
        first = {name: row for row, name in reversed(list(enumerate(views[one].place_names or [])))}
        for row, name in enumerate(views[two].place_names or []):
            if name in first:
                names = views[two].ground.names[row], views[one].ground.names[first[name]]
                findings.add("place", f"{one}, {two}", f"shows the place '{name}', as '{names[1]}' does", *names)


def on_ground(views: FileViews) -> np.ndarray:
    """Positions of the ground views in metres, float64 [Q, 2 or 3]; NaN where there is none."""
    if views.coordinate_unit == "metres":
        return views.coordinates
    lat, lon = np.deg2rad(views.coordinates).T
    return EARTH * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def check_distances(views: dict, distance: float, already: dict[str, np.ndarray], findings: Findings) -> None:
    """Places of a later split that lie within `distance` metres of one of an earlier split, by other aerial images."""
    positions = {split: on_ground(its) for split, its in views.items()}
    for one, two in itertools.combinations(views, 2):
        there = np.flatnonzero(np.isfinite(positions[one]).all(axis=1))
        told = already[two][_partners(views[two])]
        asked = np.flatnonzero(np.isfinite(positions[two]).all(axis=1) & ~told)
        if len(there) == 0 or len(asked) == 0:
            continue
        far, nearest = KDTree(positions[one][there]).query(positions[two][asked])
        for i in np.flatnonzero(far <= distance):
            names = views[two].ground.names[asked[i]], views[one].ground.names[there[nearest[i]]]
            findings.add("near", f"{one}, {two}", f"{far[i]:.2f} m from '{names[1]}'", *names)


def check(
    data: str,
    root: str | Path,
    *,
    splits: tuple[str, ...] = SPLITS,
    options: dict | None = None,
    distance: float = 5.0,
    panoramas: bool | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Inspection:
    """Check the files of a data set.

    Parameters
    ----------
    data : str
        A key of `cvig.datasets.DATASETS` other than "world".
    root : path
    splits : tuple of str
        Splits to open and compare.
    options : dict, optional
        Options of the data set's loader.
    distance : float
        Metres within which places of two splits are near; CVACT's authors count what lies within 5 m as one place.
    panoramas : bool, optional
        Look whether ground views join at their edges; None: where the data set has panoramas.
    workers : int, optional
        Threads that decode; None: as many as there are cores.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ValueError, FileNotFoundError
        As `open_splits` does.
    """
    if distance < 0:
        raise ValueError(f"distance {distance}: expected at least 0 metres")
    findings, skipped, options = Findings(), {}, options or {}
    views = open_splits(data, str(root), tuple(splits), options, findings)
    published = PUBLISHED[data]
    panoramas = published.panoramas if panoramas is None else panoramas
    lacking = {}
    for split, its in views.items():
        for name in its.missing:
            lacking.setdefault(name, []).append(split)
    for name, its in lacking.items():
        findings.add("missing", ", ".join(its), "not there", name)
    union = {kind: _union(views, kind) for kind in ("ground", "aerial")}
    total = sum(len(paths) for paths, _ in union.values())
    with tqdm(total=total, desc="decoding", unit="image", disable=not progress) as bar:
        found = {
            kind: survey(
                paths,
                hashed=kind == "aerial",
                panoramas=panoramas and kind == "ground",
                workers=workers or os.cpu_count() or 1,
                bar=bar,
            )
            for kind, (paths, _) in union.items()
        }
    images = {kind: check_files(kind, found[kind], union[kind][1], published, findings) for kind in found}
    if panoramas:
        check_spans(found["ground"], union["ground"][1], published, findings)
    else:
        skipped["panorama"] = "ground views are no panoramas"
    # half of the panoramas of each tile: the published setting
    shared = data == "vigor" and options.get("area", "same") == "same"
    already = check_copies(views, found["aerial"], union["aerial"][1], shared, findings)
    check_places(views, findings)
    if len(views) < 2:
        skipped["shared"] = skipped["place"] = skipped["near"] = "one split alone"
    elif any(its.coordinates is None for its in views.values()):
        skipped["near"] = "no coordinates"
    else:
        check_distances(views, distance, already, findings)
    counts = {split: {"ground": its.ground_count, "gallery": its.gallery_count} for split, its in views.items()}
    return Inspection(data, str(root), options, distance, counts, images, findings.table(), skipped)
