"""Losses that train a Siamese network.

Three of them take a batch of pairs: row i of the aerial embeddings is the positive of row i of the ground embeddings, and
every other row is a negative. `TripletLoss` takes triplets whose negatives were chosen elsewhere. All distances are squared
Euclidean distances (the paper's equation 3).
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
    """Squared distances between all ground and all aerial embeddings (the paper's equation 3).

    The differences themselves are squared, which holds B·B·D numbers in memory. The cheaper formula |g|² + |a|² - 2 g·a
    loses all digits when the embeddings have collapsed onto a cloud far from the origin. There is no square root, because
    its gradient is infinite at zero.

    Parameters
    ----------
    ground, aerial : float tensors [B, D]

    Returns
    -------
    float tensor [B, B]
        Row i holds the distances of ground embedding i, column j those of aerial embedding j.

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
    """Hinge on one semi-hard negative for each ground view (the paper's "max-margin", margin 0.5).

    The loss of ground view i is max(0, d(i, i) - d(i, n) + margin), and the batch's loss is the mean. The negative n is the
    nearest of the aerial images that are farther from view i than its own image is ("semi-hard", Schroff et al. 2015,
    section 3.2). If no other image is farther, n is the nearest of all other images; a collapsed batch, whose distances are
    all equal, therefore costs the full margin and is not mistaken for a solved one. Anchors are ground views only, because
    queries are ground views. The gradient passes through the negatives.

    Parameters
    ----------
    margin : float
        In units of squared distance.
    detached : bool
        Stop the gradient at the negatives, as the paper's public code does (src/losses.py). Then the loss pulls pairs
        together and pushes nothing apart.
    zero_at_collapse : bool
        If no other image is farther, the loss of that view is zero, as in the same code; a batch that has collapsed onto one
        point then costs nothing. It also costs nothing here if each tower gives one point, because all distances are equal.
        In that code they are not: distances to negatives are float64 and distances to positives float32, so rounding
        decides which of them is larger.

    Raises
    ------
    ValueError
        A margin that is not above zero; in `forward`, embeddings of unequal shapes or a batch of one pair.
    """

    def __init__(self, margin: float = 0.5, *, detached: bool = False, zero_at_collapse: bool = False):
        super().__init__()
        _check_positive(margin=margin)
        self.margin, self.detached, self.zero_at_collapse = margin, detached, zero_at_collapse

    def forward(self, ground: torch.Tensor, aerial: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar, of ground embeddings [B, D] and aerial embeddings [B, D]."""
        positive, distance, other = _distances(ground, aerial, self.detached)
        farther = other & (distance > positive[:, None])
        candidates = farther if self.zero_at_collapse else torch.where(farther.any(1, keepdim=True), farther, other)
        negative = distance.masked_fill(~candidates, torch.finfo(distance.dtype).max).amin(1)
        return F.relu(positive - negative + self.margin).mean()


class SoftMarginLoss(nn.Module):
    """Weighted soft-margin loss over all triplets of the batch, in both directions (Hu et al. 2018).

    The loss is the mean of log(1 + exp(λ (d_positive - d_negative))) over 2·B·(B-1) triplets: each ground view with each
    aerial image but its own, and each aerial image with each ground view but its own. Vo and Hays (2016) introduced it
    without the weight λ.

    Parameters
    ----------
    weight : float
        λ, above zero; 10 in the paper.
    detached : bool
        Stop the gradient at the negatives, as the paper's public code does (src/losses.py).
    as_coded : bool
        Compute the two directions as the same code does. Its first direction, ground to aerial, is as above. Its second one
        compares the distance from ground view i to negative j with the distance of pair j, though that code's negatives
        come from another batch and have nothing to do with pair j; here, where negatives come from the same batch, the
        distance of the pair before j stands for it. It also computes log(1 + exp x) as written, which is infinite in float32
        from x = 89 on.

    Raises
    ------
    ValueError
        A weight that is not above zero; in `forward`, embeddings of unequal shapes or a batch of one pair.
    """

    def __init__(self, weight: float = 10.0, *, detached: bool = False, as_coded: bool = False):
        super().__init__()
        _check_positive(weight=weight)
        self.weight, self.detached, self.as_coded = weight, detached, as_coded

    def forward(self, ground: torch.Tensor, aerial: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar, of ground embeddings [B, D] and aerial embeddings [B, D]."""
        positive, distance, other = _distances(ground, aerial, self.detached)
        second = positive.roll(1) if self.as_coded else positive
        gaps = [self.weight * (own - distance)[other] for own in (positive[:, None], second[None, :])]
        if self.as_coded:
            return torch.cat([(1 + gap.exp()).log() for gap in gaps]).mean()
        # softplus is log(1 + exp) without its overflow
        return torch.cat([F.softplus(gap) for gap in gaps]).mean()


class InfoNCELoss(nn.Module):
    """Symmetric InfoNCE with a temperature that can be learned (Radford et al. 2021).

    Each ground view is classified among the aerial images of the batch, and each aerial image among the ground views; the
    loss is the mean of the two cross-entropies. The logits are similarities divided by the temperature.

    Parameters
    ----------
    temperature : float
        The initial temperature, in [0.01, 1]. If it is learned, it is on a log scale and kept in this range.
    label_smoothing : float
        The share of each target that is spread evenly over the batch, in [0, 1).
    unit : bool
        True: the loss scales embeddings to length 1, and similarity is their cosine. Rank such a network by the cosine, or
        by distance if the network gives unit vectors itself (`unit_norm`). False: embeddings stay as they are, and
        similarity is minus half their squared distance, which on the unit sphere is the cosine but for a constant.
    learned : bool
        False: the temperature is not learned.

    Raises
    ------
    ValueError
        A temperature or label smoothing out of range; in `forward`, embeddings of unequal shapes or a batch of one pair.
    """

    def __init__(self, temperature: float = 0.1, label_smoothing: float = 0.0, *, unit: bool = True, learned: bool = True):
        super().__init__()
        if not 0.01 <= temperature <= 1:
            raise ValueError(f"temperature {temperature}: expected 0.01 to 1")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing {label_smoothing}: expected 0 or more, and less than 1")
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learned)
        self.label_smoothing, self.unit = label_smoothing, unit

    def forward(self, ground: torch.Tensor, aerial: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar, of ground embeddings [B, D] and aerial embeddings [B, D]."""
        _check(ground, aerial)
        with torch.no_grad():  # clamps the parameter: if its use were clamped, the gradient at the bound would stay zero
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
    """Hinge on given triplets: the mean of max(0, |a - p|² - |a - n|² + margin) over the batch (Schroff et al. 2015).

    The gradient passes through anchor, positive and negative. If the tower of positives and negatives gives one point for
    all images, the two distances are equal and their gradients cancel: the loss is the margin, and the anchor's gradient is
    exactly zero. If the anchors' tower gives one point, positives and negatives still have gradients.

    Parameters
    ----------
    margin : float
        In units of squared distance, above zero.

    Raises
    ------
    ValueError
        A margin that is not above zero; in `forward`, embeddings of unequal shapes.
    """

    def __init__(self, margin: float = 0.5):
        super().__init__()
        _check_positive(margin=margin)
        self.margin = margin

    def forward(self, anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar, of B triplets: anchors, positives and negatives [B, D]."""
        if anchor.ndim != 2 or not anchor.shape == positive.shape == negative.shape:
            shapes = ", ".join(str(tuple(x.shape)) for x in (anchor, positive, negative))
            raise ValueError(f"embeddings {shapes}: expected three equal shapes [B, D]")
        gap = (anchor - positive).square().sum(1) - (anchor - negative).square().sum(1)
        return F.relu(gap + self.margin).mean()
