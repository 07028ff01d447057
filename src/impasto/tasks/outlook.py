"""What a training would take of this machine's memory: the function behind `impasto doctor --for`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from impasto.config.overrides import parse_overrides
from impasto.config.reading import load_config, override
from impasto.config.shared import Config
from impasto.config.size import Size, drawn, parse_size, size_settings
from impasto.errors import InputError
from impasto.tasks import task_of
from impasto.training import device as places
from impasto.training import memory, run
from impasto.training import state as states
from impasto.training.distributed import launch
from impasto.training.doctor import Finding


def examine_training(
    directory: str | Path,
    *,
    preset: str | None = None,
    size: Size | None = None,
    overrides: Sequence[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Finding]:
    """What memory `train` would take with the same arguments, as lines of a report.

    Args:
        directory: Folder of pictures, folder of shards, or the name of a set that a library knows.
        preset: Name of a preset. None: the number of pictures chooses one.
        size: As `train` has it.
        overrides: Settings, as `["train.batch_size=32"]`.
        progress: Is told how far the pictures have been read. None: nobody is told.

    Raises:
        InputError: `train` would raise it too, or the task is one that fits anywhere.
    """
    config, found = look_ahead(directory, preset=preset, size=size, overrides=overrides, progress=progress)
    train = config.train.model_copy(update={"recompute": found.recompute, "parts": found.parts})
    advice = memory.describe(train)
    if not found.fits:
        advice = f"too little: a smaller --size, or train.batch_size below {found.batch}"
    what = f"preset {config.preset} at {config.image.words} px, batches of {found.batch}"
    takes = f"{found.bytes / 1e9:.2g} GB of {found.room / 1e9:.3g} GB that are free"
    plain, thrifty = (need.per_picture / 1e6 for need in (found.plain, found.thrifty))
    return [
        Finding("for training", what),
        Finding("a step takes", takes, advice, good=found.fits),
        Finding("for each picture", f"{plain:.3g} MB; with train.recompute {thrifty:.3g} MB"),
    ]


def look_ahead(
    directory: str | Path,
    *,
    preset: str | None = None,
    size: Size | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Config, memory.Outlook]:
    """The config that `train` would use with the same arguments, and what memory it would take.

    A few steps with few pictures are made to find out.

    Args:
        directory: Folder of pictures, folder of shards, or the name of a set that a library knows.
        preset: Name of a preset. None: the number of pictures chooses one.
        size: As `train` has it.
        overrides: Settings, as `{"train.batch_size": 32}` or `["train.batch_size=32"]`.
        progress: Is told how far the pictures have been read. None: nobody is told.

    Raises:
        InputError: `train` would raise it too, or the task is one that fits anywhere.
    """
    set_anew = parse_overrides(overrides)
    if size is not None:
        # Of large ones the game is what counts: an enlarger sees small windows.
        set_anew |= size_settings(drawn(parse_size(size), preset))
    if preset is None:
        config, _ = run.config_for(directory, set_anew, progress)
    else:
        config = load_config(preset, set_anew)
    task = task_of(config)
    if not task.tries_memory:
        raise InputError("this task learns from small batches: it fits anywhere", "leave --for out")
    choice, fabric = places.meet(config.train, launch.Arrangement())
    config = override(config, {"train.precision": choice.precision})
    dataset, config = task.open_data(directory, None, config, progress)
    batches = dataset.batches(config.train.batch_size, config.train.seed)
    state = states.create_state(task.build, config, batches, fabric)
    learner = task.start(config, state, fabric, dataset, first=True)
    return config, memory.look_ahead(config, dataset, fabric, task, learner)
