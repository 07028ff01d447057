"""Trainings, each in a process of its own that outlives the server: everything about them is on disk.

A job is a run's folder below `runs/` of the workspace with two files more: `job.json`, what was asked, and
`process.json`, which process it is. What became of it is in the run's own `events.jsonl`. So after a restart,
or after `kill -9`, nothing needs to be remembered.
"""

import contextlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from impasto.errors import InputError
from impasto.files import write_bytes_atomically
from impasto.studio import processes
from impasto.studio.catalogue import Catalogue
from impasto.studio.journal import Journal, newest
from impasto.studio.problems import NotHere, Refused
from impasto.studio.processes import Process
from impasto.studio.records import (
    EVENTS,
    JOB,
    LOG,
    PROCESS,
    Ended,
    Job,
    Launch,
    Progress,
    Record,
    Said,
    arguments_of,
    preset_of,
    state_of,
)
from impasto.studio.schemas import Limits
from impasto.studio.schemas import Train as Plan
from impasto.studio.untrusted import (
    Unusable,
    as_text,
    is_real_folder,
    links_below,
    load,
    load_if_usable,
    read_bytes,
)

STATE_FILE = "state.safetensors"
GRID_BYTES = 64 * 2**20
MOST_EVENTS = 200_000  # drawn at a time
_ID = re.compile(r"[\w-]{1,100}", re.ASCII)
_GRID = re.compile(r"\d{1,18}\.png", re.ASCII)


