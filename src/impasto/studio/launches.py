"""The processes of jobs: each is put on record before it does anything, and is asked to stop only once."""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from impasto.studio import processes
from impasto.studio.parts import newest_of_parts
from impasto.studio.problems import Refused
from impasto.studio.processes import Process
from impasto.studio.records import LOG, PROCESS, Ended, Launch, Progress, write_record
from impasto.studio.untrusted import Unusable, load_if_usable


@dataclass(frozen=True)
class JobProcess:
    """The process of a job: what is on record of it, and whether it runs."""

    launch: Launch
    running: Process | None  # None: it has ended, or there never was one
    asked_to_stop: bool


class Launches:
    """Starts and stops the processes of jobs. A job is named by its folder."""

    def __init__(self) -> None:
        # Processes that were asked to stop: a full disk may have kept that out of the record.
        self._asked: set[tuple[int, str]] = set()

    def find(self, folder: Path) -> JobProcess:
        """The process that a job has or had last."""
        launch = load_if_usable(folder / PROCESS, Launch) or Launch()
        process = Process(launch.pid, launch.began)
        asked = launch.asked_to_stop or (launch.pid, launch.began) in self._asked
        return JobProcess(launch, process if process.trains(folder) else None, asked)

    def start(self, folder: Path, command: Sequence[str]) -> None:
        """Start `impasto` with a command, and let it begin once `process.json` says which process it is.

        Raises `Refused` (409) for a log that cannot be written to, and `OSError`; then nothing runs.
        """
        last = newest_of_parts(folder)
        ended, progress = Ended.of(last.get("stopped")), Progress.of(last.get("progress"))
        log = folder / LOG
        log_bytes = log.stat().st_size if log.is_file() else 0
        try:
            waiting = processes.start(command, log)
        except Unusable as error:
            raise Refused(409, f"its {LOG} {error}", "remove it") from None
        try:
            launch = Launch(
                **asdict(waiting.process),
                log_from=log_bytes,
                ended_before=ended and ended.unix_time,
                progress_before=progress and progress.unix_time,
            )
            write_record(folder / PROCESS, launch)
        except BaseException:
            waiting.give_up()
            raise
        waiting.go()

    def stop(self, folder: Path) -> bool:
        """Ask a job's process to save and end. False where none runs."""
        found = self.find(folder)
        if found.running is None:
            return False
        if not found.asked_to_stop:  # a second signal would end it unsaved
            launch = found.launch
            self._asked.add((launch.pid, launch.began))
            with contextlib.suppress(OSError):  # a full disk must not keep it from ending
                write_record(folder / PROCESS, launch.model_copy(update={"asked_to_stop": True}))
            found.running.ask_to_stop()
        return True
