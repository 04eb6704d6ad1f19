"""How published evaluators count recall, restated for comparison."""

from cvig.metrics.conventions.evaluators import pssr_as_coded, recall_bounds, recalls
from cvig.metrics.conventions.rules import CONVENTIONS, PAPER_CODE, TOP_OF_PERCENT, Convention

__all__ = ["CONVENTIONS", "PAPER_CODE", "TOP_OF_PERCENT", "Convention", "pssr_as_coded", "recall_bounds", "recalls"]
