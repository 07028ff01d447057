"""Which pictures a folder holds, and what of it is left out, with reasons: one walk for every command.

Only names and sizes are looked at here; whether a file can be read as a picture is `scan.py`'s question.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from impasto import outputs
from impasto.errors import DataError
from impasto.image import codec

Kind = Literal["system", "hidden", "sidecar", "own", "run", "out", "linked", "dangling", "unreadable"]

_SYSTEM_FOLDERS = frozenset(
    (
        "@eadir", "@tmp", "#recycle", "#snapshot",  # Synology
        "@recycle", "@recently-snapshot", ".@__thumb",  # QNAP
        "__macosx", ".trashes", ".spotlight-v100", ".fseventsd", ".appledouble", ".temporaryitems",
        ".documentrevisions-v100", "network trash folder", "temporary items",  # macOS
        "$recycle.bin", "system volume information", "found.000",  # Windows
        "lost+found", ".thumbnails", ".trash", "lost.dir",  # Linux, Android
    )
)  # fmt: skip
_SYSTEM_FILES = frozenset(("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"))
_RUN_PARTS = frozenset(
    ("best", "last", "large", "enlarger", "healthy", "samples", "tensorboard", "history.webp")
)
_NAMED = 3  # examples of each kind in a report

# What a report says of one and of several.
_WORDS: dict[Kind, tuple[str, str]] = {
    "system": ("system folder", "system folders"),
    "hidden": ("hidden file or folder", "hidden files and folders"),
    "sidecar": ("file of macOS beside a picture", "files of macOS beside pictures"),
    "own": ("picture that Impasto wrote", "pictures that Impasto wrote"),
    "run": ("part of a run or a model", "parts of runs or models"),
    "out": ("folder that the results go to", "folders that the results go to"),
    "linked": ("link to a folder that is read already", "links to folders that are read already"),
    "dangling": ("link that leads nowhere", "links that lead nowhere"),
    "unreadable": ("folder that cannot be opened", "folders that cannot be opened"),
}


class File(NamedTuple):
    """A file whose name says that it is a picture. `path` is relative, with forward slashes.

    `size` in bytes is -1 where even that cannot be found out: a link that leads nowhere.
    """

    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True)
class LeftOut:
    """A file or a folder that is not read, and which `kind` of reason; `why` is the system's, if any."""

    path: str
    kind: Kind
    why: str = ""

    @property
    def reason(self) -> str:
        """Reads on from the path."""
        return f"is a {_WORDS[self.kind][0]}{': ' if self.why else ''}{self.why}"


@dataclass(frozen=True)
class Walk:
    """What a folder holds, in the order of the paths. `others` counts visible files that are no pictures."""

    pictures: tuple[File, ...]
    others: int
    left_out: tuple[LeftOut, ...]


@dataclass
class _Listing:
    """One folder: what is in it, by what is to be done with it."""

    pictures: list[os.DirEntry[str]] = field(default_factory=list)
    own: list[os.DirEntry[str]] = field(default_factory=list)
    folders: list[os.DirEntry[str]] = field(default_factory=list)
    links: list[os.DirEntry[str]] = field(default_factory=list)  # to folders
    left_out: list[LeftOut] = field(default_factory=list)
    others: int = 0


def walk(root: Path, out: Path | None = None, suffixes: frozenset[str] = codec.SUFFIXES) -> Walk:
    """Every picture below `root`, by the suffix of its name, and what is left out.

    Left out are hidden files and folders, those that systems keep for themselves, runs and models, the folder
    `out` that results go to, and what Impasto wrote; but a folder that holds nothing else was named on
    purpose. A link to a folder is followed; each folder is read once, under its own name if it lies below
    `root`. Raises `DataError` where `root` is no folder that can be opened, or is a run or a model and holds
    nothing else.
    """
    try:
        if not root.exists():
            raise DataError(f"there is no folder '{root}'", "give a folder of pictures")
        if not root.is_dir():
            raise DataError(f"'{root}' is a file", "give the folder that holds the pictures")
    except OSError as error:  # a folder above it is closed, or the name is too long
        why = (error.strerror or str(error)).lower()
        raise DataError(f"the folder '{root}' cannot be opened: {why}") from None
    walker = _Walker(root, out, suffixes)
    walker.go()
    if walker.is_run and not walker.pictures:
        raise DataError(
            f"'{root}' is a run or a model of Impasto's, not a folder of pictures",
            f"give the folder of your own pictures; the sheets of a run are in '{root / 'samples'}'",
        )
    if walker.pictures:
        left = [*walker.left_out, *(LeftOut(file.path, "own") for file in walker.own)]
        pictures = walker.pictures
    else:
        left, pictures = walker.left_out, walker.own
    return Walk(
        tuple(sorted(pictures, key=lambda file: file.path.split("/"))),
        walker.others,
        tuple(sorted(left, key=lambda item: item.path.split("/"))),
    )


