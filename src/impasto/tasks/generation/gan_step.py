"""One round of the game: k updates of the discriminator, one of the generator. Read it top to bottom."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from impasto.config.shared import AugmentConfig, LossConfig
from impasto.nn.augment import augment
from impasto.nn.losses.adversarial import generator_compares, generator_loss
from impasto.tasks.generation.generator import Generator
from impasto.training.distributed import ranks
from impasto.training.game import StepStats, backward_discriminator, means, spread_of
from impasto.training.state import TrainingState


def discriminator_step(
    fabric: Fabric, state: TrainingState, parts: Sequence[Tensor], loss: LossConfig, changes: AugmentConfig
) -> dict[str, Tensor]:
    """D learns to tell real pictures from generated ones. Algorithm 1, lines 3-6.

    Args:
        fabric: Runs the backward passes.
        state: State of the run. D and its optimizer change.
        parts: Real pictures: the parts (b, C, H, W) of a batch, in [-1, 1].
        loss: The adversarial loss and the weights of the penalties.
        changes: How often each augmentation is applied to what D sees.

    Returns:
        What `StepStats` says of D, by name: means over the parts.
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
        seen.append(backward_discriminator(fabric, state, *sides, loss, len(parts)) | {"spread": spread})
    ranks.average_gradients(D.parameters())
    state.discriminator_optimizer.step()
    return means(seen)


def generator_step(
    fabric: Fabric, state: TrainingState, parts: Sequence[Tensor], loss: LossConfig, changes: AugmentConfig
) -> Tensor:
    """G learns to make pictures that D holds for real. Algorithm 1, lines 8-9.

    Args:
        fabric: Runs the backward passes.
        state: State of the run. G and its optimizer change.
        parts: Real pictures: the parts (b, C, H, W) of a batch, in [-1, 1]. As many are made; a loss that
            compares looks at them too.
        loss: The adversarial loss.
        changes: How often each augmentation is applied to what D sees.

    Returns:
        G's loss, 0-dimensional: the mean over the parts.
    """
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
    """One round of the game: D learns several times, then G once. Algorithm 1 of Goodfellow et al. 2014.

    Args:
        fabric: Runs the backward passes.
        state: State of the run. Both networks change.
        next_batch: Gives a batch of real pictures (B, C, H, W) in [-1, 1], a new one for each update of D.
        loss: The adversarial loss and the weights of the penalties.
        changes: How often each augmentation is applied to what D sees.
        discriminator_steps: Updates of D, 1 or more. G learns with the pictures of the last.
        parts: In how many parts each batch is computed, one after the other, which needs less memory. Means
            are over a part.
    """
    for _ in range(discriminator_steps):
        batch = torch.chunk(next_batch(), parts)
        seen = discriminator_step(fabric, state, batch, loss, changes)
    g_loss = generator_step(fabric, state, batch, loss, changes)
    return StepStats(generator_loss=g_loss, **seen)
