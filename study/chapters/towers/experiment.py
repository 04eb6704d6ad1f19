"""Experiment E1's tables, and what its plans' rules of decision say of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cvig.metrics.comparison import holm, sign_flip_test
from cvig.metrics.intervals import share_interval
from study.levels import DIFFERS
from study.planned import SeedsPlan, read_table
from study.replicates import t_interval
from study.words import percent

HALF = 0.5  # share of a tower's rows on one point from which on it is dead
TOWERS = ("ground", "aerial")
WHERE = {"training": "seen_", "test": ""}  # how the images are prepared, and the columns' prefix
COUNTS = [f"coded_{top}" for top in ("1", "5", "10", "1pct", "5pct", "10pct")]
QUERIES_ALIVE, PLATEAU = 0.9, 0.9  # of the published ResNet50 row, as the plans have it


@dataclass(frozen=True)
class Experiment:
    """A plan and its tables.

    Attributes
    ----------
    plan : SeedsPlan
    runs : DataFrame
        One row a run: ``runs.csv``, and whether each tower is dead, ``dead_ground_training`` and the like, on images
        prepared as in training after the last epoch and in the test.
    epochs : DataFrame
        ``epochs.csv`` with the arm of each run.
    """

    plan: SeedsPlan
    runs: pd.DataFrame
    epochs: pd.DataFrame

    @classmethod
    def read(cls, plan: Path | str, folder: Path | str) -> "Experiment":
        """Read a plan and the tables in `folder`."""
        runs, epochs = (read_table(folder, name) for name in ("runs", "epochs"))
        last = epochs.sort_values("epoch").groupby("run").last().reindex(runs.run)
        for tower in TOWERS:
            runs[f"dead_{tower}_training"] = last[f"seen_{tower}_largest"].to_numpy() >= HALF
            runs[f"dead_{tower}_test"] = runs[f"{tower}_largest"] >= HALF
        return cls(SeedsPlan.read(plan), runs, epochs.merge(runs[["run", "arm", "seed"]], on="run"))

    @classmethod
    def of_plan(cls, name: str, root: Path | str) -> "Experiment | None":
        """The experiment of ``study/plans/seeds/NAME.yaml`` below `root`, or None where none of its runs is made yet."""
        folder = Path(root) / "results" / name
        return (
            cls.read(Path(root) / "study/plans/seeds" / f"{name}.yaml", folder) if (folder / "runs.csv").exists() else None
        )

    @property
    def name(self) -> str:
        """Its plan's name."""
        return self.plan.path.stem

    def arm(self, name: str) -> pd.DataFrame:
        """The runs of one arm."""
        return self.runs[self.runs.arm == name]

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the plan's order."""
        return [name for name in self.plan.arms if (self.runs.arm == name).any()]


def exact(count: int, of: int) -> tuple[float, float]:
    """Clopper-Pearson's 95% interval of a share.

    >>> low, high = exact(0, 8)
    >>> low, round(high, 3)
    (0.0, 0.369)
    """
    return share_interval(np.arange(of) < count)


def said(count: int, of: int) -> str:
    """A count with its interval.

    >>> said(0, 8)
    '0 of 8 [0%, 37%]'
    """
    low, high = (100 * end for end in exact(count, of))
    return f"{count} of {of} [{f'{low:.1f}' if 0 < low < 1 else f'{low:.0f}'}%, {high:.0f}%]"


def deaths(experiment: Experiment) -> pd.DataFrame:
    """Of each arm, how many runs have each tower dead, on images prepared as in training and in the test."""
    rows = {}
    for arm in experiment.arms:
        its = experiment.arm(arm)
        rows[arm] = {
            f"{tower}, {where}": said(int(its[f"dead_{tower}_{where}"].sum()), len(its))
            for where in WHERE
            for tower in TOWERS
        }
    return pd.DataFrame(rows).T.rename_axis("arm")


def alone(experiment: Experiment, arm: str, where: str = "training") -> tuple[int, int, int]:
    """Runs of an arm with the anchor's tower alone dead, with the other alone, and in all."""
    its, anchor = experiment.arm(arm), "aerial" if arm.startswith("aerial") else "ground"
    other = next(tower for tower in TOWERS if tower != anchor)
    dead, lives = its[f"dead_{anchor}_{where}"], its[f"dead_{other}_{where}"]
    return int((dead & ~lives).sum()), int((lives & ~dead).sum()), len(its)


def sign_p(one: int, other: int) -> float:
    """Exact two-sided sign test; 1 where nothing differs."""
    return sign_flip_test(np.repeat([1, -1], [one, other]))


def k_plus_one(queries: int) -> np.ndarray:
    """The six counts of the code where all queries share one ranking.

    >>> k_plus_one(1000).tolist()
    [2, 6, 11, 11, 51, 101]
    """
    return np.array([1, 5, 10, *(int(share * queries) for share in (0.01, 0.05, 0.1))]) + 1


def within_one(runs: pd.DataFrame, queries: int) -> pd.Series:
    """Whether all six counts of a run are within one of k + 1, a collapsed query tower's: bool a run."""
    return pd.Series((np.abs(runs[COUNTS].to_numpy() - k_plus_one(queries)) <= 1).all(1), index=runs.index)


def like_published(runs: pd.DataFrame, queries: int) -> pd.Series:
    """Whether a run has the published ResNet50 row's shape, as the plans define it: bool a run."""
    plateau = (runs.coded_5pct == runs.coded_10pct) & (runs.coded_10pct > PLATEAU * queries)
    return runs.dead_aerial_test & (runs.ground_distinct >= QUERIES_ALIVE) & plateau


