"""Which number of threads and which way of waiting is the fastest here and now, found out by trying.

OpenMP's threads wait for each other by spinning. On a quiet machine that is fastest; while other programs
keep the cores busy it costs several times as much as sleeping, which `OMP_WAIT_POLICY=PASSIVE` asks for. A
process reads that when it starts, so the other way of waiting is tried in a process of its own.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional as F

WORTH_SAYING = 1.15  # below, it is the noise of a short measurement
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Setting:
    """A number of threads and how they wait."""

    threads: int
    passive: bool

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{threads}, waiting asleep" if self.passive and self.threads > 1 else threads

    @property
    def variables(self) -> dict[str, str]:
        """What to put in front of a command to get it."""
        policy = {"OMP_WAIT_POLICY": "PASSIVE"} if self.passive else {}
        return {"OMP_NUM_THREADS": str(self.threads), **policy}


def present() -> Setting:
    """How this process computes."""
    return Setting(torch.get_num_threads(), os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE")


def compare(seconds: float = 1.0) -> dict[Setting, float]:
    """Training steps of a small convolution per second: 1 thread, and all of them in either way of waiting.

    Takes three times `seconds` and the start of a process. On one core there is nothing to compare; what
    cannot be tried is left out.
    """
    cores, passive = usable_cores(), present().passive
    speeds = {Setting(1, passive): steps_per_second(1, seconds)}
    if cores > 1:
        speeds[Setting(cores, passive)] = steps_per_second(cores, seconds)
        other = Setting(cores, not passive)
        speed = _elsewhere(other, seconds)
        if speed is not None:
            speeds[other] = speed
    return speeds


def advise(speeds: Mapping[Setting, float], now: Setting) -> str:
    """What would make training faster than it is with `now`; empty where nothing would, or not by much."""
    best = max(speeds, key=lambda setting: speeds[setting])
    if now not in speeds or speeds[best] < WORTH_SAYING * speeds[now]:
        return ""
    ratio = speeds[best] / speeds[now]
    variables = " ".join(f"{name}={value}" for name, value in best.variables.items())
    if now.passive and not best.passive and best.threads > 1:
        return f"without OMP_WAIT_POLICY=PASSIVE {ratio:.1f} x as fast now"
    busy = ": other programs keep the cores busy" if best.passive and not now.passive else ""
    return f"{variables} in front of the command is {ratio:.1f} x as fast now{busy}"


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def steps_per_second(threads: int, seconds: float) -> float:
    """Forward and backward passes of a convolution as training has them; torch keeps its threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x = torch.ones(16, 32, 32, 32).to(memory_format=torch.channels_last).requires_grad_()
        weight = torch.full((32, 32, 3, 3), 0.01, requires_grad=True)
        F.conv2d(x, weight, padding=1).sum().backward()  # type: ignore[no-untyped-call]
        start, steps = time.perf_counter(), 0
        while (passed := time.perf_counter() - start) < seconds or not steps:
            F.leaky_relu(F.conv2d(x, weight, padding=1), 0.2).sum().backward()  # type: ignore[no-untyped-call]
            steps += 1
        return steps / passed
    finally:
        torch.set_num_threads(before)


def _elsewhere(setting: Setting, seconds: float) -> float | None:
    """The speed in a new process with that setting, or None where none can be started."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | setting.variables
    code = (
        "from impasto.training.threads import steps_per_second; "
        f"print(steps_per_second({setting.threads}, {seconds}))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        return float(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
