"""From a folder of pictures to a finished run: the function behind `impasto train`.

A run's folder:

    config.json          what was asked, resolved
    state.safetensors    everything that resuming needs
    best/  last/         model folders: the best snapshot by hold-out distance, and the newest
    healthy/             the states that a repair goes back to
    samples/             a grid from fixed noise for every snapshot, named by images seen
    history.webp         how it learned
    events.jsonl  tensorboard/
"""

import errno
import functools
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from impasto.adaptive_threads import AdaptiveThreads, count_is_fixed
from impasto.config.descriptors import GeneratorConfig, ProjectedConfig
from impasto.config.overrides import parse_overrides
from impasto.config.settings import Config, TrainConfig, load_config, override
from impasto.data.folder import Dataset
from impasto.errors import CheckpointError, ConfigError, DamagedError, InputError, TrainingError
from impasto.files import remove_leftovers, write_bytes_atomically
from impasto.tasks.build import not_trained
from impasto.tasks.upscaling.upscaler import Upscaler
from impasto.training import device as places
from impasto.training import memory
from impasto.training import state as states
from impasto.training.distributed import launch, ranks
from impasto.training.engine import Engine
from impasto.training.logging.events import Sink, Started, ThreadsChanged
from impasto.training.logging.sinks import JsonlSink, Sinks, TensorBoardSink
from impasto.training.logging.trackers import check_trackers, open_trackers
from impasto.training.setup import config_for, make_task, open_data, with_themes
from impasto.training.signals import stopping_on_signals
from impasto.training.state import STATE_FILE
from impasto.training.stopping import Reason, describe

# On resuming only these may be set anew: anything else would make it another run.
RESETTABLE = (
    "stop.",
    *(
        f"train.{name}"
        for name in (
            "checkpoint_every",
            "device",
            "on_trouble",
            "max_repairs",
            "parts",
            "recompute",
            "threads",
        )
    ),
)
ON_RESUMING = "the run goes on with another number; its last digits may differ from an uninterrupted run's"
LIMITS = ("stop.minutes", "stop.images", "stop.epochs", "stop.until_converged")


@dataclass(frozen=True)
class Run:
    """A run that has ended. `evaluations` has one entry per hold-out measurement, oldest first."""

    out: Path
    reason: Reason
    images_seen: int
    seconds: float
    evaluations: Sequence[Mapping[str, Any]]
    best: Mapping[str, Any] | None
    enlarges: bool  # whether what was trained is an upscaler


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
) -> Run:
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
    out = Path(out)
    check_trackers(track)
    set_anew = parse_overrides(overrides)
    if size is not None:
        set_anew["image.size"] = size
    limits = {
        "minutes": minutes,
        "images": images,
        "epochs": epochs,
        "until_converged": until_converged or None,
    }
    set_anew |= {f"stop.{name}": value for name, value in limits.items() if value is not None}

    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file, not a folder", "choose another --out")
    arrangement = launch.arrangement(devices, nodes)
    with ExitStack() as stack:
        stack.enter_context(_explaining_a_full_disk(out))
        if arrangement.processes == 1 or launch.is_first_process():
            # Before anything is looked at: what is seen here must still hold when it is written over.
            stack.enter_context(_alone_in(out))
        resuming = (out / STATE_FILE).is_file()
        if resuming and not resume:
            raise InputError(
                f"'{out}' already holds a run", "--resume goes on with it; or choose another --out"
            )
        if resuming:
            config, why = _resumed_config(out, preset, set_anew), "the run's own"
        elif preset is not None:
            config, why = load_config(preset, set_anew), "as asked"
        else:
            config, why = config_for(directory, set_anew, progress)
        if isinstance(config.model, ProjectedConfig):
            raise not_trained()
        if not any((config.stop.minutes, config.stop.images, config.stop.epochs)):
            config = config.model_copy(
                update={"stop": config.stop.model_copy(update={"until_converged": True})}
            )

        choice, fabric = places.meet(config.train, arrangement)
        if ranks.broadcast(resuming) != resuming:
            raise InputError(f"not all processes see the same folder '{out}'", "choose another --out")
        pinned = config.train.model_copy(update={"precision": choice.precision})
        config = config.model_copy(update={"train": pinned})

        with ranks.first_rank_first():  # the others find the cache that it makes
            dataset = open_data(directory, None if low is None else Path(low), config, progress)
        if not resuming:
            config = with_themes(config, dataset)
        batches = dataset.batches(
            config.train.batch_size, config.train.seed, ranks.rank(), ranks.world_size()
        )
        state = states.create_state(config, batches, fabric)
        if config.train.begin_with and not resuming:
            states.begin_with(state, config.model, config.train.begin_with)
        if resuming:
            with _pointing_to_snapshots(out):
                states.restore(state, out / STATE_FILE, dataset.fingerprint, dataset.notes)
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        threads = _threads(config.train, choice.device, state)
        task = make_task(config, state, fabric, dataset, first=not resuming, threads=threads)
        config = memory.settled(config, dataset, fabric, task)
        states.save_memory(state, config.train)
        ranks.broadcast_tensors(t for _, m in state.modules() for t in (*m.parameters(), *m.buffers()))
        interrupted = stack.enter_context(stopping_on_signals())
        if not ranks.is_first_rank():
            engine = Engine(config, state, fabric, task, out, _about(dataset), (), interrupted)
            return _ended(engine, engine.fit())
        remove_leftovers(out)
        write_bytes_atomically(out / "config.json", config.model_dump_json(indent=2).encode())
        tell = Sinks(sinks)
        stack.callback(tell.close)
        tell.add(JsonlSink(out / "events.jsonl", state.images_seen, len(state.repairs)))
        tell.add(TensorBoardSink(out / "tensorboard", state.images_seen))
        for tracker in open_trackers(track, out, config.model_dump(mode="json"), tell):
            tell.add(tracker)
        started = Started(
            state.images_seen,
            task="generation" if isinstance(config.model, GeneratorConfig) else "upscaling",
            preset=config.preset,
            preset_reason=why,
            device=choice.device,
            precision=choice.precision,
            reason=choice.reason,
            threads=threads.count,
            train_pictures=len(dataset.train_indices),
            holdout_pictures=len(dataset.holdout_indices),
            generator_parameters=_deployed_parameters(state.average),
            discriminator_parameters=sum(p.numel() for p in state.discriminator.parameters()),
            resumed=resuming,
            stops_when=describe(config.stop),
            memory=memory.describe(config.train),
            notes=dataset.notes,
        )
        tell(started)
        if state.threads not in (None, threads.count):
            tell(ThreadsChanged(state.images_seen, state.threads, threads.count, ON_RESUMING))
        state.threads = threads.count
        engine = Engine(config, state, fabric, task, out, _about(dataset), (tell,), interrupted, threads)
        return _ended(engine, engine.fit())


