"""What a figure was measured on."""

import os
import platform
import time
from pathlib import Path
from typing import Any

import torch

SIDES = (128, 256, 512, 1024)
SLOW_SECONDS = 0.2


def describe() -> dict[str, Any]:
    """Processor, capability, threads, versions, load, and the rate of matrix products, measured now."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "load_average": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "matmul_gflops_per_second": {
            str(dtype).removeprefix("torch."): round(matmul_rate(dtype, "cpu") / 1e9, 2)
            for dtype in (torch.float32, torch.bfloat16)
        },
    }


def matmul_rate(dtype: torch.dtype, device: str) -> float:
    """FLOP/s of the best of a few products of square matrices: the largest side that is not slow.

    On the CPU its own time is what counts, so that other programs do not lower the roof.
    """
    threads = torch.get_num_threads()

    def now() -> float:
        return time.process_time() / threads if device == "cpu" else time.perf_counter()

    rate = 0.0
    for side in SIDES:
        a = torch.ones(side, side, device=device, dtype=dtype)
        (a @ a)[0, 0].item()
        best = float("inf")
        for _ in range(6):
            start = now()
            (a @ a)[0, 0].item()
            best = min(best, now() - start)
            if best > SLOW_SECONDS:
                break
        rate = 2 * side**3 / best
        if best > SLOW_SECONDS:  # emulated: a larger one would take minutes
            break
    return rate


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
