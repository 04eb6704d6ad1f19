"""A procedural countryside: places, and views of them, rendered on demand."""

from cvig.datasets.world.places import COUNTS, SPACING, WorldViews, choose_places, load, regions

__all__ = ["COUNTS", "SPACING", "WorldViews", "choose_places", "load", "regions"]
