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

GIVES_WAY = 10  # niceness: a tenth of the processor where somebody else wants all of it


@dataclass(frozen=True)
class Process:
    """A process: its number, and when it began as the system tells it."""

    pid: int
    began: str

    @property
    def runs(self) -> bool:
        """Whether it still does."""
        return self.began != "" and _began(self.pid) == self.began

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


def start(command: Sequence[str], log: Path) -> "Process":
    """Start a process in a session of its own: a Ctrl-C or hang-up meant for us does not reach it.

    Both its outputs are appended to `log`. It gives way to whoever else wants the processor: pictures that
    somebody waits for come first.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with contextlib.suppress(OSError, AttributeError):  # it may be over; Windows knows no such thing
        niceness = min(19, os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY)
        os.setpriority(os.PRIO_PROCESS, child.pid, niceness)  # its threads are not there yet, and inherit it
    process = Process(child.pid, _began(child.pid))
    # Somebody must wait for it, or it stays in the system's table after its end.
    threading.Thread(target=child.wait, name=f"wait for {child.pid}", daemon=True).start()
    return process


def _began(pid: int) -> str:
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
