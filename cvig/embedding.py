"""Images to embeddings: every ground view and every gallery image through its tower, once."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cvig.datasets import PairedViews
from cvig.models import SiameseNetwork

THUMBNAIL = 96  # pixels; a run's results stay small


def _embed(
    network: SiameseNetwork,
    tower: nn.Module,
    image: Callable[[int], torch.Tensor],
    count: int,
    batch: int,
    device: str,
    bf16: bool,
) -> np.ndarray:
    """Embed images 0 … count - 1, fetched one by one so that no more than a batch is held."""
    was_training = tower.training
    tower.eval()
    parts = []
    with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16):
        for first in range(0, count, batch):
            images = torch.stack([image(i) for i in range(first, min(first + batch, count))])
            x = network.prepare(images.to(device)).to(memory_format=torch.channels_last)
            parts.append(tower(x).float().cpu())
    tower.train(was_training)
    return torch.cat(parts).numpy()


def embed_ground(
    network: SiameseNetwork, data: PairedViews, *, batch: int = 128, device: str = "cpu", bf16: bool = False
) -> np.ndarray:
    """Embed every ground view of `data`: float32 [ground_count, D]."""
    return _embed(network, network.ground, data.ground_image, data.ground_count, batch, device, bf16)


def embed_gallery(
    network: SiameseNetwork,
    data: PairedViews,
    boxes: torch.Tensor | None = None,
    *,
    batch: int = 128,
    device: str = "cpu",
    bf16: bool = False,
) -> np.ndarray:
    """Embed every gallery image of `data`: float32 [gallery_count, D].

    Parameters
    ----------
    boxes : float tensor [gallery_count, 4], optional
        Crop each image to its box (top, left, height, width, as fractions of the side) and scale it back first.
    """
    if boxes is not None and boxes.shape != (data.gallery_count, 4):
        raise ValueError(f"boxes {tuple(boxes.shape)} for {data.name}: expected ({data.gallery_count}, 4)")

    def image(row: int) -> torch.Tensor:
        return data.aerial_image(row) if boxes is None else data.cropped_aerial(row, boxes[row])

    return _embed(network, network.aerial, image, data.gallery_count, batch, device, bf16)


def principal_components(ground: np.ndarray, aerial: np.ndarray, limit: int = 2000) -> dict[str, np.ndarray]:
    """Project both towers' embeddings on their common first two principal axes (the paper's Fig. 3).

    Parameters
    ----------
    ground, aerial : float arrays [Q, D], [G, D]
    limit : int
        At most this many rows of each are kept, evenly spaced, so that a result stays small.

    Returns
    -------
    dict
        ``ground`` and ``aerial``, float32 [·, 2], and ``explained``, the share of variance along each axis [2].
    """
    from sklearn.decomposition import PCA

    pca = PCA(n_components=2, svd_solver="full" if min(ground.shape) < 3 else "randomized", random_state=0)
    pca.fit(np.concatenate([ground, aerial]))

    def part(x: np.ndarray) -> np.ndarray:
        rows = np.unique(np.linspace(0, len(x) - 1, min(limit, len(x))).astype(int))
        return pca.transform(x[rows]).astype(np.float32)

    # A collapsed cloud has no variance to share out.
    explained = np.nan_to_num(pca.explained_variance_ratio_).astype(np.float32)
    return {"ground": part(ground), "aerial": part(aerial), "explained": explained}


def _thumbnail(image: torch.Tensor) -> torch.Tensor:
    """An image uint8 [3, H, W], made smaller where it is larger than `THUMBNAIL`."""
    shrink = THUMBNAIL / max(image.shape[1:])
    if shrink >= 1:
        return image
    size = [round(shrink * side) for side in image.shape[1:]]
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]


def retrieve(
    data: PairedViews,
    ground: np.ndarray,
    aerial: np.ndarray,
    queries: Sequence[int],
    rank: np.ndarray,
    boxes: torch.Tensor | None = None,
    top: int = 5,
) -> dict[str, np.ndarray]:
    """Thumbnails of some queries and of the gallery images nearest to each (the paper's Fig. 4).

    Ties are shown in the gallery's order. A thumbnail is the image the network saw, made as small as `THUMBNAIL`.

    Parameters
    ----------
    rank : int array [Q]
        Pessimistic rank of every query's positive.
    boxes : float tensor [gallery_count, 4], optional
        The crop of each gallery image.

    Returns
    -------
    dict
        ``queries`` uint8 [M, 3, H, W], ``retrieved`` uint8 [M, top, 3, H, W], ``positive_at`` int64 [M] (-1 where it is
        not among them), ``rank`` int64 [M], ``gallery_size``.
    """
    top = min(top, data.gallery_count)
    retrieved, positive_at = [], []
    for query in queries:
        distance = ((aerial.astype(np.float64) - ground[query].astype(np.float64)) ** 2).sum(1)
        rows = np.argsort(distance, kind="stable")[:top]
        image = data.aerial_image if boxes is None else lambda row: data.cropped_aerial(row, boxes[row])
        retrieved.append(torch.stack([_thumbnail(image(int(row))) for row in rows]).numpy())
        hits = np.flatnonzero(np.isin(rows, np.atleast_1d(data.positives[query])))
        positive_at.append(hits[0] if len(hits) else -1)
    return {
        "queries": np.stack([_thumbnail(data.ground_image(int(query))).numpy() for query in queries]),
        "retrieved": np.stack(retrieved),
        "positive_at": np.asarray(positive_at, dtype=np.int64),
        "rank": np.asarray(rank)[list(queries)].astype(np.int64),
        "gallery_size": np.asarray(data.gallery_count),
    }
