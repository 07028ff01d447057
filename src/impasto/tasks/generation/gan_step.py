"""One round of the game: k updates of the discriminator, one of the generator. Read it top to bottom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from impasto.config.settings import AugmentConfig, LossConfig
from impasto.nn.augment import augment
from impasto.nn.losses.adversarial import (
    discriminator_loss,
    generator_compares,
    generator_loss,
    leaves_zero_undetermined,
)
from impasto.nn.losses.penalties import Penalties, differentiates, penalties
from impasto.tasks.generation.discriminator import Discriminator
from impasto.tasks.generation.generator import Generator
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
    reconstruction: Tensor  # how differently both sides are distributed; 0 where the step does not look
    real_logit: Tensor
    fake_logit: Tensor
    spread: Tensor  # how far the generated pictures of the batch lie apart, over how far the real ones do


def mean_of_all(stats: StepStats) -> StepStats:
    """The means over all processes that train together: what each says of its part of the batch."""
    if ranks.world_size() == 1:
        return stats
    names = tuple(stats.__dict__)
    values = torch.stack([getattr(stats, name).float() for name in names])
    ranks.average([values])
    return StepStats(**dict(zip(names, values, strict=True)))


def means(seen: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """By name, the means of what the parts of a batch say; not each has every name."""
    names = dict.fromkeys(name for part in seen for name in part)
    return {name: torch.stack([part[name] for part in seen if name in part]).mean() for name in names}


def discriminator_step(
    fabric: Fabric, state: TrainingState, parts: Sequence[Tensor], loss: LossConfig, changes: AugmentConfig
) -> dict[str, Tensor]:
    """D learns to tell real pictures, parts (b, C, H, W) of a batch, from generated ones. Algorithm 1, lines
    3-6. Returns what `StepStats` says of D.
    """
    G, D = cast(Generator, state.generator), state.discriminator
    state.discriminator_optimizer.zero_grad()
    seen = []
    for real in parts:
        z = G.sample_latents(len(real), state.rng).to(real)
        with torch.no_grad():
            fake = G(z)
        spread = spread_of(fake, real)  # before augmentation adds its own
        sides = augment(real, changes, state.rng), augment(fake, changes, state.rng)
        seen.append(judge(fabric, state, *sides, loss, len(parts)) | {"spread": spread})
    ranks.average_gradients(D.parameters())
    state.discriminator_optimizer.step()
    return means(seen)


def update_discriminator(
    fabric: Fabric, state: TrainingState, real: Tensor, fake: Tensor, loss: LossConfig
) -> dict[str, Tensor]:
    """One update of D on real and generated pictures (B, C, H, W), neither with a history.

    Returns what `StepStats` says of D, but for the spread.
    """
    state.discriminator_optimizer.zero_grad()
    seen = judge(fabric, state, real, fake, loss)
    ranks.average_gradients(state.discriminator.parameters())
    state.discriminator_optimizer.step()
    return seen


def judge(
    fabric: Fabric, state: TrainingState, real: Tensor, fake: Tensor, loss: LossConfig, parts: int = 1
) -> dict[str, Tensor]:
    """D's gradients by one of so many parts of a batch, added to those it has."""
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
    """What `StepStats` says of D's update, by name; its centre follows the logits."""
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


def find_middle(D: Discriminator, real_logits: Tensor, fake_logits: Tensor, loss: LossConfig) -> Tensor:
    """The logit between real and generated pictures; D's centre follows it where the loss fixes none."""
    if not leaves_zero_undetermined(loss.adversarial):
        return D.centre
    middle = (real_logits.mean() + fake_logits.mean()) / 2
    D.centre.lerp_(middle, 0.1)
    return middle


def generator_step(
    fabric: Fabric, state: TrainingState, parts: Sequence[Tensor], loss: LossConfig, changes: AugmentConfig
) -> Tensor:
    """G learns to make pictures that D holds for real. Algorithm 1, lines 8-9. Returns the loss."""
    G, D = cast(Generator, state.generator), state.discriminator
    D.requires_grad_(False)  # its weights get no gradient here: a third of the backward pass saved
    state.generator_optimizer.zero_grad()
    losses = []
    for real in parts:
        z = G.sample_latents(len(real), state.rng).to(real)
        fake_logits = D(augment(G(z), changes, state.rng))
        real_logits = fake_logits.detach()  # not looked at by a loss that does not compare
        if generator_compares(loss.adversarial):
            with torch.no_grad():
                real_logits = D(augment(real, changes, state.rng))
        real_logits, fake_logits = ranks.gather(real_logits, fake_logits)
        g_loss = generator_loss(loss.adversarial, real_logits, fake_logits).mean()
        fabric.backward(g_loss / len(parts))
        losses.append(g_loss.detach())
    ranks.average_gradients(G.parameters())
    state.generator_optimizer.step()
    D.requires_grad_(True)
    return torch.stack(losses).mean()


def gan_step(
    fabric: Fabric,
    state: TrainingState,
    next_batch: Callable[[], Tensor],
    loss: LossConfig,
    changes: AugmentConfig,
    discriminator_steps: int = 1,
    parts: int = 1,
) -> StepStats:
    """Algorithm 1 of Goodfellow et al. 2014: D learns `discriminator_steps` times, then G learns once.

    Each batch is computed in `parts`, one after the other, which needs less memory; means are over a part.
    """
    for _ in range(discriminator_steps):
        batch = torch.chunk(next_batch(), parts)
        seen = discriminator_step(fabric, state, batch, loss, changes)
    g_loss = generator_step(fabric, state, batch, loss, changes)
    nothing = torch.zeros_like(g_loss)
    return StepStats(generator_loss=g_loss, reconstruction=nothing, **seen)
