"""Experiments of many small trainings: one plan, and two tables in place of a folder a run.

Each run of a plan (`study.planned`) adds a row to ``runs.csv``, its test, and rows to ``epochs.csv``, both towers before the
first epoch and after each, or after the last alone. The epochs are written before the run's own row, each table whole or not
at all, so that a run is there when its row is. ``settings`` holds all parameters of a run; ``environment`` names an entry of
``environments.json``: commit, packages, processor.

The same command goes on where it stopped: a run whose row names the same parameters and the same data is taken as it is,
also where code has changed since.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cvig import files, locks, training
from cvig.datasets import PairedViews, load
from cvig.metrics import pssr, recall_at_k
from cvig.metrics.collapse import distinct_rows, relative_spread
from cvig.metrics.conventions import recalls
from cvig.models import SiameseNetwork, load_network
from cvig.models.activity import silent_units
from cvig.ranking import exact_ranks
from cvig.training import devices
from cvig.training.embedding import embed_gallery, embed_ground
from study import provenance
from study.planned import SeedsPlan, read_table
from study.sessions.fields import by_field
from study.sessions.training import SAMPLES, recipe_for, start_layers
from study.settings import TrainSettings

TOPS = (1, 5, 10, "1%", "5%", "10%")
LOOKED_AT = 256  # validation images of which silent units are counted


@lru_cache(maxsize=16)
def _views(data: str, split: str, options: str) -> PairedViews:
    return load(data, "", split, **json.loads(options))


def views(settings: TrainSettings, split: str, test_count: int = 0) -> PairedViews:
    """One split of a run's data; runs of equal data share it."""
    options = settings.split_options(split)
    if split == "test":
        options["count"] = test_count
    return _views(settings.data, split, json.dumps(options, sort_keys=True))


def both(network: SiameseNetwork, data: PairedViews, device: str) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of all ground views and of the gallery."""
    return embed_ground(network, data, device=device), embed_gallery(network, data, device=device)


def towers(ground: np.ndarray, aerial: np.ndarray) -> dict[str, float]:
    """Of each tower: share of distinct rows, share on the commonest point, spread."""
    row = {}
    for side, rows in (("ground", ground), ("aerial", aerial)):
        distinct, largest = distinct_rows(rows)
        row |= {
            f"{side}_distinct": distinct / len(rows),
            f"{side}_largest": largest / len(rows),
            f"{side}_spread": relative_spread(rows),
        }
    return row


@torch.no_grad()
def looked_at(network: SiameseNetwork, val: PairedViews, device: str) -> dict[str, float]:
    """One row of ``epochs.csv``: both towers on validation views, prepared as for a test and, ``seen_…``, as in training.

    ``…_silent_fc1`` and the like are `silent_units`.
    """
    training_mode = network.training
    network.eval()
    ground, aerial = both(network, val, device)
    row = towers(ground, aerial)
    row["val_pssr"] = pssr(exact_ranks(ground, aerial, val.positives), ties="pessimistic")
    seen = {}
    for side, image, count in (
        ("ground", val.ground_image, val.ground_count),
        ("aerial", val.aerial_image, val.gallery_count),
    ):
        tower, images = getattr(network, side), torch.stack([image(i) for i in range(min(LOOKED_AT, count))]).to(device)
        seen[side] = tower(network.prepare(images, training=True)).cpu().numpy()
        for which, training_images in (("", False), ("seen_", True)):
            silent = silent_units(tower, network.prepare(images, training=training_images))
            layers = {name.split(".")[1] if "." in name else name: share for name, share in silent.items()}
            row |= {f"{which}{side}_silent_{layer}": share for layer, share in layers.items()}
    network.train(training_mode)
    return row | {f"seen_{name}": value for name, value in towers(seen["ground"], seen["aerial"]).items()}


def coded_counts(ground: np.ndarray, aerial: np.ndarray) -> dict[str, int]:
    """Queries that the paper's code counts as found at each of `TOPS`; one gallery row answers each."""
    found = recalls(ground, aerial, list(TOPS), names=["image-locate"], progress=False)["image-locate"]
    return {f"coded_{str(top).replace('%', 'pct')}": round(float(found[top]) * len(ground)) for top in TOPS}


