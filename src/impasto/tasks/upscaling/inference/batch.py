"""Many pictures and films, larger: which files are meant, where each goes, and what becomes of bad ones."""

import glob
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impasto.data.walk import LeftOut, among_matches, describe, walk
from impasto.errors import ImageError, ImpastoError, InputError
from impasto.files import sweep
from impasto.image import codec as pictures
from impasto.image import film as films
from impasto.image.film import CONTAINERS, open_film
from impasto.outputs import check_folder, means_file, note, refuse_existing
from impasto.tasks.upscaling.inference.films import plan_film, upscale_film
from impasto.tasks.upscaling.inference.kinds import ByKind
from impasto.tasks.upscaling.inference.lookahead import ending_early
from impasto.tasks.upscaling.inference.pictures import FORMATS
from impasto.tasks.upscaling.inference.upscale import Check, PictureUpscaler, Progress


@dataclass(frozen=True)
class Job:
    """One picture or film, and where it goes."""

    source: Path
    target: Path

    @property
    def is_film(self) -> bool:
        """Whether a film is to be written."""
        return self.target.suffix.lower()[1:] in CONTAINERS


@dataclass(frozen=True)
class Outcome:
    """What became of a job. `error` is empty where all went well; `skipped` where the target was there.

    `notes` say what of the picture did not stay as it was.
    """

    job: Job
    size: tuple[int, int] | None = None
    error: str = ""
    skipped: bool = False
    notes: tuple[str, ...] = ()


