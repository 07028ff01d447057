"""The schedule of a run: how learning rates go, and when something that repeats is due."""

import math

from impasto.config.shared import OptimizerConfig
from impasto.training.state import TrainingState


def set_rates(state: TrainingState, cfg: OptimizerConfig, share: float) -> None:
    """Both optimizers learn at this share of the rates of `cfg` from now on."""
    for optimizer, lr in (
        (state.generator_optimizer, cfg.generator_lr),
        (state.discriminator_optimizer, cfg.discriminator_lr),
    ):
        for group in optimizer.param_groups:
            group["lr"] = lr * share


def rate_share(cfg: OptimizerConfig, images_seen: int, done: float | None) -> float:
    """What part of the learning rates holds: they rise, stay, and may fall, as `OptimizerConfig` says.

    `done` is how much of the run is over, in [0, 1]; None without a known end.
    """
    share = min(1.0, images_seen / cfg.warmup_images) if cfg.warmup_images else 1.0
    if cfg.decay_from_images:
        share *= min(1.0, cfg.decay_from_images / images_seen) ** 0.5
    if cfg.cooldown and done is not None:
        share *= min(1.0, (1 - done) / cfg.cooldown)
    return share


def due(before: int, after: int, every: int) -> bool:
    """Whether something that happens every `every` images falls into (before, after].

    After twenty times the intervals grow by a twentieth of what was seen: what is worth showing every
    minute on a laptop would otherwise be thousands of pictures a day on a GPU.
    """

    def times(seen: int) -> int:
        share = seen / (20 * every)
        return math.floor(20 * share if share <= 1 else 20 + 20 * math.log(share))

    return times(before) != times(after)
