"""An upscaler as an ONNX model."""

import torch

from impasto.nn.compact import Upscaler
from impasto.nn.onnx_graph import traced


def to_onnx(network: Upscaler) -> bytes:
    """An ONNX model of opset 18: `pictures` (1, 3, h, w) in [-1, 1] -> `enlarged`; h and w are free.

    Raises `MissingDependencyError` without the packages onnx and onnxscript.
    """
    sides = {2: torch.export.Dim("height", min=1), 3: torch.export.Dim("width", min=1)}
    return traced(network, {"pictures": torch.zeros(1, 3, 20, 28)}, (sides,), "enlarged")
