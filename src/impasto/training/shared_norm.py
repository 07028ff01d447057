"""Batch normalisation over all the processes of a run."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.training import ranks


def synchronise(network: nn.Module) -> None:
    """Let each batch norm of a network that trains see the whole batch, where there are several processes."""
    if ranks.world() == 1:
        return
    for module in network.modules():
        if type(module) is nn.BatchNorm2d and module.affine:
            module.__class__ = SharedBatchNorm2d


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation by the statistics of the whole batch, of which this process has a part.

    PyTorch's own is for GPUs alone and cannot be differentiated twice, which a gradient penalty on a
    network with batch norm does.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(b, C, H, W) -> (b, C, H, W). Every process must come here with as many pictures."""
        if not self.training:
            return super().forward(x)
        result, average, variance = Normalise.apply(x, self.weight, self.bias, self.eps)
        self._remember(average, variance, ranks.world() * x.numel() // x.shape[1])
        return cast(Tensor, result)

    @torch.no_grad()
    def _remember(self, average: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(average.to(self.running_mean), momentum)
        self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var), momentum)


class Normalise(torch.autograd.Function):
    """What `SharedBatchNorm2d` computes, by PyTorch's own passes over the pictures, with a message between
    them; by elementary ones where the gradient itself is to be differentiated."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The normalised pictures, and the mean and variance (C,) of the whole batch."""
        scratch = torch.zeros_like(weight), torch.zeros_like(weight)
        average, variance = torch.batch_norm_update_stats(x, *scratch, 0.0)
        average, variance = whole_moments(average, variance)
        average, variance = average.to(weight), variance.to(weight)
        ctx.save_for_backward(x, weight, bias, average, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(average, variance)
        return F.batch_norm(x, average, variance, weight, bias, False, 0.0, eps), average, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        """As in Ioffe and Szegedy, 2015, section 3, with the sums over all processes."""
        x, weight, bias, average, variance = ctx.saved_tensors
        eps: float = ctx.eps
        if torch.is_grad_enabled():
            inputs = (x, weight, bias)
            found = torch.autograd.grad(_normalised(*inputs, eps), inputs, gradient, create_graph=True)
            return found[0], found[1], found[2], None
        slope = (variance + eps).rsqrt()
        _, for_weight, for_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, average, variance, average, slope, False, eps, [False, True, True]
        )
        sums = torch.stack((for_weight, for_bias)).double()
        ranks.add_up([sums])
        scale = weight * slope
        along, flat = (-scale * sums / (ranks.world() * x.numel() // x.shape[1])).to(weight)
        none, one = torch.zeros_like(scale), torch.ones_like(scale)
        for_x = F.batch_norm(gradient, none, one, scale, none, False, 0.0, 0.0)
        for_x += F.batch_norm(x, average, variance, along, flat, False, 0.0, eps)
        return for_x, for_weight, for_bias, None


def whole_moments(average: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the whole batch from those of its equal parts; in float64, or the difference of
    two large numbers would be noise."""
    average = average.double()
    moments = torch.stack((average, variance.double() + average.square()))
    average, square = (Sum.apply(moments) / ranks.world()).unbind()
    return average, (square - average.square()).clamp_min(0)


def _normalised(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    wide = x.float()
    variance, average = torch.var_mean(wide, (0, 2, 3), correction=0)
    average, variance = whole_moments(average, variance)
    scale = (variance + eps).rsqrt().float() * weight
    shift = bias - average.float() * scale
    return (wide * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


class Sum(torch.autograd.Function):
    """The sum over all processes of a tensor that each has; differentiable as often as one likes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Any shape, the same everywhere."""
        total = x.detach().clone()
        ranks.add_up([total])
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Each process's value is part of every process's sum."""
        result: Tensor = Sum.apply(gradient.contiguous())
        return result
