"""How the metrics order finished runs, and where they contradict each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from cvig import files
from cvig.metrics import TIES
from cvig.metrics.comparison import holm, sign_flip_test
from cvig.metrics.inference import per_query_values
from cvig.metrics.intervals import number_places
from study.chapters.promises.subsets import METRICS
from study.levels import DIFFERS
from study.runs import Run


@dataclass(frozen=True)
class SameTest:
    """Models that met the same queries and the same gallery.

    Attributes
    ----------
    ranks : dict of label to Ranks
        The label of a run, or the pair of it and an epoch.
    places : int array [Q]
        Views of one place share a number.
    """

    places: np.ndarray
    ranks: dict = field(default_factory=dict)

    @property
    def description(self) -> str:
        """How many queries and gallery rows, and of which studies."""
        ranks = next(iter(self.ranks.values()))
        labels = [label if isinstance(label, str) else label[0] for label in self.ranks]
        studies = ", ".join(sorted({label.split("/")[0] for label in labels}))
        return f"{len(ranks)} queries, {int(np.max(ranks.gallery_size))} gallery rows ({studies})"


def by_label(studies: Mapping[str, Mapping[str, Run]]) -> dict[str, Run]:
    """The runs of all studies (`study.runs.find_all`) by `Run.label`, in order of their folders."""
    runs = [run for its in studies.values() for run in its.values()]
    return {run.label: run for run in sorted(runs, key=lambda run: run.folder)}


def places_of_test(run: Run) -> np.ndarray:
    """The place of each query of the uncropped test set: int64 [Q], from 0."""
    place = files.read_arrays(run.folder / "ranks-uncropped.npz")["place"]
    return number_places(place, len(place))


def validation_places(run: Run) -> np.ndarray:
    """The place of each validation view: int64 [Q]. As in the test set, views of one place follow each other."""
    tested, queries = places_of_test(run), len(run.validation[0])
    views = len(tested) // (int(tested.max()) + 1)
    if not np.array_equal(tested, np.arange(len(tested)) // views):
        raise ValueError(f"{run.folder}: the test views of a place do not follow each other, equally many a place")
    return np.arange(queries) // views


def same_tests(runs: Mapping[str, Run]) -> list[SameTest]:
    """The runs (uncropped test set) by what they were tested on, most runs first."""
    found: dict[tuple, SameTest] = {}
    for label, run in runs.items():
        ranks = run.ranks("uncropped")
        key = (run.evaluate["data"]["test"], len(ranks), int(np.max(ranks.gallery_size)))
        found.setdefault(key, SameTest(places_of_test(run))).ranks[label] = ranks
    return sorted(found.values(), key=lambda test: -len(test.ranks))


def same_validation(runs: Mapping[str, Run]) -> SameTest:
    """Every epoch of the runs that share the validation views most epochs were ranked on; labels (run, epoch)."""
    found: dict[tuple, SameTest] = {}
    for label, run in runs.items():
        for epoch, ranks in enumerate(run.validation, 1):
            key = (run.train["data"]["val"], len(ranks), int(np.max(ranks.gallery_size)))
            found.setdefault(key, SameTest(validation_places(run))).ranks[label, epoch] = ranks
    return max(found.values(), key=lambda test: len(test.ranks))


def scores(models: Mapping) -> pd.DataFrame:
    """Each of `METRICS` by each tie rule: a row a model, columns (metric, rule)."""
    rows = []
    for ranks in models.values():
        each = {rule: per_query_values(ranks, rule) for rule in TIES}
        rows.append({(name, rule): each[rule][name].mean() for name in METRICS for rule in TIES})
    table = pd.DataFrame(rows, index=pd.Index(list(models), tupleize_cols=False))
    return table.set_axis(pd.MultiIndex.from_tuples(table.columns, names=["metric", "ties"]), axis=1)


def tau(table: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau-b between all columns; NaN where a column does not vary."""
    both = [[stats.kendalltau(table[a], table[b]).statistic for b in table] for a in table]
    return pd.DataFrame(both, index=table.columns, columns=table.columns)


