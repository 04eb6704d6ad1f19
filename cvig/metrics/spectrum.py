"""Entropy of a covariance's eigenvalues, without the eigenvalues where those would cost more than ranking the rows."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.linalg import eigh_tridiagonal

from cvig.ranking.arithmetic import cached_rows
from cvig.ranking.threads import Threads, threads

EXACT = 1024  # up to so many rows or dimensions all eigenvalues are computed
LARGEST, PROBES, STEPS = 48, 12, 16  # eigenvalues found one by one; random vectors, and steps of each, for the others
KEPT = 1 << 26  # numbers that are kept in memory as float32
BLOCK = 256  # rows at a time


def entropy(rows: np.ndarray, center: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Entropy in nats of the shares of variance along the principal axes, and the standard error of the estimate.

    Up to `EXACT` rows or dimensions the eigenvalues are computed, and the error is 0. Beyond, the largest are computed by
    one power iteration on random vectors (Halko, Martinsson and Tropp 2011), and what the rest adds, tr f(A) with
    f(x) = -x log x, is estimated by stochastic Lanczos quadrature (Ubaru, Chen and Saad 2017), in ratio to their known
    sum, which makes it exact where they are equal. That takes under 300 products of the rows with a vector and back, the
    work of ranking 600 queries.

    Parameters
    ----------
    rows : finite array [N, D]
    center : float64 array [D]
        Their mean.

    Returns
    -------
    entropy, error : float
        NaN where all rows are equal.
    """
    size = rows.shape[1]
    if min(rows.shape) <= EXACT:
        return _shares(_eigenvalues(rows, center)), 0.0
    with threads(rows.size * LARGEST) as workers:
        return _estimate(*_operator(rows, center, workers), size, np.random.default_rng(seed))


def _estimate(
    apply: Callable[[np.ndarray], np.ndarray], trace: float, size: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Entropy and standard error of a matrix [size, size] of known trace that multiplies vectors."""
    if trace == 0:
        return np.nan, 0.0
    basis = np.linalg.qr(apply(rng.standard_normal((size, LARGEST))))[0]
    basis = np.linalg.qr(apply(basis))[0]
    largest = np.linalg.eigvalsh(basis.T @ apply(basis)).clip(min=0) / trace
    rest = max(1 - largest.sum(), 0.0)
    found = float(-(largest[largest > 0] * np.log(largest[largest > 0])).sum())

    def deflated(vectors: np.ndarray) -> np.ndarray:
        image = apply(vectors) / trace
        return image - basis @ (basis.T @ image)

    probes = rng.choice([-1.0, 1.0], size=(size, PROBES))
    probes -= basis @ (basis.T @ probes)
    sums, information = _quadrature(deflated, probes)
    if rest < 1e-6 or sums.mean() <= 0:
        return found, 0.0
    slope = information.mean() / sums.mean()
    error = np.std(information - slope * sums, ddof=1) / np.sqrt(PROBES) / sums.mean()
    return found + rest * slope, rest * float(error)


def _shares(values: np.ndarray) -> float:
    values = values.clip(min=0)
    if values.sum() == 0:
        return np.nan
    share = values / values.sum()
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def _blocks(rows: np.ndarray, center: np.ndarray, step: int) -> Iterator[np.ndarray]:
    for at in range(0, len(rows), step):
        yield rows[at : at + step].astype(np.float64) - center


def _eigenvalues(rows: np.ndarray, center: np.ndarray) -> np.ndarray:
    if len(rows) <= rows.shape[1]:
        whole = rows.astype(np.float64) - center
        return np.linalg.eigvalsh(whole @ whole.T)
    return np.linalg.eigvalsh(sum(block.T @ block for block in _blocks(rows, center, BLOCK)))


def _operator(rows: np.ndarray, center: np.ndarray, workers: Threads) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    """Multiplication by XᵀX, in float32, and its trace; scaled, so that squares stay in range."""
    count, width = rows.shape
    scale = max(float(rows.max()), -float(rows.min()), np.finfo(np.float64).tiny)
    step, trace = 4 * cached_rows(width), 0.0
    kept = np.empty(rows.shape, np.float32) if rows.size <= KEPT else None
    for at, block in zip(range(0, count, step), _blocks(rows, center, step), strict=True):
        block /= scale
        trace += float(np.einsum("nd,nd->", block, block))
        if kept is not None:
            kept[at : at + step] = block

    def image(at: int, vectors: np.ndarray) -> np.ndarray:
        part = slice(at, at + BLOCK)
        block = kept[part] if kept is not None else ((rows[part].astype(np.float64) - center) / scale).astype(np.float32)
        return block.T @ (block @ vectors)

    def apply(vectors: np.ndarray) -> np.ndarray:
        vectors, total = vectors.astype(np.float32), np.zeros(vectors.shape)
        for part in workers.map(lambda at: image(at, vectors), range(0, count, BLOCK)):
            total += part
        return total

    return apply, trace


def _quadrature(apply: Callable[[np.ndarray], np.ndarray], probes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """zᵀAz and zᵀf(A)z of each probe z, [P] each: Lanczos steps, all earlier vectors kept orthogonal."""
    square = np.square(probes).sum(axis=0)
    vectors = [probes / np.sqrt(square)]
    diagonal, beside = [], []
    for _ in range(STEPS):
        image = apply(vectors[-1])
        diagonal.append((image * vectors[-1]).sum(axis=0))
        for _ in range(2):
            for vector in vectors:
                image -= vector * (image * vector).sum(axis=0)
        length = np.sqrt(np.square(image).sum(axis=0))
        beside.append(length)
        vectors.append(image / np.maximum(length, 1e-30))
    sums, information = np.zeros((2, probes.shape[1]))
    for i in range(probes.shape[1]):
        nodes, axes = eigh_tridiagonal([d[i] for d in diagonal], [b[i] for b in beside[:-1]])
        nodes, weight = nodes.clip(min=1e-30), np.square(axes[0]) * square[i]
        sums[i], information[i] = (weight * nodes).sum(), -(weight * nodes * np.log(nodes)).sum()
    return sums, information
