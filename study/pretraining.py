"""Trunks from a task that never pairs views: ``python -m study.pretraining [ARCH] [SIZE] [EPOCHS]``.

The paper's trunks come from ImageNet. What stands in for them here has seen neither the task nor the land of any study: one
trunk learns by how many quarter turns an image was turned (Gidaris, Singh and Komodakis 2018), from ground views and aerial
tiles that it sees apart, of a country of its own. Both towers start from that one trunk.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from cvig import files
from cvig.datasets import load
from cvig.models import preprocess
from cvig.models.trunks import build_trunk, feature_shape
from cvig.training import devices
from study import provenance

SEED = 1000  # of the country, and of the training; no study has it
COUNT, BATCH, RATE = 4096, 64, 2e-3
TRUNK, MARK = "trunk.safetensors", "pretraining.json"


def turned(images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Square images [B, 3, S, S], each turned by a random number of quarter turns, and that number: int64 [B]."""
    turns = torch.randint(4, (len(images),), generator=generator)
    return torch.stack([image.rot90(int(turn), (1, 2)) for image, turn in zip(images, turns, strict=True)]), turns


class Turns(nn.Module):
    """A trunk, and for each view a linear layer that says from its mean features how an image was turned."""

    def __init__(self, arch: str, size: int):
        super().__init__()
        self.trunk = build_trunk(arch)
        self.views = nn.ModuleList(nn.Linear(feature_shape(self.trunk, size)[0], 4) for _ in range(2))

    def forward(self, images: torch.Tensor, view: int) -> torch.Tensor:
        """Logits of images of one view, 0 for ground views and 1 for aerial tiles: [B, 4]."""
        return self.views[view](self.trunk(preprocess(images)).mean((2, 3)))


def accuracy(network: Turns, images: torch.Tensor, view: int) -> float:
    """Share of images whose turn is recognized; chance is a quarter."""
    network.eval()
    right = 0
    generator = torch.Generator().manual_seed(SEED)
    with torch.inference_mode():
        for part in images.split(256):
            given, turns = turned(part, generator)
            right += int((network(given, view).argmax(1) == turns).sum())
    network.train()
    return right / len(images)


def main(arch: str = "conv4", size: int = 32, epochs: int = 12, out: str = "") -> None:
    """Train a trunk, and write it and where it comes from."""
    folder = Path(out or f"results/neutral/{arch}")
    if (folder / MARK).exists():
        print(f"'{folder}': finished ({MARK})")
        return
    device = devices.set_up("cpu", 1)
    options = {"size": size, "seed": SEED}
    train, val = (load("world", "", split, count=count, **options) for split, count in (("train", COUNT), ("val", 500)))
    parameters = {"arch": arch, "size": size, "epochs": epochs, "seed": SEED, "count": COUNT, "batch": BATCH, "rate": RATE}
    record = provenance.provenance(
        parameters, data={"train": train.digest, "val": val.digest}, device=device, threads=1, precision="32"
    )
    started = time.perf_counter()
    torch.manual_seed(SEED)
    network = Turns(arch, size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.05, fused=True)
    steps = epochs * (len(train) // BATCH)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(SEED)
    for epoch in range(epochs):
        orders = [np.random.default_rng([SEED, epoch, view]).permutation(len(train)) for view in (0, 1)]  # each its own
        losses = []
        for at in range(0, len(train) - BATCH + 1, BATCH):
            loss = 0.0
            for view, images in enumerate((train.ground, train.aerial)):
                given, turns = turned(images[orders[view][at : at + BATCH]], generator)
                loss = loss + F.cross_entropy(network(given, view), turns)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1:2d}  loss {np.mean(losses):.3f}", flush=True)
    right = {
        name: accuracy(network, images, view)
        for view, (name, images) in enumerate({"ground": val.ground, "aerial": val.aerial}.items())
    }
    with files.atomic(folder / TRUNK) as temporary:
        save_file({name: x.contiguous() for name, x in network.trunk.state_dict().items()}, temporary)
    files.write_json(
        folder / MARK,
        record
        | {"accuracy": right, "files": {TRUNK: files.digest_file(folder / TRUNK)}}
        | {"seconds": round(time.perf_counter() - started, 1)},
    )
    print(json.dumps(right))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*given[:1], *map(int, given[1:3]))
