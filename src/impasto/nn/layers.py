"""Pieces that both networks share. Feature maps are `(B, channels, height, width)`."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.checkpoint import checkpoint

LEAK = 0.2
OUTSIDE = 0.1  # of the distance beyond [-1, 1] is left in a growing generator's pictures

Network = TypeVar("Network", bound=nn.Module)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU with the slope that DCGAN made customary."""
    return F.leaky_relu(x, LEAK)


def conv(channels_in: int, channels_out: int, kernel: int = 3, *, gain: float = 1.0) -> nn.Conv2d:
    """A convolution initialised after He et al. 2015 for `leaky`. It keeps height and width.

    Args:
        channels_in: Channels of its input.
        channels_out: Channels of its output.
        kernel: The side of the kernel in pixels, an odd number.
        gain: Factor of the initial weights; with 0 the layer starts silent.
    """
    layer = nn.Conv2d(channels_in, channels_out, kernel, padding=(kernel - 1) // 2)
    initialise(layer, gain)
    return layer


def linear(features_in: int, features_out: int, *, gain: float = 1.0) -> nn.Linear:
    """A fully connected layer with the same initialisation."""
    layer = nn.Linear(features_in, features_out)
    initialise(layer, gain)
    return layer


def initialise(layer: nn.Conv2d | nn.Linear, gain: float) -> None:
    """Normal weights of deviation gain x sqrt(2 / (1 + LEAK^2) / fan in), zero bias."""
    fan_in = layer.weight[0].numel()
    with torch.no_grad():
        layer.weight.normal_(0.0, gain * math.sqrt(2.0 / (1.0 + LEAK**2) / fan_in))
        if layer.bias is not None:
            layer.bias.zero_()


def spectrally_normalised(network: Network) -> Network:
    """The same network, every convolution and fully connected layer divided by its largest singular value
    (Miyato et al. 2018); one power iteration at each forward pass while it trains.

    A layer that starts silent has no singular value to divide by: it starts as the others do. The vectors of
    the iteration are buffers and are saved with the weights.
    """  # fmt: skip
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if not layer.weight.any():
                initialise(layer, gain=1.0)
            spectral_norm(layer)
    return network


class ResidualBlock(nn.Module):
    """`x + silent(leaky(conv(leaky(x))))`: no normalisation, so the last layer starts at zero (Fixup,
    Zhang et al. 2019) and a deep stack starts as the identity.

    Plain 3x3 convolutions rather than grouped ones: on a CPU they reach twice the arithmetic rate.
    """  # fmt: skip

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv(channels, channels)
        self.last = conv(channels, channels, gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        y: Tensor = self.last(leaky(self.first(leaky(x))))
        return x + y


class Modulation(nn.Module):
    """Scale and shift every channel by an affine function of the latent: noise steers every resolution."""

    def __init__(self, latent_dim: int, channels: int) -> None:
        super().__init__()
        self.affine = linear(latent_dim, 2 * channels, gain=0.1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, C, H, W) and (B, latent_dim) -> (B, C, H, W)."""
        scale, shift = self.affine(z)[:, :, None, None].chunk(2, dim=1)
        y: Tensor = x * (1 + scale) + shift
        return y


class UpsamplingBlock(nn.Module):
    """A residual block that doubles the resolution, its batch norms modulated by the latent.

    After BigGAN's (Brock et al. 2019, appendix B), but what passes is at most 6: with plain ReLU a generator
    steers its batch norms by a spike of 40 deviations in one corner, which is seen as a blot there (the
    droplets of Karras et al. 2020, section 2). Networks without normalisation were faster and collapsed
    against a projected discriminator; see docs/research.md.

    Args:
        wide: Channels of its input.
        narrow: Channels of its output.
        latent_dim: How many numbers a latent has.
        map_shape: Height and width of its output in pixels, where the latent also says what is different from
            place to place; see `LatentMap`. None: it does not.
    """

    def __init__(
        self, wide: int, narrow: int, latent_dim: int, map_shape: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self.map = LatentMap(latent_dim, narrow, map_shape) if map_shape else None
        self.first_norm, self.last_norm = nn.BatchNorm2d(wide), nn.BatchNorm2d(narrow)
        self.first_modulate = Modulation(latent_dim, wide)
        self.last_modulate = Modulation(latent_dim, narrow)
        self.first = nn.Conv2d(wide, narrow, 3, padding=1)
        self.last = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.skip = nn.Conv2d(wide, narrow, 1)
        for layer in (self.first, self.last, self.skip):
            nn.init.orthogonal_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, wide, H, W) and (B, latent_dim) -> (B, narrow, 2 H, 2 W)."""
        y = F.relu6(self.first_modulate(self.first_norm(x), z))
        y = double_and_convolve(y, self.first)
        if self.map is not None:
            y = y + self.map(z)
        y = self.last(F.relu6(self.last_modulate(self.last_norm(y), z)))
        # The 1x1 convolution before the doubling, not after: a quarter of the work, the same function.
        widened: Tensor = y + F.interpolate(self.skip(x), scale_factor=2, mode="nearest")
        return widened


class LatentMap(nn.Module):
    """A map that is linear in the latent, added to every channel by a strength of its own, at first 0.

    Modulation says the same at every place; what differs from place to place would have to pass through the
    few cells of the map that a generator begins with.
    """

    def __init__(self, latent_dim: int, channels: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.map = nn.Linear(latent_dim, math.prod(shape))
        nn.init.normal_(self.map.weight, 0.0, latent_dim**-0.5)
        nn.init.zeros_(self.map.bias)
        self.strength = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent_dim) -> (B, channels, *shape)."""
        y: Tensor = self.strength * self.map(z).unflatten(1, (1, *self.shape))
        return y


class ToImage(nn.Module):
    """What one resolution adds to the picture."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, channels, 1)  # 3x3 was slower and drew no better
        nn.init.orthogonal_(self.conv.weight, 0.5)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, channels, H, W)."""
        detail: Tensor = self.conv(F.relu6(self.norm(x)))
        return detail


def upsample(x: Tensor) -> Tensor:
    """Twice the height and width, bilinear: nearest leaves blocks that later layers must undo."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def double_and_convolve(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """`layer(nearest(x))`, a 3x3 convolution of the doubled map, as one transposed convolution.

    Doubling is a transposed convolution with a 2x2 kernel of ones, so both together are one whose 4x4 kernel
    is the sum of four shifted copies: 4 products for each new pixel instead of 9, and on a CPU two to three
    times as fast.
    (B, C, H, W) -> (B, C', 2 H, 2 W).
    """
    count, channels = layer.weight.shape[:2]
    # As a product: slices and sums of a padded kernel took longer, backwards most of all, than some of the
    # convolutions. A transposed convolution has the channels the other way round.
    nine = layer.weight.permute(1, 2, 3, 0).reshape(channels, 9, count)
    kernel = (_spread(layer.weight) @ nine).view(channels, 4, 4, count).permute(0, 3, 1, 2)
    return F.conv_transpose2d(x, kernel, layer.bias, stride=2, padding=1)


def _spread(like: Tensor) -> Tensor:
    """(16, 9): which of the nine taps each tap of the 4x4 kernel of `double_and_convolve` sums."""
    # A transposed convolution runs its kernel backwards, so row 0 meets the last tap.
    rows = like.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    return torch.kron(rows, rows)


def downsample(x: Tensor) -> Tensor:
    """Half the height and width, by the mean of each 2x2."""
    halved: Tensor = F.avg_pool2d(x, 2)
    return halved


def resize(images: Tensor, size: int) -> Tensor:
    """(B, C, s, s) -> (B, C, size, size): means of cells when shrinking, bilinear when enlarging."""
    if images.shape[-1] == size:
        return images
    if images.shape[-1] > size:
        smaller: Tensor = F.adaptive_avg_pool2d(images, size)
        return smaller
    return F.interpolate(images, (size, size), mode="bilinear", align_corners=False)


def near_range(images: Tensor) -> Tensor:
    """What lies beyond [-1, 1] is brought to a tenth of its distance: D judges nearly what will be shown, and
    values beyond the range still have a gradient back into it."""  # fmt: skip
    inside = images.clamp(-1, 1)
    return inside + OUTSIDE * (images - inside)


def overshoot(images: Tensor) -> Tensor:
    """How far beyond [-1, 1] the values were that `near_range` brought near: the mean square, ()."""
    return ((images - images.clamp(-1, 1)) / OUTSIDE).square().mean()


class Recomputing(nn.Module):
    """A network that can keep the inputs of its stages alone for the way back, and compute the rest again."""

    recomputes = False

    def run(self, stage: nn.Module, *inputs: Tensor) -> Tensor:
        """One stage, as `recomputes` says."""
        result: Tensor = recomputed(stage, *inputs) if self.recomputes else stage(*inputs)
        return result


def recomputed(module: nn.Module, *inputs: Tensor) -> Any:
    """`module(*inputs)`, whose inner results are not kept but computed again on the way back (Chen et al.
    2016, "Training Deep Nets with Sublinear Memory Cost"). Batch norms count a batch once."""
    if not torch.is_grad_enabled():
        return module(*inputs)
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
    twice = partial(_counting_nothing, norms)
    return checkpoint(module, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), twice()))


@contextmanager
def _counting_nothing(norms: Sequence[nn.BatchNorm2d]) -> Iterator[None]:
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
