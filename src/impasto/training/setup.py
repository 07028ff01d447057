"""What a run is made of: its config, its pictures, and the task that the engine runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from impasto.adaptive_threads import AdaptiveThreads
from impasto.config.descriptors import GeneratorConfig, ModulatedConfig
from impasto.config.overrides import parse_overrides
from impasto.config.settings import Config, RestorationConfig, load_config, override
from impasto.data.folder import Dataset
from impasto.data.inspect import choose_preset
from impasto.data.opening import open_pictures, pictures_in
from impasto.data.pairs import open_pairs
from impasto.errors import InputError
from impasto.image.codec import to_tensor
from impasto.nn.features import thumbnails
from impasto.nn.frozen import FrozenMaps
from impasto.nn.pyramid import Pyramid
from impasto.nn.vgg import Vgg19
from impasto.tasks.generation.generator import KEPT_THEMES
from impasto.tasks.generation.judge import MOST_SOURCES, MOST_TRAINING, Judge
from impasto.tasks.generation.modulated_step import players
from impasto.tasks.generation.task import Generation
from impasto.tasks.upscaling.task import COMPARED_PX, MOST_COMPARED, Upscaling, Yardstick
from impasto.training import device as places
from impasto.training import memory
from impasto.training import state as states
from impasto.training.distributed import launch
from impasto.training.task import Task

# More would make every measurement slower and hardly steadier.
MOST_HOLDOUT = 1_000
OF_EACH_THEME = 16  # pictures, as far as it has so many
CALIBRATED = 256  # real pictures, by which the scales of D are set
WHITENED = 1_024  # real pictures, by whose leading directions the rows that are compared are whitened
SURVEYED = 32  # real pictures at a time, before the first step


def config_for(
    directory: str | Path, set_anew: Mapping[str, Any], progress: Callable[[str, int, int], None] | None
) -> tuple[Config, str]:
    """The config of the preset that suits a folder, and why it does."""
    config = load_config(overrides=set_anew)
    seed = config.train.seed
    count = pictures_in(directory, config.data, config.image, seed=seed, progress=progress)
    choice = choose_preset(count)
    return load_config(choice.preset, set_anew), choice.reason


def open_data(
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


def with_themes(config: Config, dataset: Dataset) -> Config:
    """With the names of the pictures' themes, where the generator can be asked for them."""
    names, model = dataset.themes, config.model
    if not isinstance(model, ModulatedConfig) or len(names) < 2:
        return config
    return config.model_copy(update={"model": config.model.model_copy(update={"themes": names})})


def make_task(
    config: Config,
    state: states.TrainingState,
    fabric: Fabric,
    dataset: Dataset,
    *,
    first: bool,
    threads: AdaptiveThreads | None = None,
) -> Task:
    """What the engine is to run; before the `first` step of a run it may give the networks their start.

    `threads` also compute what the evaluations need beside the averaged network.
    """
    if isinstance(config.model, GeneratorConfig):
        judge = Judge(
            dataset.holdout_pixels(MOST_HOLDOUT),
            dataset.train_pixels(MOST_TRAINING, config.train.seed),
            _sources(dataset, config.train.seed),
            config.train.evaluate_samples,
            fabric.device,
            _themes_of_holdout(dataset),
            threads,
        )
        if isinstance(config.model, ModulatedConfig):
            _prepare(config, state, dataset, first=first)
        return Generation(fabric, judge, dataset.themes_of)
    holdout = dataset.holdout_windows(MOST_COMPARED, COMPARED_PX)
    yardstick = Yardstick(holdout, config.model.scale, config.restoration, fabric.device)
    return Upscaling(fabric, yardstick, _feature_network(config.restoration, fabric))


def _prepare(config: Config, state: states.TrainingState, dataset: Dataset, *, first: bool) -> None:
    """Scale what D sees, and tell G which themes there are, by some of the pictures; before the first step.

    Both are part of the state from then on.
    """
    if not first:
        return
    generator, discriminator = players(state)
    device = next(discriminator.parameters()).device

    def seen(count: int) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
        places = dataset.some_to_train_on(count, config.train.seed, OF_EACH_THEME)
        for start in range(0, len(places), SURVEYED):
            images = to_tensor(dataset.pixels.take(places[start : start + SURVEYED]), device)
            yield images, discriminator.pyramid(images)

    with torch.no_grad():
        maps = [maps for _, maps in seen(CALIBRATED)]
        discriminator.calibrate([torch.cat(same) for same in zip(*maps, strict=True)])
        rows = discriminator.compared
        rows.fit(rows.plain(images, maps) for images, maps in seen(WHITENED))
    if generator.kinds:
        some = dataset.some_to_train_on(KEPT_THEMES, config.train.seed)
        generator.learn_themes(torch.from_numpy(dataset.themes_of(some)))
    state.average.load_state_dict(state.generator.state_dict())


def _sources(dataset: Dataset, seed: int) -> torch.Tensor:
    """Thumbnails of the pictures that samples may be drawn after: (M, d), M at most `MOST_SOURCES`.

    Where training shows pictures mirrored, too, their mirror images are among them.
    """
    places = dataset.some_to_train_on(MOST_SOURCES // (2 if dataset.mirror else 1), seed)
    parts = (places[start : start + SURVEYED] for start in range(0, len(places), SURVEYED))
    pictures = (to_tensor(dataset.pixels.take(part)) for part in parts)
    both = (torch.cat((x, x.flip(3))) if dataset.mirror else x for x in pictures)
    return torch.cat([thumbnails(x) for x in both])


def _themes_of_holdout(dataset: Dataset) -> tuple[tuple[str, ...], torch.Tensor] | None:
    """Names of the themes and those of each picture of `holdout_pixels(MOST_HOLDOUT)`; None for too few."""
    if len(dataset.themes) < 2:
        return None
    return dataset.themes, torch.from_numpy(dataset.themes_of(dataset.some_held_out(MOST_HOLDOUT)))


def _feature_network(cfg: RestorationConfig, fabric: Fabric) -> FrozenMaps | None:
    """The network of the feature loss, where that has any weight."""
    if not cfg.features:
        return None
    network = Vgg19() if cfg.feature_network == "vgg19" else Pyramid(None)
    return network.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


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
        config, _ = config_for(directory, set_anew, progress)
    else:
        config = load_config(preset, set_anew)
    if not isinstance(config.model, GeneratorConfig):
        raise InputError("an upscaler learns from small windows: it fits anywhere", "leave --for out")
    choice, fabric = places.meet(config.train, launch.Arrangement())
    config = override(config, {"train.precision": choice.precision})
    dataset = open_data(directory, None, config, progress)
    batches = dataset.batches(config.train.batch_size, config.train.seed)
    state = states.create_state(config, batches, fabric)
    task = make_task(config, state, fabric, dataset, first=True)
    return config, memory.look_ahead(config, dataset, fabric, task)
