"""Random orders: where the first of m marked rows among n stands, by the negative hypergeometric distribution."""

import numpy as np

NEVER = -745.0  # the logarithm of what float64 takes for 0
AT_ONCE = 2**22  # numbers held at a time


def none_among_first(k: np.ndarray, n: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Probability that a random order of n rows has none of m marked ones among its first k: C(n - k, m) / C(n, m).

    Parameters
    ----------
    k, n, m : int arrays that broadcast
        0 <= k <= n, 1 <= m <= n.

    Examples
    --------
    >>> none_among_first(np.array([0, 1, 2, 3]), 4, 2).round(3).tolist()
    [1.0, 0.5, 0.167, 0.0]
    """
    k, n, m = np.broadcast_arrays(k, n, m)
    shape = k.shape
    cases, inverse = np.unique(np.stack([k.ravel(), n.ravel(), m.ravel()], axis=1), axis=0, return_inverse=True)
    k, n, m = cases.T
    # C(n - k, m) / C(n, m) = C(n - m, k) / C(n, k): the product of the fewer factors, each at most 1 - max(k, m) / n
    few, many = np.minimum(k, m), np.maximum(k, m)
    log = np.where(k + m > n, -np.inf, 0.0)
    open_, done = np.flatnonzero(np.isfinite(log)), 0
    while len(open_):
        step = max(1, min(int(few[open_].max()) - done, AT_ONCE // len(open_)))
        i = done + np.arange(step)
        left = few[open_][:, None] > i
        term = np.where(left, -many[open_][:, None] / np.where(left, n[open_][:, None] - i, 1), 0.0)
        log[open_] += np.log1p(term).sum(axis=1)
        done += step
        open_ = open_[(few[open_] > done) & (log[open_] > NEVER)]
    return np.exp(log)[inverse.ravel()].reshape(shape)


def first_of(n: int, m: int) -> np.ndarray:
    """Probabilities that the first of m marked rows in a random order of n stands at place 1 … n - m + 1."""
    j = np.arange(n - m + 1)
    beyond = none_among_first(j, n, m)
    return beyond * (m / (n - j))


def mean_reciprocal(before: np.ndarray, n: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Mean of 1 / (before + j), j being the place of the first of m marked rows in a random order of n; arrays [Q]."""
    before, n, m = np.broadcast_arrays(before, n, m)
    result = 1 / (before + 1.0)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(np.max(before + n)) + 1))])
    single = (m == 1) & (n > 1)
    result[single] = (harmonic[before + n] - harmonic[before])[single] / n[single]
    several = np.flatnonzero((m > 1) & (n > m))
    if len(several):
        kinds, inverse = np.unique(np.stack([before, n, m], axis=1)[several], axis=0, return_inverse=True)
        means = [first_of(t, p) @ (1 / (c + np.arange(1, t - p + 2))) for c, t, p in kinds.tolist()]
        result[several] = np.array(means)[inverse.ravel()]
    return result
