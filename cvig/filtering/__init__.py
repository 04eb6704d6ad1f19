"""Is this photograph worth matching? Labels, scene features, and a forest that judges."""

from cvig.filtering.forest import FilterReport, read_labels, score, train_filter, two_of_each, write_kept

__all__ = ["FilterReport", "read_labels", "score", "train_filter", "two_of_each", "write_kept"]
