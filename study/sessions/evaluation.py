"""What the evaluation notebook calls: open a trained run, score it on its test data, finish it."""

import json
import time
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cvig import files, locks, metrics
from cvig.datasets import PairedViews, load
from cvig.datasets.geometry import random_crop_boxes
from cvig.metrics import collapse, conventions
from cvig.metrics.inference import RECALL_AT
from cvig.models import SiameseNetwork, load_network
from cvig.ranking import Ranks, exact_ranks
from cvig.training import devices
from cvig.training.embedding import embed_gallery, embed_ground
from study import provenance
from study.folder import Work, open_work
from study.ground import Squares, as_plain, file_of, keep, summarized
from study.runs import TEST_SETS, Run
from study.sessions.figure_data import principal_components, retrieve
from study.settings import EvaluateSettings, TrainSettings
from study.switches import in_words


def open_evaluation(settings: EvaluateSettings) -> "EvaluationSession":
    """Read a finished training run, open its test data and its test crop.

    Raises
    ------
    ValueError, FileNotFoundError
        One line that names what is wrong and where.
    """
    folder = Path(settings.run)
    if not (folder / "train.json").exists():
        raise FileNotFoundError(f"no finished training run in '{folder}': train.json is not there")
    locks.hold(folder)  # nobody trains there while it is evaluated
    trained = json.loads((folder / "train.json").read_text())
    parameters = TrainSettings(**trained["parameters"])
    device = devices.set_up(settings.device, settings.threads)
    network = load_network(folder).to(device)
    checkpoint = folder / "checkpoint.safetensors"
    weights = files.digest_file(checkpoint)
    if trained.get("files", {}).get(checkpoint.name, weights) != weights:
        raise ValueError(f"'{checkpoint}' is not what the training in '{folder}' wrote: train the run again")
    options = parameters.split_options("test")
    if parameters.data == "world":
        options["count"] = settings.test_count
    test = load(parameters.data, parameters.root, "test", cache=parameters.cache, **options)
    crops = Path(settings.crops) if settings.crops else folder.parent / f"test-crop-{test.digest[:8]}.npz"
    boxes = saved_boxes(crops, test, settings.crop_min)
    record = provenance.provenance(
        settings.to_dict(),
        data={"test": test.digest, "crops": files.digest(boxes.numpy().tobytes())},
        device=device,
        threads=settings.threads,
        trained=trained.get("identity", ""),
        checkpoint=weights,
    )
    work = open_work(folder, "evaluate", record, overwrite=settings.overwrite)
    return EvaluationSession(settings, trained, network, test, boxes, device, record, work)


@dataclass
class Scored:
    """One test set, ranked."""

    ranks: Ranks
    summary: pd.DataFrame
    verdict: str  # whether ties or collapse make the numbers meaningless
    as_coded: dict[str, float] | None
    columns: np.ndarray
    squares: Squares | None = None  # of ground, that intervals and tests resample
    ground: np.ndarray | None = None  # embeddings, and what is wrong with them: of an evaluation that is made now
    aerial: np.ndarray | None = None
    diagnosis: collapse.Diagnosis | None = None

    @property
    def per_query_pssr(self) -> np.ndarray:
        """Pessimistic PSSR of each query [Q]."""
        return metrics.per_query_pssr(self.ranks, ties="pessimistic")


