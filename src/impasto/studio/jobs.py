"""Trainings, each in a process of its own that outlives the server: everything about them is on disk.

A job is a run's folder below `runs/` of the workspace with two files more: `job.json`, what was asked, and
`process.json`, which process it is. What became of it is in the run's own `events.jsonl`. So after a restart,
or after `kill -9`, nothing needs to be remembered.
"""

import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from impasto.studio.catalogue import Catalogue
from impasto.studio.commands import train_command
from impasto.studio.launches import Launches
from impasto.studio.problems import NotHere, Refused
from impasto.studio.records import JOB, Record, plan_to_resume, write_record
from impasto.studio.schemas import Limits, Train
from impasto.studio.status import Job, read_job
from impasto.studio.untrusted import as_text, is_real_folder, list_real

_ID = re.compile(r"[\w-]{1,100}", re.ASCII)


class Jobs:
    """The jobs of a workspace. All methods may be called by several threads."""

    def __init__(self, workspace: Path, catalogue: Catalogue, at_once: int = 1) -> None:
        self.folder = workspace.resolve() / "runs"
        self.catalogue = catalogue
        self.at_once = at_once
        self.launches = Launches()
        self._lock = threading.Lock()  # held while one is started or stopped

    def all(self) -> list[Job]:
        """All of them, the newest first. One whose files are damaged is `failed`, and says why."""
        found = [self._read(folder) for folder in list_real(self.folder, _ID, folders=True)]
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

    def create(self, plan: Train) -> Job:
        """Start a training.

        Raises `InputError` for what cannot be trained, `NotHere` for a folder or model that is not in the
        catalogue, and `Refused` (409) where as many run already as may.
        """
        from impasto.config.reading import load_config
        from impasto.config.size import drawn, parse_size, size_settings

        pictures = self.catalogue.folder(plan.pictures)
        shape = None if plan.size is None else parse_size(plan.size)
        size = {} if shape is None else size_settings(drawn(shape, plan.preset))
        # Quick to refuse, before any process.
        config = load_config(plan.preset or "default", {**plan.settings, **size})
        height, width = shape or config.image.shape
        record = Record(
            name=plan.name or pictures.name,
            pictures=self.catalogue.name_of(pictures),
            preset=plan.preset or "",
            size=height,
            width=width,
            created=time.time(),
            plan=plan,
        )
        folder = self.folder / (time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3))
        with self._lock:
            self._check_room()
            command = train_command(plan, folder, self.catalogue)
            try:
                write_record(folder / JOB, record)
                self.launches.start(folder, command)
            except BaseException:  # such as a full disk: nothing of it stays, and nothing runs
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return self.get(folder.name)

    def resume(self, id_: str, limits: Limits | None = None) -> Job:
        """Go on where the last checkpoint is, or begin.

        New limits replace all that it had, and count over the run's whole life. Without any it keeps its own.

        Raises:
            NotHere: There is no such job, or its pictures or the model that it begins with are gone.
            Refused: 409: it runs already, as many run as may, or its files are not what they should be.
        """
        folder = self.get(id_).folder
        with self._lock:
            if self.launches.find(folder).running is not None:
                raise Refused(409, f"the job '{id_}' is running already", "stop it first")
            self._check_room()
            record, plan = plan_to_resume(folder)
            if limits is not None and limits.model_dump(exclude_defaults=True):
                plan = plan.model_copy(update=limits.model_dump())
            record.plan = plan
            command = train_command(plan, folder, self.catalogue)
            write_record(folder / JOB, record)
            self.launches.start(folder, command)
        return self.get(id_)

    def stop(self, id_: str) -> Job:
        """Let it save and end; it takes a step and a save, so the job is stopping for a while.

        Raises `NotHere`, or `Refused` (409) where it does not run.
        """
        job = self.get(id_)
        with self._lock:
            if not self.launches.stop(job.folder):
                raise Refused(409, f"the job '{id_}' is not running", f"it is {job.state}")
        return self.get(id_)

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
        running = [job for job in self.all() if job.runs]
        if len(running) >= self.at_once:
            raise Refused(
                409, f"'{running[0].name}' is in training already, and shares the machine with no other",
                f"stop the job {running[0].id}, or wait for it",
            )  # fmt: skip

    def _read(self, folder: Path) -> Job | None:
        """The job in a folder; None where there is none."""
        return read_job(folder, self.launches.find(folder), self.catalogue.name_of(folder))
