"""The picture on the first page."""

from study.figures import AERIAL, GROUND, PALETTE, Plot, draw, new
from study.runs import Run


def idea(run: Run) -> Plot:
    """One photograph of a run, the aerial images nearest to it, and how much of the gallery its rank rules out."""
    seen = run.retrievals
    rank, at, gallery = int(seen["rank"][0]), int(seen["positive_at"][0]), int(seen["gallery_size"])
    top = seen["retrieved"].shape[1]
    if at < 0:
        raise ValueError(f"{run.folder}: the positive of its first query is not among the {top} nearest")
    figure, axes = new(1, top + 1, size=(9, 3.2), gridspec_kw={"width_ratios": [1.35, *[1] * top]})
    photograph, *tiles = axes[0]
    draw(photograph, seen["queries"][0])
    photograph.set_title("a photograph:\nwhere was it taken?", fontsize=12)
    for place, axis in enumerate(tiles):
        draw(axis, seen["retrieved"][0, place])
        axis.set_title(f"rank {place + 1}" + ("\nthe place" if place == at else "\n"), fontsize=12)
        for spine in axis.spines.values():
            spine.set(visible=place == at, color=PALETTE[2], linewidth=5)
    bar = figure.add_axes([0.03, 0.1, 0.94, 0.1], in_layout=False)
    bar.barh(0, gallery, color=GROUND, height=1)
    bar.barh(0, max(rank, gallery / 250), color=AERIAL, height=1)  # at least so wide that it is seen
    bar.set(xlim=(0, gallery), yticks=[], xticks=[])
    said = f"{rank} of {gallery:,} remain; the other {gallery - rank:,}, {1 - rank / gallery:.1%}, are ruled out"
    bar.set_title(f"all aerial images of the region, nearest first: {said}", fontsize=12)
    figure.get_layout_engine().set(rect=(0, 0.3, 1, 0.66))
    alt = (
        f"A photograph on the ground; beside it the {top} aerial images of {gallery} that the network finds nearest. The "
        f"place where it was taken has rank {rank}. Below, a bar of the whole gallery, nearest first: {said}."
    )
    return figure, alt
