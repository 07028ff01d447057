"""Trainings, each in a process of its own that outlives the server: everything about them is on disk.

A job is a run's folder below `runs/` of the workspace with two files more: `job.json`, what was asked, and
`process.json`, which process it is. What became of it is in the run's own `events.jsonl`. So after a restart,
or after `kill -9`, nothing needs to be remembered.
"""

import json
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from impasto.files import write_bytes_atomically
from impasto.studio import processes
from impasto.studio.catalogue import Catalogue
from impasto.studio.journal import Journal, newest
from impasto.studio.problems import NotHere, Refused
from impasto.studio.processes import Process

JOB, PROCESS, LOG, EVENTS = "job.json", "process.json", "job.log", "events.jsonl"
ENDED_WELL = ("minutes", "images", "epochs", "converged")

State = Literal["running", "stopping", "stopped", "finished", "failed", "lost"]
"""Of a job. Stopped: saved, as asked. Finished: a limit was reached. Failed: it said why. Lost: it was killed
or the machine went down; what came after the last checkpoint is gone. What does not run can be resumed."""


@dataclass(frozen=True)
class Plan:
    """What to train. Limits are those of `impasto train`; `settings` are numbers, as for its `--set`."""

    pictures: str  # the name of a folder in the catalogue
    name: str = ""  # for people
    preset: str | None = None
    size: int | None = None
    minutes: float | None = None
    images: int | None = None
    until_converged: bool = False
    dedupe: bool = False
    begin_with: str | None = None  # the name of a model in the catalogue
    settings: Mapping[str, float | int | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A training as it stands. Times are Unix times; `eta_seconds` is None where nobody can know."""

    id: str
    name: str
    pictures: str
    model: str  # by which the catalogue has its model, once there is one
    state: State
    words: str  # why it ended, or what went wrong
    resumable: bool
    created: float
    preset: str
    size: int | None
    images_seen: int
    images_per_second: float | None
    eta_seconds: float | None
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """What others may know: all but where it is."""
        return {key: value for key, value in asdict(self).items() if key != "folder"}


class Jobs:
    """The jobs of a workspace. All methods may be called by several threads."""

    def __init__(self, workspace: Path, catalogue: Catalogue, at_once: int = 1) -> None:
        self.folder = workspace.resolve() / "runs"
        self.catalogue = catalogue
        self.at_once = at_once
        self._lock = threading.Lock()

    def all(self) -> list[Job]:
        """All of them, the newest first."""
        if not self.folder.is_dir():
            return []
        found = [self._read(path.parent) for path in self.folder.glob(f"*/{JOB}")]
        return sorted((job for job in found if job), key=lambda job: (-job.created, job.id))

    def get(self, id_: str) -> Job:
        """One of them. Raises `NotHere`."""
        # Found by its folder: who follows its events asks twice a second.
        job = self._read(self.folder / id_) if re.fullmatch(r"[\w-]{1,100}", id_, re.ASCII) else None
        if job is not None:
            return job
        raise NotHere(f"there is no job '{id_[:200]}'", "GET /api/v1/jobs lists them")

    def create(self, plan: Plan) -> Job:
        """Start a training.

        Raises `InputError` for what cannot be trained, `NotHere` for a folder or model that is not in the
        catalogue, and `Refused` (409) where as many run already as may.
        """
        from impasto.config import load_config
        from impasto.errors import InputError

        pictures = self.catalogue.folder(plan.pictures)
        if plan.preset is not None and plan.preset.endswith(".toml"):
            raise InputError("a preset is named, not given as a file", "such as default or few-shot")
        chosen = load_config(plan.preset or "default", _settings(plan))  # quick to refuse, before any process
        arguments = _arguments(plan)
        if (pictures / "themes.json").is_file():
            arguments += ["--set", "data.themes=themes.json"]
        if plan.begin_with is not None:
            entry = self.catalogue.entry(plan.begin_with)
            arguments += ["--from", entry.name if entry.shipped else str(entry.folder)]
        id_ = time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)
        about = {
            "name": plan.name or pictures.name,
            "pictures": self.catalogue.name_of(pictures),
            "folder": str(pictures),
            "preset": plan.preset or "",
            "size": chosen.image.size,
            "created": time.time(),
            "arguments": arguments,
            "limits": _limits(plan.minutes, plan.images, plan.until_converged),
        }
        with self._lock:
            self._check_room()
            write_bytes_atomically(self.folder / id_ / JOB, json.dumps(about, indent=2).encode())
            self._start(id_, about)
        return self.get(id_)

    def resume(
        self,
        id_: str,
        *,
        minutes: float | None = None,
        images: int | None = None,
        until_converged: bool = False,
    ) -> Job:
        """Go on where the last checkpoint is, or begin; with the limits it had unless new ones are given.

        Limits count over a run's whole life. Raises `NotHere`, or `Refused` (409) where it runs already, or
        as many run as may.
        """
        job = self.get(id_)
        with self._lock:
            if self._process(job.folder) is not None:
                raise Refused(409, f"the job '{id_}' is running already", "stop it first")
            self._check_room()
            about = json.loads((job.folder / JOB).read_text(encoding="utf-8"))
            limits = _limits(minutes, images, until_converged)
            if limits:
                about["limits"] = limits
                write_bytes_atomically(job.folder / JOB, json.dumps(about, indent=2).encode())
            self._start(id_, about)
        return self.get(id_)

    def stop(self, id_: str) -> Job:
        """Let it save and end; it takes a step and a save, so the job is stopping for a while.

        Raises `NotHere`, or `Refused` (409) where it does not run.
        """
        job = self.get(id_)
        with self._lock:
            process = self._process(job.folder)
            if process is None:
                raise Refused(409, f"the job '{id_}' is not running", f"it is {job.state}")
            about = _json(job.folder / PROCESS)
            if not about.get("asked_to_stop"):  # a second signal would end it unsaved
                about["asked_to_stop"] = True
                write_bytes_atomically(job.folder / PROCESS, json.dumps(about).encode())
                process.ask_to_stop()
        return self.get(id_)

    def events(self, id_: str) -> list[dict[str, Any]]:
        """All that happened, oldest first, as `events.jsonl` has it. Raises `NotHere`."""
        _, lines = self.journal(id_).new()
        return [line.record for line in lines]

    def journal(self, id_: str, after: str = "") -> Journal:
        """What happened, to be followed; `after` is the id of the last line that is known already."""
        return Journal(self.get(id_).folder / EVENTS, after)

    def samples(self, id_: str) -> list[Path]:
        """The grids of pictures from fixed noise, oldest first. Raises `NotHere`."""
        folder = self.get(id_).folder / "samples"
        return sorted(folder.glob("*.png"))

    def stop_all(self, seconds: float, hurried: Callable[[], bool] = lambda: False) -> list[str]:
        """Let all that run save and end, and wait for it; the ids of those that still had not.

        With `hurried` nobody waits any more; they save all the same.
        """
        for job in self.all():
            if job.state == "running":
                self.stop(job.id)
        end = time.monotonic() + seconds
        while left := [job.id for job in self.all() if job.state == "stopping"]:
            if time.monotonic() > end or hurried():
                break
            time.sleep(0.1)
        return left

    def _check_room(self) -> None:
        running = [job for job in self.all() if job.state in ("running", "stopping")]
        if len(running) >= self.at_once:
            raise Refused(
                409, f"'{running[0].name}' is in training already, and shares the machine with no other",
                f"stop the job {running[0].id}, or wait for it",
            )  # fmt: skip

    def _start(self, id_: str, about: Mapping[str, Any]) -> None:
        out = self.folder / id_
        # -P: a file random.py in the folder where the server was started is not for Python.
        command = [sys.executable, "-P", "-m", "impasto", "train", about["folder"], "--out", str(out)]
        command += ["--resume"]
        command += [*about["arguments"], *about["limits"]]
        said = (out / LOG).stat().st_size if (out / LOG).exists() else 0
        now = time.time()
        process = processes.start(command, out / LOG)
        about = {**asdict(process), "unix_time": now, "log_from": said}
        write_bytes_atomically(out / PROCESS, json.dumps(about).encode())

    def _process(self, folder: Path) -> Process | None:
        """The job's process, if it runs."""
        about = _json(folder / PROCESS)
        process = Process(int(about.get("pid", 0)), str(about.get("began", "")))
        return process if process.runs else None

    def _read(self, folder: Path) -> Job | None:
        about = _json(folder / JOB)
        if not about:
            return None
        process = self._process(folder)
        last = newest(folder / EVENTS)
        state, words = self._state(folder, process, last)
        progress = last.get("progress") if state == "running" else None
        if progress and progress["unix_time"] < _json(folder / PROCESS).get("unix_time", 0):
            progress = None  # of before it was resumed
        seen = max((int(record.get("images_seen", 0)) for record in last.values()), default=0)
        return Job(
            id=folder.name,
            name=str(about["name"]),
            pictures=str(about["pictures"]),
            model=self.catalogue.name_of(folder),
            state=state,
            words=words,
            resumable=process is None,
            created=float(about["created"]),
            preset=str(_json(folder / "config.json").get("preset") or about["preset"]),
            size=about["size"],
            images_seen=int(progress["images_seen"]) if progress else seen,
            images_per_second=progress["images_per_second"] if progress else None,
            eta_seconds=progress["eta_seconds"] if progress else None,
            folder=folder,
        )

    @staticmethod
    def _state(
        folder: Path, process: Process | None, last: Mapping[str, dict[str, Any]]
    ) -> tuple[State, str]:
        launched = _json(folder / PROCESS)
        asked = bool(launched.get("asked_to_stop"))
        if process is not None:
            return ("stopping" if asked else "running"), ""
        ended = last.get("stopped")
        if ended and ended["unix_time"] >= launched.get("unix_time", 0):
            words = str(ended["words"])
            if ended["condition"] == "interrupted":
                return "stopped", words
            return ("finished" if ended["condition"] in ENDED_WELL else "failed"), words
        said = _complaint(folder / LOG, int(launched.get("log_from", 0)))
        if asked and said in ("", "interrupted", "KeyboardInterrupt"):
            return "stopped", "stopped before it had begun"
        return ("failed", said) if said else ("lost", "it ended without a word: killed, or a power cut")


def _settings(plan: Plan) -> dict[str, Any]:
    size = {} if plan.size is None else {"image.size": plan.size}
    return {**plan.settings, **size}


def _arguments(plan: Plan) -> list[str]:
    """What `impasto train` is told on its command line, limits apart."""
    arguments: list[str] = []
    if plan.preset is not None:
        arguments += ["--preset", plan.preset]
    if plan.size is not None:
        arguments += ["--size", str(plan.size)]
    for key, value in plan.settings.items():
        arguments += ["--set", f"{key}={json.dumps(value)}"]
    return [*arguments, *(["--dedupe"] if plan.dedupe else [])]


def _limits(minutes: float | None, images: int | None, until_converged: bool) -> list[str]:
    limits: Sequence[tuple[str, float | None]] = (("--minutes", minutes), ("--images", images))
    found = [part for name, value in limits if value is not None for part in (name, str(value))]
    return [*found, *(["--until-converged"] if until_converged else [])]


def _json(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is not there or not whole."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _complaint(log: Path, start: int) -> str:
    """What the command line said last of why it ended, without the hint, which speaks of the command line."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, 2) - 8_192))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    said = [line.removeprefix("impasto: ") for line in lines if line.startswith("impasto: ")]
    errors = [line for line in lines if re.match(r"(\w+\.)*(\w+Error|KeyboardInterrupt)\b", line)]
    return (said or errors or [""])[-1][:500]
