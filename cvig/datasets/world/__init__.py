"""A procedural countryside: places, and views of them, rendered on demand."""

from cvig.datasets.world.data import COUNTS, WorldViews, load
from cvig.datasets.world.places import places_of

__all__ = ["COUNTS", "WorldViews", "load", "places_of"]
