"""The figures of the page on what the metrics promise."""

from collections.abc import Mapping

import pandas as pd
import seaborn as sns

from study.chapters.promises.subsets import METRICS
from study.figures import PALETTE, Plot, legend_above, new

STYLE = {name: {"color": PALETTE[i], "marker": "os^Dv"[i], "ms": 3.5} for i, name in enumerate(METRICS)}


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
    noise.set(xlabel="test pairs", ylabel="deviation / excess over chance")
    legend_above(figure, bias)
    return figure, "Two panels over the number of test pairs. " + "; ".join(said) + "."


def growth(curves: Mapping[str, pd.DataFrame]) -> Plot:
    """Each metric of several runs over the size of the gallery (`subsets.growth`): a panel a metric."""
    figure, axes = new(2, 3, size=(9, 5.2), sharex=True)
    said = []
    axes[1, 2].set_visible(False)
    for axis, name in zip(axes.flat, METRICS, strict=False):
        for color, style, (label, curve) in zip(PALETTE, ("-", "--", ":"), curves.items(), strict=False):
            axis.semilogx(curve.index, curve[name], style, color=color, label=label, lw=1.4)
            said.append(f"{name} of {label} from {curve[name].iloc[0]:.3f} to {curve[name].iloc[-1]:.3f}")
        axis.set(title=name, xlabel="gallery rows", ylim=(0, None))
    axes[0, 2].tick_params(labelbottom=True)
    legend_above(figure, axes[0, 0])
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
    axis.legend(fontsize=9)
    middle = gaps.iloc[len(gaps) // 2]
    said = ", ".join(f"{name} {middle[name]:.3f}, in the end {gaps[name].iloc[-1]:.3f}" for name in METRICS)
    return figure, f"Gap between the tie rules over the share tied. At {middle.name} of {n} rows: {said}."


def telling(table: pd.DataFrame, spacings: tuple[int, ...], metrics: tuple[str, ...]) -> Plot:
    """Share of the true pairs that each metric orders rightly, by queries: a panel a spacing."""
    figure, axes = new(1, len(spacings), size=(5 * len(spacings), 3.8), sharey=True)
    said = []
    for axis, spacing in zip(axes[0], spacings, strict=True):
        mean = table[table.spacing == spacing].groupby(["metric", "queries"]).right.mean().unstack("metric")
        for color, marker, name in zip(PALETTE, "os^Dvp*", metrics, strict=False):
            axis.semilogx(mean.index, mean[name], marker=marker, color=color, ms=4, label=name)
            said.append(f"{name} at {spacing} m from {mean[name].iloc[0]:.2f} to {mean[name].iloc[-1]:.2f}")
        axis.axhline(0.5, color="black", lw=1, ls=":")
        axis.set(title=f"places {spacing} m apart", xlabel="queries", ylim=(0.4, 1.02))
    axes[0, 0].set(ylabel="share ordered rightly")
    legend_above(figure, axes[0, -1])
    return figure, f"Share of pairs ordered rightly over the number of queries; one half is guessing. {'; '.join(said)}."


def spacings(table: pd.DataFrame) -> Plot:
    """Shares over the spacing of places, and metres beside them (`measured.by_spacing`)."""
    figure, axes = new(1, 2, size=(10, 3.6))
    shares, metres = axes[0]
    said = []
    for color, marker, name in zip(PALETTE, "os^Dv", ("PSSR", "land", "hit", "R@1%", "land 1%"), strict=False):
        shares.semilogx(table.index, table[name], marker=marker, color=color, ms=4, label=name)
        said.append(f"{name} from {table[name].iloc[0]:.3f} to {table[name].iloc[-1]:.3f}")
    metres.loglog(table.index, table.metres, marker="o", color=PALETTE[5], ms=4)
    for axis in axes[0]:
        axis.set_xticks(table.index, [f"{x}" for x in table.index])
        axis.minorticks_off()
        axis.set(xlabel="meters between places")
    shares.set(ylim=(0, 1))
    legend_above(figure, shares)
    metres.set(ylabel="median meters to the first tile")
    ends = table.metres.iloc[[0, -1]]
    said.append(f"the median distance to the first tile from {ends.iloc[0]:.0f} to {ends.iloc[1]:.0f} m")
    return figure, f"Metrics over spacings of {table.index[0]} to {table.index[-1]} m. {'; '.join(said)}."
