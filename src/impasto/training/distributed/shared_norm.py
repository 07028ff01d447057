"""Batch normalisation over all the processes of a run.

`torch.nn.SyncBatchNorm` is for GPUs alone, and cannot be differentiated twice, which a gradient penalty on a
network with batch norm does.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.training.distributed import ranks


def synchronise(network: nn.Module) -> None:
    """Let each batch norm of a network that trains see the whole batch, where there are several processes."""
    if ranks.world_size() == 1:
        return
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation by the statistics of the whole batch, of which this process has a part."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        """(b, C, H, W) -> (b, C, H, W). Every process must come here with as many pictures."""
        if not self.training:
            return super().forward(x)
        mean, variance = Moments.apply(x)
        # In float64: the difference of two large numbers would be noise in float32.
        mean, variance = mean.double(), variance.double()
        mean, square = (Sum.apply(torch.stack((mean, variance + mean**2))) / ranks.world_size()).unbind()
        variance = (square - mean**2).clamp_min(0)
        with torch.no_grad():
            count = ranks.world_size() * x.numel() // x.shape[1]
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.float(), self.momentum)
            self.running_var.lerp_((variance * count / (count - 1)).float(), self.momentum)
        return normalised(x, mean.float(), (variance + self.eps).float(), self.weight, self.bias)


def normalised(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(x - mean) / sqrt(variance) * weight + bias in one pass, with gradients for all of them.

    PyTorch takes mean and variance for constants where they are given. So weight and bias, for which it has
    gradients, are written as functions of mean and variance that have the right slopes and change no value.

    Args:
        x: Maps (B, C, H, W).
        mean: Mean of each channel, (C,).
        variance: Variance of each channel, (C,), above 0: the caller adds epsilon.
        weight: Factor of each channel, (C,).
        bias: Offset of each channel, (C,).
    """
    slope = variance.rsqrt()
    shift = bias - (mean - mean.detach()) * slope * weight
    scale = weight * (slope / slope.detach())
    return F.batch_norm(x, mean.detach(), variance.detach(), scale, shift, False, 0.0, 0.0)


class Moments(torch.autograd.Function):
    """Mean and variance (C,) of x (b, C, H, W): `torch.var_mean` takes four times as long on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        """In float32, by the one pass of PyTorch's own batch norm."""
        scratch = torch.zeros(2, x.shape[1], device=x.device)
        mean, variance = torch.batch_norm_update_stats(x, scratch[0], scratch[1], 0.0)
        ctx.save_for_backward(x, mean)
        return mean, variance

    @staticmethod
    def backward(ctx: Any, for_mean: Tensor, for_variance: Tensor) -> Tensor:
        """for_mean / n + for_variance * 2 (x - mean) / n; differentiable as often as one likes."""
        x, mean = ctx.saved_tensors
        count = x.numel() // x.shape[1]
        return normalised(x, mean, torch.ones_like(mean), 2 * for_variance / count, for_mean / count)


class Sum(torch.autograd.Function):
    """The sum over all processes of a tensor that each has; differentiable as often as one likes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Any shape, the same everywhere."""
        total = x.detach().clone()
        ranks.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Each process's value is part of every process's sum."""
        result: Tensor = Sum.apply(gradient.contiguous())
        return result
