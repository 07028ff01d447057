"""What can be reached: models and folders of pictures below the folders that were named at the start.

What a request names is looked up in what is there, never opened as a path: nothing else can be reached.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

from impasto.studio.problems import NotHere, Refused
from impasto.studio.untrusted import Unusable, as_text, links_below, load

if TYPE_CHECKING:
    from impasto.tasks.generation.nearest import Sources
    from impasto.tasks.generation.sampling.model import Model
    from impasto.tasks.upscaling.inference.upscale import PictureUpscaler

DEPTH = 4  # folders below a root that are looked into for models
MOST_FOLDERS = 20_000
MODEL_JSON_BYTES = 4 * 2**20
PARTS = ("large", "best", "last")  # of a run: the run itself stands for them
_PRIVATE = ("healthy", "samples", "tensorboard")

# Up to this size pictures are computed on one thread, which is twice as fast as two beside a training (10 ms
# a picture of 64 px against 20) and gives the same bits. Larger ones have enough in each layer for several.
ONE_THREAD_PX = 64


@dataclass(frozen=True)
class Entry:
    """A model that can be used. `name` is what requests call it."""

    name: str
    kind: Literal["generator", "upscaler"]
    folder: Path
    shipped: bool  # whether it came with the package
    preset: str
    size: int | None  # height of a generator's pictures, in px
    width: int | None
    channels: int
    scale: int | None  # of an upscaler
    images_seen: int
    themes: tuple[str, ...]  # that it can be asked for
    changed: float  # Unix time: a run that goes on makes new ones

    def to_dict(self) -> dict[str, Any]:
        """What others may know: all but where it is."""
        return {key: value for key, value in vars(self).items() if key != "folder"}


class Catalogue:
    """The models and folders below `roots`, and the few models that are kept in memory.

    Looked up anew at every call: what a run writes is there at once. All methods may be called by several
    threads; a model is loaded once, however many ask for it. `check_cancelled` is called before each picture
    that a model makes, and may raise (`Queue.check_cancelled`).
    """

    def __init__(
        self, roots: Sequence[Path], most_loaded: int = 4, check_cancelled: Callable[[], None] = lambda: None
    ) -> None:
        self.roots = tuple(root.resolve() for root in roots)
        self._most, self._check_cancelled = most_loaded, check_cancelled
        self._known: dict[str, Path] = {}  # where the models were when they were last listed
        self._loaded: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._loading: dict[tuple[Any, ...], threading.Lock] = {}  # held while it is loaded
        self._lock = threading.Lock()

    def models(self) -> list[Entry]:
        """Every model, those of the package first."""
        from impasto.training.checkpoints import ZOO, shipped_models

        shipped = [_entry(name, ZOO / name, shipped=True) for name in shipped_models()]
        found = {entry.name: entry for entry in shipped if entry is not None}
        for root in self.roots:
            for folder in _folders(root):
                name = "/".join(folder.relative_to(root).parts) or root.name
                entry = None if name in found else _model_of(name, folder)
                if entry is not None:
                    found[name] = entry
        self._known = {name: entry.folder for name, entry in found.items() if not entry.shipped}
        return list(found.values())

    def entry(self, name: str, kind: Literal["generator", "upscaler"] | None = None) -> Entry:
        """The model of this name, of that kind. Raises `NotHere`."""
        known = self._known.get(name)
        again = None if known is None else _model_of(name, known)
        for entry in self.models() if again is None else [again]:  # a slider must not list a large folder
            if entry.name == name and kind in (None, entry.kind):
                return entry
        what = {"generator": "model that makes pictures", "upscaler": "upscaler", None: "model"}[kind]
        raise NotHere(f"there is no {what} '{name[:200]}'", "GET /api/v1/models lists what there is")

    def generator(self, name: str) -> "Model":
        """A model that makes pictures, loaded. Raises `NotHere`, or `CheckpointError` for a damaged one."""
        from impasto.adaptive_threads import AdaptiveThreads, for_this_process
        from impasto.tasks.generation.sampling.known_models import remember
        from impasto.tasks.generation.sampling.model import load

        entry = self.entry(name, "generator")

        def load_it() -> "Model":
            small = max(entry.size or 0, entry.width or 0) <= ONE_THREAD_PX
            model = load(entry.folder, threads=AdaptiveThreads(1) if small else for_this_process())
            remember(model.digest, model.folder)
            # Between any two pictures work may end that nobody waits for any more.
            model.generator.register_forward_pre_hook(lambda *_: self._check_cancelled())
            return model

        model: Model = self._load_once((entry.folder, entry.changed), load_it)
        return model

    def upscaler(self, name: str, engine: str = "auto", picture: bytes | None = None) -> "PictureUpscaler":
        """An upscaler with an engine, loaded; of the name "auto" the one that suits the picture's file.

        Raises `NotHere`, `InputError` for an engine, or `ImageError` for a picture that cannot be read.
        """
        from impasto.tasks.upscaling.inference.kinds import AUTO, PHOTO, choose_upscaler
        from impasto.tasks.upscaling.inference.upscalers import load_upscaler

        if name == AUTO:
            name = PHOTO if picture is None else choose_upscaler(picture)
        entry = self.entry(name, "upscaler")
        asked = entry.name if entry.shipped else entry.folder

        def load_it() -> "PictureUpscaler":
            return load_upscaler(asked, engine=engine, warn=lambda words: None)

        upscaler: PictureUpscaler = self._load_once((entry.folder, entry.changed, engine), load_it)
        return upscaler

    def sources(self, name: str, pictures: str) -> "Sources":
        """The training pictures of a model, which lie in the folder of the name `pictures`.

        Raises `NotHere`, `Refused` as `folder_to_read`, and `InputError` where they are not those any more.
        """
        from impasto.tasks.generation.nearest import sources_of

        entry = self.entry(name, "generator")
        folder = self.folder_to_read(pictures)
        key = ("sources", entry.folder, entry.changed, folder)
        found: Sources = self._load_once(key, lambda: sources_of(self.generator(name), folder))
        return found

    def folder(self, name: str) -> Path:
        """A folder by its name below a root, or by its whole path if that is in one. Raises `NotHere`."""
        if name and "\0" not in name and len(name) < 2_000:
            for root in self.roots:
                folder = _resolve(root / name)
                if folder is not None and folder.is_relative_to(root) and folder.is_dir():
                    return folder
        raise NotHere(
            f"there is no folder '{name[:200]}' in the workspace",
            "GET /api/v1/datasets lists some; --workspace DIR again names more at the start",
        )

    def folder_to_read(self, name: str) -> Path:
        """`folder`, whose pictures are to be read.

        Raises `NotHere`, and `Refused` (409) where a link in it leads out of the roots: what lies there
        would be read, learned and shown.
        """
        folder = self.folder(name)
        for link in links_below(folder):
            target = _resolve(link)
            if target is not None and not any(target.is_relative_to(root) for root in self.roots):
                name = as_text(str(link.relative_to(folder)), 200)
                raise Refused(
                    409,
                    f"'{name}' is a link that leads out of the workspace",
                    "start the server with --workspace for the folder it leads to, too, or remove it",
                )
        return folder

    def pictures(self) -> list[tuple[str, int]]:
        """Names of folders with pictures in them or in their subfolders, and how many those are."""
        found: dict[str, int] = {}
        for root in self.roots:
            runs = [folder for folder in _folders(root) if _is_run(folder)]
            for folder in _folders(root):
                if folder == root or any(folder.is_relative_to(run) for run in runs):
                    continue
                count = _count(folder)
                above = folder.parent if folder.parent != root else folder
                for place in {folder, above} if count else ():
                    name = self.name_of(place)
                    found[name] = found.get(name, 0) + count
        return sorted(found.items())

    def name_of(self, folder: Path) -> str:
        """What `folder` finds again: the path below its root. Raises `ValueError` outside of all."""
        for root in self.roots:
            if folder.is_relative_to(root) and folder != root:
                return "/".join(folder.relative_to(root).parts)
        if folder in self.roots:
            return str(folder)
        raise ValueError(f"{folder} is below none of the roots")

    def _load_once(self, key: tuple[Any, ...], load_it: Callable[[], Any]) -> Any:
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:  # not the other lock: a slider must not wait until an upscaler has tried its engines
            with self._lock:
                found = self._loaded.get(key)
            if found is None:
                found = load_it()
            with self._lock:
                self._loaded[key] = found
                self._loaded.move_to_end(key)
                while len(self._loaded) > self._most:
                    self._loading.pop(self._loaded.popitem(last=False)[0], None)
        return found


def _resolve(path: Path) -> Path | None:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # absent, a loop of links, a byte that no path has
        return None


def _folders(root: Path) -> Iterator[Path]:
    """A root and what is below it, without what is linked, hidden, of the system, or a part of a run."""
    from impasto.data.walk import private_kind

    seen, level = 0, [root]
    for _ in range(DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            seen += 1
            if seen > MOST_FOLDERS:
                return
            yield folder
            try:
                with os.scandir(folder) as entries:
                    names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
            except OSError:  # gone, or not ours to read
                continue
            hidden = {*PARTS, *_PRIVATE} if (folder / "config.json").is_file() else set()
            below += [
                folder / name
                for name in sorted(names)
                if private_kind(name) is None and name not in hidden and _can_be_named(name)
            ]
        level = below


def _can_be_named(name: str) -> bool:
    """Whether a request can name it: bytes that are no text cannot be put into JSON."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _model_of(name: str, folder: Path) -> Entry | None:
    """The model that a folder is, or that a run in it has."""
    place = model_folder(folder)
    if place is None or place.is_symlink() or any((place / part).is_symlink() for part in _FILES):
        return None  # a link may lead out of the workspace
    return _entry(name, place, shipped=False)


