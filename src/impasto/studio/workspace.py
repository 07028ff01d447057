"""The part of a workspace that belongs to the running studio alone: a lock, and a private folder.

Two studios over one workspace would remove each other's uploads and start one training twice. What the page
gives out must not be readable by other users of the machine, which the shared temporary folder would allow.
"""

import contextlib
import os
import shutil
import stat
from pathlib import Path

from filelock import FileLock, Timeout

from impasto.errors import InputError

FOLDER, LOCK = ".impasto-studio", "lock"
OURS = ("runs", "datasets")  # folders of the workspace that a studio writes to


class Workspace:
    """Holds a workspace until `close`, or until the process ends.

    `private` is a folder that only this user can enter; it is emptied when a studio opens. Raises
    `InputError` where another studio holds the workspace, or it cannot be written to.
    """

    def __init__(self, root: Path) -> None:
        for name in OURS:
            if (root / name).is_symlink():
                raise InputError(
                    f"'{root / name}' is a link, and a studio does not write through links",
                    "make it a folder, or name the folder that it leads to with --workspace",
                )
        try:
            self.private = _private_folder(root / FOLDER)
            self._lock = FileLock(self.private / LOCK)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"another studio works in '{root}' already", "use that one, or choose another --workspace"
            ) from None
        except OSError as error:
            raise InputError(
                f"the workspace '{root}' cannot be written to: {error.strerror}", "choose another --workspace"
            ) from None
        self._empty()

    def close(self) -> None:
        """Let others have the workspace; private files are removed."""
        if self._lock.is_locked:
            self._empty()
            self._lock.release()

    def _empty(self) -> None:
        for entry in self.private.iterdir():
            if entry.name == LOCK:
                continue
            if entry.is_symlink() or not entry.is_dir():
                with contextlib.suppress(OSError):
                    entry.unlink()
            else:
                shutil.rmtree(entry, ignore_errors=True)


def _private_folder(path: Path) -> Path:
    """A folder that only this user can enter, made now or before. Raises `OSError` and `InputError`."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    strange = hasattr(os, "geteuid") and found.st_uid != os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or strange or (path / LOCK).is_symlink():
        raise InputError(f"'{path}' was not made by Impasto for this user", "remove it")
    path.chmod(0o700)
    if not os.access(path, os.W_OK):
        raise PermissionError(13, os.strerror(13))
    return path.resolve()
