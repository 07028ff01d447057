"""Adversarial losses: the discriminator's logits `(B,)` -> losses per sample `(B,)`.

D(x) below is the probability sigmoid(logit). `softplus(-t) = -log sigmoid(t)`, which never takes the
logarithm of zero.
"""

from typing import Literal, assert_never

from torch import Tensor
from torch.nn.functional import softplus

Adversarial = Literal["minimax", "non-saturating", "relativistic"]


def discriminator_loss(kind: Adversarial, real: Tensor, fake: Tensor) -> Tensor:
    """D's loss of the game `kind`. (B,) and (B,) -> (B,)."""
    match kind:
        case "minimax" | "non-saturating":
            return discriminator_cross_entropy(real, fake)
        case "relativistic":
            return discriminator_relativistic(real, fake)
        case _:
            assert_never(kind)


def generator_loss(kind: Adversarial, real: Tensor, fake: Tensor) -> Tensor:
    """G's loss of the game `kind`. (B,) and (B,) -> (B,)."""
    match kind:
        case "minimax":
            return generator_minimax(fake)
        case "non-saturating":
            return generator_non_saturating(fake)
        case "relativistic":
            return generator_relativistic(real, fake)
        case _:
            assert_never(kind)


def discriminator_cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """-(log D(x) + log(1 - D(G(z)))): what D minimises (Goodfellow et al. 2014, eq. 1 and algorithm 1)."""
    return softplus(-real) + softplus(fake)


def generator_non_saturating(fake: Tensor) -> Tensor:
    """-log D(G(z)): what G minimises in practice (Goodfellow et al. 2014, section 3)."""
    return softplus(-fake)


def generator_minimax(fake: Tensor) -> Tensor:
    """log(1 - D(G(z))): G's side of the minimax game as first written (Goodfellow et al. 2014, eq. 1)."""
    return -softplus(fake)


def discriminator_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """-log sigmoid(D(x) - D(G(z))): real above generated, pair by pair (RpGAN, Jolicoeur-Martineau 2019)."""
    return softplus(fake - real)


def generator_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """-log sigmoid(D(G(z)) - D(x)): the same with the roles exchanged (R3GAN, Huang et al. 2024, eq. 2)."""
    return softplus(real - fake)
