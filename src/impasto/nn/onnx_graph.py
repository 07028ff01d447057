"""Networks as ONNX models, in memory."""

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from impasto.errors import MissingDependencyError
from impasto.telemetry import without_telemetry

OPSET = 18


def traced(
    network: nn.Module,
    examples: Mapping[str, Tensor],
    shapes: tuple[Any, ...],
    output: str,
    properties: Mapping[str, str] | None = None,
) -> bytes:
    """A network as the bytes of an ONNX model with one output.

    A copy is traced, on the CPU and in evaluation mode: the network itself stays where and as it is.

    Args:
        network: The network.
        examples: An example of each input by its name, in the order of the network's arguments.
        shapes: Which sides of each input are free, in the same order: `torch.onnx.export`'s `dynamic_shapes`.
        output: The name of the output.
        properties: Texts that go inside the model. None writes nothing.

    Raises:
        MissingDependencyError: The packages onnx and onnxscript are not installed.
    """
    try:
        with without_telemetry():
            import onnxscript  # noqa: F401 - torch needs it, and names it only in a long trace
    except ImportError:
        raise MissingDependencyError(
            "exporting needs the packages onnx and onnxscript", "pip install 'impasto[engines]'"
        ) from None
    network = deepcopy(network).cpu().eval()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _quiet():
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            network,
            tuple(examples.values()),
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(examples),
            output_names=[output],
            opset_version=OPSET,
            verbose=False,
        )
    model = program.model_proto
    for node in model.graph.node:  # stack traces, with the paths of this computer
        del node.metadata_props[:]
    for name, value in (properties or {}).items():
        model.metadata_props.add(key=name, value=value)
    data: bytes = model.SerializeToString()
    return data


@contextlib.contextmanager
def _quiet() -> Any:
    """torch.onnx tells its progress by logging."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
