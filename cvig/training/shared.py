"""One batch that is shared by several processes: gathering its rows with their gradient, and batch norm over all of it.

Each process computes the same loss of all rows. The backward pass gives each process the gradient of the sum of these equal
losses, one for each process. DistributedDataParallel then takes the mean over processes, which is the gradient of one loss.
"""

from typing import Any

import torch
from torch import distributed

from cvig.training.processes import count, rank


class _Gather(torch.autograd.Function):
    """Gather the rows of all processes; all processes then compute the same loss, so each has the gradient of all rows."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(count())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        # each process gives the gradient of its own rows alone, and the mean over processes follows
        return gradient.chunk(count())[rank()] * count()


def gather_rows(rows: torch.Tensor) -> torch.Tensor:
    """The rows [b, D] of all processes, in the order of their ranks, with gradient: [count · b, D].

    All processes must compute the same from the result, such as a loss of all rows.
    """
    return _Gather.apply(rows) if count() > 1 else rows


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class SharedBatchNorm(torch.nn.modules.batchnorm._BatchNorm):
    """Batch norm with the statistics of all processes' batches, which have one size; torch's own works on GPUs alone."""

    def _check_input_dim(self, images: torch.Tensor) -> None:
        if images.ndim < 2:
            raise ValueError(f"input {tuple(images.shape)}: expected at least two dimensions")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalize each channel of a tensor [B, C, ...]."""
        if not self.training or count() == 1:
            return super().forward(images)
        over = [axis for axis in range(images.ndim) if axis != 1]
        shape = [1, -1] + [1] * (images.ndim - 2)
        n = count() * images.numel() // images.shape[1]
        x = images.float()
        centered = x - (_Sum.apply(x.sum(over)) / n).view(shape)
        variance = _Sum.apply(centered.square().sum(over)) / n
        with torch.no_grad():
            mean = (x - centered).mean(over)
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum)
        x = centered * (variance + self.eps).rsqrt().view(shape)
        return (x * self.weight.view(shape) + self.bias.view(shape)).to(images.dtype)


def share_batch_norms(module: torch.nn.Module, device: str) -> None:
    """Replace every batch norm of `module`, in place, by one that takes its statistics from the batches of all processes."""
    for name, child in module.named_children():
        if not isinstance(child, torch.nn.modules.batchnorm._BatchNorm):
            share_batch_norms(child, device)
            continue
        kind = torch.nn.SyncBatchNorm if device == "cuda" else SharedBatchNorm
        shared = kind(child.num_features, child.eps, child.momentum)
        shared.weight, shared.bias, shared.training = child.weight, child.bias, child.training
        for buffer in ("running_mean", "running_var", "num_batches_tracked"):
            setattr(shared, buffer, getattr(child, buffer))
        setattr(module, name, shared)
