"""Losses of latents that an encoder finds."""

from torch import Tensor


def distance_from_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)), summed over the dimensions: (B, D) and (B, D) -> (B,).

    (Kingma & Welling 2014, appendix B.)
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
