"""Files for other programs: ONNX, OpenVINO, ncnn, spandrel; checked against PyTorch first."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from impasto.errors import ExportError, InputError, MissingDependencyError
from impasto.export import generator_graph
from impasto.export.generator_graph import described, graph_of
from impasto.files import temporary_folder, write_bytes_atomically
from impasto.nn.compact import Upscaler
from impasto.tasks.generation.sampling.model import Model
from impasto.tasks.upscaling.inference.compact import to_compact
from impasto.tasks.upscaling.inference.ncnn import NcnnNetwork, to_ncnn
from impasto.tasks.upscaling.inference.onnx import to_onnx
from impasto.tasks.upscaling.inference.upscalers import load_network
from impasto.telemetry import without_telemetry

Kind = Literal["onnx", "openvino", "ncnn", "spandrel"]
TOLERANCE = 1e-3  # of values in [-1, 1]: a tenth of an 8-bit level
_CHECKED = ((24, 40), (7, 3), (1, 1))  # pixels, none of them the size it is exported with
_CHECKED_EVEN = ((24, 40), (6, 2), (2, 2))


SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "onnx": (".onnx",),
    "openvino": (".xml", ".bin"),
    "ncnn": (".param", ".bin"),
    "spandrel": (".safetensors",),
}
"""What the files of each kind end in, the first being the one that people name."""


def export(network: Upscaler, to: Kind, out: Path) -> list[Path]:
    """Write `out`.onnx, `out`.xml and .bin, `out`.param and .bin, or `out`.safetensors; returns their paths.

    What is there is replaced. Raises `ExportError`, and writes nothing, where the exported network's pictures
    are not PyTorch's.
    """
    if to == "ncnn":
        return _export_ncnn(network, out)
    if to == "spandrel":
        return _export_spandrel(network, out)
    data = to_onnx(network)
    check(network, data)
    return _write(data, to, out)


def export_generator(model: Model, to: Kind, out: Path) -> list[Path]:
    """Write `out`.onnx, or `out`.xml and `out`.bin: numbers and themes -> pictures (`GeneratorGraph`).

    What a program needs to know is in the file, and as `out`.json beside it for those that cannot see it.
    What is there is replaced.
    Raises `ExportError`, and writes nothing, where the exported network's pictures are not PyTorch's, and
    `InputError` for ncnn and spandrel.
    """
    if to in ("ncnn", "spandrel"):
        raise InputError(f"generators are not exported to {to}", "--to onnx, or --to openvino")
    graph = graph_of(model.generator)
    about = described(model.generator, model.info.config.image, model.themes)
    data = generator_graph.to_onnx(graph, about)
    session = _session(data)
    for count in (1, 5):
        examples = graph.examples(count, torch.Generator().manual_seed(count))
        fed = {name: value.numpy() for name, value in examples.items()}
        with torch.inference_mode():
            right = graph(*examples.values()).numpy()
        _same(session.run(None, fed)[0], right, f"{count} at once")
    written = _write(data, to, out, about)
    beside = out.with_name(f"{out.name}.json")
    write_bytes_atomically(beside, json.dumps(about, indent=2).encode())
    return [*written, beside]


def _write(data: bytes, to: Kind, out: Path, about: Mapping[str, object] | None = None) -> list[Path]:
    if to == "onnx":
        path = out.with_name(f"{out.name}.onnx")
        write_bytes_atomically(path, data)
        return [path]
    try:
        with without_telemetry():
            import openvino
    except ImportError:
        raise MissingDependencyError("OpenVINO is not installed", "pip install 'impasto[engines]'") from None
    model = openvino.Core().read_model(data)
    if about:
        model.set_rt_info(json.dumps(about), "impasto")
    xml, weights = (out.with_name(f"{out.name}.{suffix}") for suffix in ("xml", "bin"))
    with temporary_folder() as folder:  # OpenVINO insists on the two suffixes
        named = folder / "model.xml"
        openvino.save_model(model, str(named), compress_to_fp16=False)
        write_bytes_atomically(weights, named.with_suffix(".bin").read_bytes())
        write_bytes_atomically(xml, named.read_bytes())
    return [xml, weights]


def check(network: Upscaler, data: bytes) -> None:
    """Compare an ONNX model with the network it came from. Raises `ExportError` where they differ."""
    session = _session(data)
    _compare(network, lambda picture: session.run(None, {"pictures": picture})[0], _CHECKED)


def _session(data: bytes) -> Any:
    try:
        with without_telemetry():
            import onnxruntime
    except ImportError:
        raise MissingDependencyError(
            "the exported model cannot be checked without onnxruntime", "pip install 'impasto[engines]'"
        ) from None
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def _export_ncnn(network: Upscaler, out: Path) -> list[Path]:
    layers, numbers = to_ncnn(network)
    try:
        made = NcnnNetwork(layers, numbers, torch.get_num_threads())
    except ImportError:
        raise MissingDependencyError(
            "the exported model cannot be checked without ncnn", "pip install 'impasto[engines]'"
        ) from None
    _compare(network, lambda picture: made(picture[0] * 0.5 + 0.5)[None] * 2 - 1, _CHECKED_EVEN)
    param, weights = (out.with_name(f"{out.name}.{suffix}") for suffix in ("param", "bin"))
    write_bytes_atomically(weights, numbers)
    write_bytes_atomically(param, layers.encode())
    return [param, weights]


def _export_spandrel(network: Upscaler, out: Path) -> list[Path]:
    data = safetensors.torch.save(to_compact(network), {"format": "pt", "software": "Impasto"})
    with temporary_folder() as folder:
        named = folder / "model.safetensors"
        named.write_bytes(data)
        found, _ = load_network(named)  # as any tool by spandrel would
    with torch.inference_mode():
        _compare(network, lambda picture: found(torch.from_numpy(picture)).numpy(), _CHECKED)
    path = out.with_name(f"{out.name}.safetensors")
    write_bytes_atomically(path, data)
    return [path]


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
        _same(made, right, f"of {width} x {height} px")


def _same(made: NDArray[np.float32], right: NDArray[np.float32], which: str) -> None:
    if made.shape != right.shape or not float(np.abs(made - right).max()) <= TOLERANCE:
        raise ExportError(
            f"the exported model makes other pictures than PyTorch, {which}",
            "nothing was written; please report this with the model",
        )
