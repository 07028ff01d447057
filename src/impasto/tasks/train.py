"""From a folder of pictures to a finished run: the function behind `impasto train`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from impasto.config.overrides import parse_overrides
from impasto.config.size import Size, is_large, parse_size, size_settings
from impasto.errors import InputError
from impasto.tasks import task_of
from impasto.tasks.large import is_large_run, train_large
from impasto.training import run
from impasto.training.logging.events import Sink


def train(
    directory: str | Path,
    out: str | Path,
    *,
    low: str | Path | None = None,
    pairs: str | Path | None = None,
    labels: Mapping[str, str] | None = None,
    preset: str | None = None,
    size: Size | None = None,
    minutes: float | None = None,
    images: int | None = None,
    epochs: float | None = None,
    until_converged: bool = False,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    resume: bool = False,
    track: Sequence[str] = (),
    devices: int | None = None,
    nodes: int | None = None,
    sinks: Sequence[Sink] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> run.Run:
    """Train a generator, an upscaler or a translator on pictures, and leave everything in `out`.

    Limits count over the whole life of a run, interruptions included; without one, training goes on until it
    has converged. Ctrl-C, SIGTERM and SIGHUP save and return. Several processes of one run each call this
    with the same arguments; the command, torchrun or SLURM starts them.

    Args:
        directory: Folder of pictures, folder of shards, or the name of a set that a library knows. All
            processes see it.
        out: Folder of the run. All processes see it.
        low: Folder of the low-resolution pictures, where an upscaler learns from pairs. None: it has no
            pairs.
        pairs: Folder of the pictures that belong to the layouts in `directory`, or "side-by-side" where each
            file holds both. None: nothing is translated.
        labels: Names and colours of the labels of layouts, as `{"wall": "#0000aa"}`. None: they are found.
        preset: Name of a preset. None: "translate" with `pairs`, else the number of pictures chooses one.
        size: Side of the pictures in px, or (width, height), or text as "384x256". None: that of the preset.
            With a side above 128 px a generator learns at a quarter of the size, and then an enlarger
            (tasks/large.py), where the preset is default, few-shot or none. Of pairs it is a square's.
        minutes: Limit in minutes of training. None: no such limit.
        images: Limit in images seen. None: no such limit.
        epochs: Limit in passes over the pictures. None: no such limit.
        until_converged: Whether to end when evaluations bring nothing better, or at equilibrium.
        overrides: Settings, as `{"train.batch_size": 32}` or `["train.batch_size=32"]`.
        resume: Whether to go on with the run in `out`; it is started if nothing is there yet.
        track: Names of experiment trackers (`trackers.TRACKERS`) that are told what happens, too.
        devices: Processes on each machine. None: as the environment says, else one.
        nodes: Machines. None: as the environment says, else one.
        sinks: Are told of every event.
        progress: Is told how far the pictures have been read: what is done, how much of it, of how much.
            None: nobody is told.

    Returns:
        The run as it ended. `reason.condition` is "interrupted" after a signal, and "unhealthy" where the run
        is in trouble and no repair is left, or `train.on_trouble` says to stop.

    Raises:
        InputError: A folder, a setting or a checkpoint cannot be used; also its kinds.
        TrainingError: Losses or weights stop being finite numbers and no repair is left, or the disk is full.
    """
    if low is not None and pairs is not None:
        raise InputError("low and pairs exclude each other", "pairs are for layouts and their pictures")
    shape = None if size is None else parse_size(size)
    large = is_large_run(Path(out)) and resume if shape is None else pairs is None and is_large(shape, preset)
    settings = parse_overrides(overrides)
    if labels is not None:
        settings["layout.labels"] = [{"name": name, "colour": labels[name].lower()} for name in labels]
    if shape is not None and not large:
        settings |= size_settings(shape)
    limits = {
        "minutes": minutes,
        "images": images,
        "epochs": epochs,
        "until_converged": until_converged or None,
    }
    settings |= {f"stop.{name}": value for name, value in limits.items() if value is not None}
    request = run.Request(
        directory=directory,
        out=Path(out),
        pairs=low if pairs is None else pairs,
        suited=None if pairs is None else "translate",
        preset=preset,
        settings=settings,
        resume=resume,
        track=track,
        devices=devices,
        nodes=nodes,
        sinks=sinks,
        progress=progress,
    )
    return train_large(request, shape).whole if large else run.train(request, task_of)