@dataclass
class Tally:
    """How far a batch is, in pixels of its inputs; those of pictures not yet opened are known by header."""

    pictures: int
    pictures_done: int = 0
    pixels: int = 0
    pixels_done: int = 0
    started: float = 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left at the speed so far."""
        if not self.pixels_done:
            return None
        spent = time.monotonic() - self.started
        return spent * (self.pixels - self.pixels_done) / self.pixels_done


Watcher = Callable[[Tally, Outcome | None], None]


def plan_jobs(
    inputs: Sequence[str],
    out: Path,
    format_: str | None = None,
    warn: Callable[[str], None] = lambda words: None,
) -> list[Job]:
    """The jobs that files, folders and patterns mean, in order; a folder's structure is kept below `out`.

    Args:
        inputs: Files, folders, and patterns such as "scans/*.png". A file that is named is taken, whatever it
            is.
        out: Folder of the results. For one picture or film it may be the name of a file.
        format_: Suffix of the results: of pictures one of `FORMATS`, of films one of `CONTAINERS`. None, and
            for the others: as the source, or PNG and MKV where that cannot be written.
        warn: Is told, in words, what is left out of a folder or a pattern.

    Raises:
        InputError: An input matches nothing, the format is unknown, two pictures have one target, or a
            picture would be written over.
    """
    if format_ is not None and format_ not in (*FORMATS, *CONTAINERS):
        known = f"one of: {', '.join(FORMATS)}; of films: {', '.join(CONTAINERS)}"
        raise InputError(f"pictures cannot be written as '{format_}'", known)
    to_file = means_file(out, pictures.SUFFIXES | films.SUFFIXES)
    if to_file:
        check_target(out, format_)
    else:
        check_folder(out)
    left_out: list[LeftOut] = []
    found = list(_found(inputs, out, left_out))
    if left_out:
        warn(describe(left_out))
    if to_file:
        return [_only_job(found, out)]
    named = Counter(_target(source, below, format_) for source, below in found)
    jobs: dict[Path, Job] = {}
    for source, below in found:
        target = _target(source, below, format_)
        if named[target] > 1 and target.suffix != source.suffix:  # a.bmp beside a.png: a.bmp.png
            target = target.with_name(f"{below.name}{target.suffix}")
        target = out / target
        other = jobs.get(target)
        if other is not None and other.source.resolve() != source.resolve():
            raise InputError(
                f"'{other.source}' and '{source}' would both become '{target}'",
                "give them in two goes, or to two folders",
            )
        if target.resolve() == source.resolve():
            raise InputError(f"'{source}' would be written over", "choose another --out")
        jobs[target] = Job(source, target)
    return list(jobs.values())


def _only_job(found: Sequence[tuple[Path, Path]], out: Path) -> Job:
    """The one picture that becomes the file `out`. Raises `InputError` for several, or for itself."""
    (source, _), *more = found
    if more:
        raise InputError(
            f"{len(found):,} pictures cannot go into the one file '{out}'", "give --out a folder's name"
        )
    if out.resolve() == source.resolve():
        raise InputError(f"'{source}' would be written over", "choose another --out")
    job = Job(source, out)
    if job.is_film and not _is_film(source):
        raise InputError(f"'{source}' is no film, and '{out}' would be one", _endings(FORMATS))
    if not job.is_film and _is_film(source):
        raise InputError(f"'{source}' is a film, and '{out}' would be a picture", _endings(CONTAINERS))
    return job


def _endings(kinds: Iterable[str]) -> str:
    return f"end its name in one of: {', '.join(kinds)}"


def _is_film(path: Path) -> bool:
    """By its name, or where that says nothing by its first bytes."""
    suffix = path.suffix.lower()
    return suffix in films.SUFFIXES or (suffix not in pictures.SUFFIXES and films.is_film(path))


def check_target(out: Path, format_: str | None) -> None:
    """Raises `InputError` where a file of that name cannot be written, or not as `format_`."""
    kinds = {**FORMATS, **{name: name for name in CONTAINERS}}
    kind = kinds.get(out.suffix.lower()[1:])
    if kind is None:
        raise InputError(f"'{out}' cannot be written", _endings(kinds))
    if format_ is not None and kinds[format_] != kind:
        raise InputError(f"'{out}' is no {format_}", "leave --format out, or end the name in it")
    check_folder(out.parent)


def refuse_targets(jobs: Sequence[Job], existing: str) -> None:
    """Raises `InputError`, before the work, for targets that are there and not to be skipped or replaced."""
    targets = (job.target for job in jobs if not (existing == "skip" and job.target.is_file()))
    hint = "--skip-existing leaves them, --overwrite replaces them"
    refuse_existing(targets, overwrite=existing == "replace", hint=hint)
    for folder in {job.target.parent for job in jobs}:
        sweep(folder)


def _target(source: Path, below: Path, format_: str | None) -> Path:
    """What the enlarged picture or film is called, and where it lies below the output folder."""
    kinds, other = (CONTAINERS, "mkv") if _is_film(source) else (FORMATS, "png")
    asked = format_ if format_ in kinds else None
    if asked is None and below.suffix.lower()[1:] in kinds:
        return below
    name = asked or other
    return below.with_suffix(f".{FORMATS.get(name, name)}")


def _found(inputs: Sequence[str], out: Path, left_out: list[LeftOut]) -> Iterator[tuple[Path, Path]]:
    """Every file that is meant, with its path below the output folder; what is not goes to `left_out`."""
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            found = walk(path, out, pictures.SUFFIXES | films.SUFFIXES)
            files = [Path(file.path) for file in found.pictures]
            # What ends in .ts and is no film is a program.
            meant = [f for f in files if f.suffix.lower() in pictures.SUFFIXES or films.is_film(path / f)]
            if not meant:
                hint = describe(found.left_out) or "give a folder that holds some"
                raise InputError(f"there are no pictures and no films in '{path}'", hint)
            left_out += [replace(item, path=str(path / item.path)) for item in found.left_out]
            yield from ((path / file, file) for file in meant)
        elif path.exists():
            yield path, Path(path.name)
        elif matches := _matching(text):
            meant, left = among_matches(matches, _fixed_part(path), out)
            if not meant:
                raise InputError(f"no file that '{text}' matches is taken", describe(left))
            left_out += left
            yield from ((file, Path(file.name)) for file in meant)
        else:
            raise InputError(
                f"there is no file or folder '{text}'", "a pattern such as 'scans/*.png' also does"
            )


def _matching(pattern: str) -> list[Path]:
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - `Path.glob` needs a root
    return [file for file in map(Path, matches) if file.is_file()]


def _fixed_part(pattern: Path) -> Path:
    """The folder that all matches of a pattern lie in."""
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts[:-1])
    return Path(*fixed)


def upscale_all(
    upscaler: PictureUpscaler | ByKind,
    jobs: Sequence[Job],
    *,
    scale: float | None = None,
    fit: tuple[int, int] | None = None,
    quality: int = 95,
    codec: str | None = None,
    crf: int | None = None,
    seconds: float | None = None,
    existing: str = "refuse",
    max_pixels: int = pictures.MAX_PIXELS,
    workers: int = 3,
    watch: Watcher = lambda tally, outcome: None,
) -> list[Outcome]:
    """Enlarge every picture; one that fails costs itself alone.

    An exception here, Ctrl-C's too, ends the pictures in work at their next tile.

    Args:
        upscaler: The upscaler, or both of the package's.
        jobs: The pictures and where they go.
        scale: How many times larger. None: the network's own scale.
        fit: Width and height of the box to fill, in place of a scale. None: `scale` counts.
        quality: Quality of lossy formats, 1 to 100.
        codec: Codec of films, as in `plan_film`.
        crf: Quality of films, as in `plan_film`.
        seconds: How much of films is made, as in `plan_film`.
        existing: What to do where a target is there: "refuse", "skip" or "replace".
        max_pixels: Pictures with more pixels are refused.
        workers: Pictures in work at a time. With more than the engine has tiles in work, one picture is
            decoded or written while others are computed.
        watch: Is told of every tile, with None, and of every picture, with its outcome.

    Returns:
        What became of each job, in their order.
    """
    tally = Tally(len(jobs), started=time.monotonic())
    lock, ended = threading.Lock(), threading.Event()
    pixels = dict(zip(jobs, _areas(jobs), strict=True))
    tally.pixels = sum(pixels.values())

    def one(job: Job) -> Outcome:
        told = 0

        def progress(done: int, total: int) -> None:
            nonlocal told
            with lock:
                tally.pixels_done += done - told
                told = done
                watch(tally, None)

        def check() -> None:
            if ended.is_set():
                raise CancelledError

        settings = {"scale": scale, "fit": fit, "quality": quality, "max_pixels": max_pixels}
        own = {"progress": progress, "check": check}
        outcome = one_job(
            upscaler, job, existing=existing, codec=codec, crf=crf, seconds=seconds, **settings, **own
        )
        with lock:
            tally.pictures_done += 1
            tally.pixels_done += pixels[job] - told
            watch(tally, outcome)
        return outcome

    outcomes: dict[Job, Outcome] = {}
    with ending_early(ThreadPoolExecutor(max(1, workers))) as pool:
        waiting: set[Future[Outcome]] = set()
        todo = iter(jobs)
        try:
            for job in todo:
                waiting.add(pool.submit(one, job))
                if len(waiting) > 2 * workers:
                    waiting = _collect(waiting, outcomes)
            while waiting:
                waiting = _collect(waiting, outcomes)
        except BaseException:
            ended.set()
            raise
    return [outcomes[job] for job in jobs]


def _collect(waiting: set[Future[Outcome]], outcomes: dict[Job, Outcome]) -> set[Future[Outcome]]:
    done, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        outcome = future.result()
        outcomes[outcome.job] = outcome
    return rest


def one_job(
    upscaler: PictureUpscaler | ByKind,
    job: Job,
    *,
    existing: str = "refuse",
    codec: str | None = None,
    crf: int | None = None,
    seconds: float | None = None,
    **settings: Any,
) -> Outcome:
    """Enlarge one picture or film, whatever is wrong with it.

    Args:
        upscaler: The upscaler, or both of the package's.
        job: The picture or film, and where it goes.
        existing: What to do where the target is there: "refuse", "skip" or "replace".
        codec: Codec of a film, as in `plan_film`.
        crf: Quality of a film, as in `plan_film`.
        seconds: How much of a film is made, as in `plan_film`.
        **settings: Those of `PictureUpscaler.file`.
    """
    if (outcome := already(job, existing)) is not None:
        return outcome
    notes: list[str] = []
    try:
        if isinstance(upscaler, ByKind):
            upscaler = upscaler.suited(
                job.source, settings.get("max_pixels", pictures.MAX_PIXELS), notes.append
            )
        if job.is_film:
            asked = {"codec": codec, "crf": crf, "seconds": seconds}
            size = _film(upscaler, job, asked, notes, **settings)
        else:
            size = upscaler.file(job.source, job.target, note=notes.append, **settings)
        note(job.target)
    except ImageError as error:
        return Outcome(job, error=f"'{job.source}' {error.message}")
    except ImpastoError as error:
        hint = f": {error.hint}" if error.hint else ""
        return Outcome(job, error=f"'{job.source}': {error.message}{hint}")
    except OSError as error:
        return Outcome(job, error=f"'{job.target}': {error.strerror or error}")
    except MemoryError:
        return Outcome(job, error=f"'{job.source}' needs more memory than there is: --tile with less")
    return Outcome(job, size, notes=tuple(notes))


def _film(
    upscaler: PictureUpscaler,
    job: Job,
    asked: dict[str, Any],
    notes: list[str],
    *,
    scale: float | None = None,
    fit: tuple[int, int] | None = None,
    max_pixels: int = pictures.MAX_PIXELS,
    progress: Progress | None = None,
    check: Check | None = None,
    **_: Any,
) -> tuple[int, int]:
    """Enlarge a film as `plan_film` is asked; `notes` get what does not stay as it is.

    What is for pictures alone does not count.
    """
    container, own = job.target.suffix.lower()[1:], upscaler.network.scale
    plan = plan_film(job.source, container, own, scale=scale, fit=fit, max_pixels=max_pixels, **asked)
    notes += plan.notes
    return upscale_film(upscaler, plan, job.target, progress=progress, check=check, note=notes.append)


def already(job: Job, existing: str) -> Outcome | None:
    """What becomes of a job whose target is there; None where there is work to do."""
    if existing == "replace" or not job.target.exists():
        return None
    if existing == "skip":
        return Outcome(job, skipped=True)
    return Outcome(job, error=f"'{job.target}' is there already: --skip-existing or --overwrite")


def _areas(jobs: Iterable[Job]) -> Iterator[int]:
    """Pixels of each picture, of all frames of a film, by its header; 0 for what cannot be read."""
    for job in jobs:
        try:
            if job.is_film:
                moving = open_film(job.source)
                yield moving.width * moving.height * moving.frames
            else:
                found = pictures.header(job.source)
                yield found.width * found.height
        except InputError:  # it cannot be read, or PyAV is not installed
            yield 0