def _threads(cfg: TrainConfig, device: str, state: states.TrainingState) -> AdaptiveThreads:
    """So many threads as the config says; without a word, on a CPU, as many as pay at the moment."""
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    adapt = not cfg.threads and not count_is_fixed() and device == "cpu" and ranks.world_size() == 1
    threads = AdaptiveThreads(torch.get_num_threads(), start=state.threads if adapt else None, adapt=adapt)
    threads.begin()
    torch.set_num_threads(threads.count)
    return threads


def _ended(engine: Engine, reason: Reason) -> Run:
    state = engine.state
    enlarges = not isinstance(engine.config.model, GeneratorConfig)
    return Run(engine.out, reason, state.images_seen, state.seconds, state.evaluations, state.best, enlarges)


def _deployed_parameters(generator: nn.Module) -> int:
    """What will be kept: some upscalers train in more weights than they are in the end."""
    network = generator.deployed() if isinstance(generator, Upscaler) else generator
    return sum(p.numel() for p in network.parameters())


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Hold the run's folder; the system lets go of it when the process ends, however it ends.

    A folder that was made for this, and in which nothing was begun, is gone afterwards.
    """
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    path = out / ".lock"
    if path.is_symlink():  # whoever made it wants another file opened for writing
        raise InputError(f"'{path}' is a link", "remove it, or choose another --out")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another process is training in '{out}'", "wait for it, or choose another --out"
        ) from None
    try:
        yield
    finally:
        if new and all(entry == path for entry in out.iterdir()):
            with suppress(OSError):
                path.unlink()
        lock.release()
        if new:
            with suppress(OSError):  # it holds a run
                out.rmdir()


@contextmanager
def _explaining_a_full_disk(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            raise
        whole = (out / STATE_FILE).is_file()
        hint = "then the same command with --resume goes on from the last checkpoint, which is whole"
        raise TrainingError(
            f"'{error.filename or out}' cannot be written: {error.strerror}",
            f"free some space; {hint if whole else 'then begin again'}",
        ) from error


@contextmanager
def _pointing_to_snapshots(out: Path) -> Iterator[None]:
    """Say which older state can take the place of a damaged one."""
    try:
        yield
    except DamagedError as error:
        snapshots = sorted((out / "healthy").glob("*.safetensors"), key=lambda p: p.stat().st_mtime)
        whole = next((path for path in reversed(snapshots) if _is_whole(path)), None)
        hint = "no older state is whole: start a new run with another --out"
        if whole is not None:
            command = f"cp {shlex.quote(str(whole))} {shlex.quote(str(out / STATE_FILE))}"
            hint = f"an older state is whole: {command}, then --resume"
        raise CheckpointError(error.message, hint) from None


def _is_whole(path: Path) -> bool:
    try:
        states.saved_config(path)
    except CheckpointError:
        return False
    return True


def _resumed_config(out: Path, preset: str | None, set_anew: Mapping[str, Any]) -> Config:
    """The run's own settings, with what may change set anew. To repeat a setting is no change."""
    with _pointing_to_snapshots(out):
        saved = states.saved_config(out / STATE_FILE)
    if preset is not None and preset != saved.preset:
        raise ConfigError(f"this run has preset '{saved.preset}', not '{preset}'", "start a new run for that")
    if any(key in set_anew for key in LIMITS):  # a new limit replaces the old ones, all of them
        saved = override(saved, dict.fromkeys(LIMITS[:3]) | {LIMITS[3]: False})
    config = override(saved, set_anew)
    for key in set_anew:
        before, after = (functools.reduce(getattr, key.split("."), tree) for tree in (saved, config))
        if before != after and not key.startswith(RESETTABLE):
            raise ConfigError(
                f"a run keeps its settings: '{key}' cannot change on resuming", "start a new run"
            )
    return config


def _about(dataset: Dataset) -> dict[str, Any]:
    return {
        "train_pictures": len(dataset.train_indices),
        "holdout_pictures": len(dataset.holdout_indices),
        "fingerprint": dataset.fingerprint,
        "themes": list(dataset.themes),
        "statistics": dict(dataset.statistics),
    }
