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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning_fabric import Fabric

from impasto.adaptive_threads import AdaptiveThreads, count_is_fixed
from impasto.config.reading import TREES, load_config, override
from impasto.config.shared import Config, TrainConfig
from impasto.data.inspect import choose_preset
from impasto.data.opening import pictures_in
from impasto.errors import CheckpointError, ConfigError, DamagedError, InputError, TrainingError
from impasto.files import remove_leftovers, write_bytes_atomically
from impasto.training import device as places
from impasto.training import memory
from impasto.training import state as states
from impasto.training.begin import begin_with
from impasto.training.distributed import launch, ranks
from impasto.training.engine import Engine
from impasto.training.logging.events import Sink, Started, ThreadsChanged
from impasto.training.logging.sinks import JsonlSink, Sinks, TensorBoardSink
from impasto.training.logging.trackers import check_trackers, open_trackers
from impasto.training.signals import stopping_on_signals
from impasto.training.state import STATE_FILE, TrainingState
from impasto.training.stopping import Reason, describe
from impasto.training.task import Data, Learner, Progress, Task

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
    task: str  # its name, as `Config.task` has it
    reason: Reason
    images_seen: int
    seconds: float
    evaluations: Sequence[Mapping[str, Any]]
    best: Mapping[str, Any] | None


@dataclass(frozen=True)
class Request:
    """What is asked of a training; see `tasks.train.train`. `settings` are dotted, limits among them."""

    directory: str | Path
    out: Path
    pairs: str | Path | None = None  # see `Task.open_data`
    preset: str | None = None  # without it, `suited` or the number of pictures chooses one
    suited: str | None = None  # the preset for a new run where none is named
    config: Config | None = None  # in place of a preset
    settings: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False
    track: Sequence[str] = ()
    devices: int | None = None
    nodes: int | None = None
    sinks: Sequence[Sink] = ()
    progress: Progress | None = None
    trees: Mapping[str, type[Config]] = field(default_factory=lambda: TREES)  # configs, by task


def train(request: Request, task_of: Callable[[Config], Task]) -> Run:
    """Run a training to its end; `task_of` gives the task that a config is of."""
    out = request.out
    check_trackers(request.track)
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file, not a folder", "choose another --out")
    arrangement = launch.arrangement(request.devices, request.nodes)
    with ExitStack() as stack:
        stack.enter_context(_explaining_a_full_disk(out))
        if arrangement.processes == 1 or launch.is_first_process():
            # Before anything is looked at: what is seen here must still hold when it is written over.
            stack.enter_context(_alone_in(out))
        resuming = (out / STATE_FILE).is_file()
        if resuming and not request.resume:
            raise InputError(
                f"'{out}' already holds a run", "--resume goes on with it; or choose another --out"
            )
        config, why = _asked_for(request, resuming)
        task = task_of(config)
        choice, fabric = places.meet(config.train, arrangement)
        if ranks.broadcast(resuming) != resuming:
            raise InputError(f"not all processes see the same folder '{out}'", "choose another --out")
        pinned = config.train.model_copy(update={"precision": choice.precision})
        config = config.model_copy(update={"train": pinned})
        with ranks.first_rank_first():  # the others find the cache that it makes
            data, config = task.open_data(request.directory, request.pairs, config, request.progress)
        state = _state(task, config, data, fabric, out if resuming else None)
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        threads = _threads(config.train, choice.device, state)
        learner = task.start(config, state, fabric, data, first=not resuming, threads=threads)
        config = memory.settle(config, data, fabric, task, learner)
        states.save_memory(state.generator, config.train)
        ranks.broadcast_tensors(t for _, m in state.modules() for t in (*m.parameters(), *m.buffers()))
        interrupted = stack.enter_context(stopping_on_signals())
        tell = Sinks()  # of several processes one has listeners
        if ranks.is_first_rank():
            tell = _listeners(request, config, state, stack)
            tell(_started(task, config, state, learner, data, choice, threads.count, why, resuming))
            if state.threads not in (None, threads.count):
                tell(ThreadsChanged(state.images_seen, state.threads, threads.count, ON_RESUMING))
            state.threads = threads.count
        engine = Engine(config, state, fabric, learner, out, data.about(), tell, interrupted, threads)
        reason = engine.fit()
    return Run(out, task.name, reason, state.images_seen, state.seconds, state.evaluations, state.best)


