"""Folders of finished runs made from embeddings, without training."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cvig import files
from cvig.metrics import collapse, summary
from cvig.metrics.conventions import pssr_as_coded, recalls
from cvig.metrics.inference import RECALL_AT
from cvig.ranking import Ranks, exact_ranks
from study.runs import TEST_SETS, Run


def cloud(queries: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random embeddings of both towers, float [queries, 4]: the aerial ones are the ground ones and noise."""
    rng = np.random.default_rng(seed)
    ground = rng.normal(size=(queries, 4))
    return ground, ground + noise * rng.normal(size=ground.shape)


def write_metrics(folder: Path, ground: np.ndarray, aerial: np.ndarray, *, as_coded: bool = True) -> tuple[Ranks, dict]:
    """Write ``metrics.json``, both test sets from embeddings [Q, D]; give their ranks and facts."""
    ranks, diagnosis = exact_ranks(ground, aerial), collapse.diagnose(ground, aerial)
    ks = [k for k in RECALL_AT if isinstance(k, str) or k <= len(ground)]
    code = recalls(ground, aerial, ks, names=["image-locate"], progress=False)["image-locate"]
    columns = pssr_as_coded(ground, aerial)
    facts = {
        "queries": len(ground),
        "gallery": len(aerial),
        "tied_fraction": float((ranks.tied > 0).mean()),
        "verdict": diagnosis.verdict,
        "towers": {side: asdict(getattr(diagnosis, side)) for side in ("ground", "aerial")},
        "as_coded": {f"R@{k}": v for k, v in code.items()} | {"PSSR": float(columns.mean())} if as_coded else None,
    }
    table = json.loads(summary(ranks, resamples=50).to_json(orient="split", double_precision=15))
    files.write_json(folder / "metrics.json", {name: {"summary": table, "facts": facts} for name in TEST_SETS})
    return ranks, facts


def make_run(folder: Path, ground: np.ndarray, aerial: np.ndarray, *, as_coded: bool = True, **parameters) -> Run:
    """Write a run, both test sets from embeddings [Q, D]; without `as_coded` as if views had several answers."""
    n = len(ground)
    p = {"arch": "vgg16", "recipe": "modern", "switches": {}, "seed": 0, "view": "90", "data": "world", "weights": "none"}
    p |= {"size": 32, "batch": 0} | parameters
    packages = {"torch": "2"}
    record = {"parameters": p, "pairs_per_epoch": 8, "commit": None, "packages": packages, "device": "cpu"}
    record |= {"precision": "32", "seconds": 1.0}
    ranks, _ = write_metrics(folder, ground, aerial, as_coded=as_coded)
    for name in TEST_SETS:
        files.write_arrays(
            folder / f"ranks-{name}.npz",
            closer=ranks.closer,
            tied=ranks.tied,
            gallery_size=np.asarray(n),
            pssr_as_coded=pssr_as_coded(ground, aerial) if as_coded else np.empty(0),
        )
    (folder / "log.csv").write_text("epoch\n1\n")
    files.write_json(folder / "train.json", record)
    files.write_json(folder / "evaluate.json", {"data": {"test": "0"}, "seconds": 1.0})
    return Run(folder)
