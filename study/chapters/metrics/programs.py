"""The paper's Algorithm 1 and the three published programs that it is said to describe, executed on the same distances."""

import numpy as np
import pandas as pd

from cvig.metrics import recall_at_k
from cvig.metrics.conventions import CONVENTIONS, PAPER_CODE, TOP_OF_PERCENT, recalls
from cvig.ranking import exact_ranks

PROGRAMS = {"CVM-Net": "CVM-Net", "Where in the World": "WITW", "this paper": PAPER_CODE}
TOP = "1%"
EXACT = {"exact, ties against": "pessimistic", "exact, ties for": "optimistic"}


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def galleries(queries: int = 300, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Embeddings of both towers, float32 [queries, 8]: a network that ranks well, one at random, and two that collapse.

    All have length one, for *Where in the World* compares directions alone.
    """
    rng = np.random.default_rng(seed)
    ground, other = rng.normal(size=(2, queries, 8)).astype(np.float32)
    near = ground + 0.8 * other
    half = other.copy()
    half[: queries // 2] = 1.0
    found = {
        "ranks well": near,
        "ranks at random": other,
        "half of the gallery on one point": half,
        "all of the gallery on one point": np.ones_like(other),
    }
    return {name: (_of_length_one(ground), _of_length_one(aerial)) for name, aerial in found.items()}


def executed() -> pd.DataFrame:
    """R@1% in percent of each of `galleries` by each program's own rule, and by exact ranks."""
    rows = {}
    for gallery, (ground, aerial) in galleries().items():
        found = recalls(ground, aerial, [TOP], names=list(PROGRAMS.values()), progress=False)
        ranks = exact_ranks(ground, aerial)
        row = {name: found[key][TOP] for name, key in PROGRAMS.items()}
        row |= {name: recall_at_k(ranks, TOP, ties=ties) for name, ties in EXACT.items()}
        rows[gallery] = {name: f"{100 * value:.1f}" for name, value in row.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("gallery")


def rules(queries: int = 300) -> pd.DataFrame:
    """What each program counts, and how many of so many images its one percent is."""
    rows = {}
    for name, key in PROGRAMS.items():
        rule = CONVENTIONS[key]
        rows[name] = {"counts": rule.rule, "images of 1%": str(TOP_OF_PERCENT[rule.percent](1.0, queries))}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("program")