class Jobs:
    """The jobs of a workspace. All methods may be called by several threads."""

    def __init__(self, workspace: Path, catalogue: Catalogue, at_once: int = 1) -> None:
        self.folder = workspace.resolve() / "runs"
        self.catalogue = catalogue
        self.at_once = at_once
        self._lock = threading.Lock()
        self._asked: set[tuple[int, str]] = set()  # which processes were asked to stop

    def all(self) -> list[Job]:
        """All of them, the newest first. One whose files are damaged is `failed`, and says why."""
        found = [self._read(folder) for folder in self._folders()]
        return sorted((job for job in found if job), key=lambda job: (-job.created, job.id))

    def get(self, id_: str) -> Job:
        """One of them. Raises `NotHere`."""
        # Found by its folder: who follows its events asks twice a second.
        folder = self.folder / id_
        if _ID.fullmatch(id_) and is_real_folder(self.folder) and is_real_folder(folder):
            job = self._read(folder)
            if job is not None:
                return job
        raise NotHere(f"there is no job '{as_text(id_, 200)}'", "GET /api/v1/jobs lists them")

    def create(self, plan: Plan) -> Job:
        """Start a training.

        Raises `InputError` for what cannot be trained, `NotHere` for a folder or model that is not in the
        catalogue, and `Refused` (409) where as many run already as may.
        """
        from impasto.config.reading import load_config

        pictures = self.catalogue.folder(plan.pictures)
        chosen = load_config(plan.preset or "default", _settings(plan))  # quick to refuse, before any process
        id_ = time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)
        record = Record(
            name=plan.name or pictures.name,
            pictures=self.catalogue.name_of(pictures),
            preset=plan.preset or "",
            size=chosen.image.size,
            created=time.time(),
            plan=plan,
        )
        with self._lock:
            self._check_room()
            command = self._command(id_, record)
            try:
                self._write(id_, JOB, record)
                self._start(id_, command)
            except BaseException:  # such as a full disk: nothing of it stays, and nothing runs
                shutil.rmtree(self.folder / id_, ignore_errors=True)
                raise
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

        Limits count over a run's whole life.

        Args:
            id_: Id of the job.
            minutes: Limit in minutes of training. None: not given.
            images: Limit in images seen. None: not given.
            until_converged: Whether to end when the run gets no better. False: not given.

        Raises:
            NotHere: There is no such job, or its pictures or the model that it begins with are gone.
            InputError: The limits are none.
            Refused: 409: it runs already, as many run as may, or its files are not what they should be.
        """
        job = self.get(id_)
        limits = _checked(minutes, images, until_converged)
        with self._lock:
            if self._process(job.folder) is not None:
                raise Refused(409, f"the job '{id_}' is running already", "stop it first")
            self._check_room()
            record = self._record_to_resume(job.folder)
            assert record.plan is not None
            if limits.model_fields_set:
                record.plan = record.plan.model_copy(update=limits.model_dump())
            command = self._command(id_, record)
            self._write(id_, JOB, record)
            self._start(id_, command)
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
            launch = load_if_usable(job.folder / PROCESS, Launch) or Launch()
            if not self._is_asked(launch):  # a second signal would end it unsaved
                self._asked.add((launch.pid, launch.began))
                launch.asked_to_stop = True
                with contextlib.suppress(OSError):  # a full disk must not keep it from ending
                    self._write(id_, PROCESS, launch)
                process.ask_to_stop()
        return self.get(id_)

    def events(self, id_: str) -> list[dict[str, Any]]:
        """What happened, oldest first, as `events.jsonl` has it, up to `MOST_EVENTS`. Raises `NotHere`."""
        journal, found = self.journal(id_), list[dict[str, Any]]()
        while len(found) < MOST_EVENTS:
            records = (line.record for line in journal.new()[1])
            found += [record for record in records if type(record.get("images_seen")) is int]
            if not journal.behind:
                break
        return found[:MOST_EVENTS]

    def journal(self, id_: str, after: str = "") -> Journal:
        """What happened, to be followed; `after` is the id of the last line that is known already."""
        return Journal(self.get(id_).folder / EVENTS, after)

    def seconds(self, id_: str) -> float:
        """How long it was trained in all when it last ended; 0 where it has not. Raises `NotHere`."""
        ended = Ended.of(newest(self.get(id_).folder / EVENTS).get("stopped"))
        return 0.0 if ended is None else ended.seconds

    def samples(self, id_: str) -> list[Path]:
        """The grids of pictures from fixed noise, oldest first; `grid` reads one. Raises `NotHere`."""
        folder = self.get(id_).folder / "samples"
        if not is_real_folder(folder):
            return []
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if _GRID.fullmatch(e.name) and e.is_file(follow_symlinks=False)]
        return [folder / name for name in sorted(names)]

    def grid(self, path: Path) -> bytes:
        """One of `samples`. Raises `NotHere` where it is not a picture of the run's own."""
        try:
            data = read_bytes(path, GRID_BYTES)
        except (OSError, Unusable):
            data = b""
        if not data.startswith(b"\x89PNG\r\n\x1a\n"):
            raise NotHere(f"the samples '{path.name}' cannot be read", "the next ones come soon")
        return data

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

    def _folders(self) -> list[Path]:
        """Of the jobs. What is linked is not looked into."""
        if not is_real_folder(self.folder):
            return []
        with os.scandir(self.folder) as entries:
            names = [e.name for e in entries if _ID.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
        return [self.folder / name for name in names]

    def _record_to_resume(self, folder: Path) -> Record:
        """What a job was asked to do. Raises `Refused` (409) where its files are not to be relied on."""
        link = next(links_below(folder), None)
        if link is not None:
            raise Refused(409, f"the run holds a link, '{link.relative_to(folder)}'", "remove it")
        try:
            record = load(folder / JOB, Record)
        except (OSError, Unusable) as error:
            raise Refused(409, f"its {JOB} {error}", "`impasto train --resume` goes on with a run") from None
        if record.plan is None:  # of an older version: a run that was saved knows its settings itself
            if not (folder / STATE_FILE).is_file():
                raise Refused(409, "an older version began it, and it was never saved", "start it anew")
            record.plan = Plan(pictures=record.pictures)
        return record

    def _command(self, id_: str, record: Record) -> list[str]:
        """What `impasto` is told, made of names that are looked up and of numbers.

        Nothing else can come in, whoever wrote `job.json`: no address, no command of a shell, no option.
        Raises `NotHere` and `InputError`.
        """
        plan = record.plan
        assert plan is not None
        pictures = self.catalogue.folder_to_read(plan.pictures)
        # Said each time: the state of a run that somebody else saved could name any table of this computer.
        themes = "themes.json" if (pictures / "themes.json").is_file() else "folders"
        command = ["train", str(pictures), "--out", str(self.folder / id_), "--resume"]
        command += ["--set", f"data.themes={themes}", *arguments_of(plan)]
        if plan.begin_with is not None:
            entry = self.catalogue.entry(plan.begin_with)
            command += ["--from", entry.name if entry.shipped else str(entry.folder)]
        return command

    def _start(self, id_: str, command: Sequence[str]) -> None:
        """Start a process, and let it begin once it is on record which one it is."""
        out = self.folder / id_
        last = newest(out / EVENTS)
        ended, progress = Ended.of(last.get("stopped")), Progress.of(last.get("progress"))
        log = out / LOG
        said = log.stat().st_size if log.is_file() else 0
        try:
            waiting = processes.start(command, log)
        except Unusable as error:
            raise Refused(409, f"its {LOG} {error}", "remove it") from None
        try:
            launch = Launch(
                **asdict(waiting.process),
                log_from=said,
                ended_before=ended and ended.unix_time,
                progress_before=progress and progress.unix_time,
            )
            self._write(id_, PROCESS, launch)
        except BaseException:
            waiting.give_up()
            raise
        waiting.go()

    def _write(self, id_: str, name: str, record: BaseModel) -> None:
        write_bytes_atomically(self.folder / id_ / name, record.model_dump_json(indent=2).encode())

    def _process(self, folder: Path) -> Process | None:
        """The job's process, if it runs."""
        launch = load_if_usable(folder / PROCESS, Launch)
        process = None if launch is None else Process(launch.pid, launch.began)
        return process if process is not None and process.trains(folder) else None

    def _read(self, folder: Path) -> Job | None:
        """A job by its folder; None where it is none. Whatever is in its files, others are not concerned."""
        process, last = self._process(folder), newest(folder / EVENTS)
        try:
            record, damage = load(folder / JOB, Record), ""
        except FileNotFoundError:
            return None
        except (OSError, Unusable) as error:
            record, damage = Record(name=folder.name, pictures="?", created=0), f"its {JOB} {error}"
        launch = load_if_usable(folder / PROCESS, Launch) or Launch()
        state, words = state_of(folder, launch, last, runs=process is not None, asked=self._is_asked(launch))
        progress = Progress.of(last.get("progress")) if state == "running" else None
        if progress and progress.unix_time == launch.progress_before:
            progress = None  # of before it was resumed
        said = [found.images_seen for found in map(Said.of, last.values()) if found is not None]
        return Job(
            id=folder.name,
            name=as_text(record.name, 200),
            pictures=as_text(record.pictures, 2_000),
            model=self.catalogue.name_of(folder),
            state="failed" if damage and process is None else state,
            words=as_text(damage or words),
            resumable=process is None and not damage,
            created=record.created,
            preset=as_text(preset_of(folder) or record.preset, 100),
            size=record.size,
            images_seen=progress.images_seen if progress else max(said, default=0),
            images_per_second=progress.images_per_second if progress else None,
            eta_seconds=progress.eta_seconds if progress else None,
            folder=folder,
        )

    def _is_asked(self, launch: Launch) -> bool:
        """Whether a process was asked to stop, even where that could not be recorded."""
        return launch.asked_to_stop or (launch.pid, launch.began) in self._asked


def _settings(plan: Plan) -> dict[str, Any]:
    size = {} if plan.size is None else {"image.size": plan.size}
    return {**plan.settings, **size}


def _checked(minutes: float | None, images: int | None, until_converged: bool) -> Limits:
    """Limits, of which those that are set replace all. Raises `InputError`."""
    given = {"minutes": minutes, "images": images, "until_converged": until_converged or None}
    try:
        return Limits(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"{first['loc'][0]} = {first['input']!r}: {first['msg']}") from None
