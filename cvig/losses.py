"""Losses of a batch of pairs: row i of the ground embeddings answers row i of the aerial ones, all others do not.
And of triplets whose negatives come from elsewhere.

Distances are squared Euclidean, the paper's equation 3.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


def _check_positive(**given: float) -> None:
    for name, value in given.items():
        if not value > 0:
            raise ValueError(f"{name} {value}: expected more than 0")


def _check(ground: torch.Tensor, aerial: torch.Tensor) -> None:
    if ground.ndim != 2 or ground.shape != aerial.shape:
        raise ValueError(f"embeddings {tuple(ground.shape)} and {tuple(aerial.shape)}: expected two equal shapes [B, D]")
    if len(ground) < 2:
        raise ValueError("a batch of 1 pair has no negatives: expected at least 2 pairs")


def squared_distances(ground: torch.Tensor, aerial: torch.Tensor) -> torch.Tensor:
    """All squared distances (the paper's equation 3), [B, B]: row i belongs to ground embedding i.

    Differences are squared as they are, at B²·D numbers of memory: the shorter |g|² + |a|² - 2 g·a loses everything for a
    far-off collapsed cloud, and a square root would have no gradient at zero.

    >>> squared_distances(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
    tensor([[4., 1.],
            [5., 0.]])
    """
    return (ground[:, None] - aerial[None, :]).square().sum(2)


def _distances(
    ground: torch.Tensor, aerial: torch.Tensor, detached: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Distances to the positives, [B]; all distances, [B, B], without gradient if `detached`; which are of negatives."""
    _check(ground, aerial)
    distance = squared_distances(ground, aerial)
    negative = ~torch.eye(len(distance), dtype=torch.bool, device=distance.device)
    return distance.diagonal(), distance.detach() if detached else distance, negative


class MaxMarginLoss(nn.Module):
    """Hinge on the hardest farther negative (the paper's "max-margin", margin 0.5).

    For ground view i, of the aerial images that are farther than its own, the nearest is its negative n (semi-hard, as in
    Schroff et al. 2015, section 3.2): max(0, d(i, i) - d(i, n) + margin). Where no other image is farther, the nearest of
    all is taken, so that a collapsed batch costs the full margin and is not mistaken for a solved one. Mean over the
    batch. Anchors are ground views only, the direction of a query. The gradient passes through the negatives.

    Parameters
    ----------
    margin : float
        In units of squared distance.
    detached : bool
        No gradient through the negatives, as in the paper's public code (src/losses.py): pairs attract, nothing repels.
    zero_at_collapse : bool
        Where no other image is farther the loss is zero, as in the same code: a batch on one point costs nothing. With each
        tower on a point of its own that holds here, where all distances are equal; in that code the distances to negatives
        are float64 and those to positives float32, so that rounding decides which of them is farther.
    """

    def __init__(self, margin: float = 0.5, *, detached: bool = False, zero_at_collapse: bool = False):
        super().__init__()
        _check_positive(margin=margin)
        self.margin, self.detached, self.zero_at_collapse = margin, detached, zero_at_collapse

    def forward(self, ground: torch.Tensor, aerial: torch.Tensor) -> torch.Tensor:
        """Loss of embeddings [B, D] and [B, D]: a scalar."""
        positive, distance, other = _distances(ground, aerial, self.detached)
        farther = other & (distance > positive[:, None])
        candidates = farther if self.zero_at_collapse else torch.where(farther.any(1, keepdim=True), farther, other)
        negative = distance.masked_fill(~candidates, torch.finfo(distance.dtype).max).amin(1)
        return F.relu(positive - negative + self.margin).mean()


class SoftMarginLoss(nn.Module):
    """Weighted soft-margin loss over all triplets of the batch, in both directions (Hu et al. 2018).

    Mean of log(1 + exp(λ (d_positive - d_negative))) over the 2·B·(B-1) triplets: every ground view with every other
    aerial image, and every aerial image with every other ground view. Vo and Hays (2016) have it without the weight.

    Parameters
    ----------
    weight : float
        λ; 10 in the paper.
    detached : bool
        No gradient through the negatives, as in the paper's public code (src/losses.py).
    as_coded : bool
        The same code's two directions. One is ground to aerial, as it should be. The other takes from the distance of ground
        view i to negative j the distance of pair j; its negatives are an unrelated batch, so that the two share nothing
        (here: those of the batch, one place on). And its log(1 + exp x), infinite in float32 from x = 89 on.
    """

    def __init__(self, weight: float = 10.0, *, detached: bool = False, as_coded: bool = False):
        super().__init__()
        _check_positive(weight=weight)
        self.weight, self.detached, self.as_coded = weight, detached, as_coded

    def forward(self, ground: torch.Tensor, aerial: torch.Tensor) -> torch.Tensor:
        """Loss of embeddings [B, D] and [B, D]: a scalar."""
        positive, distance, other = _distances(ground, aerial, self.detached)
        second = positive.roll(1) if self.as_coded else positive
        gaps = [self.weight * (own - distance)[other] for own in (positive[:, None], second[None, :])]
        if self.as_coded:
            return torch.cat([(1 + gap.exp()).log() for gap in gaps]).mean()
        # softplus is log(1 + exp) without its overflow
        return torch.cat([F.softplus(gap) for gap in gaps]).mean()


class InfoNCELoss(nn.Module):
    """Symmetric cross-entropy of finding one's partner in the batch, with a learned temperature (Radford et al. 2021).

    Embeddings are put on the unit sphere here, and similarity is their cosine over the temperature: rank by the cosine,
    or by distance with the networks' `unit_norm`. Without `unit` they stay as they are, and similarity is minus half the
    squared distance over the temperature, which is the same on the sphere up to a constant.

    Parameters
    ----------
    temperature : float
        To start from, in [0.01, 1]; it is learned on a log scale and kept in this range.
    label_smoothing : float
        Share of the target spread evenly over the batch, in [0, 1).
    unit : bool
    """

    def __init__(self, temperature: float = 0.1, label_smoothing: float = 0.0, *, unit: bool = True):
        super().__init__()
        if not 0.01 <= temperature <= 1:
            raise ValueError(f"temperature {temperature}: expected 0.01 to 1")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing {label_smoothing}: expected 0 or more, and less than 1")
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.label_smoothing, self.unit = label_smoothing, unit

    def forward(self, ground: torch.Tensor, aerial: torch.Tensor) -> torch.Tensor:
        """Loss of embeddings [B, D] and [B, D]: a scalar."""
        _check(ground, aerial)
        with torch.no_grad():  # on the parameter itself: clamping its use would stop its gradient at the bound for good
            self.log_scale.clamp_(0, math.log(100))
        if self.unit:
            similarity = F.normalize(ground, dim=1) @ F.normalize(aerial, dim=1).T
        else:
            similarity = -squared_distances(ground, aerial) / 2
        logits = self.log_scale.exp() * similarity
        partner = torch.arange(len(logits), device=logits.device)
        both = [F.cross_entropy(x, partner, label_smoothing=self.label_smoothing) for x in (logits, logits.T)]
        return (both[0] + both[1]) / 2


class TripletLoss(nn.Module):
    """Hinge on triplets that are given: max(0, |a - p|² - |a - n|² + margin), mean over the batch (Schroff et al. 2015).

    The gradient passes through all three. Where positives and negatives are one point, as those of a tower that has become
    constant are, the two distances and their gradients cancel: the anchor's gradient is exactly zero and the loss is the
    margin. Where the anchors are one point, positives and negatives still have gradients.

    Parameters
    ----------
    margin : float
        In units of squared distance.
    """

    def __init__(self, margin: float = 0.5):
        super().__init__()
        _check_positive(margin=margin)
        self.margin = margin

    def forward(self, anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        """Loss of three embeddings [B, D] of B triplets: a scalar."""
        if anchor.ndim != 2 or not anchor.shape == positive.shape == negative.shape:
            shapes = ", ".join(str(tuple(x.shape)) for x in (anchor, positive, negative))
            raise ValueError(f"embeddings {shapes}: expected three equal shapes [B, D]")
        gap = (anchor - positive).square().sum(1) - (anchor - negative).square().sum(1)
        return F.relu(gap + self.margin).mean()
