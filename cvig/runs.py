"""What the notebooks call: open a run, do its work step by step, finish it.

Everything that can be wrong with the parameters or the data raises before the first training step, and the file that
marks a run as finished is written last.
"""

import json
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_model, save_model

from cvig import collapse, metrics, results, training
from cvig.datasets import PairedViews, load
from cvig.embedding import embed_gallery, embed_ground, principal_components, retrieve
from cvig.geometry import random_crop_boxes
from cvig.models import SiameseNetwork, build, preprocess
from cvig.ranking import Ranks, exact_ranks
from cvig.recipes import RECIPES, Recipe
from cvig.settings import EvaluateSettings, TrainSettings

CLUSTER_SAMPLES = 256  # training pairs that NetVLAD's first clusters come from


def build_network(settings: TrainSettings, weights: str | None = None) -> SiameseNetwork:
    """The network that training `settings` ask for; `weights` overrides where its trunk starts from."""
    recipe = RECIPES[settings.recipe]
    return build(
        settings.arch,
        settings.weights if weights is None else weights,
        size=settings.size,
        embedding=settings.embedding or None,
        final_relu=recipe.final_relu,
        unit_norm=recipe.unit_norm,
        seed=settings.seed,
    )


def _print_row(row: dict) -> None:
    print(
        f"epoch {row['epoch']:3d}  {row['phase']:11s} loss {row['loss']:.4f}  val R@1% {row['val_recall_1pct']:6.2f}  "
        f"PSSR {row['val_pssr']:.4f}  spread {row['ground_spread']:.3f} / {row['aerial_spread']:.3f}  "
        f"{row['seconds']:.0f} s",
        flush=True,
    )


