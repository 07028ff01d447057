"""The adversarial game, as far as all tasks share it: one update of D, and what a step tells."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from lightning_fabric import Fabric
from torch import Tensor

from impasto.config.shared import LossConfig
from impasto.nn.discriminator import Discriminator
from impasto.nn.losses.adversarial import discriminator_loss, leaves_zero_undetermined
from impasto.nn.losses.penalties import Penalties, differentiates, penalties
from impasto.training.distributed import ranks
from impasto.training.state import TrainingState


@dataclass(frozen=True)
class StepStats:
    """Means over one step, as 0-dimensional tensors: reading them is what would make a GPU wait."""

    discriminator_loss: Tensor
    generator_loss: Tensor
    real_accuracy: Tensor  # the share of real pictures that D holds for real
    fake_accuracy: Tensor  # the share of generated pictures that D holds for generated
    r1: Tensor
    r2: Tensor
    gradient_penalty: Tensor
    real_logit: Tensor
    fake_logit: Tensor
    spread: Tensor  # how far the generated pictures of the batch lie apart, over how far the real ones do
    # How differently both sides are distributed; 0 where the step does not look.
    reconstruction: Tensor = field(default_factory=lambda: torch.zeros(()))


def mean_of_all(stats: StepStats) -> StepStats:
    """The means over all processes that train together: what each says of its part of the batch."""
    if ranks.world_size() == 1:
        return stats
    names = tuple(stats.__dict__)
    device = stats.generator_loss.device
    values = torch.stack([getattr(stats, name).to(device, torch.float32) for name in names])
    ranks.average([values])
    return StepStats(**dict(zip(names, values, strict=True)))


def means(seen: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """By name, the means of what the parts of a batch say; not each has every name."""
    names = dict.fromkeys(name for part in seen for name in part)
    return {name: torch.stack([part[name] for part in seen if name in part]).mean() for name in names}


def update_discriminator(
    fabric: Fabric, state: TrainingState, real: Tensor, fake: Tensor, loss: LossConfig
) -> dict[str, Tensor]:
    """Make one update of D on real and generated pictures.

    Args:
        fabric: Runs the backward pass.
        state: State of the run. D's weights, its centre and its optimizer change.
        real: Real pictures (B, C, H, W) in [-1, 1], without a gradient history.
        fake: Generated pictures (B, C, H, W), without a gradient history.
        loss: The adversarial loss and the weights of the penalties.

    Returns:
        What `StepStats` says of D, by name, but for the spread.
    """
    state.discriminator_optimizer.zero_grad()
    seen = backward_discriminator(fabric, state, real, fake, loss)
    ranks.average_gradients(state.discriminator.parameters())
    state.discriminator_optimizer.step()
    return seen


def backward_discriminator(
    fabric: Fabric, state: TrainingState, real: Tensor, fake: Tensor, loss: LossConfig, parts: int = 1
) -> dict[str, Tensor]:
    """Add D's gradients from one part of a batch to those that it has.

    Args:
        fabric: Runs the backward pass.
        state: State of the run. D's gradients and its centre change, its weights do not.
        real: Real pictures (b, C, H, W) of the part, without a gradient history.
        fake: Generated pictures (b, C, H, W) of the part, without a gradient history.
        loss: The adversarial loss and the weights of the penalties.
        parts: Number of parts in the batch. The loss is divided by it.

    Returns:
        What `StepStats` says of D, by name, but for the spread.
    """
    D = state.discriminator
    real.requires_grad_(differentiates(loss, loss.r1_weight))
    fake.requires_grad_(differentiates(loss, loss.r2_weight))
    real_logits, fake_logits = D(real), D(fake)
    penalty = penalties(D, real, fake, real_logits, fake_logits, loss, state.rng)
    real_logits, fake_logits = ranks.gather(real_logits, fake_logits)
    d_loss = discriminator_loss(loss.adversarial, real_logits, fake_logits).mean()
    fabric.backward((d_loss + penalty.weighted(loss)) / parts)
    return observe(D, loss, real_logits, fake_logits, d_loss, penalty)


def observe(
    D: Discriminator,
    loss: LossConfig,
    real_logits: Tensor,
    fake_logits: Tensor,
    d_loss: Tensor,
    penalty: Penalties,
) -> dict[str, Tensor]:
    """What `StepStats` says of D's update, by name. D's centre follows the logits.

    Args:
        D: The discriminator.
        loss: The loss that D was updated by. It decides whether the centre moves.
        real_logits: Logits (B,) or (B, N) of the real pictures.
        fake_logits: Logits of the generated pictures, of the same shape.
        d_loss: Mean adversarial loss of D, without penalties, 0-dimensional.
        penalty: The gradient penalties of the same pictures, not yet weighted.
    """
    middle = find_middle(D, real_logits.detach(), fake_logits.detach(), loss)
    return {
        "discriminator_loss": d_loss.detach(),
        "real_accuracy": (real_logits > middle).float().mean(),
        "fake_accuracy": (fake_logits < middle).float().mean(),
        "r1": penalty.r1.detach(),
        "r2": penalty.r2.detach(),
        "gradient_penalty": penalty.interpolates.detach(),
        "real_logit": real_logits.detach().mean(),
        "fake_logit": fake_logits.detach().mean(),
    }


def find_middle(D: Discriminator, real_logits: Tensor, fake_logits: Tensor, loss: LossConfig) -> Tensor:
    """The logit between real and generated pictures, 0-dimensional.

    Where the loss leaves zero undetermined, D's centre moves towards the middle of the logits.

    Args:
        D: The discriminator. Its centre may change.
        real_logits: Logits (B,) or (B, N) of the real pictures, without a history.
        fake_logits: Logits of the generated pictures, of the same shape, without a history.
        loss: Says which adversarial loss is used.

    Returns:
        The middle of these logits, or D's centre where the loss determines zero.
    """
    if not leaves_zero_undetermined(loss.adversarial):
        return D.centre
    middle = (real_logits.mean() + fake_logits.mean()) / 2
    D.centre.lerp_(middle, 0.1)
    return middle


def spread_of(fake: Tensor, real: Tensor) -> Tensor:
    """How far the generated pictures of a batch lie apart, over how far the real ones do.

    Real pictures count as a tenth of the range [-1, 1] apart at least: beside pictures that are all one, any
    generator's would be infinitely far apart, and health would call that divergence.
    """
    return (_deviation(fake.detach()) / _deviation(real).clamp_min(0.2)).detach()


def _deviation(images: Tensor) -> Tensor:
    """The mean over all values of their deviation over the batch: std(0) is slow where channels are last."""
    centred = images - images.mean(0)
    return (centred.square().sum(0) / (len(images) - 1)).sqrt().mean()
