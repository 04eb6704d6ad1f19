"""Training by a recipe, and embedding what was trained. What trains is imported when it is first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cvig.training.fitting import fit
    from cvig.training.lightning_module import SiameseTraining

__all__ = ["SiameseTraining", "fit"]

_MODULES = {"SiameseTraining": "lightning_module", "fit": "fitting"}  # Lightning takes seconds; embedding does without


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'cvig.training' has no attribute '{name}'")
    globals()[name] = getattr(import_module(f"cvig.training.{_MODULES[name]}"), name)
    return globals()[name]
