"""How fast this machine computes in which precision, found out by trying."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def bfloat16_speedup(device: str) -> float:
    """How many times faster than in float32 a typical convolution runs in bfloat16 on this device."""
    import torch
    from torch.nn import functional as F

    def convolution(dtype: "torch.dtype") -> Callable[[], Any]:
        x = torch.ones(4, 64, 32, 32, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        weight = torch.ones(64, 64, 3, 3, device=device, dtype=dtype)
        return lambda: F.conv2d(x, weight, padding=1)

    return best_seconds(convolution(torch.float32)) / best_seconds(convolution(torch.bfloat16))


def best_seconds(run: Callable[[], Any], times: int = 5) -> float:
    """The best of a few short runs, after one to warm up: the least disturbed one."""
    run()
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best
