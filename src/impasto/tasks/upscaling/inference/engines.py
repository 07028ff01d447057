"""What runs an upscaler: PyTorch, ONNX Runtime, OpenVINO or ncnn behind one protocol, and which is fastest.

An engine takes and gives numpy arrays, (1, 3, h, w) -> (1, 3, scale h, scale w) float32 in [-1, 1].
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.arithmetic import best_seconds, bfloat16_speedup
from impasto.errors import InputError, MissingDependencyError
from impasto.files import cache_folder, write_bytes_atomically
from impasto.nn.compact import Upscaler
from impasto.tasks.upscaling.inference.ncnn import NcnnNetwork, to_ncnn
from impasto.tasks.upscaling.inference.onnx import to_onnx
from impasto.telemetry import without_telemetry

Picture = NDArray[np.float32]
EngineName = Literal["torch", "onnxruntime", "openvino", "ncnn"]
PACKAGES: dict[EngineName, tuple[str, ...]] = {
    "torch": (),
    "onnxruntime": ("onnxruntime", "onnxscript"),
    "openvino": ("openvino", "onnxscript"),
    "ncnn": ("ncnn",),
}
PARITY_DB = 45.0  # an engine whose pictures differ more than this from float32's is not chosen
BROKEN_DB = 25.0  # ... and one whose pictures differ more than this is not used, even where it was asked for
TRIED_PX, TRIED_PICTURES, SMALL_PX = 96, 3, 24
DISCS, LEAST_RADIUS_PX, GRAIN, FINER = 400, 1.0, 0.3, 4  # of the pictures that engines are tried on
# Pixels. Winograd's transforms take memory; PyTorch's maps must stay below the 32 MB from which the system is
# asked for each anew, page by page.
LARGE_TILE, TORCH_TILE, WINOGRAD_TILE = 280_000, 125_000, 105_000


class Engine(Protocol):
    """A network, ready to run."""

    name: EngineName
    tile_pixels: int  # of a tile that takes a few hundred MB inside a network of 64 channels
    at_once: int  # calls at the same time that are faster than one after the other

    def __call__(self, pictures: Picture) -> Picture:
        """(1, 3, h, w) -> (1, 3, scale h, scale w), in [-1, 1]."""
        ...


@dataclass(frozen=True)
class Choice:
    """Which engine runs, and why, in words."""

    name: EngineName
    reason: str


class TorchEngine:
    """PyTorch, channels last; in bfloat16 where that is quicker."""

    name: EngineName = "torch"
    tile_pixels = TORCH_TILE

    def __init__(self, network: Upscaler, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = network.to(device=self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.low = bfloat16_speedup(self.device.type) > 1.3
        self.at_once = turns() if self.device.type == "cpu" else 1
        self.threads = torch.get_num_threads() // self.at_once

    @torch.inference_mode()
    def __call__(self, pictures: Picture) -> Picture:
        """See `Engine`."""
        x = torch.from_numpy(pictures).to(self.device).contiguous(memory_format=torch.channels_last)
        precise: Callable[..., Any] = functools.partial(torch.autocast, self.device.type, torch.bfloat16)
        with precise() if self.low else contextlib.nullcontext(), threads_here(self.threads):
            enlarged: Tensor = self.network(x)
        made: Picture = enlarged.float().cpu().numpy()
        return made


@contextlib.contextmanager
def threads_here(count: int) -> Iterator[None]:
    """So many threads for what PyTorch computes in this thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class OnnxEngine:
    """ONNX Runtime on the CPU."""

    name: EngineName = "onnxruntime"
    tile_pixels = LARGE_TILE
    at_once = 1

    def __init__(self, network: Upscaler) -> None:
        with without_telemetry():
            import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            _onnx(network), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, pictures: Picture) -> Picture:
        """See `Engine`."""
        made: Picture = self.session.run(None, {"pictures": pictures})[0]
        return made


