"""Siamese networks: two towers, each of which is a trunk and a head. torch is imported when one is first asked for."""

from typing import TYPE_CHECKING

from cvig.extras import late

if TYPE_CHECKING:
    from cvig.models.building import build, load_network
    from cvig.models.siamese import MEAN, STD, SiameseNetwork, preprocess

__all__ = ["MEAN", "STD", "SiameseNetwork", "build", "load_network", "preprocess"]

_PLACES = {name: ("cvig.models.building", name) for name in ("build", "load_network")}
_PLACES |= {name: ("cvig.models.siamese", name) for name in ("MEAN", "STD", "SiameseNetwork", "preprocess")}
__getattr__ = late(__name__, _PLACES)
