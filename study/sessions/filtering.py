"""What the filter's notebook calls: open the photographs, train on the labelled, judge all, write what is kept.

The features of no more than a chunk of photographs are in memory at once, and those of the labelled ones.
"""

import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from tqdm import tqdm

from cvig import files
from cvig.filtering import FilterReport, score, train_filter, two_of_each, write_kept
from cvig.filtering.photographs import Photographs, open_photographs
from cvig.filtering.saved import FILTER, Filter, Scenes
from cvig.filtering.scenes import SceneNetwork, extract, scene_network
from cvig.training import devices
from study import provenance
from study.folder import Work, open_work
from study.settings import FilterSettings

SHOWN = 8  # pictures a row of a gallery
MARK = "kept.json"


def open_filter(settings: FilterSettings) -> "FilterSession":
    """Check everything, list the photographs, build the network, and hold the run's folder, in which nothing is changed yet.

    Raises
    ------
    ValueError, FileNotFoundError
        One line that names what is wrong and where.
    """
    device = devices.set_up(settings.device, settings.threads)
    network = scene_network(settings.trunk, settings.weights, layer=settings.layer, size=settings.size, seed=settings.seed)
    photographs = open_photographs(
        settings.data,
        settings.root,
        split=settings.split,
        size=settings.size,
        options=settings.options,
        labels=settings.labels,
        count=settings.count,
        labelled=settings.labelled,
    )
    two_of_each(photographs.labels.to_numpy())
    labels = ",".join(f"{row}:{viable}" for row, viable in photographs.labels.items())
    record = provenance.provenance(
        settings.to_dict(),
        data={"photographs": files.digest(*photographs.keys), "labels": files.digest(labels)},
        device=device,
        threads=settings.threads,
        network=network.digest,
    )
    work = open_work(settings.folder_of(record["identity"]), "filter", record, overwrite=settings.overwrite)
    return FilterSession(settings, photographs, network, device, record, work)


