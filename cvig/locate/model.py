"""A trained network as a search uses it: which one it is, and what part of the scene it was shown in training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cvig.files import read_json
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
            As `cvig.load_network`; a field of view that no photograph has.
        """
        network = load_network(folder)
        digest = read_json(Path(folder) / DESIGN)["weights"]["sha256"][:16]
        fov, said = (_trained_fov(Path(folder)), f"'{folder}'") if fov is None else (fov, "--model-fov")
        if not 1 <= fov <= 360:
            raise ValueError(f"{said} has a field of view of {fov:g} degrees: expected 1 to 360")
        return cls(network, digest, fov)

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
    try:
        parameters = read_json(record).get("parameters", {})
        options = parameters.get("options", {})
        if parameters.get("view") == "panorama" or options.get("views") == "panorama":
            return 360.0
        return float(options.get("fov", FOV))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"'{record}' is no record of a training ({error})") from error
