"""The metrics as torchmetrics classes: embeddings are collected in batches and over processes, and ranked exactly."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from cvig.metrics import values
from cvig.metrics.precision import mean_average_precision
from cvig.ranking import Ranks, exact_ranks


class ExactRetrievalMetric(Metric, ABC):
    """A metric of exact ranks over everything that was seen.

    As input to ``forward`` and ``update`` the metric accepts the following input:

    - ``query`` (:class:`~torch.Tensor`): Embeddings of shape ``(B, D)``
    - ``gallery`` (:class:`~torch.Tensor`): Embeddings of shape ``(G, D)``
    - ``query_place``, ``gallery_place`` (:class:`~torch.Tensor`, optional): Whole numbers of shape ``(B,)`` and ``(G,)``. A
      gallery row answers the queries of its own place. Without them row i of each ``gallery`` answers row i of its
      ``query``, so that both have the same length.

    As output to ``forward`` and ``compute`` the metric returns the following output:

    - ``metric`` (:class:`~torch.Tensor`): A float64 scalar, bit for bit what the function of `cvig.metrics` gives for all
      rows together. That of ``forward`` ranks the batch alone.

    All embeddings are kept until ``reset``, because a rank is no sum over batches; in a `MetricCollection`, metrics of this
    kind share them. Their types are kept too: half-precision embeddings are ranked as such.

    .. attention::
        Every process must have seen a row before a synchronization. A sampler that repeats samples to fill the
        last batch, as PyTorch's ``DistributedSampler`` does, puts the repeated images into the gallery twice.

    Args:
        ties: ``'pessimistic'``, ``'optimistic'`` or ``'expected'``
        similarity: ``'euclidean'`` or ``'dot'``
        kwargs: Additional keyword arguments, see :ref:`Metric kwargs` for more info.

    Raises:
        ValueError:
            At once where shapes do not fit or the tie rule is unknown; in ``compute`` where nothing was seen, numbers are
            NaN or infinite (how many, the first row), or a query's place is not in the gallery.
    """

    is_differentiable: bool = False
    higher_is_better: bool = True
    full_state_update: bool = False
    plot_lower_bound: float = 0.0
    plot_upper_bound: float = 1.0

    every: bool = False  # whether all positives are ranked, not the best placed alone

    query: list[Tensor]
    gallery: list[Tensor]
    query_place: list[Tensor]
    gallery_place: list[Tensor]

    def __init__(self, *, ties: str = "pessimistic", similarity: str = "euclidean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        values.check_ties(ties)
        self.ties, self.similarity = ties, similarity
        for name in ("query", "gallery", "query_place", "gallery_place"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self,
        query: Tensor,
        gallery: Tensor,
        query_place: Tensor | None = None,
        gallery_place: Tensor | None = None,
    ) -> None:
        """Keep a batch of embeddings of both towers, and the places they show."""
        for name, rows, place in (("query", query, query_place), ("gallery", gallery, gallery_place)):
            if rows.ndim != 2:
                raise ValueError(f"{name} of shape {tuple(rows.shape)}: expected [rows, dimensions]")
            if place is not None and (place.shape != rows.shape[:1] or place.is_floating_point()):
                given = f"{name}_place of shape {tuple(place.shape)}, {place.dtype}"
                raise ValueError(f"{given}: expected a whole number for each of {len(rows)} rows")
        width = self.query[0].shape[1] if self.query else query.shape[1]
        if query.shape[1] != width or gallery.shape[1] != width:
            raise ValueError(
                f"query of {query.shape[1]} and gallery of {gallery.shape[1]} dimensions: expected {width} of both"
            )
        if (query_place is None) != (gallery_place is None):
            raise ValueError("places of one tower alone: expected query_place and gallery_place, or neither")
        if self.query and bool(self.query_place) != (query_place is not None):
            raise ValueError("some batches have places and some have none: expected them in all or in none")
        if query_place is None and len(query) != len(gallery):
            raise ValueError(f"{len(query)} queries and {len(gallery)} gallery rows: without places, row i answers query i")
        self.query.append(query.detach())
        self.gallery.append(gallery.detach())
        if query_place is not None:
            self.query_place.append(query_place)
            self.gallery_place.append(gallery_place)

    def ranks(self) -> Ranks:
        """Exact ranks of all queries seen so far."""
        if len(self.query) == 0:
            raise ValueError("no query was seen: expected at least one update")
        positives = None
        if len(self.query_place):
            positives = _positives(dim_zero_cat(self.query_place), dim_zero_cat(self.gallery_place))
        return exact_ranks(
            dim_zero_cat(self.query),
            dim_zero_cat(self.gallery),
            positives,
            similarity=self.similarity,
            progress=False,
            every=self.every,
        )

    def compute(self) -> Tensor:
        """Rank all queries in the whole gallery and score the ranks."""
        return torch.tensor(self._score(self.ranks()), dtype=torch.float64, device=self.device)

    @abstractmethod
    def _score(self, ranks: Ranks) -> float:
        """The function of `cvig.metrics` that this class stands for."""


def _positives(query_place: Tensor, gallery_place: Tensor) -> list[np.ndarray]:
    """Gallery rows of each query's place."""
    query, gallery = query_place.cpu().numpy(), gallery_place.cpu().numpy()
    order = np.argsort(gallery, kind="stable")
    left, right = (np.searchsorted(gallery[order], query, side=side) for side in ("left", "right"))
    lost = np.flatnonzero(left == right)
    if len(lost):
        raise ValueError(f"{len(lost)} queries have no gallery row of their place, the first is query {lost[0]}")
    return [order[a:b] for a, b in zip(left, right, strict=True)]


