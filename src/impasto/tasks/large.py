"""Large pictures: a generator of small ones and a network that enlarges them, both learnt from one folder.

The game is played where minutes suffice, at a quarter of the size. Then an enlarger learns from the same
pictures. It begins with the one that comes with the package, and learns what the folder's own detail looks
like. It is told no latent: it knows nothing of a picture but what the small one shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impasto.config.generation import GenerationConfig
from impasto.config.reading import override
from impasto.config.upscaling import CompactConfig, UpscalingConfig
from impasto.errors import CheckpointError
from impasto.tasks import load_model
from impasto.tasks.train import train
from impasto.training.checkpoints import LARGE, find_model, save_model
from impasto.training.run import Run

SCALE = 4
SIZES = (256, 512)
ENLARGER = "enlarger"  # in the run's folder, the run of the enlarger
GAME_SHARE = 0.7  # of the minutes
ENLARGER_IMAGES = 12_000  # windows, where no minutes are given
PRESET = "photo-x4"


def is_large(size: int | None, preset: str | None) -> bool:
    """Whether pictures of `size` px are made by enlarging smaller ones; textbooks draw all sizes alone."""
    return size in SIZES and preset in (None, "default", "few-shot")


@dataclass(frozen=True)
class LargeRun:
    """How both trainings ended. `enlarger` is None where the first did not get to its end."""

    generator: Run
    enlarger: Run | None

    @property
    def whole(self) -> Run:
        """The generator's run, ended as what ended last."""
        last = self.enlarger or self.generator
        return replace(self.generator, reason=last.reason)


def train_large(
    directory: str | Path,
    out: str | Path,
    *,
    size: int,
    minutes: float | None = None,
    overrides: Mapping[str, Any],
    resume: bool = False,
    **asked: Any,
) -> LargeRun:
    """Train a generator of pictures of `size` px, and leave everything in `out`; its model is `out/large`.

    Args:
        directory: Folder of pictures; those of less than 160 px are left out of the enlarger's.
        out: Folder of the run. The enlarger's run lies in it.
        size: Side of the pictures, one of `SIZES`.
        minutes: Limit for both. None: other limits hold for the generator, and the enlarger sees
            `ENLARGER_IMAGES` windows.
        overrides: Settings of the generator by dotted name, and of what both have in common.
        resume: Whether to go on with the run in `out`.
        **asked: Further arguments of `train`, for both.

    Raises:
        InputError: As `train` does.
        TrainingError: As `train` does.
    """
    out = Path(out)
    common = {key: value for key, value in overrides.items() if key in COMMON}
    game = train(
        directory,
        out,
        size=size // SCALE,
        minutes=None if minutes is None else minutes * GAME_SHARE,
        overrides=overrides,
        resume=resume,
        **asked,
    )
    if game.reason.condition in ("interrupted", "unhealthy"):
        return LargeRun(game, None)
    left = None if minutes is None else max(0.0, minutes - game.seconds / 60)
    enlarger = train(
        directory,
        out / ENLARGER,
        minutes=left,
        images=ENLARGER_IMAGES if minutes is None else None,
        overrides=common | {"train.begin_with": PRESET, "data.reduced_px": size},
        resume=True,
        **asked | {"preset": PRESET},
    )
    if enlarger.reason.condition != "interrupted":
        join(out)
    return LargeRun(game, enlarger)


COMMON = (
    "train.device", "train.precision", "train.seed", "train.threads", "train.checkpoint_every_seconds",
    "data.dedupe", "data.background", "data.holdout_share", "data.holdout_min_pictures",
)  # fmt: skip
"""Settings that are the enlarger's, too."""


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
    large = override(
        config,
        {"image.size": config.image.size * theirs.model.scale, "enlarger": theirs.model.model_dump()},
    )
    small = f"at {config.image.size} px"
    metrics = {f"{name}, {small}": value for name, value in info.metrics.items()}
    metrics |= {f"enlarger: {name}": value for name, value in of_enlarger.metrics.items()}
    weights |= {f"enlarger.{name}": tensor for name, tensor in added.items()}
    save_model(
        out / LARGE, weights, replace(info, config=large, metrics=metrics, licence=of_enlarger.licence)
    )
