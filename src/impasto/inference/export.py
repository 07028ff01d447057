"""Upscalers for other programs: ONNX, OpenVINO, ncnn; checked against PyTorch before they are written."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.errors import ExportError, MissingDependencyError
from impasto.files import write_bytes_atomically
from impasto.inference.ncnn import BLOBS, NcnnNetwork, to_ncnn
from impasto.models.upscaler import Upscaler

Kind = Literal["onnx", "openvino", "ncnn"]
OPSET = 18
TOLERANCE = 1e-3  # of values in [-1, 1]: a tenth of an 8-bit level
_CHECKED = ((24, 40), (7, 3), (1, 1))  # pixels, none of them the size it is exported with
_CHECKED_EVEN = ((24, 40), (6, 2), (2, 2))


def to_onnx(network: Upscaler) -> bytes:
    """An ONNX model of opset 18: `pictures` (1, 3, h, w) in [-1, 1] -> `enlarged`; h and w are free.

    Raises `MissingDependencyError` without the packages onnx and onnxscript.
    """
    try:
        import onnxscript  # noqa: F401 - torch needs it, and names it only in a long trace
    except ImportError:
        raise MissingDependencyError(
            "exporting needs the packages onnx and onnxscript", "pip install 'impasto[engines]'"
        ) from None
    example = torch.zeros(1, 3, 20, 28)
    sides = {2: torch.export.Dim("height", min=1), 3: torch.export.Dim("width", min=1)}
    network = network.cpu().eval()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _quiet():
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            dynamic_shapes=(sides,),
            input_names=["pictures"],
            output_names=["enlarged"],
            opset_version=OPSET,
            verbose=False,
        )
    data: bytes = program.model_proto.SerializeToString()
    return data


def export(network: Upscaler, to: Kind, out: Path) -> list[Path]:
    """Write `out`.onnx, `out`.xml and `out`.bin, or `out`.param and `out`.bin; returns what was written.

    Raises `ExportError`, and writes nothing, where the exported network's pictures are not PyTorch's.
    """
    if to == "ncnn":
        return _export_ncnn(network, out)
    data = to_onnx(network)
    check(network, data)
    if to == "onnx":
        path = out.with_name(f"{out.name}.onnx")
        write_bytes_atomically(path, data)
        return [path]
    try:
        import openvino
    except ImportError:
        raise MissingDependencyError("OpenVINO is not installed", "pip install 'impasto[engines]'") from None
    model = openvino.Core().read_model(data)
    xml, weights = (out.with_name(f"{out.name}.{suffix}") for suffix in ("xml", "bin"))
    with TemporaryDirectory() as folder:  # OpenVINO insists on the two suffixes
        named = Path(folder) / "model.xml"
        openvino.save_model(model, str(named), compress_to_fp16=False)
        write_bytes_atomically(weights, named.with_suffix(".bin").read_bytes())
        write_bytes_atomically(xml, named.read_bytes())
    return [xml, weights]


def check(network: Upscaler, data: bytes) -> None:
    """Compare an ONNX model with the network it came from. Raises `ExportError` where they differ."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingDependencyError(
            "the exported model cannot be checked without onnxruntime", "pip install 'impasto[engines]'"
        ) from None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    _compare(network, lambda picture: session.run(None, {"pictures": picture})[0], _CHECKED)


def _export_ncnn(network: Upscaler, out: Path) -> list[Path]:
    layers, numbers = to_ncnn(network)
    try:
        made = NcnnNetwork(layers, numbers, torch.get_num_threads(), BLOBS)
    except ImportError:
        raise MissingDependencyError(
            "the exported model cannot be checked without ncnn", "pip install 'impasto[engines]'"
        ) from None
    _compare(network, lambda picture: made(picture[0] * 0.5 + 0.5)[None] * 2 - 1, _CHECKED_EVEN)
    param, weights = (out.with_name(f"{out.name}.{suffix}") for suffix in ("param", "bin"))
    write_bytes_atomically(weights, numbers)
    write_bytes_atomically(param, layers.encode())
    return [param, weights]


def _compare(
    network: Upscaler,
    exported: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    sizes: tuple[tuple[int, int], ...],
) -> None:
    rng = np.random.default_rng(0)
    for height, width in sizes:
        picture = rng.random((1, 3, height, width), np.float32) * 2 - 1
        made = exported(picture)
        with torch.inference_mode():
            right = network(torch.from_numpy(picture)).numpy()
        if made.shape != right.shape or float(np.abs(made - right).max()) > TOLERANCE:
            raise ExportError(
                f"the exported model makes other pictures than PyTorch of {width} x {height} px",
                "nothing was written; please report this with the model",
            )


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
