"""What the training notebook calls: open a run, train step by step, finish it.

Everything that can be wrong with the parameters or the data raises before the first training step, and nothing that lies in
the run's folder is touched before all of the new run is there (`study.folder`).
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cvig import files, locks, training
from cvig.datasets import PairedViews, load
from cvig.models import SiameseNetwork, load_network, preprocess
from cvig.ranking import Ranks
from cvig.training import devices, processes
from cvig.training.batches import check_batch
from cvig.training.caching import check_cachable
from cvig.training.continuation import KeepEpochs
from cvig.training.progress import Meter
from cvig.training.recipes import Recipe
from cvig.training.starting import ProcessFailed, start
from study import provenance, watching
from study.folder import KEPT, Work, open_work, say_kept, unfinished
from study.settings import TrainSettings

SAMPLES = 256  # training pairs that NetVLAD's first clusters, or batch norm's statistics, come from


def open_training(settings: TrainSettings) -> "TrainingSession":
    """Check everything, open the data, build the network, and hold the run's folder, in which nothing is changed yet.

    Raises
    ------
    ValueError, FileNotFoundError
        One line that names what is wrong and where.
    """
    device = devices.set_up(settings.device, settings.threads)
    together = processes.join(device)
    if together > 1 and settings.devices not in (1, together):
        raise ValueError(
            f"parameter devices={settings.devices}: {together} processes were started; expected {together}, or 1"
        )
    settings = settings.model_copy(update={"devices": max(together, settings.devices)})
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
    check_batch(train, session.batch, settings.devices)
    if settings.micro_batch:
        check_cachable(network, recipe.frozen_batch_norm)
    session.hold()
    if session.work.finished or settings.devices > together:
        return session
    network.to(device)
    samples = [torch.from_numpy(x).to(device) for x in session.samples(SAMPLES)]
    start_layers(network, recipe, samples, settings)
    return session


def recipe_for(settings: TrainSettings, train: PairedViews) -> Recipe:
    """The recipe as its switches change it, without the augmentation that the data do not bear."""
    recipe = settings.trained_by
    both_north = settings.view == "panorama" or train.aligned
    if any(recipe.second_views) and not both_north:
        raise ValueError(f"recipe '{recipe.name}' makes second views of panoramas: expected data, or a view, of those")
    if both_north:  # a turned aerial image would not
        recipe = replace(recipe, quarter_turns=False)
    elif recipe.joint_turns:  # of a view of unknown heading the tile alone is turned
        recipe = replace(recipe, quarter_turns=True, joint_turns=False)
    if train.polar:
        recipe = replace(recipe, quarter_turns=False, joint_turns=False, joint_flips=False, crop_min=1.0)
    return recipe


def start_layers(network: SiameseNetwork, recipe: Recipe, samples: list[torch.Tensor], settings: TrainSettings) -> None:
    """Start from training images, ground and aerial, what layers have from data: batch norm's statistics, clusters."""
    if recipe.frozen_batch_norm and settings.weights == "none" and not settings.start:
        network.fit_statistics(*(preprocess(x) for x in samples))
    network.half_size = settings.half_size_epochs > 0  # the clusters come from images of the first epoch's size
    network.fit_clusters(*(network.prepare(x, training=True) for x in samples), settings.seed)


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
    meter: Meter = field(init=False)
    quiet: bool = False  # say nothing of how to go on: another program does
    log: pd.DataFrame | None = None
    val_ranks: list[Ranks] = field(default_factory=list)

    def __post_init__(self) -> None:
        s, self.meter = self.settings, Meter(self.device)
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
        """Hold the run's folder: from here on nobody else writes there. Of several processes the first one holds it.

        Raises
        ------
        ValueError
            Another process holds it or another run lies there; processes see other data or code than the first; or what is
            kept there was trained by another number of processes, which would round otherwise.
        """
        for number, record in enumerate(processes.gather(self.record)):
            if record["identity"] != self.record["identity"]:
                raise ValueError(f"process {number}: {provenance.difference(self.record, record)}; expected all to be alike")
        folder, identity = self.settings.folder_of(self.record["identity"]), self.record["identity"]
        alike = provenance.identity_of(self.record, apart_from=("devices",))
        self.work = processes.first(lambda: self._open(folder, alike))
        # a training whose parameters, data, code or versions differ in anything is another one, and goes on elsewhere
        kept = {"identity": identity, "alike": alike, "devices": self.settings.devices}
        self.keep = KeepEpochs(self.work.path / KEPT, kept)

    def _open(self, folder: Path, alike: str) -> Work:
        work = open_work(folder, "train", self.record, overwrite=self.settings.overwrite)
        for other in unfinished(folder, "train"):
            kept = KeepEpochs(other / KEPT, {}).of()
            if kept and kept.get("alike") == alike and kept["devices"] != self.settings.devices:
                locks.let_go(folder)
                raise ValueError(
                    f"'{other / KEPT}' keeps epochs of this training by devices={kept['devices']}: "
                    f"go on with as many, or delete it to begin anew with devices={self.settings.devices}"
                )
        return work

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
            "devices": self.settings.devices,
            "precision": self.precision,
            "folder": str(self.work.folder),
        }

    def samples(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `count` training pairs: two uint8 arrays [count, 3, H, W]."""
        pairs = [self.train[i] for i in range(min(count, len(self.train)))]
        return tuple(np.stack([pair[key].numpy() for pair in pairs]) for key in ("ground", "aerial"))

    def fit(self, report: Callable[[dict], None] | None = None) -> pd.DataFrame:
        """Train; print each epoch's row of the log or `report` it. A training that was cut short goes on from what it kept.

        Of a run that is finished the log is read. With `devices` above one, processes of ``python -m study.train`` make the
        whole run, unless this is one of them.

        Raises
        ------
        ProcessFailed
            One of several processes ended badly, and so all have.
        FloatingPointError
            The loss is no longer finite. What it says is left in ``diverged.json``: of a study that is a result too.
        """
        s = self.settings
        if self.work.finished:
            self.log = pd.read_csv(self.work.folder / "log.csv")
            return self.log
        report = self._reporting(report or watching.print_row)
        try:
            return self._fit_apart(report) if s.devices > processes.count() else self._fit_here(report)
        except (OSError, RuntimeError, FloatingPointError, KeyboardInterrupt):
            self._say_what_is_kept()
            raise

    def _reporting(self, report: Callable[[dict], None]) -> Callable[[dict], None]:
        """`report`, and where it is asked for the same to TensorBoard; the meter is read as often."""
        write = watching.to_tensorboard(self.settings.tensorboard, self.work.folder) if self.settings.tensorboard else None

        def also(row: dict) -> None:
            report(row)
            self.meter.read()
            if write and self.settings.devices <= processes.count():
                write(row)

        return also

    def _say_what_is_kept(self) -> None:
        epochs = 0 if self.quiet or processes.rank() else self.keep.epochs()
        if epochs:
            print(say_kept(epochs, self.work.folder), file=sys.stderr)

    def _fit_here(self, report: Callable[[dict], None]) -> pd.DataFrame:
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
                micro_batch=s.micro_batch,
                half_size_epochs=s.half_size_epochs,
                report=report,
                keep=self.keep,
            )
        except FloatingPointError as error:
            word = self._ended() | {"error": str(error)}
            processes.first(lambda: self.work.place("diverged.json", word))
            raise
        return self.log

    def _fit_apart(self, report: Callable[[dict], None]) -> pd.DataFrame:
        """Let processes of their own make the run, and read what they made."""
        folder = self.work.folder
        locks.let_go(folder)  # the first of them holds it

        def say(line: str) -> None:
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            report(row) if isinstance(row, dict) and "epoch" in row else print(line, flush=True)

        settings = folder / ".settings.json"
        files.write_json(settings, self.settings.to_dict() | {"out": str(folder)})
        words = ["-m", "study.train", str(settings), "--rows", "--keep-every", str(self.keep.every)]
        try:
            start([sys.executable, *words], self.settings.devices, say)
        except ProcessFailed:
            if (folder / "diverged.json").exists():
                raise FloatingPointError(json.loads((folder / "diverged.json").read_text())["error"]) from None
            raise
        finally:
            settings.unlink(missing_ok=True)
        self.work = replace(self.work, finished=True)
        self.network.load_state_dict(load_network(folder).state_dict())
        self.log = pd.read_csv(folder / "log.csv")
        return self.log

    def _ended(self) -> dict:
        seconds = round(self.keep.seconds, 1)
        ended = self.record | {"seconds": seconds, "device_seconds": round(seconds * self.settings.devices, 1)}
        joules = self.meter.read()
        if joules is not None and not self.keep.earlier:  # of a training that went on, what came before is not known
            ended["joules"] = round(joules)  # of the machine, or of the first process's GPU
        return ended

    def finish(self) -> dict:
        """Write log, network and, last, ``train.json``; give back the provenance. Of several processes the first writes."""
        if self.work.finished:
            return json.loads((self.work.folder / "train.json").read_text())
        return processes.first(self._write)

    def _write(self) -> dict:
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
