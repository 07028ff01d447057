"""What a studio consists of, put together."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import InputError
from impasto.studio import memory
from impasto.studio.catalogue import Catalogue
from impasto.studio.films import Films
from impasto.studio.jobs import Jobs
from impasto.studio.problems import without_places
from impasto.studio.queue import Queue
from impasto.studio.settings import Settings
from impasto.studio.uploads import Uploads
from impasto.studio.workspace import Workspace


@dataclass(frozen=True)
class Studio:
    """The parts that the API and the page share; `app.state.studio` holds it."""

    settings: Settings
    catalogue: Catalogue
    jobs: Jobs
    queue: Queue
    uploads: Uploads
    held: Workspace
    films: Films
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def workspace(self) -> Path:
        """Where new runs and data sets go."""
        return self.settings.workspace

    @property
    def private(self) -> Path:
        """Where files go that only this server gives out."""
        return self.held.private

    def without_places(self, text: str) -> str:
        """Words for others, without paths of this computer."""
        return without_places(text, self.catalogue.roots)

    def close(self) -> None:
        """Take no more work, and let another studio have the workspace."""
        self.closing.set()
        self.queue.close()
        self.held.close()


def open_studio(settings: Settings) -> Studio:
    """Raises `InputError` where a folder is missing, cannot be written to, or has a studio already."""
    for folder in settings.folders:
        if not folder.is_dir():
            raise InputError(f"there is no folder '{folder}'", "make it first, or name another --workspace")
    limits = settings.limits
    held = Workspace(settings.workspace)
    queue = Queue(
        limits.workers, limits.waiting, limits.request_seconds, limits.waiting_of_a_peer, memory.Trimmer()
    )
    catalogue = Catalogue(settings.folders, limits.models, queue.check_cancelled)
    jobs = Jobs(settings.workspace, catalogue, limits.trainings)
    return Studio(settings, catalogue, jobs, queue, Uploads(settings.workspace, limits), held, Films(limits))
