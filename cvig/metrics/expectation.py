"""How far PSSR scatters by chance, in closed form."""

import numpy as np


def random_deviation(n: int, queries: int) -> float:
    """Standard deviation of the PSSR of independent uniform ranks among n, over Q queries."""
    return float(np.sqrt((n**2 - 1) / (12 * n**2 * queries)))


def pairing_deviation(ranks: np.ndarray) -> float:
    """Standard deviation of PSSR when the answers of one fixed ranking are dealt out at random.

    Parameters
    ----------
    ranks : int array [n, n]
        Rank, from 1, of each gallery row (column) for each query (row); every row a permutation.

    Notes
    -----
    Var(mean rank) = ((n² − 1) / 12 − variance of the columns' means) / (n − 1), by the variance of a sum over a random
    permutation: what a hub is worth to everybody no pairing can change.
    """
    n = len(ranks)
    variance = ((n**2 - 1) / 12 - ranks.mean(axis=0).var()) / (n - 1)
    return float(np.sqrt(variance) / n)