class ProportionalSearchSpaceReduction(ExactRetrievalMetric):
    """Compute the mean share of the gallery that a query rules out (`cvig.metrics.pssr`; the paper's equation 2).

    Inputs, output and arguments are those of `ExactRetrievalMetric`.

    Example:
        >>> from torch import tensor
        >>> metric = ProportionalSearchSpaceReduction()
        >>> metric.update(tensor([[0.0], [1.0]]), tensor([[0.1], [1.1]]))
        >>> metric.update(tensor([[2.0], [3.0]]), tensor([[3.0], [3.0]]))
        >>> metric.compute()
        tensor(0.5625, dtype=torch.float64)

    """

    def _score(self, ranks: Ranks) -> float:
        return values.pssr(ranks, ties=self.ties)


class RetrievalRecall(ExactRetrievalMetric):
    """Compute Recall at k, the share of queries whose positive is in the top k (`cvig.metrics.recall_at_k`).

    Inputs, output and the other arguments are those of `ExactRetrievalMetric`.

    Args:
        k: a count, or a percentage of the whole gallery such as ``'1%'``

    Example:
        >>> from torch import tensor
        >>> metric = RetrievalRecall(k=1)
        >>> metric(tensor([[0.0], [1.0]]), tensor([[0.1], [0.1]]), tensor([7, 8]), tensor([8, 7]))
        tensor(0., dtype=torch.float64)

    """

    def __init__(self, k: int | str = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        values.check_top(k)
        self.k = k

    def _score(self, ranks: Ranks) -> float:
        return values.recall_at_k(ranks, self.k, ties=self.ties)


class MeanReciprocalRank(ExactRetrievalMetric):
    """Compute the mean of one over the positive's rank (`cvig.metrics.mean_reciprocal_rank`).

    Inputs, output and arguments are those of `ExactRetrievalMetric`.

    Example:
        >>> from torch import tensor
        >>> metric = MeanReciprocalRank()
        >>> metric(tensor([[0.0], [1.0]]), tensor([[0.1], [0.2]]))
        tensor(1., dtype=torch.float64)

    """

    def _score(self, ranks: Ranks) -> float:
        return values.mean_reciprocal_rank(ranks, ties=self.ties)


class MeanAveragePrecision(ExactRetrievalMetric):
    """Compute the mean of each query's average precision over all its positives (`cvig.metrics.mean_average_precision`).

    Inputs, output and arguments are those of `ExactRetrievalMetric`.

    Example:
        >>> from torch import tensor
        >>> metric = MeanAveragePrecision()
        >>> metric(tensor([[0.0]]), tensor([[0.1], [0.2], [0.3]]), tensor([7]), tensor([7, 8, 7]))
        tensor(0.8333, dtype=torch.float64)

    """

    every: bool = True

    def _score(self, ranks: Ranks) -> float:
        return mean_average_precision(ranks, ties=self.ties)


class MedianRank(ExactRetrievalMetric):
    """Compute the median of the positives' ranks, from 1 (`cvig.metrics.median_rank`).

    Inputs, output and arguments are those of `ExactRetrievalMetric`.

    Example:
        >>> from torch import tensor
        >>> metric = MedianRank()
        >>> metric(tensor([[0.0], [1.0]]), tensor([[1.1], [0.1]]))
        tensor(2., dtype=torch.float64)

    """

    higher_is_better: bool = False
    plot_lower_bound: float = 1.0
    plot_upper_bound: None = None

    def _score(self, ranks: Ranks) -> float:
        return values.median_rank(ranks, ties=self.ties)