class _Walker:
    """A walk under way."""

    def __init__(self, root: Path, out: Path | None, suffixes: frozenset[str]) -> None:
        self.root = root
        self.is_run = outputs.is_run_or_model(root)
        self.pictures: list[File] = []
        self.own: list[File] = []
        self.left_out: list[LeftOut] = []
        self.others = 0
        self._suffixes = suffixes
        self._out = _identity(out) if out is not None and out.is_dir() else None
        self._seen: set[tuple[int, int]] = set()

    def go(self) -> None:
        """Read all folders, and then what links lead to."""
        folders, links = [(str(self.root), "")], list[tuple[str, str]]()
        while folders or links:
            # Links last and in order: whether a folder is met under its own name must not depend on chance.
            is_link = not folders
            place, prefix = links.pop(0) if is_link else folders.pop()
            listing = self._open(place, prefix, is_link)
            if listing is None:
                continue
            self.left_out += listing.left_out
            self.others += listing.others
            self.pictures += [_measured(entry, prefix) for entry in listing.pictures]
            self.own += [_measured(entry, prefix) for entry in listing.own]
            folders += [(entry.path, f"{prefix}{entry.name}/") for entry in listing.folders]
            links += [(entry.path, f"{prefix}{entry.name}/") for entry in listing.links]

    def _open(self, place: str, prefix: str, is_link: bool) -> _Listing | None:
        """What is in a folder, or nothing where it is left out as a whole."""
        below = prefix.removesuffix("/")
        try:
            identity = _identity(place)
            if identity in self._seen:
                if is_link:
                    self.left_out.append(LeftOut(below, "linked"))
                return None
            if identity is not None:
                self._seen.add(identity)
                if identity == self._out and below:
                    self.left_out.append(LeftOut(below, "out"))
                    return None
            entries = _entries(place)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            if not below:
                raise DataError(f"the folder '{place}' cannot be opened: {why}") from None
            self.left_out.append(LeftOut(below, "unreadable", why))
            return None
        names = {entry.name for entry in entries}
        if below and names & {"config.json", "model.json"} and outputs.is_run_or_model(Path(place)):
            self.left_out.append(LeftOut(below, "run"))
            return None
        if not below and {"config.json", "events.jsonl"} <= names:  # a run among the pictures it learns from
            self.left_out += [LeftOut(name, "run") for name in sorted(names & _RUN_PARTS)]
            entries = [entry for entry in entries if entry.name not in _RUN_PARTS]
        return _sorted_out(entries, prefix, place, self._suffixes)


def _entries(place: str) -> list[os.DirEntry[str]]:
    with os.scandir(place) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _identity(place: str | Path) -> tuple[int, int] | None:
    """What tells a folder from all others, under whatever name; None on file systems that do not say."""
    status = os.stat(place)  # noqa: PTH116 - a name from `scandir` is a string
    return (status.st_dev, status.st_ino) if status.st_ino else None


