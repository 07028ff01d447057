"""What Impasto is measured against: other people's recipes, as they were published, on the same pictures.

A peer is trained by `step`, which shows D `images_per_step` real pictures, and asked for pictures by
`render`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.data.batches import Batches
from impasto.errors import InputError
from impasto.image.codec import to_tensor

PEERS = ("dcgan-example", "sngan", "lightweight-gan")

NextBatch = Callable[[], Tensor]


class Peer(Protocol):
    """One peer in training."""

    images_per_step: int

    def step(self) -> None:
        """Train a little further."""

    def render(self, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """(len(seeds), size, size, channels) uint8, as the peer's own code makes its samples."""


def make_peer(name: str, batches: Callable[[int], Batches], size: int, channels: int, seed: int) -> Peer:
    """A peer before its first step. `batches(batch_size)` gives the real pictures.

    Raises `InputError` for an unknown name, or where its package is not installed.
    """
    torch.manual_seed(seed)
    match name:
        case "dcgan-example":
            from peers import dcgan_example

            return dcgan_example.DcganExample(next_batch(batches(dcgan_example.BATCH)), size, channels)
        case "sngan":
            from peers import sngan

            return sngan.Sngan(next_batch(batches(sngan.BATCH)), size, channels)
        case "lightweight-gan":
            from peers import lightweight

            feed = batches(lightweight.BATCH)
            return lightweight.Lightweight(next_batch(feed), size, channels, len(feed.picture_indices), seed)
        case _:
            raise InputError(f"there is no peer '{name}'", f"one of: {', '.join(PEERS)}")


def next_batch(batches: Batches) -> NextBatch:
    """Batches (B, C, H, W) in [-1, 1], laid out as these recipes expect."""
    return lambda: to_tensor(batches.next()).contiguous()


def seeded_normal(seeds: Sequence[int], width: int) -> Tensor:
    """(len(seeds), width) of N(0, 1), each row from its own seed, as Impasto's own models draw theirs."""
    return torch.cat([torch.randn(1, width, generator=torch.Generator().manual_seed(s)) for s in seeds])
