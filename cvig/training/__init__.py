"""Training by a recipe, and embedding what was trained. What trains is imported when it is first asked for."""

from typing import TYPE_CHECKING

from cvig.extras import late

if TYPE_CHECKING:
    from cvig.training.fitting import fit
    from cvig.training.lightning_module import SiameseTraining

__all__ = ["SiameseTraining", "fit"]

# Lightning takes seconds; embedding does without
_PLACES = {"SiameseTraining": ("cvig.training.lightning_module", "SiameseTraining"), "fit": ("cvig.training.fitting", "fit")}
__getattr__ = late(__name__, _PLACES)