def _sorted_out(
    entries: Sequence[os.DirEntry[str]], prefix: str, place: str, suffixes: frozenset[str] = codec.SUFFIXES
) -> _Listing:
    """The entries of one folder by what is to be done with each."""
    found = _Listing()
    listed = any(entry.name == outputs.LIST_NAME for entry in entries)
    own = outputs.written_in(Path(place)) if listed else frozenset[str]()
    for entry in entries:
        path = prefix + entry.name
        is_picture = entry.name[entry.name.rfind(".") :].lower() in suffixes
        if _is_folder(entry):
            kind = private_kind(entry.name)
            if kind is not None:
                found.left_out.append(LeftOut(path, kind))
            else:
                (found.links if entry.is_symlink() else found.folders).append(entry)
        elif entry.name.startswith("."):
            if is_picture:
                found.left_out.append(LeftOut(path, "sidecar" if entry.name.startswith("._") else "hidden"))
        elif is_picture:
            (found.own if entry.name in own else found.pictures).append(entry)
        elif entry.name.casefold() in _SYSTEM_FILES:
            continue
        elif entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110
            found.left_out.append(LeftOut(path, "dangling"))
        else:
            found.others += 1
    return found


def pictures_in(folder: Path) -> int:
    """How many pictures `walk` takes from the folder itself, without those below. Raises `OSError`."""
    found = _sorted_out(_entries(str(folder)), "", str(folder))
    return len(found.pictures) or len(found.own)


def private_kind(folder_name: str) -> Literal["system", "hidden"] | None:
    """Why a folder of this name is not looked into, whatever it holds."""
    name = folder_name.casefold()
    if name in _SYSTEM_FOLDERS or name.startswith(".trash"):
        return "system"
    return "hidden" if name.startswith(".") else None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that go round in a circle
        return False


def _measured(entry: os.DirEntry[str], prefix: str) -> File:
    path = prefix + entry.name
    try:
        status = entry.stat()
    except OSError:  # it is named when somebody tries to read it
        return File(path, -1, 0)
    return File(path, status.st_size, status.st_mtime_ns)


def among_matches(
    paths: Sequence[Path], base: Path, out: Path | None = None
) -> tuple[list[Path], list[LeftOut]]:
    """Which of the files that a pattern below `base` matched are meant, by the same rules as in `walk`."""

    @cache
    def kind_of(folder: Path) -> Kind | None:
        """Why what lies in a folder below `base` is left out."""
        if (kind := private_kind(folder.name)) is not None:
            return kind
        if outputs.is_run_or_model(folder):
            return "run"
        return "out" if out is not None and out.is_dir() and folder.samefile(out) else None

    written_in = cache(outputs.written_in)
    meant: list[Path] = []
    own: list[Path] = []
    left: dict[Path, LeftOut] = {}
    for path in paths:
        parents = [folder for folder in path.parents if folder != base and folder.is_relative_to(base)]
        for folder in reversed(parents):
            if (kind := kind_of(folder)) is not None:
                left[folder] = LeftOut(str(folder), kind)
                break
        else:
            (own if path.name in written_in(path.parent) else meant).append(path)
    if not meant:
        return own, list(left.values())
    return meant, [*left.values(), *(LeftOut(str(path), "own") for path in own)]


def describe(left_out: Sequence[LeftOut], rejected: Sequence[tuple[str, str]] = ()) -> str:
    """One line that says what was left out and why, for people; empty where nothing was.

    `rejected` are paths and reasons of pictures that cannot be used.
    """
    parts = []
    for kind, count in Counter(item.kind for item in left_out).most_common():
        one, several = _WORDS[kind]
        items = [item for item in left_out if item.kind == kind]
        if kind == "system":  # the same few names again and again
            names = list(dict.fromkeys(item.path.rpartition("/")[2] for item in items))
        else:
            names = [item.path for item in items]
        told = [f"'{shown(name)}'" for name in names[:_NAMED]]
        if kind == "unreadable":
            told = [f"'{shown(item.path)}': {item.why}" for item in items[:_NAMED]]
        parts.append(f"{count:,} {one if count == 1 else several} ({', '.join(told)}{_more(names)})")
    if rejected:
        noun = "picture that cannot be used" if len(rejected) == 1 else "pictures that cannot be used"
        told = [f"'{shown(path)}' {shown(reason)}" for path, reason in rejected[:_NAMED]]
        parts.append(f"{len(rejected):,} {noun} ({', '.join(told)}{_more(rejected)})")
    return f"Left out: {', '.join(parts)}." if parts else ""


def _more(items: Sequence[object]) -> str:
    return ", ..." if len(items) > _NAMED else ""


def shown(name: str) -> str:
    """A file's name as it may be printed: what is not printable, or not Unicode, is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
