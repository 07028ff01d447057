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

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from lightning_fabric import Fabric
from torch import nn

from impasto.config import Config, RestorationConfig, load_config, override, parse_config
from impasto.data.folder import Dataset
from impasto.data.inspect import choose_preset
from impasto.data.opening import open_pictures, pictures_in
from impasto.data.pairs import open_pairs
from impasto.descriptors import GeneratorConfig, ProjectedConfig
from impasto.errors import ConfigError, InputError
from impasto.files import remove_leftovers, write_bytes_atomically
from impasto.images import to_tensor
from impasto.models.frozen import FrozenMaps
from impasto.models.pyramid import Pyramid
from impasto.models.upscaler import Upscaler
from impasto.models.vgg import Vgg19
from impasto.overrides import parse_overrides
from impasto.training import device as places
from impasto.training import launch, memory, ranks
from impasto.training import state as states
from impasto.training.engine import Engine, stopping_on_signals
from impasto.training.evaluation import MOST_TRAINING, Judge
from impasto.training.events import Event, Sink, Started
from impasto.training.generation import Generation
from impasto.training.projected_step import networks
from impasto.training.reference import Reference, make_reference, remember
from impasto.training.sinks import JsonlSink, TensorBoardSink
from impasto.training.state import STATE_FILE
from impasto.training.stopping import Reason, describe
from impasto.training.task import Task
from impasto.training.trackers import check_trackers, open_trackers
from impasto.training.upscaling import COMPARED_PX, MOST_COMPARED, Upscaling, Yardstick

# More would make every measurement slower and hardly steadier.
MOST_HOLDOUT = 1_000
OF_EACH_THEME = 16  # exemplars, as far as it has so many pictures
SURVEYED = 32  # real pictures at a time, before the first step

# On resuming only these may be set anew: anything else would make it another run.
RESETTABLE = (
    "stop.",
    *(
        f"train.{name}"
        for name in ("checkpoint_every", "device", "on_trouble", "max_repairs", "parts", "recompute")
    ),
)
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
    run in `out`, or starts it if nothing is there yet. Ctrl-C and SIGTERM save and return, with
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

    resuming = (out / STATE_FILE).is_file()
    if resuming and not resume:
        raise InputError(f"'{out}' already holds a run", "--resume goes on with it; or choose another --out")
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file, not a folder", "choose another --out")
    if resuming:
        config, why = _resumed_config(out, preset, set_anew), "the run's own"
    elif preset is not None:
        config, why = load_config(preset, set_anew), "as asked"
    else:
        config, why = _config_for(directory, set_anew, progress)
    if not any((config.stop.minutes, config.stop.images, config.stop.epochs)):
        config = config.model_copy(update={"stop": config.stop.model_copy(update={"until_converged": True})})

    choice, fabric = places.meet(config.train, launch.arrangement(devices, nodes))
    pinned = config.train.model_copy(update={"precision": choice.precision})
    config = config.model_copy(update={"train": pinned})

    with ranks.first_alone():  # the others find the cache that it makes
        dataset = _open(directory, None if low is None else Path(low), config, progress)
    if not resuming:
        config = _with_themes(config, dataset)
    batches = dataset.batches(config.train.batch_size, config.train.seed, ranks.rank(), ranks.world())
    state = states.create_state(config, batches, fabric)
    if config.train.begin_with and not resuming:
        states.begin_with(state, config.model, config.train.begin_with)
    with ExitStack() as stack:
        if ranks.is_first():
            stack.enter_context(_alone_in(out))
        if resuming:
            states.restore(state, out / STATE_FILE, dataset.fingerprint)
        task = _task(config, state, fabric, dataset, first=not resuming)
        config = memory.settled(config, dataset, fabric, task)
        states.save_memory(state, config.train)
        ranks.share(t for _, m in state.modules() for t in (*m.parameters(), *m.buffers()))
        interrupted = stack.enter_context(stopping_on_signals())
        if not ranks.is_first():
            engine = Engine(config, state, fabric, task, out, _about(dataset), (), interrupted)
            return _ended(engine, engine.fit())
        remove_leftovers(out)
        write_bytes_atomically(out / "config.json", config.model_dump_json(indent=2).encode())
        jsonl = JsonlSink(out / "events.jsonl", state.images_seen, len(state.repairs))
        stack.callback(jsonl.close)
        tensorboard = TensorBoardSink(out / "tensorboard", state.images_seen)
        stack.callback(tensorboard.close)
        every_sink: list[Sink] = [*sinks, jsonl, tensorboard]

        def tell(event: Event) -> None:
            for sink in every_sink:
                sink(event)

        for tracker in open_trackers(track, out, config.model_dump(mode="json"), tell):
            stack.callback(tracker.close)
            every_sink.append(tracker)
        started = Started(
            state.images_seen,
            task="generation" if isinstance(config.model, GeneratorConfig) else "upscaling",
            preset=config.preset,
            preset_reason=why,
            device=choice.device,
            precision=choice.precision,
            reason=choice.reason,
            threads=torch.get_num_threads(),
            train_pictures=len(dataset.train_indices),
            holdout_pictures=len(dataset.holdout_indices),
            generator_parameters=_deployed_parameters(state.average),
            discriminator_parameters=sum(p.numel() for p in state.discriminator.parameters()),
            resumed=resuming,
            stops_when=describe(config.stop),
            memory=memory.describe(config.train),
        )
        tell(started)
        engine = Engine(config, state, fabric, task, out, _about(dataset), every_sink, interrupted)
        return _ended(engine, engine.fit())


