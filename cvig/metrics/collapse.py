"""Has a tower collapsed? Measures of how much of the embedding space is used, and what they mean for recall.

Whole towers are read in blocks. What needs every query against every gallery row is measured on at most `SAMPLE` rows of
each tower, and on a `SHARE` of all pairs, drawn with a seed: 100,000 rows take seconds and little memory, and the
diagnosis takes less than the ranks it explains (`benchmarks/diagnosis.py`).
"""

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from cvig.metrics.cloud import Cloud
from cvig.metrics.spectrum import entropy
from cvig.ranking import as_rows
from cvig.ranking.arithmetic import common_factor, merge_equal_rows
from cvig.ranking.threads import threads

SAMPLE, ALL = 4096, 384  # rows of a tower whose neighbors are looked at, at most; so many always are
SHARE = 1 / 8  # of all pairs of a query and a gallery row, so that a look costs less than ranking
VECTOR = 8  # a vector's share of a ranking's multiplications, in rows, by the time that it takes
TRIPLES, TOGETHER = 2**13, 32  # of a query and two gallery rows, in which near-ties are counted; rows at a time
UNITS = {"float32": 2.0**-24, "bfloat16": 2.0**-8}  # unit roundoffs: whole numbers up to their inverse are exact

ONE_POINT = 0.1  # share of a tower on one point
NO_SPREAD = 1e-3  # relative spread: differences of rows are lost in the rounding of their distances
LINE = 1.5  # effective rank
HUB = 0.25  # share of queries that have one gallery row among their nearest
UNRESOLVED = {"float32": 0.01, "bfloat16": 0.5}  # shares of near-ties


def relative_spread(embeddings: np.ndarray) -> float:
    """Root mean square distance from the mean, over the root mean square norm, in [0, 1]; 0 when all rows are one point."""
    return Cloud(as_rows(embeddings, "embeddings")).relative_spread


def distinct_rows(embeddings: np.ndarray) -> tuple[int, int]:
    """Number of distinct rows, and of copies of the commonest one; -0.0 equals 0.0."""
    first, group = merge_equal_rows(as_rows(embeddings, "embeddings"))
    return len(first), int(np.bincount(group).max())


def effective_rank(embeddings: np.ndarray) -> float:
    """Exponential of the entropy of the covariance's eigenvalues, from 1 to D; 0 at one point.

    Roy and Vetterli 2007 (The effective rank) take it of singular values; here the rows are centered and their singular
    values squared, so that the shares are shares of variance. Of more than 1,024 dimensions and some hundred rows it is an
    estimate (`effective_rank_within` says how good) that costs less than ranking the rows (`cvig.metrics.spectrum.entropy`).
    """
    return effective_rank_within(embeddings)[0]


def effective_rank_within(embeddings: np.ndarray) -> tuple[float, float]:
    """`effective_rank`, and how far it may be off either way at 95%: 0 where it is computed from all eigenvalues."""
    rows = as_rows(embeddings, "embeddings")
    return _effective_rank(Cloud(rows), len(rows) / VECTOR)


def _effective_rank(cloud: Cloud, vectors: float) -> tuple[float, float]:
    nats, error = entropy(cloud, vectors)
    if np.isnan(nats):
        return 0.0, 0.0
    return float(np.exp(nats)), float(np.exp(nats) * np.expm1(error))


