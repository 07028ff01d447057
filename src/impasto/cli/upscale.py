"""`impasto upscale`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.output import Ray, RayCores, cluster_progress

if TYPE_CHECKING:
    from rich.console import Console

    from impasto.inference.batch import Outcome, Watcher
    from impasto.inference.upscale import PictureUpscaler

_SHOWN = 20


def upscale(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Pictures, folders, patterns; - for standard input."),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Where they go; - for standard output.")],
    model: Annotated[
        str, typer.Option(help="A name of ours, a run, or a community .pth or .safetensors.")
    ] = "photo-x4",
    scale: Annotated[
        float | None, typer.Option(help="How many times larger, e.g. 2.7.  [default: the model's]")
    ] = None,
    fit: Annotated[str | None, typer.Option(metavar="WxH", help="As large as fits, e.g. 3840x2160.")] = None,
    engine: Annotated[str, typer.Option(help="auto, or one by name: torch, ncnn, openvino ...")] = "auto",
    tile: Annotated[str, typer.Option(help="Pixels that are computed at once: auto, or a side.")] = "auto",
    format_: Annotated[
        str | None,
        typer.Option("--format", help="png, jpg, webp, tif, avif or gif.  [default: the picture's own]"),
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of jpg, webp and avif.")] = 95,
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
    """Make pictures larger and sharp. A bad picture costs itself alone; the others are done.

    Size and shape apart a picture stays what it is: grey, 16 bits, alpha, colour profile, EXIF, frames.
    """
    from rich.console import Console

    from impasto.errors import InputError
    from impasto.inference import cluster_work
    from impasto.inference.batch import plan_jobs, upscale_all
    from impasto.inference.upscalers import load_upscaler

    console = Console(stderr=True)
    if scale is not None and fit is not None:
        raise InputError("--scale and --fit exclude each other", "--fit is the box that the result fits in")
    if skip_existing and overwrite:
        raise InputError("--skip-existing and --overwrite exclude each other")
    box = _box(fit)
    side = _tile(tile)
    piped = "-" in inputs or out == "-"
    if piped and ray is not None:
        raise InputError("standard input and output are not for a cluster", "give files or folders")
    if piped and len(inputs) > 1:
        raise InputError("standard input and output are for one picture", "give one INPUT")
    planned = [] if piped else plan_jobs(inputs, Path(out), format_)  # first: it is quick to refuse

    def warn(words: str) -> None:
        console.print(f"impasto: {words}", highlight=False, soft_wrap=True)

    upscaler = load_upscaler(model, engine=engine, tile=side, device=device, warn=warn)
    _say_choice(console, upscaler)
    if piped:
        _pipe(upscaler, inputs[0], out, scale, box, format_, quality, round(max_megapixels * 1e6))
        return
    existing = "skip" if skip_existing else "replace" if overwrite else "refuse"
    settings: dict[str, Any] = {"scale": scale, "fit": box, "quality": quality}
    settings["max_pixels"] = round(max_megapixels * 1e6)
    if ray is not None:
        team = cluster_work.Team(ray, ray_cores, device=device)
        watch = cluster_progress()
        where = model, upscaler.choice.name, side, planned, team
        outcomes = cluster_work.upscale_all(*where, existing=existing, watch=watch, **settings)
    else:
        outcomes = upscale_all(
            upscaler, planned, existing=existing, workers=jobs, watch=_progress(console), **settings
        )
    _report(console, outcomes, out)


def _say_choice(console: "Console", upscaler: "PictureUpscaler") -> None:
    choice = upscaler.choice
    console.print(
        f"{upscaler.name} (x{upscaler.network.scale}) on {choice.name}: {choice.reason}",
        highlight=False,
        soft_wrap=True,
    )


def _report(console: "Console", outcomes: "list[Outcome]", out: str) -> None:
    """What was done, and the list of what was not; exit code 2 if there is any."""
    made = [o for o in outcomes if o.size]
    skipped = sum(o.skipped for o in outcomes)
    failed = [o.error for o in outcomes if o.error]
    rest = f", {skipped} were there already" if skipped else ""
    console.print(f"{_some(len(made))} in {out}{rest}", highlight=False, soft_wrap=True)
    _report_notes(console, outcomes)
    if failed:
        console.print(f"{_some(len(failed))} could not be enlarged:", highlight=False)
        for line in failed[:_SHOWN]:
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
        if len(failed) > _SHOWN:
            console.print(f"  and {len(failed) - _SHOWN} more", highlight=False)
        raise typer.Exit(2)


def _report_notes(console: "Console", outcomes: "list[Outcome]") -> None:
    """What of the pictures did not stay as it was; the same words are said once, with the first file."""
    files: dict[str, list[Path]] = {}
    for outcome in outcomes:
        for words in outcome.notes:
            files.setdefault(words, []).append(outcome.job.source)
    for words, sources in files.items():
        more = f" (and of {len(sources) - 1:,} more)" if len(sources) > 1 else ""
        line = f"impasto: of '{sources[0]}'{more}: {words}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _pipe(
    upscaler: "PictureUpscaler",
    source: str,
    out: str,
    scale: float | None,
    fit: tuple[int, int] | None,
    format_: str | None,
    quality: int,
    max_pixels: int,
) -> None:
    """One picture from standard input, to standard output, or both."""
    import sys
    from tempfile import TemporaryDirectory

    from impasto.errors import ImageError, InputError

    given = sys.stdin.buffer.read() if source == "-" else Path(source)
    name = "stdin" if source == "-" else Path(source).stem
    kind = format_ or "png"
    with TemporaryDirectory() as folder:
        target = Path(folder) / f"picture.{kind}" if out == "-" else Path(out) / f"{name}.{kind}"
        try:
            upscaler.file(given, target, scale=scale, fit=fit, quality=quality, max_pixels=max_pixels)
        except ImageError as error:
            raise InputError(f"'{source}' {error.message}") from None
        if out == "-":
            sys.stdout.buffer.write(target.read_bytes())
            sys.stdout.buffer.flush()


def _progress(console: "Console") -> "Watcher":
    """A line that counts megapixels, renewed on a terminal and now and then elsewhere."""
    import time

    from impasto.inference.batch import Outcome, Tally

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
        console.print(words.ljust(70), end=end, highlight=False, soft_wrap=True)

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
