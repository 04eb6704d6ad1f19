"""Plots of experiment E1."""

from study.chapters.towers.experiment import TOWERS, WHERE, Experiment, exact
from study.figures import AERIAL, GROUND, Plot, new

COLORS = dict(zip(TOWERS, (GROUND, AERIAL), strict=True))


def deaths_plot(experiment: Experiment) -> Plot:
    """Share of runs whose tower is dead, with exact intervals; a panel a way of preparing images."""
    arms = experiment.arms
    figure, (axes,) = new(1, 2, size=(9, 0.6 + 0.42 * len(arms)), sharey=True, sharex=True)
    said = []
    for axis, where in zip(axes, WHERE, strict=True):
        for shift, tower in zip((-0.15, 0.15), TOWERS, strict=True):
            for at, arm in enumerate(arms):
                its = experiment.arm(arm)[f"dead_{tower}_{where}"]
                low, high = exact(int(its.sum()), len(its))
                axis.plot([low, high], [at + shift] * 2, color=COLORS[tower], lw=1.5)
                label = f"{tower} tower" if at == 0 else None
                axis.plot(its.mean(), at + shift, "o", color=COLORS[tower], ms=5, label=label)
                if its.any():
                    said.append(f"{arm}, {tower} tower, {where}: {int(its.sum())} of {len(its)}")
        title = "images prepared as in training" if where == "training" else "in the test"
        axis.set(title=title, xlabel="share of runs with a dead tower", xlim=(-0.03, 1.03))
    axes[0].set(yticks=range(len(arms)), yticklabels=arms)
    axes[0].invert_yaxis()
    axes[0].legend(frameon=False)
    return figure, f"Dead towers by arm, of {experiment.name}. {'; '.join(said) or 'None died in any arm'}."


def silence_plot(experiment: Experiment, arms: list[str]) -> Plot:
    """Share of silent units in the last layer of ReLUs by epoch: a column an arm, a row a way of preparing images."""
    figure, axes = new(2, len(arms), size=(4.2 * len(arms), 5), sharex=True, sharey=True)
    said = []
    for column, arm in zip(axes.T, arms, strict=True):
        its = experiment.epochs[experiment.epochs.arm == arm]
        for axis, (where, prefix) in zip(column, WHERE.items(), strict=True):
            for tower in TOWERS:
                name = f"{prefix}{tower}_silent_fc2"
                lines = its.pivot(index="epoch", columns="run", values=name)
                axis.plot(lines.index, lines, color=COLORS[tower], lw=0.7, alpha=0.6)
                axis.plot(lines.index, lines.mean(axis=1), color=COLORS[tower], lw=2.2, label=f"{tower} tower")
                said.append(f"{arm}, {tower} tower, {where}: {lines.iloc[0].mean():.2f} to {lines.iloc[-1].mean():.2f}")
            axis.set(title=f"{arm}, " + ("as in training" if where == "training" else "as in the test"), ylim=(0, 1.02))
        column[-1].set(xlabel="epoch")
    axes[0, 0].legend(frameon=False)
    for axis in axes[:, 0]:
        axis.set(ylabel="silent units, fc2")
    return figure, f"Mean share of silent units, first to last epoch. {'; '.join(said)}."
