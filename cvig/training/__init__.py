"""Training by a recipe, and embedding what was trained."""

from cvig.training.fitting import fit
from cvig.training.lightning_module import SiameseTraining

__all__ = ["SiameseTraining", "fit"]
