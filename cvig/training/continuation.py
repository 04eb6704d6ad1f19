"""Keeping a training on disk, so that one that is cut short goes on after the last epoch it kept."""

import sys
import time
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from cvig.files import atomic, set_aside
from cvig.training import processes


class BesideTheFile(TorchCheckpointIO):
    """Writes checkpoints as all else is written; Lightning's own way stages them in the system's temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint whole or not at all."""
        with atomic(path) as temporary:
            torch.save(checkpoint, temporary)


class KeepEpochs(Checkpoint):
    """After an epoch, keep in one file all that the rest of the training depends on: weights, optimizer, log.

    Of several processes the first writes the file, and all read it; another number of them can go on from it, to the same
    outcome but for rounding.

    Parameters
    ----------
    path : Path
        The file: about three times the checkpoint's size. Each epoch takes the place of the one before, whole.
    run : dict
        What is trained, on what data, by which code. Only the very same training goes on from the file.
    every : float
        Seconds at least between two writes, so that short trainings need not pay for them.

    Attributes
    ----------
    earlier : float
        Seconds that the kept epochs took; zero until there is something to go on from.
    """

    def __init__(self, path: Path, run: dict, every: float = 60.0):
        self.path, self.run, self.every, self.earlier = path, run, every, 0.0
        self._started = self._kept = time.perf_counter()

    @property
    def seconds(self) -> float:
        """What the training has taken so far, in all its parts."""
        return self.earlier + time.perf_counter() - self._started

    def find(self) -> Path | None:
        """The file to go on from. One that is damaged is set aside under a name that says so, in one line of stderr.

        Raises
        ------
        ValueError
            The file is another training's: it is not this one's to take away. Or a process does not see it whole.
        """
        there = processes.first(self._find)
        if there is not None and not all(processes.gather(processes.rank() == 0 or self._read() is not None)):
            raise ValueError(f"'{self.path}': not every process can read it; name a folder that all machines share")
        self.earlier = there or 0.0
        return None if there is None else self.path

    def of(self) -> dict | None:
        """Which training the file keeps, as its `run` says; None where there is none, or a damaged one."""
        kept = self._read()
        return kept and kept[0]

    def epochs(self) -> int:
        """How many epochs the file keeps; zero where there is none, or a damaged one."""
        if self._read() is None:
            return 0
        return torch.load(self.path, map_location="cpu", weights_only=True, mmap=True)["epoch"] + 1

    def _read(self) -> tuple[dict, float] | None:
        """Which training the file keeps, and its seconds; None where it is not there or is damaged anywhere."""
        try:
            with ZipFile(self.path) as archive:
                if bad := archive.testzip():
                    raise BadZipFile(bad)
            # memory-mapped: only what is looked at is read
            kept = torch.load(self.path, map_location="cpu", weights_only=True, mmap=True)["kept"]
            return kept["run"], float(kept["seconds"])
        except (UnpicklingError, RuntimeError, OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return None

    def _find(self) -> float | None:
        """Seconds that the kept epochs took; None where there are none."""
        if not self.path.exists():
            return None
        kept = self._read()
        if kept is None:
            aside = set_aside(self.path)
            print(f"'{self.path}' is damaged: it is '{aside.name}' now, and the training begins anew", file=sys.stderr)
            return None
        if kept[0] != self.run:
            raise ValueError(f"'{self.path}' keeps another training than this one: name another file, or delete it")
        return kept[1]

    def on_save_checkpoint(self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict) -> None:
        """Say which training this is."""
        checkpoint["kept"] = {"run": self.run, "seconds": self.seconds}

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write, unless the last time was a moment ago."""
        if processes.first(lambda: time.perf_counter() - self._kept >= self.every):
            trainer.save_checkpoint(self.path)
            self._kept = time.perf_counter()