def agreement(table: pd.DataFrame, clusters: list | None = None, *, resamples: int = 200, seed: int = 0) -> pd.DataFrame:
    """Kendall's tau-b, with intervals, between metrics whose ties count against the query, and between tie rules.

    Parameters
    ----------
    table : DataFrame
        As `scores` makes it.
    clusters : list, optional
        The run of each row; the bootstrap draws whole runs. None: each row is one.

    Returns
    -------
    DataFrame
        Columns ``tau``, ``low``, ``high`` (95%, percentiles of the bootstrap); a row for each two metrics, and for each
        metric by its two extreme rules.
    """
    pairs = {f"{a} and {b}": ((a, "pessimistic"), (b, "pessimistic")) for a, b in combinations(METRICS, 2)}
    pairs |= {f"{name}, pessimistic and optimistic": ((name, "pessimistic"), (name, "optimistic")) for name in METRICS}
    group = number_places(None if clusters is None else np.asarray(clusters), len(table))
    members = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    rng = np.random.default_rng(seed)
    draws = [np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))]) for _ in range(resamples)]
    rows = {}
    for name, (a, b) in pairs.items():
        first, second = table[a].to_numpy(), table[b].to_numpy()
        # a draw whose models all score alike has no order
        drawn = [stats.kendalltau(first[d], second[d]).statistic for d in draws if np.ptp(first[d]) and np.ptp(second[d])]
        low_high = np.quantile(drawn, [0.025, 0.975]) if drawn else (np.nan, np.nan)
        rows[name] = (stats.kendalltau(first, second).statistic, *low_high)
    return pd.DataFrame(rows, index=["tau", "low", "high"]).T


def paired_p(difference: np.ndarray) -> float:
    """`sign_flip_test` of the places' differences [m]: exact where they are of one size, else by its normal limit.

    Thousands of comparisons, all adjusted for each other, need p-values far smaller than random signs can give.
    """
    difference = difference[difference != 0]
    if len(difference) == 0 or np.ptp(np.abs(difference)) <= 1e-12:
        return sign_flip_test(difference)
    return float(2 * stats.norm.sf(abs(difference.sum()) / np.sqrt(np.square(difference).sum())))


def disagreements(test: SameTest, *, level: float = DIFFERS) -> pd.DataFrame:
    """Pairs of models that two metrics order oppositely, both differences significant; ties count against the query.

    Returns
    -------
    DataFrame
        A row for two models and two metrics: ``first`` is better than ``second`` by ``metric`` and worse by ``other``;
        ``gain`` and ``loss`` are the differences, ``p`` the larger p-value of both, paired over places and adjusted by
        Holm's rule for all pairs of models and all metrics. The smallest p first.
    """
    each = {label: per_query_values(ranks, "pessimistic") for label, ranks in test.ranks.items()}
    rows = []
    for a, b in combinations(each, 2):
        for name in METRICS:
            difference = each[a][name] - each[b][name]
            rows.append((a, b, name, difference.mean(), paired_p(np.bincount(test.places, difference))))
    table = pd.DataFrame(rows, columns=["first", "second", "metric", "gain", "p"])
    table["p"] = holm(table.p.to_numpy())
    found = []
    for (a, b), part in table[table.p < level].groupby(["first", "second"], sort=False):
        for one, other in combinations(part.itertuples(), 2):
            if one.gain * other.gain < 0:
                best = (a, b, 1) if one.gain > 0 else (b, a, -1)
                found.append(
                    (*best[:2], one.metric, other.metric, best[2] * one.gain, best[2] * other.gain, max(one.p, other.p))
                )
    columns = ["first", "second", "metric", "other", "gain", "loss", "p"]
    return pd.DataFrame(found, columns=columns).sort_values("p", kind="stable", ignore_index=True)


def contradictions(found: pd.DataFrame) -> pd.Series:
    """How many pairs of models each two metrics order oppositely in `disagreements`, most first."""
    pairs = [" and ".join(sorted(row, key=METRICS.index)) for row in found[["metric", "other"]].itertuples(index=False)]
    return pd.Series(pairs, dtype=str).value_counts().rename("pairs of runs")


def strongest(found: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """Of each pair of models its surest row of `disagreements`; the surest pairs first."""
    pairs = [frozenset(row) for row in found[["first", "second"]].itertuples(index=False)]
    return found[~pd.Series(pairs, dtype=object).duplicated()].head(count)
