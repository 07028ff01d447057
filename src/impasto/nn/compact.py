"""Networks that enlarge: `(B, 3, h, w)` in [-1, 1] -> `(B, 3, scale h, scale w)` around [-1, 1], of any size.

What the compact one adds lies over the nearest-neighbour enlargement.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.config.upscaling import CompactConfig

SLOPE = 0.1  # of the negative side; learnt slopes (PReLU) took a tenth more time and brought nothing


class Upscaler(nn.Module):
    """What every upscaler offers: its scale, and itself as it is deployed.

    `reach` is how many pixels of its input on each side of a pixel can change what becomes of it.
    """

    def __init__(self, scale: int, reach: int) -> None:
        super().__init__()
        self.scale = scale
        self.reach = reach

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, h, w) in [-1, 1] -> (B, 3, scale h, scale w)."""
        enlarged: Tensor = super().__call__(images)
        return enlarged

    def deployed(self) -> "Upscaler":
        """The same function in as few operations as it takes; itself where there is nothing to save."""
        return self


class CompactUpscaler(Upscaler):
    """A plain stack of 3x3 convolutions with leaky ReLU, then pixel shuffle, over the nearest enlargement.

    For x2 pixels are gathered two by two first (pixel unshuffle): a quarter of the positions at the same
    width is what x2 needs of arithmetic. With `wide=False` it is the deployed form.
    """

    def __init__(self, cfg: CompactConfig, *, wide: bool = True) -> None:
        self.unshuffle = 2 if cfg.scale == 2 else 1
        depth = cfg.convolutions + 2
        super().__init__(cfg.scale, depth * self.unshuffle + self.unshuffle - 1)
        self.cfg = cfg
        factor = cfg.scale * self.unshuffle

        def conv(channels_in: int, channels_out: int, *, identity: bool) -> nn.Module:
            if not wide:
                return nn.Conv2d(channels_in, channels_out, 3, padding=1)
            return WideConv(channels_in, channels_out, cfg.expand, identity=identity)

        layers: list[nn.Module] = [conv(3 * self.unshuffle**2, cfg.channels, identity=False)]
        for _ in range(cfg.convolutions):
            layers += [nn.LeakyReLU(SLOPE), conv(cfg.channels, cfg.channels, identity=True)]
        layers += [nn.LeakyReLU(SLOPE), conv(cfg.channels, 3 * factor**2, identity=False)]
        self.layers = nn.Sequential(*layers)
        last = self.layers[-1]
        if isinstance(last, WideConv):
            with torch.no_grad():  # at first the enlargement alone, and hardly anything added
                last.narrow.mul_(0.01)

    def forward(self, images: Tensor) -> Tensor:
        """The same; use the call."""
        height, width = images.shape[2:]
        x = images
        if self.unshuffle > 1:
            x = F.pad(x, (0, -width % self.unshuffle, 0, -height % self.unshuffle), mode="replicate")
            x = F.pixel_unshuffle(x, self.unshuffle)
        added = F.pixel_shuffle(self.layers(x), self.scale * self.unshuffle)
        added = added[:, :, : height * self.scale, : width * self.scale]
        return added + F.interpolate(images, scale_factor=self.scale, mode="nearest")

    def deployed(self) -> "CompactUpscaler":
        """Every product of convolutions multiplied out; itself where that is done."""
        if not isinstance(self.layers[0], WideConv):
            return self
        narrow = CompactUpscaler(self.cfg, wide=False)
        narrow.load_state_dict(self.deployed_weights())
        return narrow.to(next(self.parameters()).device)

    @torch.no_grad()
    def deployed_weights(self) -> dict[str, Tensor]:
        """The weights of `deployed()`, by name."""
        weights: dict[str, Tensor] = {}
        for name, layer in self.layers.named_children():
            if isinstance(layer, WideConv):
                weights |= {f"layers.{name}.weight": layer.kernel(), f"layers.{name}.bias": layer.bias}
        return {name: weight.detach().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def hold(self, weights: Mapping[str, Tensor]) -> None:
        """Become the function that `deployed_weights` are of, in this form: to learn on from there.

        Raises `KeyError` or `RuntimeError` for those of another shape.
        """
        for name, layer in self.layers.named_children():
            if isinstance(layer, WideConv):
                layer.hold(weights[f"layers.{name}.weight"], weights[f"layers.{name}.bias"])


def enlarge(network: Upscaler, images: Tensor, least_alpha: float = 0.0) -> Tensor:
    """Enlarge pictures of 1, 3 or 4 channels by a network of colour: (B, C, h, w) in [-1, 1] -> (B, C, H, W).

    Grey, and alpha by itself, go in as grey pictures. What lies under alpha (in [0, 1]) of at most
    `least_alpha` counts as hidden; see `spread_colour`.
    """
    if images.shape[1] == 3:
        return network(images)
    if images.shape[1] == 1:
        return network(images.expand(-1, 3, -1, -1).contiguous()).mean(1, keepdim=True)
    colour, alpha = images[:, :3], images[:, 3:]
    seen = spread_colour(colour, (alpha + 1) / 2, least_alpha)
    return torch.cat((network(seen), enlarge(network, alpha)), 1)


def spread_colour(colour: Tensor, alpha: Tensor, least: float = 0.0) -> Tensor:
    """Colour (B, C, h, w) with what lies hidden under transparent pixels replaced by what is seen nearby.

    Nobody chose the hidden colour (often black): enlarged with the rest it would show as a halo.

    Args:
        colour: The colour.
        alpha: (B, 1, h, w) in [0, 1].
        least: Pixels are transparent where alpha is no more than this.
    """
    known = alpha > least
    sums, seen = torch.cat((colour * alpha, alpha), 1) * known, colour
    for reach in (1, 2, 4, 8, 16):
        means = F.avg_pool2d(sums, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
        weight = means[:, -1:]
        found = (weight > 1e-6) & ~known
        seen = torch.where(found, means[:, :-1] / weight.clamp_min(1e-6), seen)
        known = known | found
    return seen


class WideConv(nn.Module):
    """A 3x3 convolution whose kernel is the product of two wider ones, plus the identity.

    The product is taken of the kernels, not of the maps: to train wide then costs no more arithmetic than to
    train narrow. The identity begins the stack as a network with skips begins, and costs nothing either.

    Args:
        channels_in: Channels of the maps that come in.
        channels_out: Channels of the maps that go out.
        expand: How many times wider the middle is than the wider of both ends.
        identity: Whether the identity is added; both ends must be as wide then.
    """

    def __init__(self, channels_in: int, channels_out: int, expand: int, *, identity: bool) -> None:
        super().__init__()
        between = expand * max(channels_in, channels_out)
        # The variance that He et al. 2015 give a leaky layer; beside the identity a fifth of it, or a deep
        # stack would begin with values that grow from layer to layer.
        gain = math.sqrt((0.2 if identity else 1.0) * 2 / (1 + SLOPE**2))
        self.wide = nn.Parameter(
            torch.randn(between, channels_in, 3, 3) * (gain / math.sqrt(9 * channels_in))
        )
        self.narrow = nn.Parameter(torch.randn(channels_out, between) / math.sqrt(between))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.identity = identity

    def kernel(self) -> Tensor:
        """The kernel that the two amount to: (channels_out, channels_in, 3, 3)."""
        kernel = (self.narrow @ self.wide.flatten(1)).view(len(self.narrow), *self.wide.shape[1:])
        if self.identity:
            kernel = kernel + self._unit(kernel)
        return kernel

    @staticmethod
    def _unit(like: Tensor) -> Tensor:
        """The kernel that changes nothing."""
        middle = torch.eye(len(like), dtype=like.dtype, device=like.device)
        return F.pad(middle[:, :, None, None], (1, 1, 1, 1))

    def hold(self, kernel: Tensor, bias: Tensor) -> None:
        """Become a product that amounts to `kernel`: the way back orthonormal, and the wide one the rest."""
        kernel = kernel.to(self.wide)
        if self.identity:
            kernel = kernel - self._unit(kernel)
        back = torch.linalg.qr(self.narrow.mT).Q.mT
        self.narrow.copy_(back)
        self.wide.copy_((back.mT @ kernel.flatten(1)).view_as(self.wide))
        self.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) -> (B, channels_out, H, W)."""
        return F.conv2d(x, self.kernel(), self.bias, padding=1)
