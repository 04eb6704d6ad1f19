"""Negatives from a second batch, as the paper's public code of 1 June 2023 chooses them."""

import torch

from cvig.losses import squared_distances


@torch.no_grad()
def mined(anchor: torch.Tensor, positive: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """For each triplet the row of `candidates` that becomes its negative: int64 [B].

    Restates `mine_hard_triplets` of S010MON/image-locate at 37cf3aa (src/models.py). For anchor i it takes the row j with
    the largest |(a_i - p_i) - (a_j - n_j)|², where j = i counts as zero: not the candidate nearest to the anchor, as "hard"
    means elsewhere, but one whose own difference from *its* anchor is most unlike the difference between anchor i and its
    positive. The first of equals is taken. Nothing keeps a candidate from being the positive itself, where the second batch
    happens to hold it.

    Parameters
    ----------
    anchor, positive, candidates : float tensors [B, D]
        Embeddings; row i of `candidates` was drawn beside anchor i.

    >>> a, p, n = torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [2.0]]), torch.tensor([[5.0], [9.0]])
    >>> mined(a, p, n)
    tensor([1, 0])
    """
    gap = squared_distances(anchor - positive, anchor - candidates)
    gap.fill_diagonal_(0)
    return gap.argmax(1)
