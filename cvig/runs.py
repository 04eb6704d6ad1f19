"""What the training notebook calls: open a run, train step by step, finish it.

Everything that can be wrong with the parameters or the data raises before the first training step, and the file that
marks a run as finished is written last.
"""

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_model

from cvig import results, training
from cvig.datasets import PairedViews, load
from cvig.models import SiameseNetwork, build, preprocess
from cvig.recipes import RECIPES, Recipe
from cvig.settings import TrainSettings

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
    device = training.set_up(settings.device, settings.threads)
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