@dataclass
class TrainingSession:
    """One execution of the training notebook."""

    settings: TrainSettings
    recipe: Recipe
    train: PairedViews
    val: PairedViews
    network: SiameseNetwork
    device: str
    started: float = field(default_factory=time.perf_counter)
    log: pd.DataFrame | None = None

    @property
    def batch(self) -> int:
        """Pairs a step: as asked, else the recipe's, or all where the data are fewer."""
        return self.settings.batch or min(self.recipe.batch, len(self.train))

    @property
    def facts(self) -> dict:
        """What is trained, on how much."""
        return {
            "pairs an epoch": self.train.ground_count,
            "training gallery": self.train.gallery_count,
            "validation views": self.val.ground_count,
            "batch": self.batch,
            "learning rate": self.settings.learning_rate or self.recipe.learning_rate,
            "recipe": self.recipe.summary,
            "device": self.device,
            "folder": str(self.settings.folder),
        }

    def samples(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `count` training pairs: two uint8 arrays [count, 3, H, W]."""
        pairs = [self.train[i] for i in range(min(count, len(self.train)))]
        return tuple(np.stack([pair[key].numpy() for pair in pairs]) for key in ("ground", "aerial"))

    def fit(self) -> pd.DataFrame:
        """Train; print a line an epoch."""
        s = self.settings
        self.log = training.fit(
            self.network,
            self.recipe,
            self.train,
            self.val,
            epochs=s.epochs,
            batch=self.batch,
            learning_rate=s.learning_rate or None,
            seed=s.seed,
            workers=s.workers,
            device=self.device,
            bf16=s.precision == "bf16",
            report=_print_row,
        )
        return self.log

    def finish(self) -> dict:
        """Write log, checkpoint and, last, ``train.json``; give back the provenance."""
        folder = self.settings.folder
        results.write_csv(folder / "log.csv", self.log)
        with results.atomic(folder / "checkpoint.safetensors") as temporary:
            # one copy of what both towers share
            save_model(self.network.to("cpu", memory_format=torch.contiguous_format), str(temporary))
        record = results.provenance(
            self.settings.to_dict(),
            data={"train": self.train.digest, "val": self.val.digest},
            device=self.device,
            threads=self.settings.threads,
            seconds=time.perf_counter() - self.started,
        )
        record |= {"epochs": len(self.log), "pairs_per_epoch": self.train.ground_count}
        results.write_json(folder / "train.json", record)
        return record


def open_training(settings: TrainSettings) -> TrainingSession:
    """Check everything, open the data, build the network; a former run in the same folder is no result from here on.

    Raises
    ------
    ValueError, FileNotFoundError
        One line that names what is wrong and where.
    """
    device = training.choose_device(settings.device)
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    train, val = (
        load(settings.data, settings.root, split, cache=settings.cache, **settings.split_options(split))
        for split in ("train", "val")
    )
    recipe = RECIPES[settings.recipe]
    if settings.view == "panorama" or train.aligned:  # to the north as the aerial image is: a turn would part them
        recipe = replace(recipe, quarter_turns=False)
    if train.polar:
        recipe = replace(recipe, quarter_turns=False, crop_min=1.0)
    session = TrainingSession(settings, recipe, train, val, build_network(settings), device)
    training.EpochBatches(train, session.batch, settings.seed, epoch=lambda: 0)  # raises where they cannot be made
    session.network.fit_clusters(*(preprocess(torch.from_numpy(x)) for x in session.samples(CLUSTER_SAMPLES)), settings.seed)
    for mark in ("evaluate.json", "metrics.json", "train.json"):
        (settings.folder / mark).unlink(missing_ok=True)
    return session


def test_boxes(path: Path, data: PairedViews, crop_min: float) -> torch.Tensor:
    """The test crop: float tensor [gallery_count, 4], drawn once, saved at `path`, and read from there ever after.

    Raises
    ------
    ValueError
        The file holds the crop of other data or of another smallest side.
    """
    expected = {"data": data.digest, "crop_min": np.float64(crop_min)}
    if path.exists():
        stored = results.read_arrays(path)
        for name, value in expected.items():
            if stored[name] != value:
                raise ValueError(f"{path}: test crop with {name} {stored[name]}, expected {value}; name another file")
        return torch.from_numpy(stored["boxes"])
    boxes = random_crop_boxes(data.gallery_count, torch.Generator().manual_seed(0), crop_min)
    results.write_arrays(path, boxes=boxes.numpy(), **{k: np.asarray(v) for k, v in expected.items()})
    return boxes


@dataclass
class Scored:
    """One test set, ranked."""

    ground: np.ndarray
    aerial: np.ndarray
    ranks: Ranks
    summary: pd.DataFrame
    verdict: str

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
        """Embed and rank the uncropped and the cropped test set."""
        ground = embed_ground(self.network, self.test, device=self.device)
        for name, boxes in zip(results.TEST_SETS, (None, self.boxes), strict=True):
            aerial = embed_gallery(self.network, self.test, boxes, device=self.device)
            ranks = exact_ranks(ground, aerial, self.test.positives, ignored=self.test.ignored)
            summary = metrics.summary(ranks, places=self.test.places)
            self.scored[name] = Scored(ground, aerial, ranks, summary, collapse.diagnose(ground, aerial).verdict)

    @property
    def verdicts(self) -> dict[str, str]:
        """Whether ties or collapse make the numbers meaningless, in words."""
        return {name: scored.verdict for name, scored in self.scored.items()}

    @property
    def caption(self) -> str:
        """Which data and training a figure shows."""
        p = self.trained["parameters"]
        return (
            f"{p['arch']}, '{p['recipe']}' recipe, weights '{p['weights']}', {self.trained['epochs']} epochs of "
            f"{self.trained['pairs_per_epoch']} pairs at {p['size']} px; "
            f"{self.test.ground_count} queries of {self.test.name}"
        )

    @cached_property
    def projection(self) -> dict[str, np.ndarray]:
        """Principal components of the uncropped test set."""
        scored = self.scored["uncropped"]
        return principal_components(scored.ground, scored.aerial)

    @cached_property
    def retrievals(self) -> dict[str, np.ndarray]:
        """Queries at the tenth, fiftieth and ninetieth percentile of rank, with the top five of each."""
        scored = self.scored["uncropped"]
        rank = scored.ranks.closer + scored.ranks.tied + 1
        order = np.argsort(rank, kind="stable")
        queries = [int(order[int(q * (len(order) - 1))]) for q in (0.1, 0.5, 0.9)]
        return retrieve(self.test, scored.ground, scored.aerial, queries, rank)

    def finish(self) -> dict:
        """Write ranks, figures' data, metrics and, last, ``evaluate.json``; give back the provenance."""
        folder = Path(self.settings.run)
        stored = {}
        for name, scored in self.scored.items():
            ranks = scored.ranks
            results.write_arrays(
                folder / f"ranks-{name}.npz",
                closer=ranks.closer.astype(np.int32),
                tied=ranks.tied.astype(np.int32),
                gallery_size=np.asarray(ranks.gallery_size),
                place=self.test.places,
            )
            facts = {
                "queries": len(ranks.closer),
                "gallery": self.test.gallery_count,
                "tied_fraction": float(np.mean(ranks.tied > 0)),
                "verdict": scored.verdict,
            }
            stored[name] = {
                "summary": json.loads(scored.summary.to_json(orient="split", double_precision=15)),
                "facts": facts,
            }
        results.write_arrays(folder / "projection.npz", **self.projection)
        results.write_arrays(folder / "retrievals.npz", **self.retrievals)
        results.write_json(folder / "metrics.json", stored)
        record = results.provenance(
            self.settings.to_dict(),
            data={"test": self.test.digest},
            device=self.device,
            threads=self.settings.threads,
            seconds=time.perf_counter() - self.started,
        )
        results.write_json(folder / "evaluate.json", record)
        return record


def open_evaluation(settings: EvaluateSettings) -> EvaluationSession:
    """Read a finished training run, open its test data and its test crop.

    Raises
    ------
    ValueError, FileNotFoundError
        One line that names what is wrong and where.
    """
    folder = Path(settings.run)
    if not (folder / "train.json").exists():
        raise FileNotFoundError(f"no finished training run in '{folder}': train.json is not there")
    (folder / "evaluate.json").unlink(missing_ok=True)
    trained = json.loads((folder / "train.json").read_text())
    parameters = TrainSettings(**trained["parameters"])
    device = training.choose_device(settings.device)
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    network = build_network(parameters, weights="none")
    load_model(network, folder / "checkpoint.safetensors")
    network.to(device)
    options = parameters.split_options("test")
    if parameters.data == "world":
        options["count"] = settings.test_count
    test = load(parameters.data, parameters.root, "test", cache=parameters.cache, **options)
    crops = Path(settings.crops) if settings.crops else folder.parent / f"test-crop-{test.digest[:8]}.npz"
    return EvaluationSession(settings, trained, network, test, test_boxes(crops, test, settings.crop_min), device)