def k_occurrence(query: np.ndarray, gallery: np.ndarray, k: int = 10) -> np.ndarray:
    """How many queries have each gallery row among their k nearest: int64 [N], summing to k Q.

    Distances are float32 products of rows centered on the gallery's mean, a block of queries at a time; where they tie the
    choice is the machine's. Equal gallery rows compete: merge them first, as `diagnose` does.

    Raises
    ------
    ValueError
        k below one or beyond the gallery.
    """
    query, gallery = as_rows(query, "query"), as_rows(gallery, "gallery")
    if not 1 <= k <= len(gallery):
        raise ValueError(f"k {k}: expected between 1 and the {len(gallery)} rows of the gallery")
    cloud = Cloud(gallery)
    table = cloud.centered(gallery).astype(np.float32, copy=False)
    half = np.einsum("nd,nd->n", table, table) / 2
    step = max(1, 2**20 // len(gallery))

    def nearest(at: int) -> np.ndarray:
        nearness = cloud.centered(query[at : at + step]).astype(np.float32, copy=False) @ table.T
        nearness -= half
        return np.argpartition(nearness, len(gallery) - k, axis=1)[:, len(gallery) - k :].ravel()

    count = np.zeros(len(gallery), np.int64)
    with threads(query.size * len(gallery)) as workers:
        for found in workers.map(nearest, range(0, len(query), step)):
            count += np.bincount(found, minlength=len(gallery))
    return count


def skewness(values: np.ndarray) -> float:
    """The third standardized moment, as the slower import `scipy.stats.skew` has it; 0 where all values are equal."""
    if np.ptp(values) == 0:
        return 0.0
    deviation = values - np.mean(values)
    return float(np.mean(deviation**3) / np.mean(deviation**2) ** 1.5)


def near_ties(query: np.ndarray, gallery: np.ndarray, *, triples: int = TRIPLES, seed: int = 0) -> dict[str, float]:
    """Share of near-ties at the resolution of float32 and of bfloat16, in [0, 1].

    Rows a and b are nearly tied for query q when

        | |q - a|² - |q - b|² |  <=  u (|q| + max(|a|, |b|))²

    with u the unit roundoff, 2⁻²⁴ or 2⁻⁸: one rounding on the way to a squared distance |q|² - 2 q·a + |a|² may then turn
    their order. Exact ties count. Pairs of equal gallery rows are counted, and of the others some `triples` random ones
    (q, a, b) are looked at: 32 queries against 32 pairs at a time, which takes few of the rows. Where the numbers are whole
    up to a factor, and so small that every product and sum is exact at that resolution (binary codes), no rounding turns an
    order: only pairs of equal rows count there, and other ties are the data's own.
    """
    query, gallery = as_rows(query, "query"), as_rows(gallery, "gallery")
    if len(gallery) == 1:
        return dict.fromkeys(UNITS, 0.0)
    group = merge_equal_rows(gallery)[1]
    copies = np.bincount(group)
    equal = float((copies * (copies - 1)).sum() / (len(group) * (len(group) - 1)))
    rng = np.random.default_rng(seed)
    common = common_factor(query, gallery)
    reach = 6 * query.shape[1] * common[1] ** 2 if common else np.inf  # of sums, as in `cvig.ranking.pairs`
    unsure = [name for name, unit in UNITS.items() if reach * unit > 1]
    near = dict.fromkeys(UNITS, 0)
    pairs = 0
    for _ in range(max(1, triples // TOGETHER**2) if unsure else 0):
        asked, one, other = (rng.integers(size, size=TOGETHER) for size in (len(query), len(gallery), len(gallery)))
        differ = group[one] != group[other]
        q, a, b = (
            rows[at].astype(np.float64) for rows, at in ((query, asked), (gallery, one[differ]), (gallery, other[differ]))
        )
        apart = a - b
        difference = np.abs(np.einsum("nd,nd->n", apart, a + b) - 2 * q @ apart.T)
        q_norm, a_norm, b_norm = (np.sqrt(np.einsum("nd,nd->n", x, x)) for x in (q, a, b))
        scale = np.square(q_norm[:, None] + np.maximum(a_norm, b_norm))
        pairs += difference.size
        for name in unsure:
            near[name] += int((difference <= UNITS[name] * scale).sum())
    return {name: equal + (1 - equal) * count / max(pairs, 1) for name, count in near.items()}


@dataclass(frozen=True)
class Tower:
    """Measures of one tower's embeddings: `distinct_rows`, `relative_spread` and `effective_rank_within`."""

    rows: int
    dimensions: int
    distinct: int
    largest: int
    spread: float
    effective_rank: float
    effective_rank_error: float = 0.0

    @property
    def is_one_point(self) -> bool:
        """Whether a tenth of the rows or more are equal."""
        return self.largest > 1 and self.largest >= ONE_POINT * self.rows


@dataclass(frozen=True)
class Diagnosis:
    """Measures of both towers and of how they meet, and what they mean.

    Attributes
    ----------
    ground, aerial : Tower
    neighbors : int
        k of the k-occurrence: 10, or fewer where the gallery has no more distinct rows than that.
    hubness : float
        Skewness of the k-occurrence of distinct gallery rows (Radovanović, Nanopoulos and Ivanović 2010, Hubs in space).
        Near 0.3 for k = 10 where neighbors are random and both towers of one size.
    largest_hub : float
        Share of queries that have the commonest of them among their nearest.
    near_ties : dict
        As `cvig.metrics.collapse.near_ties` gives them.
    """

    ground: Tower
    aerial: Tower
    neighbors: int
    hubness: float
    largest_hub: float
    near_ties: dict[str, float]

    @property
    def duplicates(self) -> int:
        """Gallery rows that equal an earlier one."""
        return self.aerial.rows - self.aerial.distinct

    @property
    def findings(self) -> list[str]:
        """What is wrong, a phrase each."""
        found = []
        for name, verb, tower in (("ground views", "are", self.ground), ("gallery", "is", self.aerial)):
            if tower.is_one_point:
                found.append(f"{100 * tower.largest / tower.rows:.3g}% of the {name} {verb} one point")
            elif tower.distinct < tower.rows:
                found.append(f"{tower.rows - tower.distinct} of the {tower.rows} rows of the {name} are duplicates")
            if tower.distinct > 1 and tower.spread < NO_SPREAD:
                found.append(f"the spread of the {name} is {tower.spread:.1e} of the norm")
            if tower.distinct > 2 and tower.dimensions > 2 and tower.effective_rank < LINE:
                found.append(f"the {name} {verb} almost a line, of effective rank {tower.effective_rank:.2f}")
        if self.largest_hub > max(HUB, 5 * self.neighbors / self.aerial.distinct) and not self.ground.is_one_point:
            found.append(
                f"one gallery row is among the nearest {self.neighbors} of {100 * self.largest_hub:.3g}% of the queries"
            )
        unresolved = [name for name, share in self.near_ties.items() if share > UNRESOLVED[name]]
        if unresolved and not self.aerial.is_one_point:
            share = 100 * self.near_ties[unresolved[0]]
            found.append(f"{share:.3g}% of pairs of gallery rows are nearly tied in {unresolved[0]}")
        return found

    @property
    def meaningless(self) -> bool:
        """Whether a tower is one point, exactly or as far as float32 can tell."""
        towers = (self.ground, self.aerial)
        return (
            any(tower.is_one_point or (tower.rows > 1 and tower.spread < NO_SPREAD) for tower in towers)
            or self.near_ties["float32"] > UNRESOLVED["float32"]
        )

    @property
    def verdict(self) -> str:
        """One sentence: healthy, or what has collapsed and what that does to recall."""
        if not self.findings:
            return "healthy: no duplicates, no collapse"
        verdict = ", ".join(self.findings)
        if self.meaningless:
            return f"{verdict}; R@k is not meaningful here"
        return f"{verdict}; R@k depends on how ties are broken" if self.duplicates else verdict


def _diagnose_tower(rows: np.ndarray, vectors: float) -> Tower:
    cloud = Cloud(rows)
    return Tower(*rows.shape, *distinct_rows(rows), cloud.relative_spread, *_effective_rank(cloud, vectors))


def diagnose(ground: np.ndarray, aerial: np.ndarray, *, seed: int = 0, progress: bool = False) -> Diagnosis:
    """Diagnose the embeddings of both towers, [Q, D] and [N, D]; `seed` draws the samples.

    `progress` shows a progress bar where that takes more than a few seconds.

    Raises
    ------
    ValueError
        NaN or infinities (how many, where), wrong shapes, towers of different dimensions.
    """
    ground, aerial = as_rows(ground, "ground"), as_rows(aerial, "aerial")
    if ground.shape[1] != aerial.shape[1]:
        raise ValueError(f"ground has {ground.shape[1]} dimensions, aerial {aerial.shape[1]}: expected the same number")
    rng = np.random.default_rng(seed)
    most = min(SAMPLE, max(ALL, int(np.sqrt(SHARE * len(ground) * len(aerial)))))
    query, gallery = (
        rows[np.sort(rng.permutation(len(rows))[:most])] if len(rows) > most else rows for rows in (ground, aerial)
    )
    with tqdm(total=4, desc="diagnosing", disable=not progress, delay=3, leave=False) as bar:
        towers = []
        for rows in (ground, aerial):
            towers.append(_diagnose_tower(rows, len(ground) * len(aerial) / len(rows) / VECTOR))
            bar.update()
        gallery = gallery[np.sort(merge_equal_rows(gallery)[0])]
        neighbors = min(10, max(1, len(gallery) - 1))
        occurrence = k_occurrence(query, gallery, neighbors)
        bar.update()
        ties = near_ties(ground, aerial, seed=seed)
        bar.update()
    return Diagnosis(*towers, neighbors, skewness(occurrence), float(occurrence.max() / len(query)), ties)