class OpenvinoEngine:
    """OpenVINO on the CPU; it chooses bfloat16 by itself where the processor has it."""

    name: EngineName = "openvino"
    tile_pixels = LARGE_TILE

    def __init__(self, network: Upscaler) -> None:
        with without_telemetry(), _all_instructions():
            import openvino

            self._compile(openvino, network)

    def _compile(self, openvino: Any, network: Upscaler) -> None:
        self.at_once, self.scale = turns(), network.scale
        self._tensor = openvino.Tensor
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": self.at_once}
        model = core.compile_model(core.read_model(_onnx(network)), "CPU", settings)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()  # one request serves one call at a time
        requests = [model.create_infer_request() for _ in range(self.at_once)]
        # Once by one thread: at OpenVINO's first use of numpy two can wait for each other for ever, the one
        # with the lock of the interpreter for what pybind11 makes once, the other with that for the lock.
        requests[0].infer([np.zeros((1, 3, 8, 8), np.float32)])
        for request in requests:
            self._idle.put(request)

    def __call__(self, pictures: Picture) -> Picture:
        """See `Engine`."""
        height, width = (self.scale * n for n in pictures.shape[2:])
        made: Picture = np.empty(
            (1, 3, height, width), np.float32
        )  # written to: OpenVINO's own would be copied
        request = self._idle.get()
        try:
            request.set_output_tensor(self._tensor(made, shared_memory=True))
            request.infer([pictures], share_inputs=True, share_outputs=True)
        finally:
            self._idle.put(request)
        return made