def _asked_for(request: Request, resuming: bool) -> tuple[Config, str]:
    """The config of a run, and why it has its preset. Without a limit it ends when it has converged."""
    if resuming:
        config, why = _resumed_config(request), "the run's own"
    elif request.config is not None:
        config, why = override(request.config, request.settings), "as asked"
    elif request.preset is not None:
        config, why = load_config(request.preset, request.settings), "as asked"
    elif request.suited is not None:
        config, why = load_config(request.suited, request.settings), "it learns from such pairs"
    else:
        config, why = config_for(request.directory, request.settings, request.progress)
    stop = config.stop
    if not any((stop.minutes, stop.images, stop.epochs)):
        stop = stop.model_copy(update={"until_converged": True})
    return config.model_copy(update={"stop": stop}), why


def config_for(
    directory: str | Path, settings: Mapping[str, Any], progress: Progress | None
) -> tuple[Config, str]:
    """The config of the preset that suits a folder, and why it does."""
    config = load_config(overrides=settings)
    seed = config.train.seed
    count = pictures_in(directory, config.data, config.image, seed=seed, progress=progress)
    choice = choose_preset(count)
    return load_config(choice.preset, settings), choice.reason


def _state(task: Task, config: Config, data: Data, fabric: Fabric, resumed: Path | None) -> TrainingState:
    """The state of a new run, or the one that the run in `resumed` was left in."""
    batches = data.batches(config.train.batch_size, config.train.seed, ranks.rank(), ranks.world_size())
    state = states.create_state(task.build, config, batches, fabric)
    if resumed is not None:
        with _pointing_to_snapshots(resumed):
            states.restore(state, resumed / STATE_FILE, data.fingerprint, data.notes)
    elif config.train.begin_with:
        begin_with(state, task, config, config.train.begin_with)
    return state


def _listeners(request: Request, config: Config, state: TrainingState, stack: ExitStack) -> Sinks:
    """Who is told what happens; the folder has the run's config from here on."""
    out = request.out
    remove_leftovers(out)
    write_bytes_atomically(out / "config.json", config.model_dump_json(indent=2).encode())
    tell = Sinks(request.sinks)
    stack.callback(tell.close)
    tell.add(JsonlSink(out / "events.jsonl", state.images_seen, len(state.repairs)))
    tell.add(TensorBoardSink(out / "tensorboard", state.images_seen))
    for tracker in open_trackers(request.track, out, config.model_dump(mode="json"), tell):
        tell.add(tracker)
    return tell


def _started(
    task: Task,
    config: Config,
    state: TrainingState,
    learner: Learner,
    data: Data,
    choice: places.Choice,
    threads: int,
    why: str,
    resuming: bool,
) -> Started:
    return Started(
        state.images_seen,
        task=task.name,
        preset=config.preset,
        preset_reason=why,
        device=choice.device,
        precision=choice.precision,
        reason=choice.reason,
        threads=threads,
        train_pictures=len(data.train_indices),
        holdout_pictures=len(data.holdout_indices),
        generator_parameters=sum(p.numel() for p in learner.kept(state).parameters()),
        discriminator_parameters=sum(p.numel() for p in state.discriminator.parameters()),
        resumed=resuming,
        stops_when=describe(config.stop),
        memory=memory.describe(config.train),
        notes=data.notes,
    )


def _threads(cfg: TrainConfig, device: str, state: states.TrainingState) -> AdaptiveThreads:
    """So many threads as the config says; without a word, on a CPU, as many as pay at the moment."""
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    adapt = not cfg.threads and not count_is_fixed() and device == "cpu" and ranks.world_size() == 1
    threads = AdaptiveThreads(torch.get_num_threads(), start=state.threads if adapt else None, adapt=adapt)
    threads.begin()
    torch.set_num_threads(threads.count)
    return threads


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


def _resumed_config(request: Request) -> Config:
    """The run's own settings, with what may change set anew. To repeat a setting is no change."""
    out, preset, set_anew = request.out, request.preset, request.settings
    with _pointing_to_snapshots(out):
        saved = states.saved_config(out / STATE_FILE, request.trees)
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
