"""Gradient penalties: `(B,)` squared gradient norms, differentiable in the discriminator's weights."""

import torch
from torch import Tensor


def squared_gradient_norm(logits: Tensor, images: Tensor) -> Tensor:
    """|d logits / d images|^2 per sample: R1 on real pictures (Mescheder et al. 2018, eq. 9), R2 on generated
    ones (eq. 10). The papers' gamma / 2 is the caller's.

    `logits` (B,) must have been computed from `images` (B, ...) with `images.requires_grad`, and sample by
    sample: under batch norm the sum below would mix samples.
    """  # fmt: skip
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.flatten(1).square().sum(1)