@dataclass
class EvaluationSession:
    """One execution of the evaluation notebook."""

    settings: EvaluateSettings
    trained: dict
    network: SiameseNetwork
    test: PairedViews
    boxes: torch.Tensor
    device: str
    record: dict
    work: Work
    started: float = field(default_factory=time.perf_counter)
    scored: dict[str, Scored] = field(default_factory=dict)

    @property
    def facts(self) -> dict:
        """What is tested, on how much."""
        return {
            "run": str(self.settings.run),
            "architecture": self.trained["parameters"]["arch"],
            "queries": self.test.ground_count,
            "gallery": self.test.gallery_count,
            "device": self.device,
        }

    def score(self) -> None:
        """Embed and rank the uncropped and the cropped test set; of an evaluation that is finished they are read."""
        if self.work.finished:
            self.scored = {
                name: Scored(
                    self.run.ranks(name),
                    self.run.metrics[name],
                    self.run.facts[name]["verdict"],
                    self.run.facts[name]["as_coded"],
                    self.run.columns_as_coded(name),
                    self.run.squares(name),
                )
                for name in TEST_SETS
            }
            return
        ground = embed_ground(self.network, self.test, device=self.device)
        for name, boxes in zip(TEST_SETS, (None, self.boxes), strict=True):
            aerial = embed_gallery(self.network, self.test, boxes, device=self.device)
            ranks = exact_ranks(ground, aerial, self.test.positives, ignored=self.test.ignored)
            summary, squares = summarized(ranks, self.test.places, self.metres)
            as_coded, columns = score_as_coded(ground, aerial, self.test)
            diagnosis = collapse.diagnose(ground, aerial)
            said = (ranks, summary, diagnosis.verdict, as_coded, columns, squares)
            self.scored[name] = Scored(*said, ground, aerial, diagnosis)

    @property
    def metres(self) -> np.ndarray | None:
        """Metres east and north of each query, float64 [Q, 2]; of data in degrees None, and intervals are over places."""
        return self.test.coordinates if self.test.coordinate_unit == "metres" else None

    @cached_property
    def run(self) -> Run:
        """The run as it lies in its folder."""
        return Run(self.work.folder)

    @property
    def verdicts(self) -> dict[str, str]:
        """Whether ties or collapse make the numbers meaningless, in words."""
        return {name: scored.verdict for name, scored in self.scored.items()}

    @property
    def caption(self) -> str:
        """Which data and training a figure shows."""
        p = self.trained["parameters"]
        recipe = in_words(p["recipe"], p["switches"])
        return (
            f"{p['arch']}, '{recipe}' recipe, weights '{p['weights']}', {self.trained['epochs']} epochs of "
            f"{self.trained['pairs_per_epoch']} pairs at {p['size']} px; "
            f"{self.test.ground_count} queries of {self.test.name}"
        )

    @cached_property
    def projection(self) -> dict[str, np.ndarray]:
        """Principal components of the uncropped test set."""
        if self.work.finished:
            return self.run.projection
        scored = self.scored["uncropped"]
        return principal_components(ground=scored.ground, aerial=scored.aerial)

    @cached_property
    def retrievals(self) -> dict[str, np.ndarray]:
        """Queries at the tenth, fiftieth and ninetieth percentile of rank, with the top five of each."""
        if self.work.finished:
            return self.run.retrievals
        scored = self.scored["uncropped"]
        rank = scored.ranks.closer + scored.ranks.tied + 1
        order = np.argsort(rank, kind="stable")
        queries = [int(order[int(q * (len(order) - 1))]) for q in (0.1, 0.5, 0.9)]
        return retrieve(self.test, scored.ground, scored.aerial, queries, rank)

    def finish(self) -> dict:
        """Write ranks, figures' data, metrics and, last, ``evaluate.json``; give back the provenance."""
        folder, identity = self.work.path, self.record["identity"]
        if self.work.finished:
            return self.run.evaluate
        if self.metres is not None:
            keep(file_of(self.work.folder.parent, self.test.digest), self.metres)
        stored = {}
        for name, scored in self.scored.items():
            ranks = scored.ranks
            files.write_arrays(
                folder / f"ranks-{name}.npz",
                closer=ranks.closer.astype(np.int32),
                tied=ranks.tied.astype(np.int32),
                gallery_size=np.asarray(ranks.gallery_size),
                place=self.test.places,
                pssr_as_coded=scored.columns,
                identity=np.asarray(identity),
            )
            facts = {
                "queries": len(ranks.closer),
                "gallery": self.test.gallery_count,
                "tied_fraction": float(np.mean(ranks.tied > 0)),
                "verdict": scored.verdict,
                "towers": {side: asdict(getattr(scored.diagnosis, side)) for side in ("ground", "aerial")},
                "largest_hub": scored.diagnosis.largest_hub,
                "as_coded": scored.as_coded,
                "squares": scored.squares and scored.squares._asdict(),
            }
            stored[name] = {
                "summary": as_plain(scored.summary),
                "facts": facts,
            }
        files.write_arrays(folder / "projection.npz", **self.projection, identity=np.asarray(identity))
        files.write_arrays(folder / "retrievals.npz", **self.retrievals, identity=np.asarray(identity))
        files.write_json(folder / "metrics.json", stored | {"identity": identity})
        record = self.record | {"seconds": round(time.perf_counter() - self.started, 1)}
        return self.work.place("evaluate.json", record)


def score_as_coded(ground: np.ndarray, aerial: np.ndarray, data: PairedViews) -> tuple[dict[str, float] | None, np.ndarray]:
    """The test by the rules of the paper's own code, which has one aerial image a view: its recall and PSSR as shares.

    Views of one place each bring their copy of the aerial image, as there. None, and no values, where a view has several
    answers.

    Returns
    -------
    dict of str to float, or None
        Keys R@1, R@5, R@10, R@1%, R@5%, R@10% and PSSR (`cvig.metrics.conventions`).
    float64 array [Q]
        What the code calls the PSSR of each pair.
    """
    if any(len(np.atleast_1d(rows)) > 1 for rows in data.positives):
        return None, np.empty(0)
    paired = aerial[[data.partner(i) for i in range(data.ground_count)]]
    ks = [k for k in RECALL_AT if isinstance(k, str) or k <= len(paired)]
    recalls = conventions.recalls(ground, paired, ks, names=[conventions.PAPER_CODE], progress=False)[conventions.PAPER_CODE]
    columns = conventions.pssr_as_coded(ground, paired)
    return {f"R@{k}": value for k, value in recalls.items()} | {"PSSR": float(columns.mean())}, columns


def saved_boxes(path: Path, data: PairedViews, crop_min: float) -> torch.Tensor:
    """The test crop: float tensor [gallery_count, 4], drawn once, saved at `path`, and read from there ever after.

    Raises
    ------
    ValueError
        The file holds the crop of other data or of another smallest side, or anything else.
    """
    expected = {"data": data.digest, "crop_min": np.float64(crop_min)}
    if path.exists():
        stored = files.read_arrays(path)
        if not {*expected, "boxes"} <= set(stored):
            raise ValueError(f"'{path}' is no test crop; name another file")
        for name, value in expected.items():
            if stored[name] != value:
                raise ValueError(f"{path}: test crop with {name} {stored[name]}, expected {value}; name another file")
        return torch.from_numpy(stored["boxes"])
    boxes = random_crop_boxes(data.gallery_count, torch.Generator().manual_seed(0), crop_min)
    files.write_arrays(path, boxes=boxes.numpy(), **{k: np.asarray(v) for k, v in expected.items()})
    return boxes