def look_ahead(
    directory: str | Path,
    *,
    preset: str | None = None,
    size: int | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Config, memory.Outlook]:
    """How much memory `train` would take with the same arguments, by a few steps with few pictures."""
    set_anew = parse_overrides(overrides) | ({} if size is None else {"image.size": size})
    if preset is None:
        config, _ = _config_for(directory, set_anew, progress)
    else:
        config = load_config(preset, set_anew)
    if not isinstance(config.model, GeneratorConfig):
        raise InputError("an upscaler learns from small windows: it fits anywhere", "leave --for out")
    choice, fabric = places.meet(config.train, launch.Arrangement())
    config = override(config, {"train.precision": choice.precision})
    dataset = _open(directory, None, config, progress)
    batches = dataset.batches(config.train.batch_size, config.train.seed)
    state = states.create_state(config, batches, fabric)
    task = _task(config, state, fabric, dataset, first=True)
    return config, memory.look_ahead(config, dataset, fabric, task)


def _ended(engine: Engine, reason: Reason) -> Run:
    state = engine.state
    enlarges = not isinstance(engine.config.model, GeneratorConfig)
    return Run(engine.out, reason, state.images_seen, state.seconds, state.evaluations, state.best, enlarges)


def _deployed_parameters(generator: nn.Module) -> int:
    """What will be kept: some upscalers train in more weights than they are in the end."""
    network = generator.deployed() if isinstance(generator, Upscaler) else generator
    return sum(p.numel() for p in network.parameters())


def _open(
    directory: str | Path, low: Path | None, config: Config, progress: Callable[[str, int, int], None] | None
) -> Dataset:
    """The pictures, or pairs of pictures, of a run."""
    seed = config.train.seed
    if low is None:
        return open_pictures(directory, config.data, config.image, seed=seed, progress=progress)
    if isinstance(config.model, GeneratorConfig):
        raise InputError("pairs are for upscalers", "--preset upscale-x4 or another of them")
    return open_pairs(
        Path(directory), low, config.data, config.image, config.model.scale, seed=seed, progress=progress
    )


