"""A trained network as a search uses it: which one it is, and what part of the scene it was shown in training."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cvig.models import SiameseNetwork, load_network
from cvig.models.checkpoint import DESIGN

FOV = 90.0  # degrees across of a training view where nothing says otherwise: the paper's


@dataclass
class Model:
    """A network with its digest, and the field of view of the photographs that it was trained on, in degrees."""

    network: SiameseNetwork
    digest: str
    fov: float

    @classmethod
    def read(cls, folder: str | Path, fov: float | None = None) -> "Model":
        """Read the network of a run.

        Raises
        ------
        FileNotFoundError, ValueError
            As `cvig.load_network`.
        """
        network = load_network(folder)
        digest = json.loads((Path(folder) / DESIGN).read_text())["weights"]["sha256"][:16]
        return cls(network, digest, fov or _trained_fov(Path(folder)))

    @torch.inference_mode()
    def _embed(self, tower: torch.nn.Module, images: np.ndarray) -> np.ndarray:
        x = self.network.prepare(torch.from_numpy(images).permute(0, 3, 1, 2))
        return tower(x.to(memory_format=torch.channels_last)).float().numpy()

    def ground(self, images: np.ndarray) -> np.ndarray:
        """Embed photographs, uint8 [B, size, size, 3]: float32 [B, D]."""
        return self._embed(self.network.ground, images)

    def aerial(self, images: np.ndarray) -> np.ndarray:
        """Embed tiles, uint8 [B, size, size, 3]: float32 [B, D]."""
        return self._embed(self.network.aerial, images)


def _trained_fov(folder: Path) -> float:
    """What the training's own record says of its views."""
    record = folder / "train.json"
    if not record.exists():
        return FOV
    parameters = json.loads(record.read_text()).get("parameters", {})
    options = parameters.get("options", {})
    if parameters.get("view") == "panorama" or options.get("views") == "panorama":
        return 360.0
    return float(options.get("fov", FOV))
