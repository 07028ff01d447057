"""The compact upscaler as the community's tools know it: SRVGGNetCompact, which spandrel recognises.

Its pictures are in [0, 1] and ours in [-1, 1]. Scaling the first kernel by two and lowering its bias would do
inside a picture, but both pad with zeros, which is black there and grey here: edges would be other ones. So
one layer is put before the first, which hands the picture on beside a channel of ones; what lies outside is
then known to be outside.
"""

import torch
from torch import Tensor, nn

from impasto.errors import InputError
from impasto.nn.compact import SLOPE, CompactUpscaler, Upscaler


@torch.no_grad()
def to_compact(network: Upscaler) -> dict[str, Tensor]:
    """The weights by SRVGGNetCompact's names (Wang et al. 2021, Real-ESRGAN), float32: exactly `network`.

    Raises `InputError` for what has no such form: SRResNet, and x2, which gathers pixels two by two first.
    """
    network = network.deployed()
    if not isinstance(network, CompactUpscaler) or network.unshuffle > 1:
        raise InputError(
            "only compact upscalers x4 have the form that spandrel knows",
            "--to onnx writes the others",
        )
    first, *others = (layer for layer in network.layers if isinstance(layer, nn.Conv2d))
    width = first.out_channels
    before = torch.zeros(width, 3, 3, 3), torch.zeros(width)
    for channel in range(3):
        before[0][channel, channel, 1, 1] = 1
    before[1][3] = 1
    kernel = torch.zeros(width, width, 3, 3)
    kernel[:, :3] = 2 * first.weight
    kernel[:, 3] = -first.weight.sum(1)
    convolutions = [before, (kernel, first.bias), *((layer.weight, layer.bias) for layer in others)]
    weights: dict[str, Tensor] = {}
    for place, (weight, bias) in enumerate(convolutions):
        last = place == len(convolutions) - 1
        assert bias is not None
        weights[f"body.{2 * place}.weight"] = weight / 2 if last else weight.clone()
        weights[f"body.{2 * place}.bias"] = bias / 2 if last else bias.clone()
        if not last:
            weights[f"body.{2 * place + 1}.weight"] = torch.full((width,), SLOPE)
    return weights
