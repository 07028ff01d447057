"""Compact upscalers for ncnn, a small runtime whose Winograd convolutions need a third of the products.

Its files are a list of layers in text and the numbers in their order. They are written here directly: no
tracer is needed for a plain stack. Programs that run Real-ESRGAN's models by ncnn load them as they are:
pictures in [0, 1], from `data` to `output`.
"""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from impasto.errors import InputError
from impasto.files import temporary_folder
from impasto.nn.compact import SLOPE, CompactUpscaler, Upscaler

MAGIC = 7767517
_FLOAT32 = 0


def to_ncnn(network: Upscaler) -> tuple[str, bytes]:
    """The layers and the numbers of a compact upscaler: (h, w) free, but even for x2.

    Raises `InputError` for another kind of network.
    """
    if not isinstance(network, CompactUpscaler):
        raise InputError("ncnn runs compact upscalers alone", "choose another engine")
    network = network.deployed()
    return _listed(list(_lines(network))), b"".join(_numbers(network))


def _lines(network: CompactUpscaler) -> Iterator[tuple[str, str, str, str, str]]:
    """Kind, name, what goes in, what comes out, and parameters of each layer."""
    gather, factor = network.unshuffle, network.scale * network.unshuffle
    yield "Input", "data", "", "data", ""
    yield "Split", "twice", "data", "given below", ""
    yield "BinaryOp", "doubled", "given", "doubled", "0=2 1=1 2=2.0"
    yield "BinaryOp", "signed", "doubled", "signed", "0=1 1=1 2=1.0"
    last = "signed"
    if gather > 1:
        yield "Reorg", "gathered", last, "gathered", f"0={gather} 1=0"
        last = "gathered"
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv2d)]
    for index, layer in enumerate(convolutions):
        name = f"conv{index}"
        shape = f"0={layer.out_channels} 1=3 4=1 5=1 6={layer.weight.numel()}"
        slope = f" 9=2 -23310=1,{SLOPE}" if index < len(convolutions) - 1 else ""
        yield "Convolution", name, last, name, shape + slope
        last = name
    yield "PixelShuffle", "added", last, "added", f"0={factor}"
    yield "Interp", "nearest", "below", "nearest", f"0=1 1={network.scale}.0 2={network.scale}.0"
    yield "BinaryOp", "output", "added nearest", "output", "0=0"


def _listed(lines: list[tuple[str, str, str, str, str]]) -> str:
    blobs = sum(len(outputs.split()) for *_, outputs, _ in lines)
    written = [str(MAGIC), f"{len(lines)} {blobs}"]
    for kind, name, inputs, outputs, parameters in lines:
        counts = f"{len(inputs.split())} {len(outputs.split())}"
        written.append(" ".join(f"{kind} {name} {counts} {inputs} {outputs} {parameters}".split()))
    return "\n".join(written) + "\n"


@torch.no_grad()
def _numbers(network: CompactUpscaler) -> Iterator[bytes]:
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        # What is added is halved: the pictures of these files lie in [0, 1].
        gain = 0.5 if layer is convolutions[-1] else 1.0
        assert layer.bias is not None
        yield struct.pack("<I", _FLOAT32)
        yield (layer.weight * gain).float().cpu().contiguous().numpy().astype("<f4").tobytes()
        yield (layer.bias * gain).float().cpu().numpy().astype("<f4").tobytes()


class NcnnNetwork:
    """What ncnn runs of a list of layers and their numbers: (3, h, w) in [0, 1] -> (3, H, W)."""

    def __init__(self, layers: str, numbers: bytes, threads: int) -> None:
        import ncnn

        self._ncnn: Any = ncnn
        self._net = ncnn.Net()
        self._net.opt.use_vulkan_compute = False
        self._net.opt.num_threads = threads
        for option in ("use_bf16_storage", "use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(self._net.opt, option, False)
        with temporary_folder() as folder:  # it reads from files alone
            (folder / "layers").write_text(layers)
            (folder / "numbers").write_bytes(numbers)
            if self._net.load_param(f"{folder}/layers") or self._net.load_model(f"{folder}/numbers"):
                raise InputError("ncnn cannot run this network", "choose another engine")

    def __call__(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raises `MemoryError` where there is too little: ncnn gives up on a picture for nothing else."""
        channels, height, width = picture.shape
        given = self._ncnn.Mat(width, height, channels)
        np.asarray(given)[:] = picture  # its channels lie further apart than an array's
        extractor = self._net.create_extractor()
        extractor.input("data", given)
        failed, made = extractor.extract("output")
        if failed:
            raise MemoryError("ncnn has no memory for this picture")
        return np.array(made, np.float32)
