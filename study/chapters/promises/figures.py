"""The figures of the page on what the metrics promise."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns

from study.chapters.promises.subsets import METRICS
from study.figures import PALETTE, Plot, new

STYLE = {name: {"color": PALETTE[i], "marker": "os^Dv"[i], "ms": 3.5} for i, name in enumerate(METRICS)}


def orders(tables: Mapping[str, pd.DataFrame]) -> Plot:
    """Kendall's tau-b between metrics by each tie rule: a panel a table of `orders.tau`."""
    figure, axes = new(1, len(tables), size=(6.6 * len(tables), 5.6))
    said = []
    for axis, (label, table) in zip(axes[0], tables.items(), strict=True):
        names = [f"{metric} {rule[:4]}." for metric, rule in table.columns]
        options = {"vmin": -1, "vmax": 1, "cmap": "vlag", "square": True, "annot": True, "fmt": ".1f"}
        shown = pd.DataFrame(table.to_numpy(), names, names)
        sns.heatmap(shown, ax=axis, annot_kws={"size": 6}, cbar=axis is axes[0, -1], **options)
        axis.set_title(label)
        axis.tick_params(labelsize=7)
        pairs = shown.where(~np.eye(len(names), dtype=bool)).stack().dropna()
        low = " and ".join(pairs.idxmin())
        said.append(f"{label}: from {pairs.min():.2f}, between {low}, to {pairs.max():.2f}")
    return figure, "Heat maps of rank correlation between metrics and tie rules. " + "; ".join(said) + "."


def earliness(seen: pd.DataFrame, signal: pd.DataFrame) -> Plot:
    """When each metric sees that runs learn, and how sure it is.

    Parameters
    ----------
    seen : DataFrame
        `earliness.first_seen`: a row a run, a column a metric.
    signal : DataFrame
        Index (run, epoch), a column a metric: standard errors above chance.
    """
    figure, axes = new(1, 2, size=(9.6, 3.4))
    share, strength = axes[0]
    median = signal.loc[seen.index].groupby("epoch").median()
    said = []
    for name in METRICS:
        found = [(seen[name] <= epoch).mean() for epoch in median.index]
        share.plot(median.index, found, drawstyle="steps-post", label=name, **STYLE[name])
        strength.plot(median.index, median[name], label=name, **STYLE[name])
        said.append(
            f"{name} sees {np.isfinite(seen[name]).sum()} of {len(seen)} runs learn, half of them by epoch "
            f"{seen[name].median():.0f}, and ends {median[name].iloc[-1]:.1f} standard errors above chance"
        )
    share.set(xlabel="epoch", ylabel="share of runs seen to learn", ylim=(-0.02, 1.02))
    strength.axhline(0, color="black", lw=1, ls=":")
    strength.set(xlabel="epoch", ylabel="standard errors above chance, median")
    strength.legend()
    return figure, "Two panels over epochs. " + "; ".join(said) + "."


def stability(table: pd.DataFrame) -> Plot:
    """Mean and noise of each metric in smaller tests (`subsets.stability`)."""
    figure, axes = new(1, 2, size=(9.6, 3.4))
    bias, noise = axes[0]
    said = []
    for name in METRICS:
        part = table.xs(name, level="metric")
        bias.semilogx(part.index, 1 + part.bias, label=name, **STYLE[name])
        noise.loglog(part.index, part.noise, label=name, **STYLE[name])
        first = part.iloc[0]
        said.append(f"{name} at {part.index[0]} is {1 + first.bias:.2f} of its full value, its noise {first.noise:.2f}")
    bias.axhline(1, color="black", lw=1, ls=":")
    bias.set(xlabel="test pairs", ylabel="mean / full value", yscale="log")
    noise.set(xlabel="test pairs", ylabel="standard deviation / excess over chance")
    bias.legend()
    return figure, "Two panels over the number of test pairs. " + "; ".join(said) + "."


def growth(curves: Mapping[str, pd.DataFrame]) -> Plot:
    """Each metric of several runs over the size of the gallery (`subsets.growth`): a panel a metric."""
    figure, axes = new(1, len(METRICS), size=(2.6 * len(METRICS), 3), sharex=True)
    said = []
    for axis, name in zip(axes[0], METRICS, strict=True):
        for color, style, (label, curve) in zip(PALETTE, ("-", "--", ":"), curves.items(), strict=False):
            axis.semilogx(curve.index, curve[name], style, color=color, label=label, lw=1.4)
            said.append(f"{name} of {label} from {curve[name].iloc[0]:.3f} to {curve[name].iloc[-1]:.3f}")
        axis.set(title=name, xlabel="gallery rows", ylim=(0, None))
    axes[0, 0].legend(fontsize=7)
    first, last = next(iter(curves.values())).index[[0, -1]]
    return figure, f"Five panels over galleries of {first} to {last} rows. " + "; ".join(said) + "."


def improvements(table: pd.DataFrame) -> Plot:
    """Change of each metric by each improvement, in standard errors of two separate tests (`claims.noticed`)."""
    errors = table.errors.unstack("metric")[list(METRICS)].loc[table.index.get_level_values(0).unique()]
    figure, axes = new(size=(6.4, 2.8))
    options = {"annot": True, "fmt": ".2f", "cmap": "crest", "vmin": 0, "vmax": max(5.0, float(errors.max().max()))}
    sns.heatmap(errors, ax=axes[0, 0], cbar_kws={"label": "standard errors"}, **options)
    axes[0, 0].set(xlabel="", ylabel="")
    axes[0, 0].tick_params(axis="y", rotation=0)
    said = [f"{kind}: " + ", ".join(f"{name} {value:.2f}" for name, value in row.items()) for kind, row in errors.iterrows()]
    return figure, "Heat map of change in standard errors. " + "; ".join(said) + "."


def tie_gaps(gaps: pd.DataFrame, n: int) -> Plot:
    """What a tie rule can make of each metric over the share of the gallery at one distance (`claims.tie_gaps`)."""
    figure, axes = new(size=(6.4, 3.4))
    axis, share = axes[0, 0], gaps.index.to_numpy() / n
    for name in METRICS:
        axis.semilogx(share, gaps[name], label=name, **STYLE[name])
    axis.set(xlabel="share of the gallery that is tied at a time", ylabel="optimistic - pessimistic", ylim=(-0.02, 1.02))
    axis.legend()
    middle = gaps.iloc[len(gaps) // 2]
    said = ", ".join(f"{name} {middle[name]:.3f}, in the end {gaps[name].iloc[-1]:.3f}" for name in METRICS)
    return figure, f"Gap between the tie rules over the share tied. At {middle.name} of {n} rows: {said}."