def model_folder(folder: Path) -> Path | None:
    """The folder of a model: this one, or a part of the run that this one is. None where there is none."""
    places = (folder, *(folder / part for part in PARTS))
    return next((place for place in places if (place / "model.json").is_file()), None)


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", "model.json", "job.json"))


def _count(folder: Path) -> int:
    """The files of a folder that are pictures by their names, as a training on it alone would see them."""
    from impasto.data.walk import pictures_in

    try:
        return pictures_in(folder)
    except OSError:
        return 0


_FILES = ("model.json", "model.safetensors")


_Number = Annotated[int, Field(ge=0, le=10**18)]
_Word = Annotated[str, Field(max_length=200)]


class _Image(BaseModel):
    size: _Number = 0
    width: _Number | None = None
    channels: _Number


class _Network(BaseModel):
    scale: Annotated[int, Field(ge=1, le=64)] | None = None
    themes: Annotated[tuple[_Word, ...], Field(max_length=10_000)] = ()


class _Config(BaseModel):
    task: _Word = ""
    preset: _Word
    image: _Image
    model: _Network


class _Description(BaseModel):
    """Of `model.json` what is listed; the rest is checked when the model is loaded."""

    config: _Config
    images_seen: _Number


def _entry(name: str, folder: Path, *, shipped: bool) -> Entry | None:
    """What `model.json` says, or nothing where it does not describe a model."""
    try:
        found = load(folder / "model.json", _Description, MODEL_JSON_BYTES)
        config, scale = found.config, found.config.model.scale
        if config.task == "translation":  # no tab uses one
            return None
        return Entry(
            name=name,
            kind="generator" if scale is None else "upscaler",
            folder=folder,
            shipped=shipped,
            preset=as_text(config.preset),
            size=config.image.size if scale is None else None,
            width=config.image.width or config.image.size if scale is None else None,
            channels=config.image.channels,
            scale=scale,
            images_seen=found.images_seen,
            themes=tuple(map(as_text, config.model.themes)),
            changed=(folder / "model.safetensors").stat().st_mtime,
        )
    except (OSError, Unusable):
        return None
