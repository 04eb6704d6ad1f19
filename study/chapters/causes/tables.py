"""The tables of the page on causes."""

from collections import Counter

import numpy as np
import pandas as pd

from cvig.words import say_p
from study.chapters.causes.effects import BASE, ENDS, MEASURES, SCORING, interval, key, paired
from study.plans import Study
from study.switches import SWITCHES
from study.words import seeds_of, tally


def switch_table() -> pd.DataFrame:
    """Every switch: what it does, and the file of the public code below src/ that has it, with its commit."""
    rows = {
        name: {"what the code does": switch.what, "source": switch.source, "commit": switch.commit}
        for name, switch in SWITCHES.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("switch")


def scoring_table(table: pd.DataFrame) -> pd.DataFrame:
    """The rules of the code's scoring against the exact scores of the same embeddings: base runs, and the range of all.

    The code gives each view its own copy of the aerial image; where views share one, its gallery is the larger.
    """
    rows = []
    for rule, (exact, as_coded) in SCORING.items():
        for (arch, end), part in table.groupby(["arch", "end"], sort=False):
            base, gap = part[part.switch == BASE], (part[as_coded] - part[exact]).round(12) + 0.0
            if len(base):
                difference = interval(pd.Series(paired(gap[base.index].to_numpy(float))))
                means = (f"{base[name].mean():.3f}" for name in (exact, as_coded))
                rows.append(
                    (rule, arch, end, seeds_of(base.label), *means, difference, f"{gap.min():+.3f} to {gap.max():+.3f}")
                )
    columns = ["rule", "architecture", "end", "seeds", "exact", "as coded", "difference", "difference in all runs"]
    return pd.DataFrame(rows, columns=columns).set_index(columns[:3])


TABLED = [name for name in MEASURES if name not in ("PSSR", "R@1%, ties for the query")]


def effects_table(study: Study, table: pd.DataFrame, found: pd.DataFrame, end: str) -> pd.DataFrame:
    """One end for a reader: means over seeds, the difference in PSSR, its adjusted p-value, and which towers collapsed.

    Parameters
    ----------
    table, found : DataFrame
        As `effects.frame` and `effects.effects` make them of the study.
    """
    found = found[found.measure == "PSSR"].set_index(["end", "arch", "switch"])
    stopped = Counter(
        (arch, switch) for its_end, arch, switch in map(key, map(study.plan.get, study.diverged)) if its_end == end
    )
    rows = {}
    for arch in table.arch[table.end == end].unique():
        for switch in (BASE, *SWITCHES):
            its = table[(table.end == end) & (table.arch == arch) & (table.switch == switch)]
            if its.empty and not stopped[arch, switch]:
                continue
            row = {"runs": str(len(its)), "diverged": str(stopped[arch, switch] or "")}
            if len(its):
                row["seeds"] = seeds_of(its.label)
                pair = found.loc[(end, arch, switch)] if (end, arch, switch) in found.index else None
                row |= {
                    "collapsed": tally(its.collapsed),
                    "PSSR": f"{its.PSSR.mean():.3f}",
                    "against base": "" if pair is None else interval(pair),
                    "p (Holm)": "" if pair is None or np.isnan(pair.p_holm) else say_p(pair.p_holm),
                    **{name: f"{its[name].mean():.3g}" for name in TABLED},
                }
            rows[arch, switch] = row
    shown = pd.DataFrame(rows).T.fillna("")
    return shown.rename_axis(["architecture", "turned on" if end == ENDS[0] else "turned off"])
