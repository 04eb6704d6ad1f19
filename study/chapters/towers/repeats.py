"""E1 again, each by its plan's rules: `e1-apart`, where test tiles do not overlap, and `e1-resnet50`, with ResNet50."""

import pandas as pd

from study.chapters.towers.experiment import COUNTS, Experiment, like_published, said, within_one


def _row(experiment: Experiment, statement: str, n: int, found: str, refuted_by: str, verdict: str) -> dict[str, str]:
    made, planned = len(experiment.runs), len(experiment.plan.runs)
    return {
        "experiment": experiment.name,
        "statement": statement,
        "n": str(n),
        "found": found,
        "refuted by": refuted_by,
        "verdict": verdict if made == planned else f"{verdict}, of {made} of {planned} runs",
    }


def _dead(experiment: Experiment) -> pd.Series:
    return experiment.runs.filter(regex="^dead_").any(axis=1)


def _near(experiment: Experiment) -> pd.Series:
    return within_one(experiment.runs, experiment.plan.content["test_count"])


def verdicts(apart: Experiment, resnet: Experiment) -> pd.DataFrame:
    """What each plan asked of its runs, in the columns of `study.chapters.towers.experiment.verdicts`."""
    rows = []
    near = _near(apart).groupby(apart.runs.arm).agg(["sum", "size"])
    mixed, one = (near[near.index.str.contains(f"-{which}-")] for which in ("mixed", "one"))
    for what, part in (("mixed", mixed), ("one", one)):
        counts = int(part["sum"].sum()), int(part["size"].sum())
        by_arm, often = f"; by arm {', '.join(map(str, part['sum']))}", "most" if what == "mixed" else "few"
        rows.append(
            _row(
                apart,
                f"with {what} preprocessing counts are k + 1, within one, in {often} seeds of each arm",
                counts[1],
                said(*counts) + by_arm,
                f"an arm with a {'minority' if what == 'mixed' else 'majority'}",
                "carries over" if ((part["sum"] > part["size"] / 2) == (what == "mixed")).all() else "refuted",
            )
        )
    for experiment in (apart, resnet):
        dead = _dead(experiment)
        arms = ", ".join(experiment.runs.arm[dead].unique())
        verdict = f"refuted in {arms}" if dead.any() else "carries over" if experiment is apart else "holds"
        rows.append(
            _row(experiment, "no tower dies", len(dead), said(int(dead.sum()), len(dead)), "one dead tower", verdict)
        )
        like = int(like_published(experiment.runs, experiment.plan.content["test_count"]).sum())
        rows.append(
            _row(
                experiment,
                "no run has the published ResNet50 row",
                len(dead),
                said(like, len(dead)),
                "one that has",
                "holds" if not like else "refuted",
            )
        )
    near = int(_near(resnet).sum())
    rows.append(
        _row(
            resnet,
            "counts are k + 1, within one, in most seeds",
            len(resnet.runs),
            said(near, len(resnet.runs)),
            "a minority",
            "holds" if near > len(resnet.runs) / 2 else "refuted",
        )
    )
    return pd.DataFrame(rows).set_index(["experiment", "statement"])


def each(resnet: Experiment) -> pd.DataFrame:
    """A row a run: PSSR, spread and distinct rows of both towers in the test, and the six counts by the code."""
    table = resnet.runs.set_index("run")
    shown = table[["pssr", "ground_spread", "aerial_spread", "ground_distinct", "aerial_distinct"]].map("{:.4g}".format)
    return shown.join(table[COUNTS].astype(int).astype(str)).rename(columns=lambda name: name.replace("_", " "))