class NcnnEngine:
    """ncnn on the CPU, for compact upscalers: Winograd's convolutions, in float32.

    The fastest exact engine where the processor has no bfloat16 (docs/research.md, "Winograd").
    Two threads at one tile do one and a half times what one does; at a tile each, nearly twice.
    """

    name: EngineName = "ncnn"
    tile_pixels = WINOGRAD_TILE

    def __init__(self, network: Upscaler) -> None:
        self.at_once = turns()
        self.network = NcnnNetwork(*to_ncnn(network), torch.get_num_threads() // self.at_once)
        self.scale, self.multiple = network.scale, getattr(network, "unshuffle", 1)

    def __call__(self, pictures: Picture) -> Picture:
        """See `Engine`."""
        height, width = pictures.shape[2:]
        unit = pictures[0] * np.float32(0.5) + np.float32(0.5)
        beyond = ((0, 0), (0, -height % self.multiple), (0, -width % self.multiple))
        made = self.network(np.pad(unit, beyond, mode="edge"))
        made *= 2  # in place: it is sixteen times the tile
        made -= 1
        return made[None, :, : height * self.scale, : width * self.scale]


@contextlib.contextmanager
def _all_instructions() -> Iterator[None]:
    """Without DNNL_MAX_CPU_ISA: where it allows fewer instructions than the processor has, OpenVINO chooses
    kernels that its oneDNN then does not make, and fails or draws black."""  # fmt: skip
    limit = os.environ.pop("DNNL_MAX_CPU_ISA", None)
    try:
        yield
    finally:
        if limit is not None:
            os.environ["DNNL_MAX_CPU_ISA"] = limit


def turns() -> int:
    """How many tiles an engine has in work; each has its share of the threads, and none waits for another."""
    return min(2, torch.get_num_threads())


def installed() -> list[EngineName]:
    """The engines that can run here. What runs ONNX models needs the package `onnxscript` to make them."""
    return [
        name
        for name, packages in PACKAGES.items()
        if all(importlib.util.find_spec(package) is not None for package in packages)
    ]


def open_engine(name: EngineName, network: Upscaler, device: str = "cpu") -> Engine:
    """An engine by its name, tried on a small picture.

    Raises `MissingDependencyError` where its package is not installed, and `InputError` where it fails or
    makes another picture than PyTorch.
    """
    if name not in get_args(EngineName):
        raise InputError(f"there is no engine '{name}'", f"auto, {', '.join(get_args(EngineName))}")
    if name not in installed():
        raise MissingDependencyError(
            f"the engine '{name}' is not installed", "pip install 'impasto[engines]'"
        )
    match name:
        case "torch":
            return TorchEngine(network, device)
        case "onnxruntime":
            return _tried(name, lambda: OnnxEngine(network), network)
        case "openvino":
            return _tried(name, lambda: OpenvinoEngine(network), network)
        case "ncnn":
            return _tried(name, lambda: NcnnEngine(network), network)


def _tried(name: EngineName, make: Callable[[], Engine], network: Upscaler) -> Engine:
    picture = dead_leaves(np.random.default_rng(0), SMALL_PX)
    hint = "--engine auto takes one that works here"
    try:
        engine = make()
        made = engine(picture)
    except (InputError, MissingDependencyError):
        raise
    except Exception as error:
        raise InputError(f"the engine '{name}' fails here: {_first_line(error)}", hint) from error
    with torch.inference_mode():
        right = network(torch.from_numpy(picture)).float().numpy()
    if not parity_db(made, right) >= BROKEN_DB:
        raise InputError(f"the engine '{name}' makes other pictures than PyTorch here", hint)
    return engine


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def choose_engine(network: Upscaler) -> Choice:
    """The fastest of the installed engines whose pictures are right: tried once per machine and model.

    What was found is remembered in the cache folder, by the weights, the processor, the number of threads
    and the engines' versions.
    """
    names = installed()
    if names == ["torch"]:
        return Choice("torch", "the only engine installed; impasto[engines] has more")
    path = cache_folder() / "engines" / f"{_machine_and(network, names)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_text())
        if found["name"] in names:  # another version of Impasto may have had other engines
            return Choice(found["name"], f"{found['reason']}, measured earlier")
    seconds = _try_all(network, names)
    others = ", ".join(f"{n} {1000 * s:.0f} ms" for n, s in sorted(seconds.items(), key=lambda item: item[1]))
    choice = Choice(min(seconds, key=seconds.__getitem__), f"a tile of {TRIED_PX} px: {others}")
    with contextlib.suppress(OSError):  # a cache that cannot be written costs these seconds again
        write_bytes_atomically(path, json.dumps(vars(choice)).encode(), durable=False)
    return choice


def _try_all(network: Upscaler, names: list[EngineName]) -> dict[EngineName, float]:
    """Seconds for a tile, of each engine that works and whose pictures are the right ones."""
    rng = np.random.default_rng(1)
    pictures = [dead_leaves(rng, TRIED_PX) for _ in range(TRIED_PICTURES)]
    with torch.inference_mode():
        right = [network(torch.from_numpy(picture)).float().numpy() for picture in pictures]
    seconds: dict[EngineName, float] = {}
    for name in names:
        try:
            engine = open_engine(name, network)
            made = [engine(picture) for picture in pictures]
        except Exception:  # an engine that cannot run this network is not an engine for it
            if name == "torch":
                raise
            continue
        if parity_db(np.concatenate(made), np.concatenate(right)) >= PARITY_DB:
            seconds[name] = _seconds(engine, pictures[0])
    return seconds or {"torch": 0.0}


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


def _seconds(engine: Engine, picture: Picture) -> float:
    """For each picture, with as many in work as the engine likes."""
    count = engine.at_once
    with ThreadPoolExecutor(count) as pool:
        return best_seconds(lambda: list(pool.map(engine, [picture] * count)), times=3) / count


def parity_db(made: Picture, right: Picture) -> float:
    """How alike two pictures in [-1, 1] are, as PSNR in dB: inf for equal ones, -inf if not all is finite."""
    if not np.isfinite(made).all():
        return -float("inf")
    error = float(np.square(made.clip(-1, 1) - right.clip(-1, 1)).mean())
    return 10 * float(np.log10(4.0 / error)) if error > 0 else float("inf")


def _machine_and(network: Upscaler, names: list[EngineName]) -> str:
    packages = sorted({package for name in names for package in ("torch", *PACKAGES[name])})
    versions = [*names, *map(importlib.metadata.version, packages)]
    parts = [_weights_hash(network), platform.processor(), platform.node(), os.cpu_count(), versions]
    return hashlib.blake2b(repr([*parts, torch.get_num_threads()]).encode(), digest_size=12).hexdigest()


def _weights_hash(network: Upscaler) -> str:
    digest = hashlib.blake2b(repr(network).encode(), digest_size=12)
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _onnx(network: Upscaler) -> bytes:
    """The network as ONNX, made once (seconds) and kept in the cache folder."""
    path = cache_folder() / "onnx" / f"{_weights_hash(network)}.onnx"
    with contextlib.suppress(OSError):
        return path.read_bytes()
    data = to_onnx(network)
    with contextlib.suppress(OSError):
        write_bytes_atomically(path, data, durable=False)
    return data
