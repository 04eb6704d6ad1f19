"""Recall, PSSR and their kin, from exact ranks alone.

`values` holds the point values, `intervals` their uncertainty, `chance` what random ranks would give, `inference` the
summary of all three, `ground` the squares of ground that near queries are resampled in, `comparison` two models side by
side, and `streaming` the metrics as torchmetrics classes.
"""

from cvig.extras import late
from cvig.metrics.comparison import compare
from cvig.metrics.inference import summary
from cvig.metrics.intervals import cluster_interval, median_interval, share_interval
from cvig.metrics.precision import mean_average_precision, per_query_average_precision
from cvig.metrics.search import SearchShare, search_share
from cvig.metrics.values import (
    TIES,
    mean_rank,
    mean_reciprocal_rank,
    median_rank,
    per_query_pssr,
    per_query_rank,
    per_query_recall,
    per_query_reciprocal_rank,
    pssr,
    recall_at_k,
    recall_curve,
    tied_fraction,
    top_size,
)

__all__ = [
    "TIES",
    "MeanAveragePrecision",
    "MeanReciprocalRank",
    "MedianRank",
    "ProportionalSearchSpaceReduction",
    "RetrievalRecall",
    "SearchShare",
    "cluster_interval",
    "compare",
    "mean_average_precision",
    "mean_rank",
    "mean_reciprocal_rank",
    "median_interval",
    "median_rank",
    "per_query_average_precision",
    "per_query_pssr",
    "per_query_rank",
    "per_query_recall",
    "per_query_reciprocal_rank",
    "pssr",
    "recall_at_k",
    "recall_curve",
    "search_share",
    "share_interval",
    "summary",
    "tied_fraction",
    "top_size",
]

# torchmetrics takes seconds to import, and most users of this package do not need it
__getattr__ = late(__name__, {name: ("cvig.metrics.streaming", name) for name in __all__ if name not in globals()})
