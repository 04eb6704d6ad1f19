"""Siamese networks: two towers, each of which is a trunk and a head."""

from cvig.models.building import build, load_network
from cvig.models.siamese import MEAN, STD, SiameseNetwork, preprocess

__all__ = ["MEAN", "STD", "SiameseNetwork", "build", "load_network", "preprocess"]
