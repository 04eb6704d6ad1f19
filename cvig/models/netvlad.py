"""NetVLAD: one vector of an image from its local features (Arandjelović et al. 2016, section 3)."""

import math

import torch
from scipy.cluster.vq import kmeans2
from torch import nn
from torch.nn import functional as F

ENOUGH = 4096  # local features, at most, from which clusters are found


class NetVLAD(nn.Module):
    """For each of K clusters, the sum of the residuals (feature minus center) of the local features assigned to it.

    A feature map [B, C, h, w] becomes a vector [B, K·C] of length 1. Local features are scaled to length 1 first, then the
    sum of each cluster, then the whole vector. The assignment to clusters is soft and learned. Centers start as different
    random directions, and the assignment starts in agreement with them; `fit_clusters` starts both from clusters of real
    features, which is better. If all centers started equal, for example at zero, they would get equal gradients and remain
    one cluster for ever.

    Parameters
    ----------
    channels : int
        C.
    clusters : int
        K; 64 in NetVLAD and CVM-Net.
    sharpness : float
        Sharpness of the initial soft assignment: the larger it is, the more a feature belongs to its nearest center alone.
    zero : bool
        Start all clusters at zero, as the paper's public code does (S010MON/image-locate, src/models.py).
    """

    def __init__(self, channels: int, clusters: int = 64, sharpness: float = 10.0, *, zero: bool = False):
        super().__init__()
        self.zero = zero
        self.centers = nn.Parameter(F.normalize(torch.randn(clusters, channels), dim=1) * (not zero))
        self.assign = nn.Conv2d(channels, clusters, kernel_size=1)
        self._agree(sharpness)

    @torch.no_grad()
    def _agree(self, sharpness: float) -> None:
        """Make the assignment the softmax of -sharpness · |x - c|² over clusters; |x|² cancels in it."""
        self.assign.weight.copy_(2 * sharpness * self.centers[:, :, None, None])
        self.assign.bias.copy_(-sharpness * self.centers.square().sum(1))

    @torch.no_grad()
    def fit_clusters(self, features: torch.Tensor, seed: int = 0) -> None:
        """Start from clusters of real feature maps [B, C, h, w], as the NetVLAD paper does (section 3 and appendix A).

        Centers that are far from all features would give nearly the same residuals for every image. The sharpness is chosen
        so that, on average, the nearest center of a feature is a hundred times likelier than the second nearest. With
        `zero` this does nothing.

        Raises
        ------
        ValueError
            Fewer local features than clusters.
        """
        if self.zero:
            return
        clusters = len(self.centers)
        local = features.flatten(2).transpose(1, 2).flatten(0, 1)
        if len(local) < clusters:
            raise ValueError(
                f"{len(local)} local features for {clusters} clusters: expected at least one each; "
                "use larger images or more training pairs"
            )
        local = F.normalize(local[:: -(-len(local) // ENOUGH)].double(), dim=1)
        centers, _ = kmeans2(local.cpu().numpy(), clusters, iter=20, minit="++", missing="raise", rng=seed)
        centers = torch.from_numpy(centers).to(local.device)
        near, second = torch.cdist(local, centers).square().topk(2, largest=False).values.mean(0)
        self.centers.copy_(centers)
        self._agree(math.log(100) / float(second - near))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Aggregate feature maps [B, C, h, w] to vectors [B, K·C] of length 1."""
        features = F.normalize(features.float(), dim=1)
        weight = self.assign(features).float().flatten(2).softmax(dim=1)  # [B, K, h·w]
        local = features.flatten(2)  # [B, C, h·w]
        residual = weight @ local.transpose(1, 2) - weight.sum(2, keepdim=True) * self.centers
        return F.normalize(F.normalize(residual, dim=2).flatten(1), dim=1)
