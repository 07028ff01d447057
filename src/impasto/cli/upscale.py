"""`impasto upscale`."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.output import Ray, RayCores, cluster_progress, on_existing

if TYPE_CHECKING:
    from rich.console import Console

    from impasto.tasks.upscaling.inference.batch import Job, Outcome, Watcher
    from impasto.tasks.upscaling.inference.kinds import ByKind
    from impasto.tasks.upscaling.inference.upscale import PictureUpscaler

_SHOWN = 20
HEAD_BYTES = 2**16  # by which a picture is known
MOST_BYTES_A_PIXEL = 8  # uncompressed, of 16 bits, with alpha


def upscale(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Pictures, films, folders, patterns; - for standard input."),
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Where they go; for one of them a file, such as big.png; - is standard output.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="A name of ours, a run, or a community .pth or .safetensors. auto: photo-x4, or drawing-x4"
            " for pictures that are drawings."
        ),
    ] = "auto",
    scale: Annotated[
        float | None, typer.Option(help="How many times larger, e.g. 2.7.  [default: the model's]")
    ] = None,
    fit: Annotated[str | None, typer.Option(metavar="WxH", help="As large as fits, e.g. 3840x2160.")] = None,
    engine: Annotated[str, typer.Option(help="auto, or one by name: torch, ncnn, openvino ...")] = "auto",
    tile: Annotated[str, typer.Option(help="Pixels that are computed at once: auto, or a side.")] = "auto",
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="png, jpg, webp, tif, avif or gif; of films mp4, mkv, mov or webm.  [default: its own]",
        ),
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of jpg, webp and avif.")] = 95,
    codec: Annotated[
        str | None, typer.Option(help="Of films: h264, h265 or vp9.  [default: what suits the file]")
    ] = None,
    crf: Annotated[
        int | None,
        typer.Option(help="Quality of films, 0 (best) to 51.  [default: hardly to be told from 0]"),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.01, help="Of films only the beginning: a trial.")
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave what is there already.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Pictures in work at a time.")] = 3,
    max_megapixels: Annotated[float, typer.Option(help="Refuse larger pictures.")] = 200.0,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    ray: Ray = None,
    ray_cores: RayCores = 1,
) -> None:
    """Make pictures and films larger and sharp. A bad one costs itself alone; the others are done.

    Size and shape apart a picture stays what it is: grey, 16 bits, alpha, colour profile, EXIF, frames. A
    film keeps its sound, times and colours; interrupted, the same command goes on where it was.
    """
    from impasto.cli.screen import console as make_console
    from impasto.errors import InputError
    from impasto.tasks.upscaling.inference.batch import plan_jobs, refuse_targets
    from impasto.tasks.upscaling.inference.films import check_codec
    from impasto.tasks.upscaling.inference.kinds import ByKind

    console = make_console(stderr=True)
    if scale is not None and fit is not None:
        raise InputError("--scale and --fit exclude each other", "--fit is the box that the result fits in")
    existing, most = on_existing(skip_existing, overwrite), round(max_megapixels * 1e6)
    settings: dict[str, Any] = {"scale": scale, "fit": _box(fit), "quality": quality, "max_pixels": most}
    check_codec(codec, crf)
    side = _tile(tile)
    # What is quick to refuse is looked at before the model is loaded.
    if "-" in inputs or out == "-":
        if ray is not None:
            raise InputError("standard input and output are not for a cluster", "give files or folders")
        pipe = Pipe.plan(inputs, out, format_, existing, most)
        pipe.run(_load(console, model, engine, side, device), settings, partial(_warn, console))
        return
    planned = plan_jobs(inputs, Path(out), format_, partial(_warn, console))
    refuse_targets(planned, existing)
    upscaler = _load(console, model, engine, side, device)
    settings |= {"codec": codec, "crf": crf, "seconds": seconds}
    if ray is not None:
        chosen = engine if isinstance(upscaler, ByKind) else upscaler.choice.name
        where = model, chosen, side, planned
        outcomes = _on_cluster(*where, ray, ray_cores, device, existing, out, settings)
    else:
        outcomes = _here(console, upscaler, planned, jobs, existing, out, settings)
    _report(console, outcomes, out)


def _here(
    console: "Console",
    upscaler: "PictureUpscaler | ByKind",
    planned: "Sequence[Job]",
    workers: int,
    existing: str,
    out: str,
    settings: dict[str, Any],
) -> "list[Outcome]":
    from impasto.interrupts import telling
    from impasto.tasks.upscaling.inference.batch import Outcome, Tally, upscale_all

    made = 0
    show = _progress(console)

    def watch(tally: Tally, outcome: Outcome | None) -> None:
        nonlocal made
        made += outcome is not None and outcome.size is not None
        show(tally, outcome)

    going_on = "; films go on with the same command" if any(job.is_film for job in planned) else ""
    with telling(lambda: f"{made:,} of {len(planned):,} pictures are in {out}{going_on}"):
        return upscale_all(upscaler, planned, existing=existing, workers=workers, watch=watch, **settings)


def _on_cluster(
    model: str,
    engine: str,
    tile: int | None,
    planned: "Sequence[Job]",
    address: str,
    cores: int,
    device: str,
    existing: str,
    out: str,
    settings: dict[str, Any],
) -> "list[Outcome]":
    from impasto.cluster import work
    from impasto.interrupts import telling

    team = work.Team(address, cores, device=device)
    there = {job for job in planned if job.target.exists()}

    def status() -> str:
        made = sum(job.target.exists() for job in planned if job not in there)
        return f"{made:,} of {len(planned):,} pictures are in {out}"

    with telling(status):
        return work.upscale_all(
            model, engine, tile, planned, team, existing=existing, watch=cluster_progress(), **settings
        )


def _load(
    console: "Console", model: str, engine: str, tile: int | None, device: str
) -> "PictureUpscaler | ByKind":
    """The upscaler, which is named on the screen with its engine; for "auto" each when it is needed."""
    from impasto.tasks.upscaling.inference.kinds import AUTO, ByKind

    if model == AUTO:
        return ByKind(partial(_load_one, console, engine=engine, tile=tile, device=device))
    return _load_one(console, model, engine, tile, device)


def _load_one(
    console: "Console", model: str, engine: str, tile: int | None, device: str
) -> "PictureUpscaler":
    from impasto.tasks.upscaling.inference.upscalers import load_upscaler

    warn = partial(_warn, console)
    upscaler = load_upscaler(model, engine=engine, tile=tile, device=device, warn=warn)
    choice = upscaler.choice
    console.print(
        f"{upscaler.name} (x{upscaler.network.scale}) on {choice.name}: {choice.reason}",
        soft_wrap=True,
    )
    return upscaler


def _warn(console: "Console", words: str) -> None:
    console.print(f"impasto: {words}", soft_wrap=True)


def _report(console: "Console", outcomes: "list[Outcome]", out: str) -> None:
    """What was done, and the list of what was not; exit code 2 if there is any."""
    made = [o for o in outcomes if o.size]
    skipped = sum(o.skipped for o in outcomes)
    failed = [o.error for o in outcomes if o.error]
    rest = f", {skipped} were there already" if skipped else ""
    console.print(f"{_some(len(made))} in {out}{rest}", soft_wrap=True)
    _report_notes(console, outcomes)
    if failed:
        console.print(f"{_some(len(failed))} could not be enlarged:")
        for line in failed[:_SHOWN]:
            console.print(f"  {line}", soft_wrap=True)
        if len(failed) > _SHOWN:
            console.print(f"  and {len(failed) - _SHOWN} more")
        raise typer.Exit(2)


def _report_notes(console: "Console", outcomes: "list[Outcome]") -> None:
    """Which were drawings; what of the pictures did not stay as it was, the same words once, with a file."""
    from impasto.tasks.upscaling.inference.kinds import DRAWING, DRAWN

    files: dict[str, list[Path]] = {}
    for outcome in outcomes:
        for words in outcome.notes:
            files.setdefault(words, []).append(outcome.job.source)
    if drawings := files.pop(DRAWN, []):
        names = ", ".join(str(path) for path in drawings[:_SHOWN])
        rest = f" and {len(drawings) - _SHOWN:,} more" if len(drawings) > _SHOWN else ""
        head = (
            f"{len(drawings):,} taken for drawings, enlarged by {DRAWING} (--model photo-x4 for photographs)"
        )
        console.print(f"impasto: {head}: {names}{rest}", soft_wrap=True)
    for words, sources in files.items():
        more = f" (and of {len(sources) - 1:,} more)" if len(sources) > 1 else ""
        line = f"impasto: of '{sources[0]}'{more}: {words}"
        console.print(line, soft_wrap=True)


@dataclass(frozen=True)
class Pipe:
    """One picture from standard input, to standard output, or both.

    Args:
        source: What the user named as input; "-" is standard input.
        kind: The suffix of what goes to standard output, without the dot.
        target: The file to write. None is standard output.
        given: The picture: its bytes from standard input, or its path.
        skipped: Whether the target is there already, and stays as it is.
    """

    source: str
    kind: str
    target: Path | None
    given: bytes | Path
    skipped: bool = False

    @classmethod
    def plan(
        cls, inputs: Sequence[str], out: str, format_: str | None, existing: str, max_pixels: int
    ) -> "Pipe":
        """Where the picture goes, and what comes in.

        Args:
            inputs: The one picture's path; "-" is standard input, which is read now.
            out: A file or folder; "-" is standard output.
            format_: The suffix to write, without the dot. None: as the name of `out` says, else png.
            existing: What to do where the target is there: "refuse", "skip" or "replace".
            max_pixels: Refuse standard input that is too long for a picture of so many pixels.

        Raises:
            InputError: There are several inputs, the picture cannot be written there or as `format_`, or
                standard input is no picture.
        """
        from impasto.errors import InputError
        from impasto.image.codec import SUFFIXES
        from impasto.outputs import check_folder, means_file
        from impasto.tasks.upscaling.inference.batch import Job, check_target, refuse_targets
        from impasto.tasks.upscaling.inference.pictures import FORMATS

        if len(inputs) > 1:
            raise InputError("standard input and output are for one picture", "give one INPUT")
        source, kind, target, skipped = inputs[0], format_ or "png", None, False
        if kind not in FORMATS:
            raise InputError(f"pictures cannot be written as '{kind}'", f"one of: {', '.join(FORMATS)}")
        if out != "-":
            target = Path(out)
            if means_file(target, SUFFIXES):
                check_target(target, format_)
            else:
                check_folder(target)
                target = target / f"stdin.{FORMATS[kind]}"
            refuse_targets([Job(Path(source), target)], existing)
            skipped = existing == "skip" and target.is_file()
        given = _standard_input(max_pixels) if source == "-" and not skipped else Path(source)
        return cls(source, kind, target, given, skipped)

    def run(
        self, upscaler: "PictureUpscaler | ByKind", settings: dict[str, Any], tell: Callable[[str], None]
    ) -> None:
        """Enlarge it; `tell` is told where it is a drawing. Raises `InputError` where it cannot be read."""
        import sys

        from impasto.errors import ImageError, InputError
        from impasto.files import temporary_folder
        from impasto.outputs import note
        from impasto.tasks.upscaling.inference.kinds import ByKind

        if self.skipped:
            return
        with temporary_folder() as folder:
            target = self.target or folder / f"picture.{self.kind}"
            try:
                if isinstance(upscaler, ByKind):
                    upscaler = upscaler.suited(self.given, settings["max_pixels"], tell)
                upscaler.file(self.given, target, **settings)
            except ImageError as error:
                raise InputError(f"'{self.source}' {error.message}") from None
            if self.target is not None:
                note(self.target)
                return
            with target.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _standard_input(max_pixels: int) -> bytes:
    """All of it. Raises `InputError` for what is no picture, by its beginning, or too long for one."""
    import sys

    from impasto.errors import InputError
    from impasto.image.decoding import may_be_picture

    head = sys.stdin.buffer.read(HEAD_BYTES)
    if not head:
        raise InputError("standard input is empty", "give a picture: impasto upscale - --out DIR < FILE")
    if not may_be_picture(head):
        raise InputError("standard input is not a picture Impasto can read")
    most = MOST_BYTES_A_PIXEL * max_pixels + 64 * 2**20
    data = head + sys.stdin.buffer.read(most)
    if len(data) > most:
        raise InputError(
            f"standard input is longer than a picture of {max_pixels / 1e6:.4g} megapixels",
            "--max-megapixels allows more",
        )
    return data


def _progress(console: "Console") -> "Watcher":
    """A line that counts megapixels, renewed on a terminal and now and then elsewhere."""
    import time

    from impasto.tasks.upscaling.inference.batch import Outcome, Tally

    last = time.monotonic()
    every = 0.2 if console.is_terminal else 10.0

    def watch(tally: Tally, outcome: Outcome | None) -> None:
        nonlocal last
        if time.monotonic() - last < every:
            return
        last = time.monotonic()
        left = tally.eta_seconds
        words = (
            f"{tally.pixels_done / 1e6:.2f} of {tally.pixels / 1e6:.2f} megapixels, "
            f"{tally.pictures_done} of {tally.pictures} pictures"
            f"{f', {left:.0f} s left' if left is not None else ''}"
        )
        end = "\r" if console.is_terminal else "\n"
        console.print(words.ljust(70), end=end, soft_wrap=True)

    return watch


def _box(text: str | None) -> tuple[int, int] | None:
    from impasto.errors import InputError

    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", text.strip().lower())
    if match is None or "0" in (match[1], match[2]):
        raise InputError(f"'{text}' is not a size", "write it as 3840x2160")
    return int(match[1]), int(match[2])


def _tile(text: str) -> int | None:
    from impasto.errors import InputError

    if text == "auto":
        return None
    if not text.isdigit():
        raise InputError(f"'{text}' is not a tile", "--tile auto, or pixels such as 256")
    return int(text)


def _some(count: int) -> str:
    return f"{count:,} picture" if count == 1 else f"{count:,} pictures"
