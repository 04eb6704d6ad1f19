"""Examples of the page on PSSR: a made-up region, rankings with random answers, and two models of equal PSSR."""

import numpy as np

from cvig.ranking import Ranks


def tiled_region(side: int = 24, noise: float = 1.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray, int]:
    """A region of side × side aerial tiles whose embeddings vary smoothly over it, and a noisy view of one tile.

    Returns
    -------
    query : float array [D]
    gallery : float array [side², D]
        Row by row.
    positive : int
    """
    rng = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(*[np.arange(side) / side] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    wave = place @ rng.normal(scale=7, size=(2, 24)) + rng.uniform(0, 2 * np.pi, 24)
    gallery = np.cos(wave)
    positive = (side // 3) * side + side // 2
    return gallery[positive] + noise * rng.normal(size=24), gallery, positive


def rank_matrix(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Rank, from 1, of each gallery row (column) for each query (row), without ties: int array [Q, n]."""
    distance = ((query[:, None].astype(float) - gallery[None].astype(float)) ** 2).sum(-1)
    return distance.argsort(axis=1).argsort(axis=1) + 1


def pssr_of_random_pairings(ranks: np.ndarray, draws: int, seed: int = 0) -> np.ndarray:
    """PSSR of one fixed ranking [n, n] with randomly assigned answers: float array [draws]."""
    rng, n = np.random.default_rng(seed), len(ranks)
    return np.array([1 - ranks[np.arange(n), rng.permutation(n)].mean() / n for _ in range(draws)])


def pssr_of_random_ranks(n: int, draws: int, seed: int = 0) -> np.ndarray:
    """PSSR of n queries with independent uniform ranks among n: float array [draws]."""
    return 1 - np.random.default_rng(seed).integers(1, n + 1, (draws, n)).mean(axis=1) / n


def same_pssr(n: int = 1000) -> dict[str, Ranks]:
    """Two models of equal PSSR: one ranks half of the positives first, the other ranks none first and all near the top.

    Half of the queries of "all or nothing" come first, and half are spread evenly over the gallery. "Always near" puts
    every query between 2% and a rank that makes the sums of ranks equal. n must be a multiple of 100.
    """
    if n % 100:
        raise ValueError(f"models of {n} queries: expected a multiple of 100")
    lost = np.arange(n // 2) * 2 + 1  # closer images of the lost half
    nothing = np.concatenate([np.zeros(n - len(lost), int), lost])
    low = n // 50
    high = 2 * nothing.sum() // n - low  # from low to high evenly: the mean is half of their sum
    near = np.round(np.linspace(low, high, n)).astype(int)
    none = np.zeros(n, int)
    return {"all or nothing": Ranks(nothing, none, n), "always near": Ranks(near, none, n)}
