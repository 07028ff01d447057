"""From a folder of pictures to a finished run: the function behind `impasto train`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from impasto.config.overrides import parse_overrides
from impasto.tasks import task_of
from impasto.training import run
from impasto.training.logging.events import Sink


def train(
    directory: str | Path,
    out: str | Path,
    *,
    low: str | Path | None = None,
    preset: str | None = None,
    size: int | None = None,
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
    """Train a generator on a folder of pictures, or on shards of them, and leave everything in `out`.

    `low` is the folder of the low-resolution pictures where an upscaler is to learn from pairs. Without
    `preset` the number of pictures chooses one. Limits count over the whole life of a run,
    interruptions included; without one, training goes on until it has converged. `resume` goes on with the
    run in `out`, or starts it if nothing is there yet. Ctrl-C, SIGTERM and SIGHUP save and return, with
    `reason.condition == "interrupted"`. `track` names experiment trackers (`trackers.TRACKERS`) that are told
    what happens, too.

    Of several processes, which the command, torchrun or SLURM started, `devices` on each of `nodes` machines,
    each calls this with the same arguments, and `out` and `directory` are places that all of them see.

    Raises `InputError` (and its kinds) for a folder, a setting or a checkpoint that cannot be used, and
    `TrainingError` when losses or weights stop being finite numbers and no repair is left. A run that is in
    other trouble and out of repairs, or told to stop, returns with `reason.condition == "unhealthy"`.
    """
    settings = parse_overrides(overrides)
    if size is not None:
        settings["image.size"] = size
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
        low=None if low is None else Path(low),
        preset=preset,
        settings=settings,
        resume=resume,
        track=track,
        devices=devices,
        nodes=nodes,
        sinks=sinks,
        progress=progress,
    )
    return run.train(request, task_of)
