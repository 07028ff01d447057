"""Networks as ONNX models, in memory."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from impasto.errors import MissingDependencyError
from impasto.export.generator_graph import GeneratorGraph
from impasto.tasks.upscaling.upscaler import Upscaler
from impasto.telemetry import without_telemetry

OPSET = 18


def to_onnx(network: Upscaler) -> bytes:
    """An ONNX model of opset 18: `pictures` (1, 3, h, w) in [-1, 1] -> `enlarged`; h and w are free.

    Raises `MissingDependencyError` without the packages onnx and onnxscript.
    """
    sides = {2: torch.export.Dim("height", min=1), 3: torch.export.Dim("width", min=1)}
    return traced(network, {"pictures": torch.zeros(1, 3, 20, 28)}, (sides,), "enlarged")


def generator_to_onnx(graph: GeneratorGraph, about: Mapping[str, object]) -> bytes:
    """An ONNX model of opset 18 whose batch is free, with `about` as JSON among its properties, as `impasto`.

    Raises `MissingDependencyError` without the packages onnx and onnxscript.
    """
    batch = torch.export.Dim("batch", min=1)
    examples = graph.examples(3, torch.Generator().manual_seed(0))
    shapes = ({0: batch},) * len(examples)
    return traced(graph, examples, shapes, "pictures", {"impasto": json.dumps(about)})


def traced(
    network: nn.Module,
    examples: Mapping[str, Tensor],
    shapes: tuple[Any, ...],
    output: str,
    properties: Mapping[str, str] | None = None,
) -> bytes:
    """A network as ONNX: inputs by their names, in the order of its arguments, one output, and properties."""
    try:
        with without_telemetry():
            import onnxscript  # noqa: F401 - torch needs it, and names it only in a long trace
    except ImportError:
        raise MissingDependencyError(
            "exporting needs the packages onnx and onnxscript", "pip install 'impasto[engines]'"
        ) from None
    network = network.cpu().eval()
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
