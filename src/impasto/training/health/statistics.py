"""The running statistics that a run's health is judged by: pure functions, and one look at the networks.

Everything is counted in images seen, never in seconds, and `RunningStats` is part of the training state: a
resumed run comes to the same verdicts at the same images.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

# Half-life of the running means of what a step says of itself. Single batches of 16 scatter by a fifth; over
# 500 images their mean is good to a few per cent, and a collapse is still seen within a thousand.
HALFLIFE_IMAGES = 500
# How often the norms of weights and gradients are read: two passes over all weights, some 10 ms of 20 s.
LOOK_EVERY_IMAGES = 500
# Their usual level is a running geometric mean with a half-life of twenty looks, long against any failure
# seen in trials; what they were lately has one of two looks, since gradients of single batches scatter.
USUAL_KEEPS, LATELY_KEEPS = 0.5 ** (1 / 20), 0.5 ** (1 / 2)
# Nothing is measured against a fixed bound before this: every preset, however slow, has left its grey
# beginning by then (at 16 to 64 px the slowest healthy run had after 2,000).
GRACE_IMAGES = 4_000
# D is certain when it is right on 99 of 100 pictures of either kind and so far from the edge that its loss
# has nothing left to teach: 0.01 is a probability of 99.5 % on each side in cross-entropy.
CERTAIN_ACCURACY, CERTAIN_LOSS = 0.99, 0.01


@dataclass(frozen=True)
class Level:
    """A norm as it is, as it was lately, and as it usually was; all 0 before the first look."""

    now: float = 0.0
    lately: float = 0.0
    usual: float = 0.0

    def seen(self, value: float) -> "Level":
        """The level after one more look. `usual` does not know this one yet, so that a jump shows whole."""
        if not math.isfinite(value):
            return replace(self, now=value)
        if self.usual == 0:
            return Level(value, value, value)
        floor = 1e-6 * self.usual  # a gradient of nothing at all has no logarithm
        usual = self.usual**USUAL_KEEPS * max(self.now, floor) ** (1 - USUAL_KEEPS)
        lately = self.lately**LATELY_KEEPS * max(value, floor) ** (1 - LATELY_KEEPS)
        return Level(value, lately, usual)

    @property
    def rise(self) -> float:
        """How many times its usual self it is now; 1 where nothing is known yet."""
        return self.now / self.usual if self.usual else 1.0

    @property
    def rest(self) -> float:
        """The share of its usual self that it was lately; 1 where nothing is known yet."""
        return self.lately / self.usual if self.usual else 1.0


@dataclass(frozen=True)
class RunningStats:
    """What the steps so far say. Running means are None before the first step."""

    finite: bool = True  # losses, and at the last look weights and gradients
    spread: float | None = None  # of generated pictures in pixels, over that of the real ones
    most_spread: float = 0.0  # the highest running spread since the grace period: noise is varied too
    discriminator_loss: float | None = None
    real_accuracy: float | None = None
    fake_accuracy: float | None = None
    logit_gap: float | None = None  # D's mean logit on real pictures minus that on generated ones
    certain_since: int | None = None  # the image from which D has been certain of everything
    generator_weights: Level = Level()
    discriminator_weights: Level = Level()
    generator_gradient: Level = Level()
    discriminator_gradient: Level = Level()

    @classmethod
    def of(cls, values: dict[str, object]) -> "RunningStats":
        """From what `dataclasses.asdict` gave, JSON in between."""
        levels = {k: Level(**v) for k, v in values.items() if isinstance(v, dict)}
        return cls(**{**values, **levels})  # type: ignore[arg-type]


@dataclass(frozen=True)
class StepFigures:
    """One step in numbers."""

    discriminator_loss: float
    generator_loss: float
    real_accuracy: float
    fake_accuracy: float
    real_logit: float
    fake_logit: float
    spread: float


STEP_FIGURES = tuple(StepFigures.__dataclass_fields__)


def after_step(stats: RunningStats, figures: StepFigures, images: int, images_seen: int) -> RunningStats:
    """The statistics after one more step.

    Args:
        stats: Statistics before the step.
        figures: What the step says of itself. If any number is not finite, only `finite` changes.
        images: Pictures that the step has seen.
        images_seen: Pictures that the run has seen, those of this step included.
    """
    if not all(math.isfinite(value) for value in vars(figures).values()):
        return replace(stats, finite=False)
    keep = 0.5 ** (images / HALFLIFE_IMAGES)

    def mean(before: float | None, value: float) -> float:
        return value if before is None else keep * before + (1 - keep) * value

    spread = mean(stats.spread, figures.spread)
    loss = mean(stats.discriminator_loss, figures.discriminator_loss)
    real, fake = (
        mean(stats.real_accuracy, figures.real_accuracy),
        mean(stats.fake_accuracy, figures.fake_accuracy),
    )
    certain = min(real, fake) >= CERTAIN_ACCURACY and loss <= CERTAIN_LOSS
    since = stats.certain_since if stats.certain_since is not None else images_seen
    return replace(
        stats,
        spread=spread,
        most_spread=max(stats.most_spread, spread if images_seen >= GRACE_IMAGES else 0.0),
        discriminator_loss=loss,
        real_accuracy=real,
        fake_accuracy=fake,
        logit_gap=mean(stats.logit_gap, figures.real_logit - figures.fake_logit),
        certain_since=since if certain else None,
    )


def after_look(stats: RunningStats, generator: nn.Module, discriminator: nn.Module) -> RunningStats:
    """The stats after reading the norms of both networks' weights and of the gradients they last took."""
    norms = {
        "generator_weights": norm(p.detach() for p in generator.parameters()),
        "discriminator_weights": norm(p.detach() for p in discriminator.parameters() if p.requires_grad),
        "generator_gradient": norm(p.grad for p in generator.parameters() if p.grad is not None),
        "discriminator_gradient": norm(p.grad for p in discriminator.parameters() if p.grad is not None),
    }
    levels = {name: getattr(stats, name).seen(value) for name, value in norms.items()}
    finite = stats.finite and all(math.isfinite(value) for value in norms.values())
    return replace(stats, finite=finite, **levels)


def look_is_due(before: int, after: int) -> bool:
    """Whether a multiple of `LOOK_EVERY_IMAGES` lies in (before, after]; and at the very first step."""
    return before == 0 or before // LOOK_EVERY_IMAGES != after // LOOK_EVERY_IMAGES


def norm(tensors: Iterable[Tensor]) -> float:
    """The Euclidean norm of all of them together; NaN or infinite if any number in them is."""
    listed = list(tensors)  # empty for a network that has not learnt yet
    return float(torch.stack(torch._foreach_norm(listed)).norm()) if listed else 0.0
