"""Who starts the processes of a run, and how many there are.

torchrun and SLURM start them themselves and say so in the environment. Otherwise `impasto train --devices N`
starts N of itself on this machine and waits: `start`.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from impasto.errors import ConfigError

PATIENCE_SECONDS = 60.0  # for the others to end by themselves after one of them has ended badly
POLL_SECONDS = 0.1
STORE = "IMPASTO_STORE"  # names the file in which the processes of one machine find each other


@dataclass(frozen=True)
class Arrangement:
    """So many processes on each of so many machines."""

    devices: int = 1
    nodes: int = 1
    started: bool = True  # by somebody: this process is one of them

    @property
    def processes(self) -> int:
        """All of them."""
        return self.devices * self.nodes


def arrangement(devices: int | None, nodes: int | None, env: Mapping[str, str] = os.environ) -> Arrangement:
    """What the environment says, or what was asked for. Raises `ConfigError` where the two disagree."""
    for name, count in (("--devices", devices), ("--nodes", nodes)):
        if count is not None and count < 1:
            raise ConfigError(f"{name} {count} is no number of processes", "1 or more")
    if "LOCAL_RANK" in env and "WORLD_SIZE" in env:  # torchrun, or `start`
        found = Arrangement(local := int(env.get("LOCAL_WORLD_SIZE", "1")), int(env["WORLD_SIZE"]) // local)
    elif (devices or 1) * (nodes or 1) > 1 and int(env.get("SLURM_NTASKS", "1")) > 1:
        machines = int(env.get("SLURM_NNODES", "1"))
        found = Arrangement(int(env["SLURM_NTASKS"]) // machines, machines)
    else:
        asked = Arrangement(devices or 1, nodes or 1)
        if asked.nodes > 1:
            raise ConfigError(
                f"nobody has started processes on {asked.nodes} machines",
                f"on each: torchrun --nnodes {asked.nodes} --nproc-per-node {asked.devices} "
                "--rdzv-endpoint FIRST:29400 -m impasto train ...; or srun",
            )
        return Arrangement(asked.devices, 1, started=asked.processes == 1)
    if devices not in (None, found.devices) or nodes not in (None, found.nodes):
        raise ConfigError(
            f"{devices or 1} processes on each of {nodes or 1} machines were asked for, and there are "
            f"{found.devices} on each of {found.nodes}",
            "leave --devices and --nodes out, or start as many",
        )
    return found


def is_first_process(env: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is the one that speaks, as the environment says: before they know each other."""
    return int(env.get("RANK", env.get("SLURM_PROCID", "0"))) == 0


def start(arguments: Sequence[str], devices: int) -> int:
    """Run `impasto ARGUMENTS` in so many processes on this machine; returns the first one's exit code, or
    another's that failed alone.

    When one ends badly the others get a minute to notice and to end. Ctrl-C reaches all of them by itself;
    other signals are handed on. Then this waits until they have saved.
    """
    with tempfile.TemporaryDirectory() as folder:
        common = {
            # They meet in a file: PyTorch's server for that asks the name server who 127.0.0.1 is.
            STORE: str(Path(folder) / "store"),
            "GLOO_SOCKET_IFNAME": _loopback(),  # or they listen to the network, too
            "WORLD_SIZE": str(devices),
            "LOCAL_WORLD_SIZE": str(devices),
            # All cores, dealt out: more threads than cores wait for each other.
            "OMP_NUM_THREADS": os.environ.get(
                "OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices))
            ),
        }
        return _run([sys.executable, "-m", "impasto", *arguments], common, devices)


def _run(command: Sequence[str], common: Mapping[str, str], devices: int) -> int:
    with tempfile.TemporaryFile() as whispers:  # what the others say, for the case that only they know
        processes = []
        for rank in range(devices):
            env = {**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": whispers} if rank else {}
            processes.append(subprocess.Popen(command, env=env, **quiet))
        with _passing_on(processes):
            code = _wait(processes)
        if code and processes[0].returncode <= 0:
            whispers.seek(0)
            sys.stderr.write(whispers.read().decode(errors="replace"))
    return code


def _loopback() -> str:
    """What this system calls the network of this machine alone."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name.startswith("lo")), "")


@contextmanager
def _passing_on(processes: Sequence["subprocess.Popen[bytes]"]) -> Iterator[None]:
    """While inside, no signal ends this process: SIGTERM and SIGHUP go to the others, which save and end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT:  # the terminal has sent that to all of them
            for process in processes:
                process.send_signal(number)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(processes: Sequence["subprocess.Popen[bytes]"]) -> int:
    failed_at = None
    while any(process.poll() is None for process in processes):
        time.sleep(POLL_SECONDS)
        if failed_at is None and any(process.poll() for process in processes):
            failed_at = time.monotonic()
        if failed_at is not None and time.monotonic() - failed_at > PATIENCE_SECONDS:
            for process in processes:
                process.kill()
    codes = [process.returncode for process in processes]
    return next((code for code in codes if code > 0), 0) or (1 if any(codes) else 0)
