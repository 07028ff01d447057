"""What every discriminator offers: pictures `(B, channels, height, width)` in [-1, 1] -> logits `(B,)`."""

import torch
from torch import Tensor, nn


class Discriminator(nn.Module):
    """What every discriminator offers: logits, and the probability that a picture is real.

    `centre` is the logit at which real and generated are equally likely. It stays 0 for losses that fix the
    zero; a relativistic loss sees differences only, so training keeps it between the two means.
    """

    centre: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(()))

    def probability(self, images: Tensor) -> Tensor:
        """(B, channels, height, width) in [-1, 1] -> (B,) in [0, 1]: how likely each picture is real."""
        logits = self(images)
        return torch.sigmoid(logits.reshape(len(images), -1).mean(1) - self.centre)

    def __call__(self, images: Tensor) -> Tensor:
        """(B, channels, height, width) -> (B,), or (B, N) where there are several heads."""
        logits: Tensor = super().__call__(images)
        return logits
