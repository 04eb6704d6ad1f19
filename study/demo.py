"""Trains network and filter of ``cvig locate --demo``: ``python -m study.demo``, some minutes on one processor core.

They lie in the library, in `cvig/locate/model_of_demo`, with the records of their trainings. The demo's map is another one
than they were trained on: another seed.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from cvig.datasets import load
from cvig.files import digest, write_json
from cvig.filtering import train_filter
from cvig.filtering.photographs import open_photographs
from cvig.filtering.saved import FILTER, Filter, Scenes
from cvig.filtering.scenes import extract
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
FILTERING = {
    "trunk": "resnet18",
    "weights": "none",
    "layer": "penultimate",
    "size": 64,
    "seed": 0,
    "count": 1600,
    "trees": 60,
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


def train_filter_of_demo(folder: Path, parameters: dict) -> dict:
    """Train the demo's filter, save it into `folder` with its record, filter.json, and give the record."""
    started, p = time.perf_counter(), parameters
    torch.set_num_threads(1)
    photographs = open_photographs("world", size=p["size"], count=p["count"], labelled=p["count"])
    scenes = Scenes(p["trunk"], p["weights"], p["layer"], p["size"], p["seed"])
    network = scenes.build()
    with TemporaryDirectory() as kept:
        parts = extract(network, photographs.image, photographs.keys, kept)
        features = np.concatenate([part for _, part in parts])
    labels = photographs.labels.to_numpy()
    forest, report = train_filter(features, labels, photographs.groups, trees=p["trees"], seed=p["seed"], jobs=1)
    record = provenance(
        p,
        data={"photographs": digest(*photographs.keys)},
        device="cpu",
        threads=1,
        seconds=time.perf_counter() - started,
    )
    Filter.of(forest, report, scenes, network).write(folder / FILTER)
    record |= {"held out": len(report.label), "correct": report.correct, "confusion": report.confusion.to_numpy().tolist()}
    write_json(folder / "filter.json", record)
    return record


def main() -> None:
    """Train and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m study.demo", description="Train what cvig locate --demo searches with.")
    parser.add_argument("--out", type=Path, default=MODEL, help="folder of network and filter")
    parser.add_argument("--filter", action="store_true", help="train the filter alone")
    parser.add_argument("--epochs", type=int, default=PARAMETERS["epochs"])
    given = parser.parse_args()
    if not given.filter:
        print(train(given.out, {**PARAMETERS, "epochs": given.epochs})["test"])
    print(train_filter_of_demo(given.out, FILTERING)["confusion"])


if __name__ == "__main__":
    main()
