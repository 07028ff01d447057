"""What happens in a run, as plain records. Whoever wants to know is a function that takes one.

Losses and accuracies are means since the record before; counts are images seen since the run began.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened when the discriminator had seen `images_seen` real pictures."""

    images_seen: int
    unix_time: float = field(default_factory=time.time, kw_only=True)


@dataclass(frozen=True)
class Started(Event):
    """Training begins, or goes on."""

    task: str  # its name, as `Config.task` has it
    preset: str
    preset_reason: str  # why this one
    device: str
    precision: str
    reason: str  # why this device and precision
    threads: int
    train_pictures: int
    holdout_pictures: int
    generator_parameters: int
    discriminator_parameters: int
    resumed: bool
    stops_when: str
    memory: str = ""  # what is done because memory is short, if anything
    notes: tuple[str, ...] = ()  # what was left out of the folder, and what of its themes may surprise


@dataclass(frozen=True)
class Part(Event):
    """One of several trainings that a model takes starts, or goes on: large pictures take two."""

    number: int  # from 1
    of: int
    words: str


@dataclass(frozen=True)
class Progress(Event):
    """How the game stands."""

    discriminator_loss: float
    generator_loss: float
    real_accuracy: float
    fake_accuracy: float
    r1: float
    r2: float
    gradient_penalty: float
    reconstruction: float
    real_logit: float
    fake_logit: float
    spread: float  # of the generated pictures, over that of the real ones
    images_per_second: float
    eta_seconds: float | None  # None when the end depends on how the training goes


@dataclass(frozen=True)
class Snapshot(Event):
    """A grid of pictures from fixed noise was written."""

    path: str


@dataclass(frozen=True)
class Evaluated(Event):
    """The hold-out distance was measured on pictures of the averaged generator."""

    distance: float  # KID-lite0 to the hold-out
    frechet_distance: float  # FD-lite0 to the hold-out
    samples: int
    holdout_pictures: int
    best: bool
    diversity: float  # this and those below: health/signs.py
    twins: float
    coverage: float | None
    overfitting: float | None
    source_auc: float | None = None
    sourced: float | None = None
    sourced_chance: float = 0.0
    train_pull: float | None = None
    shape_variety: float | None = None
    colour_variety: float | None = None
    theme_variety: float | None = None
    colour_distance: float | None = None


@dataclass(frozen=True)
class Compared(Event):
    """Enlarged held-out pictures were compared with the sharp ones; see upscaling.Comparison."""

    distance: float
    psnr: float
    ssim: float
    consistency: float
    feature_distance: float
    bicubic_psnr: float
    bicubic_feature_distance: float
    against_bicubic: float
    pictures: int
    best: bool


@dataclass(frozen=True)
class Measured(Event):
    """What was made was measured, by a task that has no event of its own. `name` is the distance's."""

    name: str
    distance: float
    words: str  # all figures, to be read
    figures: dict[str, float]
    best: bool


@dataclass(frozen=True)
class Verdict(Event):
    """Something is wrong that was not before, or worse than before; see health.Verdict."""

    kind: str
    severity: str
    evidence: str
    advice: str


@dataclass(frozen=True)
class Recovered(Event):
    """What a verdict said no longer holds."""

    kind: str


@dataclass(frozen=True)
class Repaired(Event):
    """The run went back to a healthy snapshot with one thing changed. `images_seen` is where it is now."""

    kind: str  # of the verdict
    rolled_back_from: int
    rolled_back_to: int
    changed: str  # "learning rates", "penalties" or "augmentation"
    before: float  # the multiplier of the config's value; for augmentation, what is added to it
    after: float
    number: int  # 1 for the first repair of a run


@dataclass(frozen=True)
class Checkpointed(Event):
    """The training state is on disk: from here nothing more can be lost."""

    path: str


@dataclass(frozen=True)
class ThreadsChanged(Event):
    """Another number of threads computes. From here on the last digits of all numbers may differ."""

    before: int
    after: int
    reason: str

    @property
    def words(self) -> str:
        """The same as a sentence."""
        threads = "1 thread" if self.after == 1 else f"{self.after} threads"
        return f"{threads} instead of {self.before}: {self.reason}"


@dataclass(frozen=True)
class TrackerFailed(Event):
    """An experiment tracker did not take something; the training goes on. Said once for each tracker."""

    tracker: str
    words: str


@dataclass(frozen=True)
class SinkFailed(Event):
    """One of those who are told did not take something; the training goes on. Said once for each."""

    sink: str
    words: str


@dataclass(frozen=True)
class Stopped(Event):
    """Training ended. `condition` is one of `stopping.Reason`, "interrupted", "unhealthy" or "diverged"."""

    condition: str
    words: str
    seconds: float


Sink = Callable[[Event], None]


def to_record(event: Event) -> dict[str, Any]:
    """A JSON-able record: the event's name and its fields."""
    return {"event": type(event).__name__.lower(), **event.__dict__}