def tested(network: SiameseNetwork, test: PairedViews, device: str) -> dict[str, float]:
    """The test as exact ranks have it, as the paper's code counts it, and both towers."""
    ground, aerial = both(network, test, device)
    ranks = exact_ranks(ground, aerial, test.positives)
    return {
        "pssr": pssr(ranks, ties="pessimistic"),
        "pssr_expected": pssr(ranks, ties="expected"),
        "recall_1": 100 * recall_at_k(ranks, 1, ties="pessimistic"),
        "recall_1pct": 100 * recall_at_k(ranks, "1%", ties="pessimistic"),
        **coded_counts(ground, aerial),
        **towers(ground, aerial),
    }


@contextmanager
def as_trained(network: SiameseNetwork) -> Iterator[None]:
    """Within, the network is tested on images prepared as in its training."""
    network.prepare = partial(network.prepare, training=True)
    try:
        yield
    finally:
        del network.prepare


def trained(
    settings: TrainSettings,
    test_count: int,
    *,
    both_preprocessings: bool = False,
    first_and_last: bool = False,
    keep: Path | None = None,
    fields: Sequence[int] = (),
    device: str = "cpu",
) -> tuple[dict, pd.DataFrame]:
    """One run: its row of ``runs.csv`` without its origin, and its rows of ``epochs.csv``.

    With `both_preprocessings` the test is made anew on images prepared as the training has them, ``seen_…``, and on images
    of the test's other preprocessing, ``other_…``. With `first_and_last` the towers are looked at before the first epoch and
    after the last alone. The network goes to `keep`. For each of `fields` of view, in degrees, the test is made anew
    (`study.sessions.fields`).
    """
    train, val, test = (views(settings, split, test_count) for split in ("train", "val", "test"))
    recipe, network = recipe_for(settings, train), settings.build().to(device)
    if settings.start:
        network.take_trunks(load_network(settings.start))
    pairs = [train[i] for i in range(min(SAMPLES, len(train)))]
    samples = [torch.stack([pair[key] for pair in pairs]).to(device) for key in ("ground", "aerial")]
    start_layers(network, recipe, samples, settings)
    rows = [{"epoch": 0, **looked_at(network, val, device)}]
    row = {"diverged": ""}

    def look(log: dict) -> None:
        if not first_and_last or log["epoch"] == settings.epochs:
            rows.append({"epoch": log["epoch"], "loss": log["loss"], **looked_at(network, val, device)})

    try:
        training.fit(
            network,
            recipe,
            train,
            val,
            epochs=settings.epochs,
            batch=settings.batch or None,
            learning_rate=settings.learning_rate or None,
            seed=settings.seed,
            device=device,
            bf16=precision_of(settings) == "bf16",
            report=look,
        )
    except FloatingPointError as error:
        return row | {"diverged": str(error)}, pd.DataFrame(rows)
    network.to(device).eval()  # the trainer puts it on the CPU at its end
    if keep:
        network.save(keep)
    row |= tested(network, test, device)
    if both_preprocessings:
        with as_trained(network):
            row |= {f"seen_{name}": value for name, value in tested(network, test, device).items()}
        network.dark = not network.dark
        row |= {f"other_{name}": value for name, value in tested(network, test, device).items()}
    return row | by_field(network, test, fields, device), pd.DataFrame(rows)


@dataclass
class SeedsTables:
    """The tables of a plan in its folder, read and added to."""

    folder: Path

    def __post_init__(self) -> None:
        self.runs, self.epochs = (self._table(name) for name in ("runs", "epochs"))
        path = self.folder / "environments.json"
        self.environments = files.read_json(path) if path.exists() else {}

    def _table(self, name: str) -> pd.DataFrame:
        return read_table(self.folder, name) if (self.folder / f"{name}.csv").exists() else pd.DataFrame({"run": []})

    def has(self, name: str, key: str) -> bool:
        """Whether a run of these parameters and data is there."""
        return bool(((self.runs["run"] == name) & (self.runs.get("key") == key)).any())

    def add(self, row: dict, epochs: pd.DataFrame, environment: dict) -> None:
        """Put a run in; the older one of its name goes."""
        digest = files.digest(json.dumps(environment, sort_keys=True))[:12]
        if digest not in self.environments:
            self.environments[digest] = environment
            files.write_json(self.folder / "environments.json", self.environments)
        name, epochs = row["run"], epochs.map(lambda x: float(f"{x:.6g}")).astype({"epoch": int})
        done = set(self.runs["run"]) - {name}
        self.runs = self.runs[self.runs["run"] != name]
        kept = self.epochs[self.epochs["run"].isin(done)]
        self.epochs = pd.concat([kept, epochs.assign(run=name)], ignore_index=True) if len(kept) else epochs.assign(run=name)
        files.write_csv(self.folder / "epochs.csv", self.epochs[["run", *epochs.columns]])
        new = pd.DataFrame([row | {"environment": digest}])
        self.runs = pd.concat([self.runs, new], ignore_index=True) if len(self.runs) else new
        files.write_csv(self.folder / "runs.csv", self.runs)


