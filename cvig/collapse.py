"""Has a tower collapsed? Plain measures of how much of the embedding space is used."""

from dataclasses import dataclass

import numpy as np


def relative_spread(embeddings: np.ndarray) -> float:
    """Root mean square distance from the mean, over the root mean square norm, in [0, 1]; 0 when all rows are one point."""
    rows = embeddings.astype(np.float64)
    norm = np.square(rows).sum(1).mean()
    return float(np.sqrt(np.square(rows - rows.mean(0)).sum(1).mean() / norm)) if norm > 0 else 0.0


def distinct_rows(embeddings: np.ndarray) -> tuple[int, int]:
    """Number of distinct rows, and of copies of the commonest one."""
    rows = np.ascontiguousarray(embeddings + 0.0)  # -0.0 and 0.0 are one number
    _, copies = np.unique(rows.view(np.dtype((np.void, rows.strides[0]))).ravel(), return_counts=True)
    return len(copies), int(copies.max())


def effective_rank(embeddings: np.ndarray) -> float:
    """Exponential of the entropy of the covariance's eigenvalues, from 1 to D (Roy and Vetterli 2007); 0 at one point."""
    rows = embeddings.astype(np.float64)
    values = np.linalg.eigvalsh(np.cov(rows, rowvar=False)).clip(min=0)
    if values.sum() == 0:
        return 0.0
    share = values / values.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


@dataclass(frozen=True)
class Tower:
    """Diagnostics of one tower's embeddings."""

    rows: int
    distinct: int
    largest: int
    spread: float
    effective_rank: float


@dataclass(frozen=True)
class Diagnosis:
    """Diagnostics of both towers, and what they mean."""

    ground: Tower
    aerial: Tower

    @property
    def verdict(self) -> str:
        """One sentence: healthy, or what has collapsed."""
        found = []
        for name, tower in (("ground views", self.ground), ("gallery", self.aerial)):
            if tower.rows > 1 and tower.largest / tower.rows > 0.01 and tower.largest > 1:
                found.append(f"{100 * tower.largest / tower.rows:.3g}% of the {name} are one point")
            elif tower.distinct < tower.rows:
                found.append(f"{tower.rows - tower.distinct} of the {name} are duplicates")
            if tower.spread < 1e-3:
                found.append(f"the {name} spread over {tower.spread:.1e} of their norm")
        if not found:
            return "healthy: no duplicates, no collapse"
        return "; ".join(found) + ": recall at k depends on how ties are broken"


def _diagnose_tower(embeddings: np.ndarray) -> Tower:
    distinct, largest = distinct_rows(embeddings)
    return Tower(len(embeddings), distinct, largest, relative_spread(embeddings), effective_rank(embeddings))


def diagnose(ground: np.ndarray, aerial: np.ndarray) -> Diagnosis:
    """Diagnose the embeddings of both towers, [Q, D] and [N, D]."""
    return Diagnosis(_diagnose_tower(ground), _diagnose_tower(aerial))
