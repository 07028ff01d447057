"""What is done about trouble: back to the last healthy snapshot, with one thing changed.

A repair is a record in the training state: what was wrong, from which image to which the run went back, and
what changed from what to what. The changes are multipliers on top of the config, which itself never changes.
Snapshots lie in `healthy/` of the run's folder, each named by the number of repairs before it and by its
images; which of them count is said by the state alone, so a killed run agrees with itself.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from impasto.config.shared import AugmentConfig, Config, LossConfig
from impasto.training import state as states
from impasto.training.health.diagnosis import Kind, Verdict
from impasto.training.state import TrainingState

# Two: the newest, and the one before it for when the newest was ill already and nobody could tell.
KEPT = 2
# Half the learning rate and twice the penalty: the smallest changes that trials showed to matter. Three
# repairs of one kind then reach an eighth and eight times.
LESS, MORE = 0.5, 2.0
# Each change of pictures becomes that much more probable, but never certain: above 0.8 changes begin to show
# in what is generated (Karras et al. 2020, section 2.2).
MORE_OFTEN, MOST_OFTEN = 0.2, 0.8

What = Literal["learning rates", "penalties", "augmentation"]
# What cures what. Penalties hold D back where it is too sure; augmentation is for too few pictures.
CURE: Mapping[Kind, What] = {
    "divergence": "learning rates",
    "oscillation": "learning rates",
    "collapse": "penalties",
    "shape": "penalties",
    "colour": "penalties",
    "theme": "penalties",
    "worse": "learning rates",
    "coverage": "learning rates",
    "useless": "learning rates",
    "vanishing": "penalties",
    "overfitting": "augmentation",
    "redrawing": "augmentation",
}


@dataclass(frozen=True)
class Treatment:
    """What all repairs so far amount to."""

    learning_rates: float = 1.0  # times those of the config
    penalties: float = 1.0  # times those of the config
    augmentation: float = 0.0  # added to each probability

    @classmethod
    def of(cls, repairs: Sequence[Mapping[str, Any]]) -> "Treatment":
        """The last word of each kind of change."""
        return cls(**{_field(repair["changed"]): repair["after"] for repair in repairs})


def treated(config: Config, repairs: Sequence[Mapping[str, Any]]) -> Config:
    """The config that the run goes by after these repairs."""
    if not repairs:
        return config
    cure, optimizer, loss = Treatment.of(repairs), config.optimizer, config.loss
    rates = {
        "generator_lr": optimizer.generator_lr * cure.learning_rates,
        "discriminator_lr": optimizer.discriminator_lr * cure.learning_rates,
    }
    weights = {"r1_weight": loss.r1_weight * cure.penalties, "r2_weight": loss.r2_weight * cure.penalties}
    probabilities = {
        name: max(before, min(MOST_OFTEN, before + cure.augmentation))
        for name, before in config.augment.model_dump().items()
    }
    return config.model_copy(
        update={
            "optimizer": optimizer.model_copy(update=rates),
            "loss": loss.model_copy(update=weights),
            "augment": config.augment.model_copy(update=probabilities),
        }
    )


def prescribe(kind: Kind, config: Config, repairs: Sequence[Mapping[str, Any]]) -> tuple[What, float, float]:
    """The one thing to change for a verdict of this kind: what, from what, to what.

    Where there is nothing of it to change, no penalty or no room for more augmentation, the learning rates.
    """
    cure, what = Treatment.of(repairs), CURE[kind]
    if what == "penalties" and has_penalty(config.loss):
        return what, cure.penalties, cure.penalties * MORE
    if what == "augmentation" and has_room(treated(config, repairs).augment):
        return what, cure.augmentation, round(cure.augmentation + MORE_OFTEN, 6)
    return "learning rates", cure.learning_rates, cure.learning_rates * LESS


def has_penalty(loss: LossConfig) -> bool:
    """Whether there is a penalty to raise."""
    return loss.r1_weight > 0 or loss.r2_weight > 0


def has_room(augment: AugmentConfig) -> bool:
    """Whether any change of pictures could be more frequent."""
    return any(p < MOST_OFTEN for p in augment.model_dump().values())


def keep_snapshot(state: TrainingState, state_file: Path) -> None:
    """Make the state that was just saved to `state_file` the newest snapshot to roll back to.

    The state must have been saved after `enlist`. A second name for the same file costs no second write; a
    saved state is only ever replaced, never written into.
    """
    path = _snapshot(state_file, state.healthy[-1])
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        os.link(state_file, path)
    except OSError:  # a file system without second names
        shutil.copyfile(state_file, path)
    for other in path.parent.glob("*.safetensors"):
        if other.stem not in state.healthy:
            with suppress(OSError):
                other.unlink()


def enlist(state: TrainingState) -> None:
    """Say in the state that it is a healthy snapshot itself."""
    if _name(state) not in state.healthy:
        state.healthy = [*state.healthy, _name(state)][-KEPT:]


def mend(state: TrainingState, state_file: Path) -> None:
    """After resuming: finish a snapshot that a kill came in the midst of, forget what is no longer there."""
    if state.healthy and state.healthy[-1] == _name(state) and state_file.exists():
        keep_snapshot(state, state_file)
    state.healthy = [name for name in state.healthy if _snapshot(state_file, name).is_file()]


def roll_back(
    state: TrainingState, state_file: Path, fingerprint: str, verdict: Verdict, config: Config
) -> None:
    """Go back to the newest healthy snapshot, note the repair, and change the random numbers that follow.

    The clock runs on, or a run of ten minutes could last for ever; the best evaluation stays known, or a
    worse one would replace the best model. A snapshot that trouble follows at once is not used again while
    there is an older one.

    Args:
        state: State of the run. It is changed in place and must list a healthy snapshot.
        state_file: The run's state file. The snapshots lie in `healthy/` beside it.
        fingerprint: Fingerprint of the data that the run learns from.
        verdict: The trouble. Its kind decides what is changed.
        config: Config of the run, without repairs.

    Raises:
        CheckpointError: The snapshot is damaged or of other data.
    """
    what, before, after = prescribe(verdict.kind, config, state.repairs)
    images, seconds, repairs, best = state.images_seen, state.seconds, state.repairs, state.best
    healthy = state.healthy
    states.restore(state, _snapshot(state_file, healthy[-1]), fingerprint)
    state.seconds, state.record = seconds, best
    state.standing = {}  # whatever still holds is told anew
    state.healthy = healthy[:-1] or healthy
    repair = {
        "kind": verdict.kind,
        "rolled_back_from": images,
        "rolled_back_to": state.images_seen,
        "changed": what,
        "before": before,
        "after": after,
    }
    state.repairs = [*repairs, repair]
    seed = np.random.SeedSequence([config.train.seed, len(state.repairs)]).generate_state(1, np.uint64)[0]
    state.rng.manual_seed(int(seed))


def _name(state: TrainingState) -> str:
    return f"{len(state.repairs)}-{state.images_seen}"


def _snapshot(state_file: Path, name: str) -> Path:
    return state_file.parent / "healthy" / f"{name}.safetensors"


def _field(what: What) -> str:
    return what.replace(" ", "_")
