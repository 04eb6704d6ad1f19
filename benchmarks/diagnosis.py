"""What the diagnosis of embeddings costs beside their exact ranks: python benchmarks/diagnosis.py [ROWS,DIMENSIONS …]

Rounds are interleaved and ratios taken round by round; medians are shown, of processor time. Beside it the effective rank of
the gallery with the error that it states, and, up to 2,000 rows, what all eigenvalues give.

On a busy machine (AMD EPYC, AVX-512 and bf16, one thread), in rankings: 0.74, 0.70 and 0.60 at 1,000, 2,000 and 4,000 rows
of 4,096 dimensions, 0.82, 0.63 and 0.56 of 8,192, 0.49 and 0.78 at 1,000 and 2,000 rows of 16,384. Where the exact effective
rank was computed, the estimate was off by 13, 3, 7, 6, 6 and 7% and said that it might be by 14 to 29%.
"""

import statistics
import sys
import time

import numpy as np
from ranking import processor

from cvig.metrics.cloud import Cloud
from cvig.metrics.collapse import diagnose
from cvig.ranking import exact_ranks

SHAPES = [(rows, dimensions) for dimensions in (4096, 8192, 16384) for rows in (1000, 2000, 4000)]
ROUNDS = 3
FEW = 2000  # rows whose eigenvalues are all computed


def embeddings(rows: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries and gallery [rows, dimensions] of unit length, their axes' spread falling as one over the root."""
    rng = np.random.default_rng(0)
    axes = np.arange(1, dimensions + 1, dtype=np.float32) ** -0.5
    query = rng.standard_normal((rows, dimensions), np.float32) * axes
    gallery = query + rng.standard_normal((rows, dimensions), np.float32) * axes / 2
    return tuple(side / np.linalg.norm(side, axis=1, keepdims=True) for side in (query, gallery))


def seconds(work) -> tuple[float, object]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def exact(rows: np.ndarray) -> float:
    """Effective rank by all eigenvalues, in float64."""
    centered = rows - Cloud(rows).center
    share = np.linalg.eigvalsh(centered @ centered.T).clip(0)
    share = share[share > 0] / share.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def main(shapes: list[tuple[int, int]]) -> None:
    few = embeddings(64, 64)
    exact_ranks(*few, progress=False), diagnose(*few)  # what is imported and compiled on first use
    print(f"processor seconds on {processor()}")
    for rows, dimensions in shapes:
        query, gallery = embeddings(rows, dimensions)
        spent = []
        for _ in range(ROUNDS if rows * dimensions < 2**26 else 1):
            ranks = seconds(lambda: exact_ranks(query, gallery, progress=False))[0]  # noqa: B023 - called at once
            took, diagnosis = seconds(lambda: diagnose(query, gallery))  # noqa: B023
            spent.append((ranks, took, took / ranks))
        ranks, took, ratio = map(statistics.median, zip(*spent, strict=True))
        tower = diagnosis.aerial
        truth = f", exactly {exact(gallery):.1f}" if rows <= FEW else ""
        print(
            f"{rows} x {dimensions}: ranks {ranks:.2f}, diagnosis {took:.2f}, {ratio:.2f} rankings; effective rank "
            f"{tower.effective_rank:.1f} within {tower.effective_rank_error:.1f}{truth}",
            flush=True,
        )


if __name__ == "__main__":
    main([tuple(map(int, shape.split(","))) for shape in sys.argv[1:]] or SHAPES)
