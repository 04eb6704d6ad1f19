"""What an evaluation keeps of its embeddings and images for figures."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from cvig.datasets import PairedViews

THUMBNAIL = 96  # pixels; a run's results stay small


def principal_components(limit: int = 2000, **clouds: np.ndarray) -> dict[str, np.ndarray]:
    """Project embeddings on the first two principal axes that all of them have together (the paper's Fig. 3).

    Parameters
    ----------
    limit : int
        At most this many rows of each cloud are kept, evenly spaced, so that a result stays small.
    clouds : float arrays [·, D]
        By name: of both towers, or of several networks of as many dimensions.

    Returns
    -------
    dict
        Each cloud by its name, float32 [·, 2], and ``explained``, the share of variance along each axis [2].
    """
    from sklearn.decomposition import PCA

    least = min(side for cloud in clouds.values() for side in cloud.shape)
    pca = PCA(n_components=2, svd_solver="full" if least < 3 else "randomized", random_state=0)
    pca.fit(np.concatenate(list(clouds.values())))

    def part(x: np.ndarray) -> np.ndarray:
        rows = np.unique(np.linspace(0, len(x) - 1, min(limit, len(x))).astype(int))
        return pca.transform(x[rows]).astype(np.float32)

    # a collapsed tower has no variance to divide by
    explained = np.nan_to_num(pca.explained_variance_ratio_).astype(np.float32)
    return {**{name: part(cloud) for name, cloud in clouds.items()}, "explained": explained}


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
        ``queries`` uint8 [M, 3, H, W], ``retrieved`` uint8 [M, top, 3, H, W], ``positive`` uint8 [M, 3, H, W], the nearest
        right one, ``positive_at`` int64 [M] (-1 where it is not among the retrieved), ``rank`` int64 [M], ``gallery_size``.
    """
    top = min(top, data.gallery_count)
    image = data.aerial_image if boxes is None else lambda row: data.cropped_aerial(row, boxes[row])
    retrieved, positive, positive_at = [], [], []
    for query in queries:
        distance = ((aerial.astype(np.float64) - ground[query].astype(np.float64)) ** 2).sum(1)
        rows = np.argsort(distance, kind="stable")[:top]
        right = np.atleast_1d(data.positives[query])
        retrieved.append(torch.stack([_thumbnail(image(int(row))) for row in rows]).numpy())
        positive.append(_thumbnail(image(int(right[distance[right].argmin()]))).numpy())
        hits = np.flatnonzero(np.isin(rows, right))
        positive_at.append(hits[0] if len(hits) else -1)
    return {
        "queries": np.stack([_thumbnail(data.ground_image(int(query))).numpy() for query in queries]),
        "retrieved": np.stack(retrieved),
        "positive": np.stack(positive),
        "positive_at": np.asarray(positive_at, dtype=np.int64),
        "rank": np.asarray(rank)[list(queries)].astype(np.int64),
        "gallery_size": np.asarray(data.gallery_count),
    }
