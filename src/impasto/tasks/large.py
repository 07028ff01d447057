"""Large pictures: a generator of small ones and a network that enlarges them, both learnt from one folder.

The game is played where minutes suffice, at a quarter of the size. Then an enlarger learns from the same
pictures. It begins with the one that comes with the package, and learns what the folder's own detail looks
like. It is told no latent: it knows nothing of a picture but what the small one shows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from impasto.config.generation import GenerationConfig
from impasto.config.reading import load_config, override
from impasto.config.shared import Config
from impasto.config.size import DRAWN_PX, GAME_SHARE, SCALE, reduced, size_settings
from impasto.config.upscaling import CompactConfig, UpscalingConfig
from impasto.errors import CheckpointError, DataError
from impasto.tasks import load_model, task_of
from impasto.training import run
from impasto.training.checkpoints import LARGE, find_model, save_model
from impasto.training.distributed import launch
from impasto.training.logging.events import Event, Part, Started
from impasto.training.state import STATE_FILE, saved_config

ENLARGER = "enlarger"  # in the run's folder, the run of the enlarger
LEAST_MINUTES = 0.05  # of the enlarger, where the game took all
ENLARGER_IMAGES = 12_000  # windows, where no minutes are given
WINDOW_PX = 160  # of the enlarger's preset
PRESET = "photo-x4"


def is_large_run(out: Path) -> bool:
    """Whether the run in this folder is one of large pictures, in whichever part."""
    return (out / ENLARGER).is_dir()


@dataclass(frozen=True)
class LargeRun:
    """How both trainings ended. `enlarger` is None where the first did not get to its end."""

    generator: run.Run
    enlarger: run.Run | None

    @property
    def whole(self) -> run.Run:
        """The generator's run, ended as what ended last."""
        last = self.enlarger or self.generator
        return replace(self.generator, reason=last.reason)


def train_large(request: run.Request, shape: tuple[int, int] | None = None) -> LargeRun:
    """Train a generator of large pictures, and leave everything in `request.out`; its model is `large` there.

    Args:
        request: What is asked for. Its minutes are for both trainings; without any the other limits are the
            generator's, and the enlarger sees `ENLARGER_IMAGES` windows. Its other settings are the
            generator's, and the enlarger's as far as they are among `COMMON`.
        shape: Height and width of the pictures. None: as the run says that goes on.

    Raises:
        InputError: As `train` does.
        TrainingError: As `train` does.
    """
    settings, out = dict(request.settings), request.out
    common = {key: value for key, value in settings.items() if key in COMMON}
    if shape is not None:
        settings |= size_settings(reduced(shape))
        _check_pictures(request, common | _view_of_enlarger(shape))
    if isinstance(minutes := settings.get("stop.minutes"), int | float):
        settings["stop.minutes"] = minutes * GAME_SHARE
    words = f"new pictures at a quarter of the size, {GAME_SHARE:.0%} of the time"
    sinks = [_announcing(request, 1, words), *request.sinks]
    game = run.train(replace(request, settings=settings, sinks=sinks), task_of)
    if game.reason.condition in ("interrupted", "unhealthy"):
        return LargeRun(game, None)
    config = saved_config(out / STATE_FILE)
    height, width = config.image.shape
    view = _view_of_enlarger((SCALE * height, SCALE * width))
    of_enlarger = replace(
        request,
        out=out / ENLARGER,
        preset=PRESET,
        settings=common | {"train.begin_with": PRESET} | view | _limit_of_enlarger(config, game),
        resume=True,
        sinks=[_announcing(request, 2, _share_of_enlarger(config)), *request.sinks],
    )
    enlarger = run.train(of_enlarger, task_of)
    if launch.is_first_process() and _has_model(out / ENLARGER):  # of an interrupted one, too
        join(out)
    return LargeRun(game, enlarger)


COMMON = (
    "train.device", "train.precision", "train.seed", "train.threads", "train.checkpoint_every_seconds",
    "data.dedupe", "data.background", "data.holdout_share", "data.holdout_min_pictures",
)  # fmt: skip
"""Settings that are the enlarger's, too."""


def _check_pictures(request: run.Request, settings: Mapping[str, object]) -> None:
    """Open the enlarger's pictures, which it would refuse when the game is over. Raises `InputError`."""
    if not launch.is_first_process():
        return
    config = load_config(PRESET, settings)
    try:
        task_of(config).open_data(request.directory, None, config, request.progress)
    except DataError as error:
        if "too small" not in error.message:
            raise
        hint = f"larger pictures, or a --size of {DRAWN_PX} px or less, which needs no enlarger"
        raise DataError(error.message, hint) from None


def _view_of_enlarger(shape: tuple[int, int]) -> dict[str, object]:
    """Settings by which an enlarger sees pictures as large as those of this height and width show them."""
    height, width = shape
    settings: dict[str, object] = {"data.reduced_px": height}
    if width != height:
        settings["data.reduced_width"] = width
    if min(shape) < WINDOW_PX:
        settings["image.size"] = min(shape)
    return settings


def _share_of_enlarger(game: Config) -> str:
    """What the second part is, in words."""
    if game.stop.minutes is None:
        return f"their enlarger, {ENLARGER_IMAGES:,} windows"
    return f"their enlarger, {1 - GAME_SHARE:.0%} of the time"


def _limit_of_enlarger(game: Config, ended: run.Run) -> dict[str, object]:
    """When the enlarger that follows a game ends."""
    if game.stop.minutes is None:
        return {"stop.images": ENLARGER_IMAGES}
    left = round(game.stop.minutes / GAME_SHARE - ended.seconds / 60, 2)
    return {"stop.minutes": max(LEAST_MINUTES, left)}


def _announcing(request: run.Request, number: int, words: str) -> Callable[[Event], None]:
    """Who tells the request's listeners which part it is that starts."""

    def announce(event: Event) -> None:
        if isinstance(event, Started):
            (request.out / ENLARGER).mkdir(exist_ok=True)  # by this it is known for what it is
            for sink in request.sinks:
                sink(Part(event.images_seen, number, 2, words))

    return announce


def _has_model(out: Path) -> bool:
    return any((out / part).is_dir() for part in ("best", "last"))


def join(out: Path) -> None:
    """Write the model folder `out/large`: the best generator of the run with the best enlarger.

    Raises `CheckpointError` where one of them is missing or of another kind.
    """
    best = next((out / part for part in ("best", "last") if (out / part).is_dir()), out / "best")
    weights, info = load_model(best)
    added, of_enlarger = load_model(find_model(out / ENLARGER))
    config, theirs = info.config, of_enlarger.config
    if not isinstance(config, GenerationConfig) or not isinstance(theirs, UpscalingConfig):
        raise CheckpointError(f"'{out}' is not the run of a generator with its enlarger")
    if not isinstance(theirs.model, CompactConfig):
        raise CheckpointError(f"the enlarger in '{out}' is not of model.kind=compact")
    scale = theirs.model.scale
    enlarged = size_settings((config.image.shape[0] * scale, config.image.shape[1] * scale))
    large = override(config, {**enlarged, "enlarger": theirs.model.model_dump()})
    small = f"at {config.image.words} px"
    metrics = {f"{name}, {small}": value for name, value in info.metrics.items()}
    metrics |= {f"enlarger: {name}": value for name, value in of_enlarger.metrics.items()}
    weights |= {f"enlarger.{name}": tensor for name, tensor in added.items()}
    save_model(
        out / LARGE, weights, replace(info, config=large, metrics=metrics, licence=of_enlarger.licence)
    )
