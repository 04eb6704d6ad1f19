"""Two models on the same queries: paired differences, their intervals and exact tests."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cvig.metrics.ground import grouped
from cvig.metrics.inference import per_query_values, value_range
from cvig.metrics.intervals import cluster_interval
from cvig.metrics.values import check_ties
from cvig.ranking import Ranks

if TYPE_CHECKING:
    import pandas as pd

ENUMERATED = 14  # places up to which every pattern of signs is tried
AT_ONCE = 2**22  # signs held at a time
# `scipy.stats.permutation_test` gives the same p-values where every pattern is tried, and others of the same law where they
# are drawn, but takes 4.3 s in place of 0.2 s for 6194 places and 9999 draws (one thread).


def _patterns(m: int, draws: int, seed: int):
    """Blocks of patterns of signs, float64 [·, m]: all of them where there are few, else the identity and random ones."""
    if m <= ENUMERATED:
        yield 1.0 - 2.0 * ((np.arange(2**m)[:, None] >> np.arange(m)) & 1)
        return
    yield np.ones((1, m))
    rng = np.random.default_rng(seed)
    at_once = max(1, AT_ONCE // m)
    for done in range(0, draws, at_once):
        yield 1.0 - 2.0 * rng.integers(0, 2, (min(at_once, draws - done), m), dtype=np.int8)


def sign_flip_test(difference: np.ndarray, *, draws: int = 9999, seed: int = 0) -> float:
    """Two-sided test that the two models can be swapped at any place without changing what is likely.

    The sum of the places' differences is compared with those that random signs would give. Where all differences are of one
    size, as for recall with a query a place, this is McNemar's exact test: a binomial of one half. With at most 14 places
    that differ every pattern of signs is tried. Else `draws` random ones are, with the observed one among them: its
    p-value is valid at every size, and never below 1 / (draws + 1) (Phipson and Smyth 2010).

    Parameters
    ----------
    difference : float array [m]
        One place each.

    Examples
    --------
    >>> sign_flip_test(np.array([1, 1, 1, 1, 1, 1, -1, 0]))
    0.125
    """
    difference = difference[difference != 0]
    if len(difference) == 0:
        return 1.0
    if np.ptp(np.abs(difference)) <= 1e-12 * np.abs(difference).max():
        fewer = min((difference > 0).sum(), (difference < 0).sum())
        return min(1.0, 2 * float(special.bdtr(fewer, len(difference), 0.5)))
    least = abs(difference.sum()) - 1e-9 * np.abs(difference).sum()
    as_far, tried = 0, 0
    for signs in _patterns(len(difference), draws, seed):
        as_far += int((np.abs(signs @ difference) >= least).sum())
        tried += len(signs)
    return as_far / tried


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values: all claims made at one level are true with that confidence together (Holm 1979).

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1)).clip(max=1)
    return adjusted[np.argsort(order, kind="stable")]


def compare(
    a: Ranks,
    b: Ranks,
    *,
    ties: str = "pessimistic",
    places: np.ndarray | None = None,
    coordinates: np.ndarray | None = None,
    side: float | None = None,
    resamples: int = 1000,
    draws: int = 9999,
    seed: int = 0,
    confidence: float = 0.95,
) -> "pd.DataFrame":
    """Compare two models on the same queries and gallery.

    Parameters
    ----------
    a, b : Ranks
        Query i of one is query i of the other.
    ties, places, coordinates, side, resamples, seed, confidence
        As of `cvig.metrics.summary`; the intervals and tests resample and swap whole places, or whole squares of ground.
    draws : int
        Random patterns of `sign_flip_test`.

    Returns
    -------
    DataFrame
        Rows R@1, R@5, R@10, R@1%, R@5%, R@10% (counts beyond the gallery are left out), mAP where all positives of both
        were ranked, PSSR, MRR and mean rank. Columns
        ``a``, ``b``, ``difference`` (a - b), its paired interval ``low``, ``high`` (`cluster_interval`), the two-sided
        ``p_value`` of `sign_flip_test`, and ``p_holm``, adjusted for the number of rows. The median is left out: a
        difference of medians is no mean of differences.

    Raises
    ------
    ValueError
        Different numbers of queries, galleries of different sizes, or other numbers of positives (how many, where).

    Examples
    --------
    >>> better, worse = Ranks([0, 0, 1, 0, 0, 2], [0] * 6, 100), Ranks([1, 3, 9, 4, 0, 2], [0] * 6, 100)
    >>> compare(better, worse).loc["R@1", ["a", "b", "difference", "p_value"]].round(3).tolist()
    [0.667, 0.167, 0.5, 0.25]
    """
    import pandas as pd

    check_ties(ties)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} queries of one model and {len(b)} of the other: expected the same queries")
    for name, what, unit in (
        ("gallery_size", "meet galleries of different sizes", "rows"),
        ("positives", "have other numbers of positives", "positives"),
    ):
        ours, theirs = a.each(name), b.each(name)
        wrong = np.flatnonzero(ours != theirs)
        if len(wrong):
            first = f"the first is query {wrong[0]} with {ours[wrong[0]]} and {theirs[wrong[0]]} {unit}"
            raise ValueError(f"{len(wrong)} queries {what}, {first}")
    group = grouped(a.places if places is None else places, len(a), coordinates, side)
    ours, theirs = per_query_values(a, ties), per_query_values(b, ties)
    rows = {}
    for name, values in ours.items():
        if name not in theirs:
            continue  # mAP, where one model's positives were not all ranked
        difference = values - theirs[name]
        least, greatest = value_range(name, a)
        low, high = cluster_interval(
            difference,
            group,
            limits=(least - greatest, greatest - least),
            resamples=resamples,
            seed=seed,
            confidence=confidence,
        )
        p_value = sign_flip_test(np.bincount(group, difference), draws=draws, seed=seed)
        rows[name] = (values.mean(), theirs[name].mean(), difference.mean(), low, high, p_value)
    table = pd.DataFrame(rows, index=["a", "b", "difference", "low", "high", "p_value"]).T.astype(float)
    table["p_holm"] = holm(table.p_value.to_numpy())
    return table
