"""Keeping a training on disk, so that a training that is interrupted continues after the last epoch that was kept."""

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
    """Writes checkpoints by `cvig.files.atomic`; Lightning would first write them to the system's temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint whole or not at all."""
        with atomic(path) as temporary:
            try:
                torch.save(checkpoint, temporary)
            except RuntimeError as error:  # so torch says that a disk is full
                raise OSError(f"'{path}' cannot be written: {str(error).splitlines()[0]}") from error


class KeepEpochs(Checkpoint):
    """A Lightning callback that keeps, in one file, all that the rest of the training depends on: weights, optimizer, log.

    If several processes train together, the first writes the file and all read it. A different number of processes can
    continue from the file, with the same outcome but for rounding.

    Parameters
    ----------
    path : Path
        The file, about three times as large as the network's weights. A newer epoch replaces the older one atomically.
    run : dict
        Identifies the training: parameters, data and code. Only a training with an equal `run` continues from the file.
    every : float
        The least number of seconds between two writes, so that short epochs do not spend their time on writing.

    Attributes
    ----------
    earlier : float
        Seconds that the kept epochs took; 0 if the training does not continue from a file.
    """

    def __init__(self, path: Path, run: dict, every: float = 60.0):
        self.path, self.run, self.every, self.earlier = path, run, every, 0.0
        self._started = self._kept = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds that the training has taken so far, with all its interrupted parts."""
        return self.earlier + time.perf_counter() - self._started

    def find(self) -> Path | None:
        """The file to continue from, or None. A damaged file is renamed, and one line on stderr says so.

        Raises
        ------
        ValueError
            The file is of another training, or not every process can read it.
        """
        there = processes.first(self._find)
        if there is not None and not all(processes.gather(processes.rank() == 0 or self._read() is not None)):
            raise ValueError(f"'{self.path}': not every process can read it; name a folder that all machines share")
        self.earlier = there or 0.0
        return None if there is None else self.path

    def of(self) -> dict | None:
        """The `run` of the training that the file keeps; None if there is no file or it is damaged."""
        kept = self._read()
        return kept and kept[0]

    def epochs(self) -> int:
        """The number of finished epochs in the file; 0 if there is no file or it is damaged."""
        if self._read() is None:
            return 0
        return torch.load(self.path, map_location="cpu", weights_only=True, mmap=True)["epoch"] + 1

    def _read(self) -> tuple[dict, float] | None:
        """The `run` and the seconds of the training in the file; None if there is no file or any part of it is damaged."""
        try:
            with ZipFile(self.path) as archive:
                if bad := archive.testzip():
                    raise BadZipFile(bad)
            # memory-mapped, so that the weights are not read
            kept = torch.load(self.path, map_location="cpu", weights_only=True, mmap=True)["kept"]
            return kept["run"], float(kept["seconds"])
        except (UnpicklingError, RuntimeError, OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return None

    def _find(self) -> float | None:
        """Seconds that the kept epochs took; None if there is no file to continue from."""
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
        """Add to the checkpoint which training it is of."""
        checkpoint["kept"] = {"run": self.run, "seconds": self.seconds}

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write the file, unless the last write was less than `every` seconds ago."""
        if processes.first(lambda: time.perf_counter() - self._kept >= self.every):
            trainer.save_checkpoint(self.path)
            self._kept = time.perf_counter()
