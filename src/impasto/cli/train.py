"""`impasto train`."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from impasto.training.run import Run


def train(
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="Pictures: a folder, shards, hf:NAME or torchvision:NAME.")
    ],
    out: Annotated[Path, typer.Option(metavar="RUN", help="Where everything goes.")],
    low: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The same pictures made small, to learn from pairs (upscalers)."),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="The pictures of the layouts in the first folder, to translate; or side-by-side, where each "
            "file holds both.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=#RRGGBB,...", help="Of layouts, or a JSON file of them.  [default: found in them]"
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            help="default, few-shot, r3gan, dcgan, mlp; upscale-x4, upscale-x2, photo-x4, drawing-x4, srgan "
            "for upscalers; translate, pix2pix for pairs; or a TOML file.  [default: by the pictures]",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="PX",
            help="Side in px, or WIDTHxHEIGHT as 384x256. Sides up to 128 are drawn; up to 1024, in steps of "
            "32, drawn at a quarter and enlarged: 256 to 512 on a CPU, more takes hours. Of pairs a square."
            "  [default: the preset's]",
        ),
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long.")] = None,
    images: Annotated[int | None, typer.Option(help="Stop after the networks have seen this many.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Stop after this many passes over the folder.")] = None,
    until_converged: Annotated[
        bool,
        typer.Option("--until-converged", help="Stop when it gets no better. The default without a limit."),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. train.batch_size=32."),
    ] = None,
    dedupe: Annotated[bool, typer.Option("--dedupe", help="Leave out exact and near duplicates.")] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:0 or mps.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    checkpoint_every: Annotated[float | None, typer.Option(help="Seconds between checkpoints.")] = None,
    on_trouble: Annotated[
        str | None,
        typer.Option(help="warn, heal or stop, when training goes wrong.  [default: heal]"),
    ] = None,
    begin_with: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Begin with the generator of a run or a model."),
    ] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACKER", help="mlflow or wandb: tell it what happens; can be repeated."),
    ] = None,
    devices: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that train together, one for each GPU.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(metavar="N", help="Machines; torchrun or SLURM starts the processes.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN.")] = False,
) -> None:
    """Train a generator, or an upscaler, on a folder of pictures; or a translator on pairs.

    Limits count over the whole life of a run. Ctrl-C saves and stops; --resume goes on exactly there.
    """
    from impasto.cli import screen
    from impasto.training.distributed import launch

    screen.refuse_undecodable(out)  # TensorBoard's files cannot be written there
    if not launch.arrangement(devices, nodes).started:
        raise typer.Exit(launch.start(sys.argv[1:], devices or 1))

    from impasto.cli.progress import reading_pictures
    from impasto.config.overrides import parse_overrides
    from impasto.data.layouts import parse_labels
    from impasto.tasks.train import train as run_training
    from impasto.training.logging.sinks import LastingStream, TerminalSink

    asked = {
        "stop.minutes": minutes,
        "stop.images": images,
        "stop.epochs": epochs,
        "stop.until_converged": until_converged or None,
        "data.dedupe": dedupe or None,
        "train.device": device,
        "train.precision": precision,
        "train.checkpoint_every_seconds": checkpoint_every,
        "train.begin_with": begin_with,
        "train.on_trouble": on_trouble,
    }
    settings = parse_overrides(set_ or []) | {key: value for key, value in asked.items() if value is not None}
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # processes that meet
    stream = cast(TextIO, LastingStream(sys.stdout)) if sys.stdout else None
    console = screen.console(file=stream, quiet=not launch.is_first_process())
    with TerminalSink(console) as terminal:
        arguments: dict[str, Any] = {
            "low": low,
            "preset": preset,
            "size": size,
            "overrides": settings,
            "resume": resume,
            "track": track or (),
            "devices": devices,
            "nodes": nodes,
            "sinks": [terminal],
            "progress": reading_pictures(console),
        }
        named = None if labels is None else parse_labels(labels)
        run = run_training(directory, out, pairs=pairs, labels=named, **arguments)
    _tell_end(console, run)


def _tell_end(console: "Console", run: "Run") -> None:
    """How the run ended and what comes next; exit code 130 after a signal, 1 in trouble."""
    from impasto.cli import screen
    from impasto.tasks import task_called

    if run.reason.condition == "interrupted":
        raise typer.Exit(130)
    for line in _how_it_ended(run):
        console.print(line, soft_wrap=True)
    if run.reason.condition == "unhealthy":
        raise typer.Exit(1)
    console.print(f"Pictures of its progress: {run.out / 'samples'}", soft_wrap=True)
    # not "--out pictures": that is what many call the folder that they have just trained on
    console.print(f"Next: {screen.typed(*task_called(run.task).follows(run.out))}", soft_wrap=True)


def _how_it_ended(run: "Run") -> list[str]:
    """The best model where it is not the newest one, and the health where that is not good, in words."""
    from impasto.cli import screen
    from impasto.training.health.report import check_up

    lines = []
    if run.best is not None and run.best["images_seen"] < run.images_seen:
        lines.append(
            f"The best model is that of {run.best['images_seen']:,} images, in {run.out / 'best'}; "
            f"{run.out / 'last'} has the newest, of {run.images_seen:,}."
        )
    found = check_up(run.out)
    if found.state in ("notice", "trouble"):
        health = screen.typed("impasto", "health", run.out)
        lines.append(f"Health: {found.words}. What was seen, and what to do: {health}")
    return lines
