"""What a studio consists of, put together."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import InputError
from impasto.studio.catalogue import Catalogue
from impasto.studio.jobs import Jobs
from impasto.studio.queue import Queue
from impasto.studio.settings import Settings
from impasto.studio.uploads import Uploads


@dataclass(frozen=True)
class Studio:
    """The parts that the API and the page share; `app.state.studio` holds it."""

    settings: Settings
    catalogue: Catalogue
    jobs: Jobs
    queue: Queue
    uploads: Uploads
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def workspace(self) -> Path:
        """Where new runs and data sets go."""
        return self.settings.workspace


def open_studio(settings: Settings) -> Studio:
    """Raises `InputError` where a folder is missing or cannot be written to."""
    for folder in settings.folders:
        if not folder.is_dir():
            raise InputError(f"there is no folder '{folder}'", "make it first, or name another --workspace")
    limits = settings.limits
    queue = Queue(limits.workers, limits.waiting, limits.request_seconds)
    catalogue = Catalogue(settings.folders, limits.models, queue.heed)
    jobs = Jobs(settings.workspace, catalogue, limits.trainings)
    return Studio(settings, catalogue, jobs, queue, Uploads(settings.workspace, limits))
