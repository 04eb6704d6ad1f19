"""Training by a recipe, and embedding what was trained."""

from cvig.training.fitting import SiameseTraining, fit

__all__ = ["SiameseTraining", "fit"]