@dataclass
class FilterSession:
    """One execution of the filter notebook."""

    settings: FilterSettings
    photographs: Photographs
    network: SceneNetwork
    device: str
    record: dict
    work: Work
    started: float = field(default_factory=time.perf_counter)
    forest: RandomForestClassifier | None = None
    report: FilterReport | None = None
    scores: np.ndarray | None = None

    @property
    def facts(self) -> dict:
        """What is filtered, on how many labels, and how much memory the features take."""
        images, labels, width = len(self.photographs.names), self.photographs.labels, self.network.width
        return {
            "photographs": self.photographs.title,
            "images": images,
            "labelled viable": int(labels.sum()),
            "labelled not viable": int((~labels).sum()),
            "features of an image": width,
            "features of all images, GB": round(4e-9 * images * width, 3),
            "of which in memory, GB": round(4e-9 * (len(labels) + self.settings.chunk) * width, 3),
            "device": self.device,
            "folder": str(self.work.folder),
        }

    def pictures(self, rows: np.ndarray) -> np.ndarray:
        """Photographs: uint8 array [len(rows), 3, H, W]."""
        return np.stack([self.photographs.image(int(row)).numpy() for row in rows])

    def samples(self, viable: bool, count: int = SHOWN) -> np.ndarray:
        """The first photographs labelled so."""
        labels = self.photographs.labels
        return self.pictures(labels.index[labels == viable][:count])

    def _extract(self, rows: np.ndarray, label: str):
        photographs, s = self.photographs, self.settings
        stream = extract(
            self.network,
            lambda i: photographs.image(int(rows[i])),
            [photographs.keys[row] for row in rows],
            s.features_folder,
            chunk=s.chunk,
            batch=s.batch,
            workers=s.workers,
            device=self.device,
        )
        return tqdm(stream, desc=label, total=-(-len(rows) // s.chunk), unit="chunk", delay=60, mininterval=30)

    def train(self) -> FilterReport:
        """Fit the forest on a share of the labelled photographs, and judge it on the rest."""
        s, labels = self.settings, self.photographs.labels
        rows = labels.index.to_numpy()
        features = np.concatenate([part for _, part in self._extract(rows, "labelled")])
        unread = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(unread):
            name = self.photographs.names[rows[unread[0]]]
            raise ValueError(f"'{name}' is labelled and cannot be read ({len(unread)} such): cvig check says why")
        self.forest, report = train_filter(
            features,
            labels.to_numpy(),
            self.photographs.groups[rows],
            trees=s.trees,
            held_out=s.held_out,
            threshold=s.threshold,
            seed=s.seed,
            jobs=s.threads,
        )
        self.report = FilterReport(rows[report.row], report.label, report.score, report.threshold)
        return self.report

    def apply(self) -> pd.DataFrame:
        """Judge every photograph: counts of what is kept and dropped, by who decided. A label overrules the forest."""
        every = np.arange(len(self.photographs.names))
        self.scores = np.concatenate([score(self.forest, part) for _, part in self._extract(every, "all")])
        labelled = np.zeros(len(every), dtype=bool)
        labelled[self.photographs.labels.index] = True
        decided = {"label": labelled, "forest": ~labelled & ~self.unreadable, "unreadable": ~labelled & self.unreadable}
        counts = {
            name: {"kept": (self.kept & who).sum(), "dropped": (~self.kept & who).sum()} for name, who in decided.items()
        }
        return pd.DataFrame(counts).T.rename_axis("decided by")

    @property
    def unreadable(self) -> np.ndarray:
        """Which photographs have no score: bool [N]."""
        return np.isnan(self.scores)

    @cached_property
    def kept(self) -> np.ndarray:
        """Which photographs are kept: bool [N]."""
        keep = np.nan_to_num(self.scores, nan=0.0) >= self.settings.threshold
        keep[self.photographs.labels.index] = self.photographs.labels
        return keep

    @cached_property
    def unlabelled(self) -> FilterReport | None:
        """How the forest did on the photographs without a label, where the truth is known all the same: in the world."""
        truth = self.photographs.truth
        rest = np.setdiff1d(np.arange(len(self.photographs.names)), self.photographs.labels.index)
        if truth is None or len(rest) == 0:
            return None
        return FilterReport(rest, truth[rest], self.scores[rest], self.settings.threshold)

    @cached_property
    def galleries(self) -> dict[str, np.ndarray]:
        """Pictures: the most confident held-out mistakes, and photographs that the forest dropped and kept."""
        report = self.report
        wrong = report.mistakes(SHOWN)
        free = np.setdiff1d(np.flatnonzero(~self.unreadable), self.photographs.labels.index)
        content = {"mistakes_label": report.label[wrong], "mistakes_score": report.score[wrong]}
        rows = {"mistakes": report.row[wrong]}
        for name, side in (("dropped", free[~self.kept[free]]), ("kept", free[self.kept[free]])):
            rows[name] = side[:SHOWN]  # the first, not those of the highest score: a fair sample
            content[f"{name}_score"] = self.scores[rows[name]]
        return content | {name: self.pictures(its) for name, its in rows.items() if len(its)}

    def finish(self) -> dict:
        """Write filter, report, pictures, the list of what is kept and, last, its provenance, which is given back."""
        folder, report, identity = self.work.path, self.report, np.asarray(self.record["identity"])
        if self.work.finished:
            return read_filter(self.work.folder).record
        files.write_arrays(folder / "report.npz", row=report.row, label=report.label, score=report.score, identity=identity)
        files.write_arrays(folder / "galleries.npz", **self.galleries, identity=identity)
        s = self.settings
        scenes = Scenes(s.trunk, s.weights, s.layer, s.size, s.seed)
        Filter.of(self.forest, report, scenes, self.network.to("cpu")).write(folder / FILTER)
        record = self.record | {"seconds": round(time.perf_counter() - self.started, 1)}
        record |= {"held out": len(report.label), "correct": report.correct, "labelled": len(self.photographs.labels)}
        record["unreadable"] = [self.photographs.names[row] for row in np.flatnonzero(self.unreadable)]
        if self.unlabelled is not None:
            record["unlabelled"] = self.unlabelled.confusion.to_numpy().tolist()
        record |= write_kept(folder / "kept.txt", self.photographs.names, self.kept)
        return self.work.place(MARK, record)


def read_filter(folder: Path | str) -> "FilterRun":
    """A finished run; FileNotFoundError where there is none."""
    if not (Path(folder) / MARK).exists():
        raise FileNotFoundError(f"no finished filter run in '{folder}': {MARK} is not there")
    return FilterRun(Path(folder))


@dataclass(frozen=True)
class FilterRun:
    """A finished run of the filter, read from its folder on demand."""

    folder: Path

    @cached_property
    def record(self) -> dict:
        """Provenance, and the counts of what was kept."""
        return json.loads((self.folder / MARK).read_text())

    @cached_property
    def report(self) -> FilterReport:
        """The held-out photographs."""
        stored = files.read_arrays(self.folder / "report.npz")
        return FilterReport(stored["row"], stored["label"], stored["score"], self.record["parameters"]["threshold"])

    @cached_property
    def galleries(self) -> dict[str, np.ndarray]:
        """`FilterSession.galleries`."""
        stored = files.read_arrays(self.folder / "galleries.npz")
        return {name: value for name, value in stored.items() if name != "identity"}

    @property
    def caption(self) -> str:
        """Which data and network a figure shows."""
        p = self.record["parameters"]
        start = "random weights" if p["weights"] == "none" else f"weights '{p['weights']}'"
        return (
            f"{p['trunk']} with {start} at {p['size']} px, {p['layer']} features, {p['trees']} trees; "
            f"{self.record['labelled']} labelled and {self.record['of']} filtered photographs of {p['data']}/{p['split']}"
        )
