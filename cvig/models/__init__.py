"""Siamese networks: two towers, each of which is a trunk and a head. torch is imported when one is first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cvig.models.building import build, load_network
    from cvig.models.siamese import MEAN, STD, SiameseNetwork, preprocess

__all__ = ["MEAN", "STD", "SiameseNetwork", "build", "load_network", "preprocess"]

_MODULES = dict.fromkeys(("build", "load_network"), "building") | dict.fromkeys(
    ("MEAN", "STD", "SiameseNetwork", "preprocess"), "siamese"
)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'cvig.models' has no attribute '{name}'")
    globals()[name] = getattr(import_module(f"cvig.models.{_MODULES[name]}"), name)
    return globals()[name]