def row(experiment: Experiment, statement: str, n: int, found: str, refuted_by: str, verdict: str) -> dict[str, str]:
    """A statement of an experiment with its n, what was found, what would have refuted it, and the verdict.

    A verdict on part of the planned runs says so.
    """
    made, planned = len(experiment.runs), len(experiment.plan.runs)
    return {
        "experiment": experiment.name,
        "statement": statement,
        "n": str(n),
        "found": found,
        "refuted by": refuted_by,
        "verdict": verdict if made == planned else f"{verdict}, of {made} of {planned} runs",
    }


def first_hypothesis(experiment: Experiment) -> list[dict[str, str]]:
    """H1 by the plan's rule: at 1e-3 with the mixed preprocessing the anchor's tower alone dies, for either anchor."""
    arms = [arm for arm in experiment.arms if arm.endswith("mixed-1e-3")]
    counts = {arm: alone(experiment, arm) for arm in arms}
    adjusted = holm(np.array([sign_p(one, other) for one, other, _ in counts.values()]))
    rows = []
    for (arm, (one, other, of)), p in zip(counts.items(), adjusted, strict=True):
        verdict = "open" if p >= DIFFERS else "holds" if one > other else "refuted"
        statement = f"H1, {arm}: the anchor's tower dies in training, the other does not"
        found = f"anchor's alone {said(one, of)}, the other's alone {said(other, of)}; p = {p:.2g} (Holm)"
        rows.append(row(experiment, statement, of, found, "the reverse, p below .05", verdict))
    return rows


def verdicts(towers: Experiment, long: Experiment) -> pd.DataFrame:
    """Each hypothesis of E1 with its experiment, n, what was found, what would have refuted it, and the verdict."""
    rows = [*first_hypothesis(towers), *first_hypothesis(long)]

    def add(*given: Experiment | str | int) -> None:
        rows.append(row(*given))

    for number, what, ending in (("H2", "with one preprocessing", "one-1e-3"), ("H3", "at a rate of 1e-5", "1e-5")):
        its = towers.runs[towers.runs.arm.str.endswith(ending)]
        if its.empty:
            continue
        dead = its.filter(regex="^dead_").any(axis=1)
        low, high = exact(int(dead.sum()), len(its))
        add(
            towers,
            f"{number}: {what} no tower dies",
            len(its),
            said(int(dead.sum()), len(its)),
            "an interval above half",
            "refuted" if low > HALF else f"holds up to {percent(high)}",
        )
    its = towers.runs[towers.runs.arm.str.contains("-one-")]
    if len(its):
        near = int(within_one(its, towers.plan.content["test_count"]).sum())
        what = "beside H5, not planned: with one preprocessing counts are k + 1, within one"
        add(towers, what, len(its), said(near, len(its)), "nothing: it describes", "described")
    for experiment in (towers, long):
        queries = experiment.plan.content["test_count"]
        mixed = experiment.runs[experiment.runs.arm.str.endswith("mixed-1e-3")]
        pairs = [(mixed[f"dead_{tower}_training"], mixed[f"dead_{tower}_test"]) for tower in TOWERS]
        died = sum(int(seen.sum()) for seen, _ in pairs)
        woke = sum(int((seen & ~test).sum()) for seen, test in pairs)
        add(
            experiment,
            "H4: a tower that died in training is alive in the test",
            died,
            said(woke, died) if died else "no tower died",
            "a minority of them",
            "open" if not died else "holds" if woke > died / 2 else "refuted",
        )
        for arm in [name for name in experiment.arms if "-mixed-" in name]:
            its = experiment.arm(arm)
            near = int(within_one(its, queries).sum())
            add(
                experiment,
                f"H5, {arm}: counts as coded are k + 1, within one",
                len(its),
                said(near, len(its)),
                "a minority of seeds",
                "holds" if near > len(its) / 2 else "refuted",
            )
        as_coded = experiment.runs[experiment.runs.arm.str.startswith("ground")]
        like = int(like_published(as_coded, queries).sum())
        add(
            experiment,
            "the published ResNet50 row, ground view as anchor",
            len(as_coded),
            said(like, len(as_coded)),
            "no run of that shape",
            "reproduced" if like else "not reproduced",
        )
    return pd.DataFrame(rows).set_index(["experiment", "statement"])


LEARNS = 0.55  # PSSR that the interval of a healthy control lies above, by the plan; chance is next to a half


def control_verdicts(controls: Experiment) -> pd.DataFrame:
    """The controls as `verdicts`: from random trunks, and by a recipe that learns."""
    rows = {}
    for arm in controls.arms:
        its = controls.arm(arm)
        if arm.startswith("june-1"):
            one, other, of = alone(controls, arm)
            p = sign_p(one, other)
            rows[arm] = {
                "statement": "from random trunks the anchor's tower dies in training, the other does not",
                "n": str(of),
                "found": f"anchor's alone {said(one, of)}, the other's alone {said(other, of)}; p = {p:.2g}",
                "refuted by": "the reverse, p below .05",
                "verdict": "open" if p >= DIFFERS else "holds" if one > other else "refuted",
            }
        else:
            mean, (low, high) = its.pssr.mean(), t_interval(its.pssr)
            dead = int(its.filter(regex="^dead_").any(axis=1).sum())
            rows[arm] = {
                "statement": "the small network learns, and no tower dies",
                "n": str(len(its)),
                "found": f"PSSR {mean:.3f} [{low:.3f}, {high:.3f}] over seeds; a dead tower in {said(dead, len(its))}",
                "refuted by": f"a lower end below {LEARNS:g}, or a dead tower",
                "verdict": "holds" if low > LEARNS and not dead else "refuted",
            }
        if len(its) < len(controls.plan.content["seeds"]):
            rows[arm]["verdict"] = "open: not all seeds are made"
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(controls.name)
