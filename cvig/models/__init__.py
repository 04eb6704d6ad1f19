"""Siamese networks: a trunk and a head make a tower, two towers make a network."""

from cvig.models.siamese import MEAN, STD, SiameseNetwork, build, preprocess

__all__ = ["MEAN", "STD", "SiameseNetwork", "build", "preprocess"]
