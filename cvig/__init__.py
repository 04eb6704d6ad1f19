"""Cross-view image geo-localization: models, losses, exact ranks and honest metrics.

The front door: what most users need, each imported when it is first asked for.

>>> import cvig
>>> ranks = cvig.exact_ranks([[0.0, 1.0], [1.0, 0.0]], [[0.1, 1.0], [0.9, 0.1]])  # row i answers query i
>>> cvig.recall_at_k(ranks, 1), cvig.pssr(ranks)
(1.0, 0.5)
"""

from typing import TYPE_CHECKING

from cvig.extras import late

if TYPE_CHECKING:
    from cvig.datasets import load as load_data
    from cvig.metrics import compare, pssr, recall_at_k, summary
    from cvig.models import load_network
    from cvig.ranking import Ranks, exact_ranks

__version__ = "0.1.0"

__all__ = ["Ranks", "compare", "exact_ranks", "load_data", "load_network", "pssr", "recall_at_k", "summary"]

_PLACES = {  # where each lies, and its name there
    "Ranks": ("cvig.ranking", "Ranks"),
    "compare": ("cvig.metrics", "compare"),
    "exact_ranks": ("cvig.ranking", "exact_ranks"),
    "load_data": ("cvig.datasets", "load"),
    "load_network": ("cvig.models", "load_network"),
    "pssr": ("cvig.metrics", "pssr"),
    "recall_at_k": ("cvig.metrics", "recall_at_k"),
    "summary": ("cvig.metrics", "summary"),
}

__getattr__ = late(__name__, _PLACES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
