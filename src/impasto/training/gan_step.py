"""One round of the game: k updates of the discriminator, one of the generator. Read it top to bottom."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from impasto.augment import augment
from impasto.config import AugmentConfig, LossConfig
from impasto.losses.adversarial import discriminator_loss, generator_loss
from impasto.losses.penalties import squared_gradient_norm
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
    real_logit: Tensor
    fake_logit: Tensor
    spread: Tensor  # how far the generated pictures of the batch lie apart, over how far the real ones do


def discriminator_step(
    fabric: Fabric, state: TrainingState, real: Tensor, loss: LossConfig, changes: AugmentConfig
) -> tuple[Tensor, ...]:
    """D learns to tell real pictures (B, C, H, W) from generated ones. Algorithm 1, lines 3-6.

    Returns the loss, the accuracies on real and generated pictures, the mean R1 and R2, the mean logits of
    real and generated pictures, and the spread.
    """
    G, D = state.generator, state.discriminator
    z = G.sample_latents(len(real), state.rng).to(real)
    with torch.no_grad():
        fake = G(z)
    spread = fake.std(0).mean() / real.std(0).mean().clamp_min(1e-6)  # before augmentation adds its own
    real = augment(real, changes, state.rng).requires_grad_(loss.r1_weight > 0)
    fake = augment(fake, changes, state.rng).requires_grad_(loss.r2_weight > 0)
    real_logits, fake_logits = D(real), D(fake)

    d_loss = discriminator_loss(loss.adversarial, real_logits, fake_logits).mean()
    r1 = squared_gradient_norm(real_logits, real).mean() if loss.r1_weight else d_loss.new_zeros(())
    r2 = squared_gradient_norm(fake_logits, fake).mean() if loss.r2_weight else d_loss.new_zeros(())
    total = d_loss + loss.r1_weight / 2 * r1 + loss.r2_weight / 2 * r2

    state.discriminator_optimizer.zero_grad()
    fabric.backward(total)
    state.discriminator_optimizer.step()

    middle = D.centre
    if loss.adversarial == "relativistic":  # only differences were trained: the zero lies between the two
        middle = (real_logits.detach().mean() + fake_logits.detach().mean()) / 2
        D.centre.lerp_(middle, 0.1)
    real_accuracy = (real_logits > middle).float().mean()
    fake_accuracy = (fake_logits < middle).float().mean()
    logits = real_logits.detach().mean(), fake_logits.detach().mean()
    return d_loss.detach(), real_accuracy, fake_accuracy, r1.detach(), r2.detach(), *logits, spread


def generator_step(
    fabric: Fabric, state: TrainingState, real: Tensor, loss: LossConfig, changes: AugmentConfig
) -> Tensor:
    """G learns to make pictures that D holds for real. Algorithm 1, lines 8-9. Returns the loss."""
    G, D = state.generator, state.discriminator
    D.requires_grad_(False)  # its weights get no gradient here: a third of the backward pass saved
    z = G.sample_latents(len(real), state.rng).to(real)
    fake_logits = D(augment(G(z), changes, state.rng))
    real_logits = fake_logits.detach()  # only a relativistic loss looks at real pictures here
    if loss.adversarial == "relativistic":
        with torch.no_grad():
            real_logits = D(augment(real, changes, state.rng))
    g_loss = generator_loss(loss.adversarial, real_logits, fake_logits).mean()

    state.generator_optimizer.zero_grad()
    fabric.backward(g_loss)
    state.generator_optimizer.step()
    D.requires_grad_(True)
    return g_loss.detach()


def gan_step(
    fabric: Fabric,
    state: TrainingState,
    next_batch: Callable[[], Tensor],
    loss: LossConfig,
    changes: AugmentConfig,
    discriminator_steps: int = 1,
) -> StepStats:
    """Algorithm 1 of Goodfellow et al. 2014: D learns `discriminator_steps` times, then G learns once."""
    for _ in range(discriminator_steps):
        real = next_batch()
        d_loss, *seen = discriminator_step(fabric, state, real, loss, changes)
    g_loss = generator_step(fabric, state, real, loss, changes)
    return StepStats(d_loss, g_loss, *seen)
