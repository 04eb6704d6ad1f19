"""One training, alone or as one of several processes: ``python together.py FOLDER``, where rank 0 leaves what came of it."""

import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from cvig.training import processes
from cvig.training.recipes import MODERN, SAMPLE4GEO

# with batch norm; and without it, by batches of neighbours that are mined anew after each epoch, with all augmentation
RECIPES = {"modern": ("conv4", MODERN), "sample4geo": ("conv4-layernorm", replace(SAMPLE4GEO, mine_every=1))}


def train(folder: Path, name: str, epochs: int):
    """Train on 8 pairs of 12, a step an epoch; keep every epoch. The log, and the validation ranks."""
    # imported here: processes that meet, and end, do without
    from noise import Noise

    from cvig.models import build
    from cvig.training import continuation, fit

    class Noted(continuation.KeepEpochs):
        """Which process writes and reads the file, a line each."""

        def _read(self):
            note(self.path, f"read by {processes.rank()}")
            return super()._read()

    def save(self, checkpoint, path, storage_options=None):
        note(Path(path), f"written by {processes.rank()}")
        write(self, checkpoint, path, storage_options)

    arch, recipe = RECIPES[name]
    design = {name: getattr(recipe, name) for name in ("unit_norm", "pool", "shared", "projection")}
    network = build(arch, size=32, seed=0, **design)
    data = Noise(12)
    data.coordinates, data.coordinate_unit = np.random.default_rng(0).uniform(0, 1000, (12, 2)), "metres"
    keep = Noted(folder / f"{name}.ckpt", {}, every=0)
    options = {"epochs": epochs, "batch": 8, "bf16": False, "keep": keep}
    write = continuation.BesideTheFile.save_checkpoint
    with patch.object(continuation.BesideTheFile, "save_checkpoint", save):
        return fit(network, recipe, data, Noise(7, seed=1), **options)


def note(path: Path, line: str) -> None:
    """Add a line on a file to a file beside it; several processes may, at once."""
    with open(path.with_suffix(".txt"), "a") as notes:
        notes.write(f"{line}\n")


def norm(folder: Path) -> None:
    """Batch norm of eight values a channel, and its gradients for a sum of weighed squares over all."""
    from cvig.training.shared import share_batch_norms

    generator = torch.Generator().manual_seed(0)
    values, weigh = torch.randn(2, 8, 3, 4, 4, generator=generator) * 3 + 5
    own = slice(*(lambda part: (part.start, part.stop))(processes.share(8)))
    layers = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    if processes.count() > 1:
        share_batch_norms(layers, "cpu")
    x = values[own].clone().requires_grad_()
    output = layers(x)
    (output.square() * weigh[own]).sum().backward()
    weights = [parameter.grad.numpy() for parameter in layers.parameters()]
    found = {
        "output": np.concatenate(processes.gather(output.detach().numpy())),
        "input_gradient": np.concatenate(processes.gather(x.grad.numpy())),
        "weight_gradient": sum(processes.gather(weights[0])),
        "bias_gradient": sum(processes.gather(weights[1])),
        "mean": layers[0].running_mean.numpy(),
        "variance": layers[0].running_var.numpy(),
    }
    if processes.rank() == 0:
        np.savez(folder / "norm.npz", **found)


def run(folder: Path) -> None:
    """One step of each recipe, and then a second epoch, gone on to; Adam's first moment is a tenth of the gradient."""
    torch.set_num_threads(1)
    norm(folder)
    for name in RECIPES:
        train(folder, name, 1)
        processes.first(lambda name=name: shutil.copy(folder / f"{name}.ckpt", folder / f"{name}-1.ckpt"))
        finish(folder, name)


def finish(folder: Path, name: str) -> None:
    """Train two epochs of a recipe, or what is left of them, and leave what came of it."""
    log, ranks = train(folder, name, 2)
    if processes.rank() == 0:
        np.savez(folder / f"{name}.npz", loss=log.loss, closer=np.stack([r.closer for r in ranks]), seconds=log.seconds)


def main(folder: Path, how: str = "") -> None:
    """As one of several processes."""
    processes.join("cpu")
    if how == "wait":
        numbers = processes.gather(os.getpid())
        print(*numbers, sep="\n", flush=True)
        time.sleep(600)
    if how == "kill" and processes.rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "fail" and processes.rank() == 1:
        raise SystemExit("no such pair")
    if how in ("kill", "fail"):
        processes.gather(None)
    elif how == "resume":
        finish(folder, "sample4geo")
    else:
        run(folder)
    processes.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
