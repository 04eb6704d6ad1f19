"""What the training notebook calls: open a run, train step by step, finish it.

Everything that can be wrong with the parameters or the data raises before the first training step, and nothing that lies in
the run's folder is touched before all of the new run is there (`study.folder`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cvig import files, training
from cvig.datasets import PairedViews, load
from cvig.models import SiameseNetwork, load_network, preprocess
from cvig.ranking import Ranks
from cvig.training import devices
from cvig.training.batches import EpochBatches
from cvig.training.continuation import KeepEpochs
from cvig.training.recipes import Recipe
from study import provenance
from study.folder import KEPT, Work, open_work
from study.settings import TrainSettings

SAMPLES = 256  # training pairs that NetVLAD's first clusters, or batch norm's statistics, come from


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
    record: dict = field(init=False)
    work: Work = field(init=False)
    keep: KeepEpochs = field(init=False)
    log: pd.DataFrame | None = None
    val_ranks: list[Ranks] = field(default_factory=list)

    def __post_init__(self) -> None:
        s = self.settings
        # as they are before the first epoch: fresh views of later ones follow from them
        data = {"train": self.train.digest, "val": self.val.digest}
        if s.start:
            data["start"] = files.digest_file(Path(s.start) / "checkpoint.safetensors")
        elif s.weights not in ("none", "imagenet"):
            data["weights"] = files.digest_file(s.weights)
        self.record = provenance.provenance(
            s.to_dict(), data=data, device=self.device, threads=s.threads, precision=self.precision
        )

    def hold(self) -> None:
        """Hold the run's folder: from here on nobody else writes there."""
        folder = self.settings.folder_of(self.record["identity"])
        self.work = open_work(folder, "train", self.record, overwrite=self.settings.overwrite)
        # a training whose parameters, data, code or versions differ in anything is another one, and goes on elsewhere
        self.keep = KeepEpochs(self.work.path / KEPT, {"identity": self.record["identity"]})

    @property
    def batch(self) -> int:
        """Pairs a step: as asked, else the recipe's, or all where the data are fewer."""
        return self.settings.batch or min(self.recipe.batch, len(self.train))

    @property
    def precision(self) -> str:
        """Of the towers: ``"bf16"`` or ``"32"``."""
        return devices.choose_precision(self.settings.precision, self.device)

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
            "switches": ", ".join(self.settings.switched.on) or "none",
            "device": self.device,
            "precision": self.precision,
            "folder": str(self.work.folder),
        }

    def samples(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `count` training pairs: two uint8 arrays [count, 3, H, W]."""
        pairs = [self.train[i] for i in range(min(count, len(self.train)))]
        return tuple(np.stack([pair[key].numpy() for pair in pairs]) for key in ("ground", "aerial"))

    def fit(self, report: Callable[[dict], None] | None = None) -> pd.DataFrame:
        """Train; print each epoch's row of the log or `report` it. A training that was cut short goes on from what it kept.

        Of a run that is finished the log is read.

        Raises
        ------
        FloatingPointError
            The loss is no longer finite. What it says is left in ``diverged.json``: of a study that is a result too.
        """
        s = self.settings
        if self.work.finished:
            self.log = pd.read_csv(self.work.folder / "log.csv")
            return self.log
        try:
            self.log, self.val_ranks = training.fit(
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
                bf16=self.precision == "bf16",
                half_size_epochs=s.half_size_epochs,
                report=report or _print_row,
                keep=self.keep,
            )
        except FloatingPointError as error:
            self.work.place("diverged.json", self._ended() | {"error": str(error)})
            raise
        return self.log

    def _ended(self) -> dict:
        return self.record | {"seconds": round(self.keep.seconds, 1)}

    def finish(self) -> dict:
        """Write log, network and, last, ``train.json``; give back the provenance."""
        if self.work.finished:
            return json.loads((self.work.folder / "train.json").read_text())
        folder, identity = self.work.path, self.record["identity"]
        files.write_csv(folder / "log.csv", self.log)
        files.write_arrays(
            folder / "validation.npz",
            closer=np.stack([ranks.closer for ranks in self.val_ranks]).astype(np.int32),
            tied=np.stack([ranks.tied for ranks in self.val_ranks]).astype(np.int32),
            gallery_size=np.asarray(self.val.gallery_count),
            identity=np.asarray(identity),
        )
        self.network.save(folder)
        return self.work.place(
            "train.json", self._ended() | {"epochs": len(self.log), "pairs_per_epoch": self.train.ground_count}
        )


def recipe_for(settings: TrainSettings, train: PairedViews) -> Recipe:
    """The recipe as its switches change it, without the augmentation that the data do not bear."""
    recipe = settings.trained_by
    if settings.view == "panorama" or train.aligned:  # both face north, and a turned aerial image would not
        recipe = replace(recipe, quarter_turns=False)
    if train.polar:
        recipe = replace(recipe, quarter_turns=False, crop_min=1.0)
    return recipe


def start_layers(network: SiameseNetwork, recipe: Recipe, samples: list[torch.Tensor], settings: TrainSettings) -> None:
    """Start from training images, ground and aerial, what layers have from data: batch norm's statistics, clusters."""
    if recipe.frozen_batch_norm and settings.weights == "none" and not settings.start:
        network.fit_statistics(*(preprocess(x) for x in samples))
    network.half_size = settings.half_size_epochs > 0  # the clusters come from images of the first epoch's size
    network.fit_clusters(*(network.prepare(x, training=True) for x in samples), settings.seed)


def open_training(settings: TrainSettings) -> TrainingSession:
    """Check everything, open the data, build the network, and hold the run's folder, in which nothing is changed yet.

    Raises
    ------
    ValueError, FileNotFoundError
        One line that names what is wrong and where.
    """
    device = devices.set_up(settings.device, settings.threads)
    train, val = (
        load(settings.data, settings.root, split, cache=settings.cache, **settings.split_options(split, device))
        for split in ("train", "val")
    )
    recipe = recipe_for(settings, train)
    network = settings.build()
    if settings.start:
        if not (Path(settings.start) / "train.json").exists():
            raise FileNotFoundError(f"no finished training run to start from in '{settings.start}': train.json is not there")
        network.take_trunks(load_network(settings.start))
    session = TrainingSession(settings, recipe, train, val, network, device)
    EpochBatches(train, session.batch, settings.seed, epoch=lambda: 0)  # raises where they cannot be made
    session.hold()
    if session.work.finished:
        return session
    network.to(device)
    samples = [torch.from_numpy(x).to(device) for x in session.samples(SAMPLES)]
    start_layers(network, recipe, samples, settings)
    return session
