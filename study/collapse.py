"""Which towers of a run have collapsed."""

from cvig.metrics.collapse import Tower
from study.runs import Run

# Relative spread below which a training counts as collapsed: it has pulled the rows together, though they can still be told
# apart. `cvig.metrics.collapse.NO_SPREAD`, a tenth of it, is where recall loses its meaning.
LITTLE_SPREAD = 1e-2
FEW = 0.1  # share of distinct rows below which it does; tiles that four views share leave a quarter


def towers(run: Run, test_set: str = "uncropped") -> tuple[Tower, Tower]:
    """Measures of the ground and of the aerial tower."""
    return tuple(Tower(**run.facts[test_set]["towers"][side]) for side in ("ground", "aerial"))


def is_collapsed(tower: Tower) -> bool:
    """Whether a tower's spread is below `LITTLE_SPREAD`, its distinct rows below `FEW`, or a tenth of it one point."""
    return tower.spread < LITTLE_SPREAD or tower.distinct < FEW * tower.rows or tower.is_one_point


def collapsed(run: Run, test_set: str = "uncropped") -> str:
    """Which towers have collapsed: ``"neither"``, ``"ground"``, ``"aerial"`` or ``"both"``."""
    ground, aerial = (is_collapsed(tower) for tower in towers(run, test_set))
    return "both" if ground and aerial else "ground" if ground else "aerial" if aerial else "neither"
