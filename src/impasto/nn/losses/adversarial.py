"""Adversarial losses: the discriminator's logits `(B,)` -> losses per sample `(B,)`.

Logits `(B, N)` of a discriminator with several heads give losses `(B, N)`, every head for itself. D(x) below
is the probability sigmoid(logit), C(x) the logit. `softplus(-t) = -log sigmoid(t)`, which never takes the
logarithm of zero.
"""

from typing import assert_never

from torch import Tensor
from torch.nn.functional import relu, softplus

from impasto.config.shared import Adversarial


def leaves_zero_undetermined(kind: Adversarial) -> bool:
    """Whether D's loss sees differences of logits only, so that a constant added to all changes nothing."""
    return kind in ("relativistic", "relativistic-average", "wasserstein")


def generator_compares(kind: Adversarial) -> bool:
    """Whether G's loss looks at the logits of real pictures too."""
    return kind in ("relativistic", "relativistic-average")


def generator_is_linear(kind: Adversarial) -> bool:
    """Whether G's loss is linear in the logits: however sure D is, its gradient does not fade."""
    return kind in ("hinge", "wasserstein")


def discriminator_loss(kind: Adversarial, real: Tensor, fake: Tensor) -> Tensor:
    """D's loss of the game `kind`. (B,) and (B,) -> (B,)."""
    match kind:
        case "minimax" | "non-saturating":
            return discriminator_cross_entropy(real, fake)
        case "relativistic":
            return discriminator_relativistic(real, fake)
        case "relativistic-average":
            return discriminator_relativistic_average(real, fake)
        case "least-squares":
            return discriminator_least_squares(real, fake)
        case "hinge":
            return discriminator_hinge(real, fake)
        case "wasserstein":
            return discriminator_wasserstein(real, fake)
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
        case "relativistic-average":
            return discriminator_relativistic_average(fake, real)
        case "least-squares":
            return generator_least_squares(fake)
        case "hinge" | "wasserstein":
            return generator_wasserstein(fake)
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


def discriminator_relativistic_average(real: Tensor, fake: Tensor) -> Tensor:
    """-log sigmoid(C(x) - E C(G(z))) - log(1 - sigmoid(C(G(z)) - E C(x))): real above the average generated
    (RaGAN, Jolicoeur-Martineau 2019, algorithm 2). For G the same with the roles exchanged.

    The expectations are means over the batch, so a sample's value depends on the others beside it: the one
    loss here that is not quite per sample.
    """  # fmt: skip
    return softplus(fake.mean(0) - real) + softplus(fake - real.mean(0))


def discriminator_least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """((C(x) - 1)^2 + (C(G(z)) + 1)^2) / 2 (LSGAN, Mao et al. 2017, eq. 8: a = -1, b = 1)."""
    return ((real - 1).square() + (fake + 1).square()) / 2


def generator_least_squares(fake: Tensor) -> Tensor:
    """C(G(z))^2 / 2 (Mao et al. 2017, eq. 8: c = 0). With D optimal it is Pearson's chi^2, and real and
    generated meet at C = 0 as in the other games; the paper's 0-1 coding meets at 1/2."""  # fmt: skip
    return fake.square() / 2


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - C(x)) + max(0, 1 + C(G(z))) (Lim & Ye 2017; Miyato et al. 2018, eq. 16)."""
    return relu(1 - real) + relu(1 + fake)


def discriminator_wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """C(G(z)) - C(x) (Arjovsky et al. 2017, eq. 2), for a C whose slope is held near 1, which is not done
    here: a gradient penalty (`loss.gradient_penalty_weight`) or spectral normalisation does."""  # fmt: skip
    return fake - real


def generator_wasserstein(fake: Tensor) -> Tensor:
    """-C(G(z)): G's side of the Wasserstein game (Arjovsky et al. 2017) and of the hinge (Miyato et al. 2018,
    eq. 17)."""  # fmt: skip
    return -fake
