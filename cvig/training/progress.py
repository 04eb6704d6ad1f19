"""A bar with the time that is left, in a terminal; and the energy that a training takes, where the machine tells it."""

import sys
from pathlib import Path

import lightning
import torch

from cvig.training import processes

RAPL = Path("/sys/class/powercap")  # of Intel's and AMD's processors under Linux; often for root alone to read


class Bar(lightning.Callback):
    """A bar of all steps of a training, on stderr; nothing where that is no terminal, as in a notebook's run.

    Parameters
    ----------
    epochs : int
    steps : int
        Of an epoch, at most.
    """

    def __init__(self, epochs: int, steps: int):
        self.epochs, self.steps, self.bar = epochs, steps, None

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Begin where the training does."""
        from tqdm import tqdm

        quiet = True if processes.rank() else None  # None asks whether there is a terminal
        done = trainer.current_epoch * self.steps
        self.bar = tqdm(
            total=self.epochs * self.steps,
            initial=done,
            desc="training",
            unit="step",
            leave=False,
            disable=quiet,
            file=sys.stderr,
        )

    def on_train_batch_end(self, *_: object) -> None:
        """A step more."""
        self.bar.update()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Make way for the epoch's line of the log; an epoch may have had fewer steps than were expected."""
        self.bar.clear()
        self.bar.n = (trainer.current_epoch + 1) * self.steps

    def teardown(self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str) -> None:
        """Take the bar away, however the training ended."""
        if self.bar is not None:
            self.bar.close()


class Meter:
    """Joules that a device has taken since the meter was made: of processor packages (RAPL), or of a GPU (NVML).

    It is that of the whole machine, or GPU, whoever uses it. A processor's counter starts over every few minutes to hours:
    `read` it more often.

    Parameters
    ----------
    device : {"cpu", "cuda"}
    counters : path
        Where Linux lists the processor's counters.
    """

    def __init__(self, device: str, counters: Path = RAPL):
        self.packages = sorted(counters.glob("intel-rapl:?")) if device == "cpu" else []
        self.cuda, self.joules = device == "cuda", 0.0
        self._last = self._now()

    def _now(self) -> list[int] | None:
        """Microjoules of each package, or of the GPU; None where nothing tells."""
        if self.cuda:
            try:
                import pynvml

                pynvml.nvmlInit()
                handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties().uuid}")
                return [1000 * pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)]
            except Exception:  # no NVML, or a device that does not count: what is unknown stays unknown
                return None
        try:
            return [int((package / "energy_uj").read_text()) for package in self.packages] or None
        except (OSError, ValueError):
            return None

    def read(self) -> float | None:
        """Joules since the meter was made; None where nothing tells them."""
        now = self._now()
        if now is None or self._last is None:
            return None
        for i, (before, after) in enumerate(zip(self._last, now, strict=True)):
            if after < before:  # it has started over
                after += int((self.packages[i] / "max_energy_range_uj").read_text())
            self.joules += (after - before) / 1e6
        self._last = now
        return self.joules