def precision_of(settings: TrainSettings) -> str:
    """Of the towers in training: ``"32"``, also where a machine has bfloat16, unless the plan asks for ``"bf16"``."""
    return "bf16" if settings.precision == "bf16" else "32"


def key_of(settings: TrainSettings, count: int) -> tuple[str, dict[str, str]]:
    """The key of a run, and its cells of ``runs.csv`` that say of what parameters and data it is."""
    digests = {split: views(settings, split, count).digest[:12] for split in ("train", "val", "test")}
    if settings.weights not in ("none", "imagenet"):
        digests["weights"] = files.digest_file(settings.weights)[:12]
    if settings.start:
        digests["start"] = files.digest_file(Path(settings.start) / "checkpoint.safetensors")[:12]
    chosen = {key: value for key, value in settings.to_dict().items() if value != TrainSettings.model_fields[key].default}
    said = json.dumps(chosen, sort_keys=True)
    key = files.digest(said, json.dumps(digests), str(count))[:12]
    return key, {f"data_{split}": digest for split, digest in digests.items()} | {"settings": said}


def run_of(plan: SeedsPlan, name: str, device: str, key: str, of_what: dict[str, str]) -> tuple[dict, pd.DataFrame, dict]:
    """Make one run of a plan: its row of ``runs.csv``, its rows of ``epochs.csv``, and its environment.

    `key` and `of_what` are those of `key_of`.
    """
    settings, started = plan.runs[name], time.perf_counter()
    row, epochs = trained(
        settings,
        plan.content["test_count"],
        **{option: plan.content.get(option, False) for option in ("both_preprocessings", "first_and_last")},
        keep=plan.network(name) if plan.content.get("keep_networks", False) else None,
        fields=plan.content.get("fields_of_view", ()),
        device=device,
    )
    seconds = round(time.perf_counter() - started, 1)
    precision = precision_of(settings)
    record = provenance.provenance({}, data={}, device=device, threads=plan.content["threads"], precision=precision)
    environment = {key: value for key, value in record.items() if key not in ("identity", "seconds", "parameters", "data")}
    arm, *_, seed = name.split("/")
    block = name.split("/")[1] if name.count("/") == 2 else ""
    origin = {"run": name, "arm": arm, "block": block, "seed": int(seed), "key": key}
    return origin | row | of_what | {"seconds": seconds}, epochs, environment


def make(plan: SeedsPlan, limit: float = np.inf) -> SeedsTables:
    """Make the runs of a plan that are not there yet, for at most `limit` seconds; one line a run.

    They are made on the CPU and in float32, whatever a machine has, unless the training of the plan asks for something else.
    """
    folder = plan.out
    folder.mkdir(parents=True, exist_ok=True)
    locks.hold(folder)
    device = devices.set_up(plan.content["train"].get("device", "cpu"), plan.content["threads"])
    tables, begun = SeedsTables(folder), time.perf_counter()
    for name, settings in plan.runs.items():
        key, of_what = key_of(settings, plan.content["test_count"])
        if tables.has(name, key):
            continue
        if time.perf_counter() - begun > limit:
            break
        row, epochs, environment = run_of(plan, name, device, key, of_what)
        tables.add(row, epochs, environment)
        print(
            f"{name}  PSSR {row.get('pssr', np.nan):.3f}  distinct {row.get('ground_distinct', np.nan):.3f} "
            f"{row.get('aerial_distinct', np.nan):.3f}  {row['seconds']} s",
            flush=True,
        )
    return tables
