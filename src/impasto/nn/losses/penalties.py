"""Gradient penalties: `(B,)` values, differentiable in the discriminator's weights."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.config.shared import LossConfig
from impasto.nn import draws

Critic = Callable[[Tensor], Tensor]  # pictures (B, ...) -> logits (B,) or (B, N)


def squared_gradient_norm(logits: Tensor, images: Tensor) -> Tensor:
    """|d logits / d images|^2 per sample: R1 on real pictures (Mescheder et al. 2018, eq. 9), R2 on generated
    ones (eq. 10). The papers' gamma / 2 is the caller's.

    `logits` (B,) must have been computed from `images` (B, ...) with `images.requires_grad`, and sample by
    sample: under batch norm the sum below would mix samples. Of several heads it is the mean's gradient.
    """  # fmt: skip
    (gradient,) = torch.autograd.grad(_one_each(logits).sum(), images, create_graph=True)
    return gradient.flatten(1).square().sum(1)


def squared_gradient_norm_estimate(
    D: Critic, images: Tensor, logits: Tensor, noise: Tensor, step: float
) -> Tensor:
    """((D(x + step * noise) - D(x)) / step)^2 per sample: an estimate of `squared_gradient_norm`.

    It takes one more forward pass instead of a second backward pass. With noise from N(0, I) its expectation
    is |dD/dx|^2 up to O(step^2), because E (g . v)^2 = |g|^2 (Hutchinson 1990); it is exact for a linear D.
    Without the division it is the approximated R1 of Lin et al. 2025 (Seaweed-APT). One direction a sample:
    its deviation is sqrt(2) times its mean.

    Args:
        D: The discriminator.
        images: Pictures x, (B, ...).
        logits: D(x), (B,) or (B, N); of several heads the mean counts.
        noise: A direction for each picture, (B, ...), from N(0, I).
        step: How far to go along it, above 0.

    Returns:
        (B,), differentiable in the weights of D.
    """  # fmt: skip
    difference = (D(images + step * noise) - logits) / step
    return _one_each(difference).square()


def interpolate_penalty(D: Critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """(|dD/dx| - 1)^2 per sample, at x = mix * real + (1 - mix) * fake.

    WGAN-GP's (Gulrajani et al. 2017, eq. 3), two-sided, as in the paper. Lambda is the caller's.

    Args:
        D: The discriminator. Of several heads it is the mean's gradient.
        real: Real pictures, (B, ...).
        fake: Generated pictures, (B, ...).
        mix: How much of the real picture is in x, (B,) in [0, 1].

    Returns:
        (B,), differentiable in the weights of D.
    """  # fmt: skip
    weights = mix.view(-1, *[1] * (real.dim() - 1))
    between = torch.lerp(fake.detach(), real.detach(), weights).requires_grad_()
    (gradient,) = torch.autograd.grad(_one_each(D(between)).sum(), between, create_graph=True)
    slope: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (slope - 1).square()


def _one_each(logits: Tensor) -> Tensor:
    return logits.view(len(logits), -1).mean(1)


@dataclass(frozen=True)
class Penalties:
    """Means over the batch, 0-dimensional and not yet weighted; 0 where the weight is 0."""

    r1: Tensor
    r2: Tensor
    interpolates: Tensor

    def weighted(self, loss: LossConfig) -> Tensor:
        """What D minimises beside its adversarial loss."""
        r1_r2 = loss.r1_weight / 2 * self.r1 + loss.r2_weight / 2 * self.r2
        return r1_r2 + loss.gradient_penalty_weight * self.interpolates


def penalties(
    D: Critic,
    real: Tensor,
    fake: Tensor,
    real_logits: Tensor,
    fake_logits: Tensor,
    loss: LossConfig,
    rng: torch.Generator,
) -> Penalties:
    """Every penalty that `loss` gives a weight; 0 for the others.

    Args:
        D: The discriminator.
        real: Real pictures, (B, ...).
        fake: Generated pictures, (B, ...).
        real_logits: D(real), (B,) or (B, N).
        fake_logits: D(fake), (B,) or (B, N).
        loss: The weights, and the method for R1 and R2. By the analytic method the logits must come from
            pictures that require a gradient: see `differentiates`.
        rng: Draws the directions of the estimate and the mix of the interpolates; on the CPU.
    """

    nothing = real_logits.new_zeros(())
    r1 = _squared_norms(D, real, real_logits, loss, rng).mean() if loss.r1_weight else nothing
    r2 = _squared_norms(D, fake, fake_logits, loss, rng).mean() if loss.r2_weight else nothing
    if not loss.gradient_penalty_weight:
        return Penalties(r1, r2, nothing)
    mix = draws.rand(len(real), rng=rng).to(real)
    return Penalties(r1, r2, interpolate_penalty(D, real, fake, mix).mean())


def penalties_of_halves(
    D: Critic, on_real: Critic, both: Tensor, logits: Tensor, loss: LossConfig, rng: torch.Generator
) -> Penalties:
    """`penalties` where D judged real and generated pictures in one batch: one pass back instead of two.

    Args:
        D: The discriminator, for a batch of `both`.
        on_real: The discriminator, for a batch of half that size. It judges the interpolates.
        both: The pictures, (2 B, ...); the first half is real.
        logits: D(both), (2 B,) or (2 B, N).
        loss: The weights, and the method for R1 and R2. By the analytic method `both` must require a
            gradient: see `differentiates`.
        rng: Draws the directions of the estimate and the mix of the interpolates; on the CPU.
    """  # fmt: skip
    nothing = logits.new_zeros(())
    r1 = r2 = between = nothing
    if loss.r1_weight or loss.r2_weight:
        real, fake = _squared_norms(D, both, logits, loss, rng).chunk(2)
        r1 = real.mean() if loss.r1_weight else nothing
        r2 = fake.mean() if loss.r2_weight else nothing
    if loss.gradient_penalty_weight:
        mix = draws.rand(len(both) // 2, rng=rng).to(both)
        between = interpolate_penalty(on_real, both[: len(mix)], both[len(mix) :], mix).mean()
    return Penalties(r1, r2, between)


def _squared_norms(
    D: Critic, images: Tensor, logits: Tensor, loss: LossConfig, rng: torch.Generator
) -> Tensor:
    """(B,), by the method of the config."""
    if loss.penalty_method == "analytic":
        return squared_gradient_norm(logits, images)
    noise = draws.randn(*images.shape, rng=rng).to(images)
    return squared_gradient_norm_estimate(D, images, logits, noise, loss.finite_difference_step)


def differentiates(loss: LossConfig, weight: float) -> bool:
    """Whether the penalty of this weight needs the gradient of the logits with respect to the pictures."""
    return weight > 0 and loss.penalty_method == "analytic"
