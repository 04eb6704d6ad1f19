"""Embedding the ground views and the gallery images of a data set."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from cvig.datasets import PairedViews
from cvig.models import SiameseNetwork


def _embed(
    network: SiameseNetwork,
    tower: nn.Module,
    image: Callable[[int], torch.Tensor],
    rows: range,
    batch: int,
    device: str,
    bf16: bool,
) -> np.ndarray:
    """Embed the images of `rows`, read one by one, so that no more than a batch of them is in memory."""
    was_training = tower.training
    tower.eval()
    parts = []
    with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16):
        for first in range(0, len(rows), batch):
            images = torch.stack([image(i) for i in rows[first : first + batch]])
            x = network.prepare(images.to(device)).to(memory_format=torch.channels_last)
            parts.append(tower(x).float().cpu())
    tower.train(was_training)
    return torch.cat(parts).numpy()


def embed_ground(
    network: SiameseNetwork,
    data: PairedViews,
    *,
    rows: range | None = None,
    batch: int = 128,
    device: str = "cpu",
    bf16: bool = False,
) -> np.ndarray:
    """Embed the ground views of `data` with the network's ground tower, in evaluation mode.

    Parameters
    ----------
    rows : range, optional
        The indices of the views; by default all.
    batch : int
        Images at a time.
    device : {"cpu", "cuda"}
        The device that the network is on.
    bf16 : bool
        Compute in bfloat16 (autocast).

    Returns
    -------
    float32 array [N, D]
        A row for each of `rows`.
    """
    rows = range(data.ground_count) if rows is None else rows
    return _embed(network, network.ground, data.ground_image, rows, batch, device, bf16)


def embed_gallery(
    network: SiameseNetwork,
    data: PairedViews,
    boxes: torch.Tensor | None = None,
    *,
    rows: range | None = None,
    batch: int = 128,
    device: str = "cpu",
    bf16: bool = False,
) -> np.ndarray:
    """Embed the gallery images of `data` with the network's aerial tower, in evaluation mode.

    Parameters
    ----------
    boxes : float tensor [gallery_count, 4], optional
        Crop each image to its box (top, left, height, width, as fractions of the sides) and scale it back first.
    rows, batch, device, bf16
        As for `embed_ground`.

    Returns
    -------
    float32 array [N, D]
        A row for each of `rows`.

    Raises
    ------
    ValueError
        `boxes` of another shape.
    """
    if boxes is not None and boxes.shape != (data.gallery_count, 4):
        raise ValueError(f"boxes {tuple(boxes.shape)} for {data.name}: expected ({data.gallery_count}, 4)")

    def image(row: int) -> torch.Tensor:
        return data.aerial_image(row) if boxes is None else data.cropped_aerial(row, boxes[row])

    rows = range(data.gallery_count) if rows is None else rows
    return _embed(network, network.aerial, image, rows, batch, device, bf16)
