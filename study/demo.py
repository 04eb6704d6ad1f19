"""Trains the small network of ``cvig locate --demo``: ``python -m study.demo``, some minutes on one processor core.

The network lies in the library, in `cvig/locate/model_of_demo`, with the record of its training. The demo's map is another
one than it was trained on: another seed.
"""

import argparse
import time
from pathlib import Path

import torch

from cvig.datasets import load
from cvig.files import write_json
from cvig.locate.demo import MODEL
from cvig.metrics import summary
from cvig.models import build
from cvig.ranking import exact_ranks
from cvig.training.embedding import embed_gallery, embed_ground
from cvig.training.fitting import fit
from cvig.training.recipes import MODERN
from study.provenance import provenance

PARAMETERS = {
    "arch": "conv4",
    "pool": 2,
    "embedding": 48,
    "size": 64,
    "recipe": MODERN.name,
    "learning_rate": 2e-3,
    "train_count": 2048,
    "val_count": 500,
    "test_count": 2000,
    "epochs": 24,
    "seed": 0,
    "view": "90",
}


def train(folder: Path, parameters: dict) -> dict:
    """Train by `parameters`, save the network into `folder` with its record, train.json, and give the record."""
    started, p = time.perf_counter(), parameters
    torch.set_num_threads(1)
    options = {"size": p["size"], "view": p["view"], "useless": 0.0}
    training = load("world", None, "train", count=p["train_count"], fresh=True, **options)
    val, test = (load("world", None, split, count=p[f"{split}_count"], **options) for split in ("val", "test"))
    network = build(p["arch"], size=p["size"], embedding=p["embedding"], pool=p["pool"], unit_norm=True, seed=p["seed"])
    fit(
        network,
        MODERN,
        training,
        val,
        epochs=p["epochs"],
        learning_rate=p["learning_rate"],
        seed=p["seed"],
        bf16=False,
        report=lambda row: print({name: round(value, 4) for name, value in row.items() if name != "phase"}, flush=True),
    )
    ranks = exact_ranks(embed_ground(network, test), embed_gallery(network, test), test.positives)
    record = provenance(
        p,
        data={"val": val.digest, "test": test.digest},
        device="cpu",
        threads=1,
        seconds=time.perf_counter() - started,
    )
    network.save(folder)  # after the record, which names the commit: a tree that holds a new network is dirty
    record["test"] = {name: round(float(value), 4) for name, value in summary(ranks)["value"].items()}
    write_json(folder / "train.json", record)
    return record


def main() -> None:
    """Train and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m study.demo", description="Train the network of cvig locate --demo.")
    parser.add_argument("--out", type=Path, default=MODEL, help="folder of the network")
    parser.add_argument("--epochs", type=int, default=PARAMETERS["epochs"])
    given = parser.parse_args()
    print(train(given.out, {**PARAMETERS, "epochs": given.epochs})["test"])


if __name__ == "__main__":
    main()
