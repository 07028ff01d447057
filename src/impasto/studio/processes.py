"""Processes that outlive the one that started them: which is which, whether it runs, how to ask it to stop.

A number alone says little: the system gives it to another process one day. With the time at which the process
began it is one of a kind.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from impasto.studio.begin import GO
from impasto.studio.untrusted import open_regular

# A training needs no key to the studio, and chooses its threads itself (`server.serve` says how ours wait).
NOT_INHERITED = ("IMPASTO_TOKEN", "OMP_WAIT_POLICY")
GIVES_WAY = 10  # niceness: a tenth of the processor where somebody else wants all of it


@dataclass(frozen=True)
class Process:
    """A process: its number, and when it began as the system tells it."""

    pid: int
    began: str

    @property
    def runs(self) -> bool:
        """Whether it still does."""
        return self.began != "" and _start_time(self.pid) == self.began

    def trains(self, out: Path) -> bool:
        """Whether it runs, and is a training that writes to `out`: a record may name any process."""
        words = _command(self.pid)
        return self.runs and "train" in words and f"--out {out}" in " ".join(words)

    def ask_to_stop(self) -> bool:
        """A training saves and ends. False where there is no such process.

        Not what Ctrl-C sends: a server that a script started in the background has its children ignore that.
        """
        return self._send(signal.SIGTERM)

    def kill(self) -> bool:
        """End it at once, unsaved."""
        return self._send(signal.SIGKILL)

    def _send(self, number: int) -> bool:
        if not self.runs:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


@dataclass(frozen=True)
class Waiting:
    """A process that was started and does nothing until `go`. Where `give_up` is called instead, or we end
    before, it ends without having done anything."""

    process: Process
    _child: "subprocess.Popen[bytes]"

    def go(self) -> None:
        """Let it begin."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):  # it ended already: its log says why
            self._child.stdin.write(GO)
            self._child.stdin.close()

    def give_up(self) -> None:
        """Let it end."""
        self._child.kill()
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()


def start(arguments: Sequence[str], log: Path) -> Waiting:
    """Start `impasto` with arguments in a session of its own: a Ctrl-C meant for us does not reach it.

    It waits for `go` (see `begin.py`). Both its outputs are appended to `log`. It gives way to whoever else
    wants the processor: pictures that somebody waits for come first. Raises `OSError`, and `Unusable` for a
    log that is no regular file.
    """
    # -P: a file random.py in the folder where the server was started is not for Python.
    command = [sys.executable, "-P", "-m", "impasto.studio.begin", *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    handle = open_regular(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
            bufsize=0,
        )
    finally:
        os.close(handle)
    with contextlib.suppress(OSError, AttributeError):  # it may be over; Windows knows no such thing
        niceness = min(19, os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY)
        os.setpriority(os.PRIO_PROCESS, child.pid, niceness)  # its threads are not there yet, and inherit it
    # Somebody must wait for it, or it stays in the system's table after its end.
    threading.Thread(target=child.wait, name=f"wait for {child.pid}", daemon=True).start()
    return Waiting(Process(child.pid, _start_time(child.pid)), child)


def _command(pid: int) -> list[str]:
    """The words of a process's command line; nothing where none of this number runs."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")
        except OSError:
            return []
    return subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(" ")


def _start_time(pid: int) -> str:
    """When a process began, in the system's own words; nothing where none of this number runs."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return ""
        fields = stat.rpartition(")")[2].split()  # the name before may hold anything
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return "" if fields[0] in "ZX" else f"{boot} {fields[19]}"
    found = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    return "" if not found or found[0].startswith("Z") else " ".join(found[1:])
