"""Filtering photographs that no aerial image could match: labels, scene features, and a random forest."""

from cvig.filtering.forest import FilterReport, read_labels, score, train_filter, two_of_each, write_kept

__all__ = ["FilterReport", "read_labels", "score", "train_filter", "two_of_each", "write_kept"]
