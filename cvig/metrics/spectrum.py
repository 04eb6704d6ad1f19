"""Entropy of a covariance's eigenvalues, without the eigenvalues where those would cost more than ranking the rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.special import stdtrit

from cvig.metrics.cloud import KEPT, Cloud
from cvig.ranking.threads import Threads, threads

EXACT = 1024  # up to so many dimensions all eigenvalues are computed,
SMALL = 2**30  # or up to so many multiplications for the products of all rows
BLOCK = 256  # rows at a time
TINY = 1e-30


class Plan(NamedTuple):
    """How many of the largest eigenvalues are looked for, in how many passes, and the steps from each random vector."""

    largest: int
    passes: int
    probes: int
    steps: int

    @property
    def vectors(self) -> int:
        """How many vectors are multiplied by the rows and back."""
        return self.largest * self.passes + (self.largest + self.probes) * self.steps


PLANS = (Plan(8, 1, 8, 5), Plan(16, 1, 16, 5), Plan(24, 2, 16, 6), Plan(48, 2, 16, 10))


def entropy(cloud: Cloud, vectors: float, seed: int = 0) -> tuple[float, float]:
    """Entropy in nats of the shares of variance along the principal axes, and how far off it may be either way at 95%.

    Up to `EXACT` dimensions, or few rows, the eigenvalues are computed, and it is not off. Beyond, the trace of f(A) with
    f(x) = -x log x is split as Hutch++ does (Meyer, Musco, Musco and Woodruff 2021): along axes near the largest ones, and
    on random vectors across them, in ratio to their known sum. Each part is a quadrature by Lanczos steps, Gauss's from
    above and Gauss's and Radau's, with a node at 0, from below, since all even derivatives of f are negative and all odd
    ones from the third on positive (Golub and Meurant 1994). What lies between them counts as error, as does the spread of
    the random vectors.

    Parameters
    ----------
    vectors : float
        How many vectors may be multiplied by the rows and back, which says how close it comes: 88 at least, 736 at most.

    Returns
    -------
    entropy, error : float
        NaN where all rows are equal.
    """
    count, size = cloud.rows.shape
    if size <= EXACT or count**2 * size <= SMALL:
        return _shares(_eigenvalues(cloud)), 0.0
    if cloud.squares == 0:
        return np.nan, 0.0
    plan = next((plan for plan in reversed(PLANS) if plan.vectors <= vectors), PLANS[0])
    with threads(cloud.rows.size * plan.vectors) as workers:
        return _estimate(*_operator(cloud, workers), plan, np.random.default_rng(seed))


def _estimate(
    apply: Callable[[np.ndarray], np.ndarray], size: int, plan: Plan, rng: np.random.Generator
) -> tuple[float, float]:
    """Entropy and error of a matrix [size, size] of trace 1 that multiplies vectors."""
    basis = rng.standard_normal((size, plan.largest))
    for _ in range(plan.passes):
        basis = np.linalg.qr(apply(basis))[0]
    probes = rng.choice([-1.0, 1.0], size=(size, plan.probes))
    probes -= basis @ (basis.T @ probes)
    image = apply(np.hstack([basis, probes]))
    turn = np.linalg.eigh(basis.T @ image[:, : plan.largest])[1]  # to what is nearest to the axes
    for part in (basis, image):
        part[:, : plan.largest] = part[:, : plan.largest] @ turn
    sums, low, high = _quadrature(apply, np.hstack([basis, probes]), image, plan.steps)
    middle, between = (low + high) / 2, (high - low).clip(min=0) / 2
    own, other = slice(plan.largest), slice(plan.largest, None)
    found, off, rest = middle[own].sum(), between[own].sum(), 1 - sums[own].sum()
    if rest < 1e-6 or sums[other].mean() <= 0:
        return float(found), float(off)
    slope = middle[other].mean() / sums[other].mean()
    spread = np.std(middle[other] - slope * sums[other], ddof=1) / np.sqrt(plan.probes)
    error = (stdtrit(plan.probes - 1, 0.975) * spread + between[other].mean()) / sums[other].mean()
    return float(found + rest * slope), float(off + rest * error)


def _shares(values: np.ndarray) -> float:
    values = values.clip(min=0)
    if values.sum() == 0:
        return np.nan
    return float(_information(values / values.sum()).sum())


def _information(shares: np.ndarray) -> np.ndarray:
    shares = shares.clip(TINY, 1)
    return -shares * np.log(shares)


def _eigenvalues(cloud: Cloud) -> np.ndarray:
    if len(cloud.rows) <= cloud.rows.shape[1]:
        whole = np.concatenate([block.astype(np.float64) for _, block in cloud.blocks(BLOCK)])
        return np.linalg.eigvalsh(whole @ whole.T)
    blocks = (block.astype(np.float64) for _, block in cloud.blocks(BLOCK))
    return np.linalg.eigvalsh(sum(block.T @ block for block in blocks))


def _operator(cloud: Cloud, workers: Threads) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """Multiplication by XXᵀ or XᵀX over its trace, in float32, and its size.

    The smaller of the two where the rows are kept; else XᵀX, which takes one pass over them.
    """
    count, width = cloud.rows.shape
    scale = np.sqrt(cloud.squares) if cloud.kept is None else 1.0
    trace = cloud.squares / scale**2
    kept = cloud.kept
    if kept is None and cloud.rows.size <= KEPT:
        kept = np.concatenate([(block / scale).astype(np.float32) for _, block in cloud.blocks(BLOCK)])
    parts = [slice(at, at + BLOCK) for at in range(0, count, BLOCK)]

    def block(part: slice) -> np.ndarray:
        return kept[part] if kept is not None else (cloud.centered(cloud.rows[part]) / scale).astype(np.float32)

    def added(image: Callable[[slice], np.ndarray], shape: tuple[int, int]) -> np.ndarray:
        return sum(workers.map(image, parts), np.zeros(shape)) / trace

    def by_features(vectors: np.ndarray) -> np.ndarray:
        vectors = vectors.astype(np.float32)

        def image(part: slice) -> np.ndarray:
            rows = block(part)
            return rows.T @ (rows @ vectors)

        return added(image, vectors.shape)

    def by_rows(vectors: np.ndarray) -> np.ndarray:
        vectors = vectors.astype(np.float32)
        along = added(lambda part: block(part).T @ vectors[part], (width, vectors.shape[1])).astype(np.float32)
        return np.concatenate(list(workers.map(lambda part: block(part) @ along, parts))).astype(np.float64)

    return (by_rows, count) if kept is not None and count < width else (by_features, width)


def _quadrature(
    apply: Callable[[np.ndarray], np.ndarray], starts: np.ndarray, image: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """zᵀAz, and zᵀf(A)z from below and from above, of each column z of `starts`, [P] each; `image` is A times them.

    Lanczos steps, all earlier vectors kept orthogonal.
    """
    square = np.square(starts).sum(axis=0).clip(min=TINY)
    vectors, image = [starts / np.sqrt(square)], image / np.sqrt(square)
    diagonal, beside = np.zeros((2, starts.shape[1], steps))
    for step in range(steps):
        image = apply(vectors[-1]) if step else image
        diagonal[:, step] = (image * vectors[-1]).sum(axis=0)
        for _ in range(2):
            for vector in vectors:
                image -= vector * (image * vector).sum(axis=0)
        beside[:, step] = np.sqrt(np.square(image).sum(axis=0))
        vectors.append(image / beside[:, step].clip(min=TINY))
    low, high = np.zeros((2, len(square)))
    for i, (along, off) in enumerate(zip(diagonal, beside, strict=True)):
        pivot = along[0]
        for step in range(1, steps):
            pivot = along[step] - off[step - 1] ** 2 / max(pivot, TINY)
        radau = np.append(along, off[-1] ** 2 / max(pivot, TINY))  # makes 0 an eigenvalue
        for bound, values, between in ((high, along, off[:-1]), (low, radau, off)):
            nodes, axes = eigh_tridiagonal(values, between)
            bound[i] = (np.square(axes[0]) * _information(nodes)).sum()
    return diagonal[:, 0] * square, low * square, high * square
