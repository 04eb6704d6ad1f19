"""Whether the paper's architectures confirm what small networks show: by switches, `e2-larger`, and by whole recipes, E6."""

import pandas as pd

from study.chapters.causes.screening import SEEN, WORDS, chance, simultaneous, verdict
from study.chapters.results import apart
from study.levels import DIFFERS
from study.planned import SeedsPlan
from study.plans import Study
from study.replicates import t_interval
from study.words import SIGNED, with_interval

CODED = "described less as-coded"
FEWEST, LEARNED = 3, 0.65  # by the plan of e2-larger: seeds of an arm, and PSSR of a base on validation
EFFECT = f"PSSR, {WORDS[SEEN]}"
CONFIRMS = {"harms": "confirmed", "helps": "not confirmed", "negligible": "not confirmed"}


def confirmed(study: Study) -> str:
    """What the text's recipe gains over the code's, by architecture, where the text's has anything to lose: Markdown."""
    found, outcome = apart.contrasts(study), apart.outcome(study)
    rows = found[found.index.get_level_values("recipes") == CODED].droplevel("recipes")
    learned = {arch for arch in rows.index if outcome.loc[(arch, "described"), "beats chance"] == "yes"}
    lines = [_line(arch, row, arch in learned) for arch, row in rows.iterrows()]
    return "\n".join(lines)


def _line(arch: str, row: pd.Series, learned: bool) -> str:
    difference = f"{with_interval(row.difference, row.low, row.high, SIGNED)} over {int(row.n)} seeds"
    if not learned:
        return f"- *{arch}*: nothing to be said, for not every run of `described` beats chance ({difference})."
    if row.p < DIFFERS:
        return f"- *{arch}*: the departures together do harm; `described` less `as-coded` {difference}, p = {row.p:.2g}."
    side = "points to harm" if row.low > 0 else "holds zero"
    return f"- *{arch}*: open. `described` less `as-coded` {difference}: the interval {side}, and p by Holm is {row.p:.2g}."


def differences(plan: SeedsPlan, runs: pd.DataFrame, epochs: pd.DataFrame) -> dict[str, tuple[float, dict[str, pd.Series]]]:
    """By architecture: PSSR of the base on validation, and of each departure PSSR less that of the base, by seed.

    Arms are called architecture, rate, departure. PSSR is of the test on images as in training, or chance if a run diverged.
    """
    last = epochs.sort_values("epoch").groupby("run").val_pssr.last().reindex(runs.run).to_numpy()
    names = runs.arm.str.split(" ")
    table = runs.assign(arch=names.str[0], switch=names.str[-1], validation=last).fillna({SEEN: chance(plan)})
    found = {}
    for arch, its in table.groupby("arch", sort=False):
        base = its[its.switch == "base"].set_index("seed")
        of = {
            switch: (part.set_index("seed")[SEEN] - base[SEEN]).dropna()
            for switch, part in its.groupby("switch", sort=False)
            if switch != "base"
        }
        found[arch] = float(base.validation.mean()), of
    return found


def by_switch(plan: SeedsPlan, runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Each departure in each architecture, by the plan of `e2-larger`."""
    of, rows = sum(not name.endswith("base") for name in plan.arms), {}
    for arch, (learned, each) in differences(plan, runs, epochs).items():
        for switch, d in each.items():
            found = simultaneous(d.to_frame(), of).iloc[0]
            said = CONFIRMS.get(verdict(found.low, found.high), "open")
            said = said if len(d) >= FEWEST else f"open: fewer than {FEWEST} seeds"
            rows[arch, switch] = {
                "n": str(len(d)),
                "base, validation": f"{learned:.3f}",
                EFFECT: with_interval(found.effect, found.low, found.high, SIGNED),
                "by the plan": said if learned >= LEARNED else "nothing is concluded",
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["architecture", "departure"])


def found(plan: SeedsPlan, runs: pd.DataFrame, epochs: pd.DataFrame) -> str:
    """What the plan of `e2-larger` says of each departure and architecture: one item of a list, Markdown."""
    table, said = by_switch(plan, runs, epochs), {}
    for (arch, switch), row in table.iterrows():
        said.setdefault(row["by the plan"], []).append(f"`{switch}` in {arch} {row[EFFECT]} (n = {row.n})")
    listed = " ".join(f"{verdict.capitalize()}: {'; '.join(each)}." for verdict, each in sorted(said.items()))
    return (
        f"- *The paper's architectures, {WORDS[SEEN]}* (`e2-larger`, {len(runs)} runs; refuted by an interval that does not "
        f"lie below zero). {listed} {together(plan, runs, epochs)}"
    )


def together(plan: SeedsPlan, runs: pd.DataFrame, epochs: pd.DataFrame, switch: str = "detached-negatives") -> str:
    """One departure over all architectures that learned, each pair of runs a value: a sentence."""
    learned = {arch: each[switch] for arch, (score, each) in differences(plan, runs, epochs).items() if score >= LEARNED}
    d = pd.concat(list(learned.values())) if learned else pd.Series(dtype=float)
    if len(d) < FEWEST:
        return f"Over all architectures together nothing can be said of `{switch}`: {len(d)} pairs of runs."
    low, high = t_interval(d)
    side = "does harm" if high < 0 else "helps" if low > 0 else "is open"
    return (
        f"Over {' and '.join(learned)} together `{switch}` {side}: {with_interval(d.mean(), low, high, SIGNED)} "
        f"(95% t interval over {len(d)} pairs of runs). Of any one of them this mean says little where they differ."
    )
