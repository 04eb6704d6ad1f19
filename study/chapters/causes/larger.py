"""Whether the paper's architectures confirm what small networks show: by switches, `e2-larger`, and by whole recipes, E6."""

import pandas as pd

from study.chapters.causes.screening import LEARNED, SEEN, WORDS, chance, simultaneous, verdict
from study.chapters.results import apart
from study.levels import DIFFERS
from study.planned import SeedsPlan
from study.plans import Study
from study.words import SIGNED, with_interval

CODED = "described less as-coded"
FEWEST = 3  # seeds of an arm, by the plan of e2-larger
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


def by_switch(plan: SeedsPlan, runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Each departure in each architecture by the plan of `e2-larger`, whose arms are called architecture, rate, departure.

    Of each architecture the rate is that whose base of the first seed has the higher PSSR on validation. Diverged runs
    count as chance.
    """
    last = epochs.sort_values("epoch").groupby("run").val_pssr.last().reindex(runs.run).to_numpy()
    names = runs.arm.str.split(" ")
    table = runs.assign(arch=names.str[0], rate=names.str[1:-1].str.join(" "), switch=names.str[-1], validation=last)
    table = table.fillna({SEEN: chance(plan)})
    of = len({(name.split(" ")[0], name.split(" ")[-1]) for name in plan.arms if not name.endswith("base")})
    rows = {}
    for arch, its in table.groupby("arch", sort=False):
        first = its[(its.switch == "base") & (its.seed == its.seed.min())]
        its = its[its.rate == first.rate[first.validation.idxmax()]]
        base = its[its.switch == "base"].set_index("seed")
        for switch in dict.fromkeys(its.switch[its.switch != "base"]):
            d = (its[its.switch == switch].set_index("seed")[SEEN] - base[SEEN]).dropna()
            n, found = len(d), simultaneous(d.to_frame(), of).iloc[0]
            said = CONFIRMS.get(verdict(found.low, found.high), "open")
            said = said if n >= FEWEST else f"open: fewer than {FEWEST} seeds"
            rows[arch, switch] = {
                "n": str(n),
                "base, validation": f"{base.validation.mean():.3f}",
                f"PSSR, {WORDS[SEEN]}": with_interval(found.effect, found.low, found.high, SIGNED),
                "by the plan": said if base.validation.mean() >= LEARNED else "nothing is concluded",
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["architecture", "departure"])
