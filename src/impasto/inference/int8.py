"""Upscalers in eight bits: the convolutions' weights and inputs, measured on made-up pictures beforehand.

What a convolution adds up stays exact, and the enlargement below it stays in float32, so flat colours and
pictures of 16 bits keep their smoothness.
"""

import contextlib
import io
import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import MissingDependencyError
from impasto.files import temporary_folder
from impasto.telemetry import without_telemetry

CALIBRATION_PICTURES, CALIBRATION_PX = 12, 64
DISCS, LEAST_RADIUS_PX, GRAIN, FINER = 400, 1.0, 0.3, 4


def dead_leaves(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """A picture (1, 3, side, side) in [-1, 1] of discs that lie over each other, some of them grained.

    Radii are distributed as 1 / r^3, which gives the edges and the spectrum of photographs at every scale
    (Lee, Mumford & Huang 2001).
    """
    fine = FINER * side
    picture = np.broadcast_to(rng.random(3, np.float32), (fine, fine, 3)).copy()
    for _ in range(DISCS):
        radius = FINER * min(LEAST_RADIUS_PX / math.sqrt(1 - rng.random()), side / 2)
        row, column = rng.random(2) * fine
        top, left = max(0, int(row - radius)), max(0, int(column - radius))
        box = picture[top : int(row + radius) + 1, left : int(column + radius) + 1]
        rows, columns = np.ogrid[top : top + box.shape[0], left : left + box.shape[1]]
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        grain = rng.standard_normal((int(inside.sum()), 1)) * (GRAIN * rng.random())
        box[inside] = rng.random(3) + grain
    seen = picture.clip(0, 1).reshape(side, FINER, side, FINER, 3).mean((1, 3))  # as a lens would
    signed: NDArray[np.float32] = (seen * 2 - 1).transpose(2, 0, 1)[None]
    return np.ascontiguousarray(signed)


def quantised(onnx: bytes) -> bytes:
    """The ONNX model of an upscaler (see `export.to_onnx`) with convolutions of eight bits.

    The first and the last stay as they are: a twentieth of the work, and a decibel. Ranges are those of
    `dead_leaves` pictures, less the outermost values. Weights get seven bits: processors
    without VNNI would overflow with eight. Raises `MissingDependencyError` without onnxruntime and onnx.
    """
    try:
        with without_telemetry():
            from onnx import load_from_string
            from onnxruntime import quantization
    except ImportError:
        raise MissingDependencyError(
            "eight bits need the packages onnx and onnxruntime", "pip install 'impasto[engines]'"
        ) from None

    class Pictures(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            rng = np.random.default_rng(0)
            self._left: Iterator[dict[str, Any]] = iter(
                [{"pictures": dead_leaves(rng, CALIBRATION_PX)} for _ in range(CALIBRATION_PICTURES)]
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self._left, None)

    with temporary_folder() as folder, contextlib.redirect_stdout(io.StringIO()), _silent():
        nodes = load_from_string(onnx).graph.node
        convolutions = [node.name for node in nodes if node.op_type == "Conv"]
        given, made = folder / "given.onnx", folder / "made.onnx"
        given.write_bytes(onnx)
        quantization.quantize_static(
            given,
            made,
            Pictures(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=[convolutions[0], convolutions[-1]],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.Percentile,
        )
        return made.read_bytes()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """It advises, by the root logger, to do what we have no use for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
