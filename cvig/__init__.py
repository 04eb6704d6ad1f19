"""Cross-view image geo-localization: models, losses, exact ranks and honest metrics."""

__version__ = "0.1.0"
