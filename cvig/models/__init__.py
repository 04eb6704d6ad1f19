"""Siamese networks: a trunk and a head make a tower, two towers make a network."""

from cvig.models.building import build, load_network
from cvig.models.siamese import MEAN, STD, SiameseNetwork, preprocess

__all__ = ["MEAN", "STD", "SiameseNetwork", "build", "load_network", "preprocess"]
