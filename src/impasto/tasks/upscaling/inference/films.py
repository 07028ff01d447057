"""A film, larger: its frames through an upscaler, part by part, so that what is done is never lost."""

import glob
import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from impasto.errors import ImageError, InputError
from impasto.files import replacing, write_bytes_atomically
from impasto.image.decoding import MAX_PIXELS, vips
from impasto.image.film import (
    CODECS,
    HOLDS,
    MOST_CRF,
    Film,
    FilmWriter,
    Frame,
    Pixels,
    open_film,
    read_frames,
)
from impasto.image.remux import Kept, join, streams_kept
from impasto.tasks.upscaling.inference.pictures import resized
from impasto.tasks.upscaling.inference.steady import SteadyFrames
from impasto.tasks.upscaling.inference.upscale import Check, PictureUpscaler, Progress, wanted_scale

PART = 64  # frames: what a kill costs at most
PLAN = "plan.json"


@dataclass(frozen=True)
class FilmPlan:
    """What a film becomes.

    `size` is (width, height) in px, both even; `container` is one of `CONTAINERS`; with `seconds` only the
    beginning is made.
    """

    film: Film
    kept: Kept
    size: tuple[int, int]
    container: str
    codec: str
    crf: int | None
    seconds: float | None = None

    @property
    def frames(self) -> int:
        """About how many frames there are to make; 0 where nobody knows."""
        wanted = self.film.frames
        return wanted if self.seconds is None else min(wanted, round(self.seconds * self.film.rate))

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the film will not stay as it is, in words."""
        return (*self.film.notes, *self.kept.notes)


def plan_film(
    source: Path,
    container: str,
    own_scale: int,
    *,
    scale: float | None = None,
    fit: tuple[int, int] | None = None,
    codec: str | None = None,
    crf: int | None = None,
    seconds: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> FilmPlan:
    """Read a film's headers, and say what it becomes. Nothing is written.

    Args:
        source: The film.
        container: One of `CONTAINERS`.
        own_scale: The upscaler's own scale, where nothing else is asked for.
        scale: How many times larger. None: `own_scale`.
        fit: Width and height of the box to fill, in place of a scale. None: `scale` counts.
        codec: One of `CODECS`. None: H.264, or H.265 for more than 8 bits, or VP9 in a .webm.
        crf: Quality, 0 (best) to 51, of VP9 to 63. None: hardly to be told from the best.
        seconds: How much of its beginning is meant, above 0. None: all of it.
        max_pixels: A film whose frames have more pixels is refused.

    Raises:
        ImageError: The film cannot be read.
        InputError: What is asked cannot be done.
        SoundError: Its sound does not go into the container.
        MissingDependencyError: PyAV is not installed.
    """
    check_codec(codec, crf)
    film = open_film(source, max_pixels)
    held = HOLDS.get(container, tuple(CODECS))
    codec = codec or ("h265" if film.deep and "h265" in held else held[0])
    if codec not in held:
        raise InputError(
            f"a film that ends in .{container} cannot be {codec}", f"--codec {' or '.join(held)}"
        )
    factor = wanted_scale(film.width, film.height, own_scale, scale, fit)
    width, height = (max(2, 2 * round(side * factor / 2)) for side in (film.width, film.height))
    kept = streams_kept(source, container)
    return FilmPlan(film, kept, (width, height), container, codec, crf, seconds)


def check_codec(codec: str | None, crf: int | None) -> None:
    """Raise `InputError` for a codec that there is not, or a quality that it does not have."""
    if codec is not None and codec not in CODECS:
        raise InputError(f"there is no codec '{codec}'", f"--codec {', '.join(CODECS)}")
    most = MOST_CRF.get(codec or "", 51)
    if crf is not None and not 0 <= crf <= most:
        raise InputError(f"--crf {crf} is out of range", f"from 0, the best, to {most}")


def upscale_film(
    upscaler: PictureUpscaler,
    plan: FilmPlan,
    target: Path,
    *,
    progress: Progress | None = None,
    check: Check | None = None,
    note: Callable[[str], None] = print,
) -> tuple[int, int]:
    """Write the enlarged film to `target`, which it replaces.

    Parts of 64 frames are kept in a hidden folder beside it until all are there: the same call goes on after
    the last of them. Frames are steadied (`steady.py`).

    Args:
        upscaler: The upscaler.
        plan: What the film becomes, by `plan_film`.
        target: The file to write. Its suffix does not count.
        progress: Is told how many pixels of the film are done, of those that were left. None: nobody is told.
        check: Is called before each tile; what it raises ends the work. None: nothing ends it.
        note: Is told, in words, what could not stay as it is.

    Returns:
        Width and height of the enlarged film.

    Raises:
        ImageError: No frame can be read.
        InputError: The codec does not have its size.
        OSError: The disk cannot hold the film.
    """
    area = plan.film.width * plan.film.height
    with closing(upscaled_frames(upscaler, plan, target, check=check, note=note)) as frames:
        for made, total in frames:
            if progress:
                progress(made * area, total * area)
    return plan.size


def upscaled_frames(
    upscaler: PictureUpscaler,
    plan: FilmPlan,
    target: Path,
    *,
    check: Check | None = None,
    note: Callable[[str], None] = print,
) -> Generator[tuple[int, int], None, None]:
    """The work of `upscale_film`, a frame at a time.

    Yields how many frames are done, and of about how many. `target` is there at the end; closed before it,
    this leaves the parts that are whole.

    Args:
        upscaler: The upscaler.
        plan: What the film becomes, by `plan_film`.
        target: The file to write.
        check: Is called before each tile; what it raises ends the work. None: nothing ends it.
        note: Is told, in words, what could not stay as it is.
    """
    parts = Parts(target, identity(plan, upscaler))
    if parts.done:
        note(f"goes on after frame {parts.done:,}, where an earlier run ended")
    steady = SteadyFrames(
        partial(upscaler.pixels, check=check), upscaler.network.scale, upscaler.network.reach
    )
    total = max(0, plan.frames - parts.done)
    frames = read_frames(plan.film, parts.done, note, plan.seconds)
    made = 0
    while batch := list(islice(frames, 1)):
        with (
            parts.next() as part,
            FilmWriter(part.path, plan.film, plan.size, plan.codec, plan.crf) as writer,
        ):
            for frame in chain(batch, islice(frames, PART - 1)):
                writer.write(Frame(at_size(steady(frame.pixels), plan.size), frame.time))
                part.frames += 1
                made += 1
                yield made, max(total, made)
    if not parts.files:
        raise ImageError("has no picture that can be read")
    with replacing(target) as temporary:
        damaged = join(parts.files, plan.film.path, plan.kept, temporary, plan.container, plan.seconds)
    if damaged:
        note(f"its sound is damaged: {damaged:,} packets are left out")
    parts.remove()


@dataclass
class Part:
    """A part in work: where it is written, and how many frames it has so far."""

    path: Path
    frames: int = 0


class Parts:
    """The finished parts of a film, in a hidden folder beside the target: one for each kind of settings."""

    def __init__(self, target: Path, identity: dict[str, Any]) -> None:
        """Find what is there of the film with this `identity`."""
        self._target = target
        text = json.dumps(identity, sort_keys=True)
        self.folder = target.with_name(
            f".{target.name}.{hashlib.sha256(text.encode()).hexdigest()[:8]}.parts"
        )
        self.files: list[Path] = []
        self.done = 0  # frames
        if not self.folder.is_dir():
            write_bytes_atomically(self.folder / PLAN, text.encode())
        for path in sorted(self.folder.glob("*.mp4")):
            start, stop = (int(number) for number in path.stem.split("-"))
            if start != self.done:
                break
            self.files.append(path)
            self.done = stop

    @contextmanager
    def next(self) -> Iterator[Part]:
        """The part to write now. It counts once it is whole."""
        with replacing(self.folder / "part.mp4") as temporary:
            part = Part(temporary)
            yield part
        stop = self.done + part.frames
        path = self.folder / f"{self.done:08}-{stop:08}.mp4"
        (self.folder / "part.mp4").replace(path)
        self.files.append(path)
        self.done = stop

    def remove(self) -> None:
        """Remove these parts, and those of the same target with other settings."""
        for folder in self._target.parent.glob(f".{glob.escape(self._target.name)}.*.parts"):
            shutil.rmtree(folder, ignore_errors=True)


def identity(plan: FilmPlan, upscaler: PictureUpscaler) -> dict[str, Any]:
    """What decides how the film's parts look."""
    state = plan.film.path.stat()
    weights = hashlib.sha256()
    for tensor in upscaler.network.state_dict().values():
        weights.update(tensor.detach().cpu().numpy().tobytes())
    return {
        "film": plan.film.path.name,
        "bytes": state.st_size,
        "modified": state.st_mtime_ns,
        "size": plan.size,
        "codec": plan.codec,
        "crf": plan.crf,
        "seconds": plan.seconds,
        "weights": weights.hexdigest(),
    }


def at_size(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W, 3) at another width and height, by Lanczos."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    image = vips().Image.new_from_array(np.ascontiguousarray(pixels))
    found: Pixels = resized(image, *size).numpy()
    return found
