"""What the training notebook calls: open a run, train step by step, finish it.

Everything that can be wrong with the parameters or the data raises before the first training step, and the file that
marks a run as finished is written last.
"""

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
    keep: KeepEpochs = field(init=False)
    log: pd.DataFrame | None = None
    val_ranks: list[Ranks] = field(default_factory=list)

    def __post_init__(self) -> None:
        # training begins anew where any parameter, data, code or version differs
        self.keep = KeepEpochs(self.settings.folder / "unfinished.ckpt", self._provenance(0.0))

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
            "folder": str(self.settings.folder),
        }

    def samples(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `count` training pairs: two uint8 arrays [count, 3, H, W]."""
        pairs = [self.train[i] for i in range(min(count, len(self.train)))]
        return tuple(np.stack([pair[key].numpy() for pair in pairs]) for key in ("ground", "aerial"))

    def fit(self, report: Callable[[dict], None] | None = None) -> pd.DataFrame:
        """Train; print each epoch's row of the log or `report` it. A training that was cut short goes on from what it kept.

        Raises
        ------
        FloatingPointError
            The loss is no longer finite. What it says is left in ``diverged.json``: of a study that is a result too.
        """
        s = self.settings
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
            files.write_json(
                self.settings.folder / "diverged.json", self._provenance(self.keep.seconds) | {"error": str(error)}
            )
            self.keep.forget()
            raise
        return self.log

    def _provenance(self, seconds: float) -> dict:
        kept = provenance.provenance(
            self.settings.to_dict(),
            data={"train": self.train.digest, "val": self.val.digest},
            device=self.device,
            threads=self.settings.threads,
            seconds=seconds,
        )
        return kept | {"precision": self.precision}

    def finish(self) -> dict:
        """Write log, network and, last, ``train.json``; give back the provenance."""
        folder = self.settings.folder
        files.write_csv(folder / "log.csv", self.log)
        files.write_arrays(
            folder / "validation.npz",
            closer=np.stack([ranks.closer for ranks in self.val_ranks]).astype(np.int32),
            tied=np.stack([ranks.tied for ranks in self.val_ranks]).astype(np.int32),
            gallery_size=np.asarray(self.val.gallery_count),
        )
        self.network.save(folder)
        record = self._provenance(self.keep.seconds)
        record |= {"epochs": len(self.log), "pairs_per_epoch": self.train.ground_count}
        files.write_json(folder / "train.json", record)
        self.keep.forget()
        return record


def open_training(settings: TrainSettings) -> TrainingSession:
    """Check everything, open the data, build the network; a former run there counts as unfinished.

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
    recipe = settings.trained_by
    if settings.view == "panorama" or train.aligned:  # both face north, and a turned aerial image would not
        recipe = replace(recipe, quarter_turns=False)
    if train.polar:
        recipe = replace(recipe, quarter_turns=False, crop_min=1.0)
    network = settings.build()
    if settings.start:
        if not (Path(settings.start) / "train.json").exists():
            raise FileNotFoundError(f"no finished training run to start from in '{settings.start}': train.json is not there")
        network.take_trunks(load_network(settings.start))
    session = TrainingSession(settings, recipe, train, val, network, device)
    EpochBatches(train, session.batch, settings.seed, epoch=lambda: 0)  # raises where they cannot be made
    network.to(device)
    samples = [torch.from_numpy(x).to(device) for x in session.samples(SAMPLES)]
    if recipe.frozen_batch_norm and settings.weights == "none" and not settings.start:
        session.network.fit_statistics(*(preprocess(x) for x in samples))
    network.half_size = settings.half_size_epochs > 0  # the clusters come from images of the first epoch's size
    session.network.fit_clusters(*(session.network.prepare(x, training=True) for x in samples), settings.seed)
    for mark in ("evaluate.json", "metrics.json", "train.json", "diverged.json"):
        (settings.folder / mark).unlink(missing_ok=True)
    return session