def _with_themes(config: Config, dataset: Dataset) -> Config:
    """With the names of the pictures' themes, where the generator can be asked for them."""
    names = dataset.themes
    if not isinstance(config.model, ProjectedConfig) or not config.model.exemplars or len(names) < 2:
        return config
    return config.model_copy(update={"model": config.model.model_copy(update={"themes": names})})


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Hold the run's folder; the system lets go of it when the process ends, however it ends."""
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another process is training in '{out}'", "wait for it, or choose another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _config_for(
    directory: str | Path, set_anew: Mapping[str, Any], progress: Callable[[str, int, int], None] | None
) -> tuple[Config, str]:
    """The config of the preset that suits a folder, and why it does."""
    config = load_config(overrides=set_anew)
    seed = config.train.seed
    count = pictures_in(directory, config.data, config.image, seed=seed, progress=progress)
    choice = choose_preset(count)
    return load_config(choice.preset, set_anew), choice.reason


def _resumed_config(out: Path, preset: str | None, set_anew: Mapping[str, Any]) -> Config:
    """The run's own settings, with what may change set anew. To repeat a setting is no change."""
    saved = parse_config(states.saved_config(out / STATE_FILE))
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


def _task(
    config: Config, state: states.TrainingState, fabric: Fabric, dataset: Dataset, *, first: bool
) -> Task:
    """What the engine is to run; before the `first` step of a run it may give the networks their start."""
    if isinstance(config.model, GeneratorConfig):
        judge = Judge(
            dataset.holdout_pixels(MOST_HOLDOUT),
            dataset.train_pixels(MOST_TRAINING, config.train.seed),
            config.train.evaluate_samples,
            fabric.device,
        )
        reference = _reference(config, state, fabric, dataset, first=first)
        return Generation(fabric, judge, len(dataset.train_indices), reference)
    holdout = dataset.holdout_windows(MOST_COMPARED, COMPARED_PX)
    yardstick = Yardstick(holdout, config.model.scale, config.restoration, fabric.device)
    return Upscaling(fabric, yardstick, _feature_network(config.restoration, fabric))


def _feature_network(cfg: RestorationConfig, fabric: Fabric) -> FrozenMaps | None:
    """The network of the feature loss, where that has any weight."""
    if not cfg.features:
        return None
    network = Vgg19() if cfg.feature_network == "vgg19" else Pyramid(None)
    return network.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _reference(
    config: Config, state: states.TrainingState, fabric: Fabric, dataset: Dataset, *, first: bool
) -> Reference | None:
    """Survey the real pictures where the generator's lessons need it; remember them where there is room."""
    if not isinstance(config.model, ProjectedConfig):
        return None
    count = config.matching.bank_pictures
    places = dataset.some_to_train_on(
        count // 2 if dataset.mirror else count, config.train.seed, OF_EACH_THEME
    )
    pixels, themes = dataset.pixels.take(places), torch.from_numpy(dataset.themes_of(places))
    if dataset.mirror:  # then mirrored pictures are real ones too
        pixels, themes = np.concatenate((pixels, pixels[:, :, ::-1])), themes.repeat(2, 1)
    generator, discriminator = networks(state)
    device = next(discriminator.parameters()).device
    parts = (pixels[start : start + SURVEYED] for start in range(0, len(pixels), SURVEYED))
    batches = (to_tensor(part, device) for part in parts)
    reference = make_reference(generator, discriminator, batches, config.model, first=first, themes=themes)
    if first:
        state.average.load_state_dict(state.generator.state_dict())
    if config.data.fit == "random-crop":  # a picture has as many maps as places
        return reference
    with fabric.autocast():
        memory = remember(
            discriminator.pyramid,
            reference.encoder,
            dataset.pixels.take,
            dataset.train_indices,
            mirror=dataset.mirror,
        )
    return replace(reference, memory=memory)


def _about(dataset: Dataset) -> dict[str, Any]:
    return {
        "train_pictures": len(dataset.train_indices),
        "holdout_pictures": len(dataset.holdout_indices),
        "fingerprint": dataset.fingerprint,
        "themes": list(dataset.themes),
        "statistics": dict(dataset.statistics),
    }
