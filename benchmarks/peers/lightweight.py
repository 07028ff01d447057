"""The package `lightweight-gan` 1.2.1 at the defaults of its command line, on a CPU.

    pip install --no-deps lightweight-gan==1.2.1 adabelief-pytorch colorama einops kornia kornia_rs tabulate

It refuses to start without an NVIDIA GPU. Here its check is answered, `.cuda()` does nothing and `cuda:0`
means the CPU; its training step, networks and augmentation are its own. Pictures come from our cache in
place of its loader, and its own sheets and checkpoints are not written, so that the clock counts training
alone. Samples are the generator's own in evaluation mode: its average is a copy from step 2, 1,002, ...
until step 20,000.
One of its steps is 40 pictures, every fourth with a gradient penalty: on one core of 2021 some minutes, and
8 GB. A short benchmark measures it after its first step, however long that took.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from impasto.errors import InputError, MissingDependencyError
from impasto.image.codec import to_uint8
from peers import NextBatch, seeded_normal

BATCH, ACCUMULATE, LATENTS, ATTENTION = 10, 4, 256, [32]


class Lightweight:
    """Its trainer, fed by us."""

    images_per_step = BATCH * ACCUMULATE

    def __init__(self, next_batch: NextBatch, size: int, channels: int, pictures: int, seed: int) -> None:
        if size < 64 or channels == 4:
            raise InputError("lightweight-gan is measured from 64 px on, without transparency")
        module = _package()
        folder = tempfile.TemporaryDirectory()
        self._folder = folder  # its trainer makes folders; they go with it
        trainer = module.Trainer(
            base_dir=folder.name,
            image_size=size,
            greyscale=channels == 1,
            batch_size=BATCH,
            gradient_accumulate_every=ACCUMULATE,
            latent_dim=LATENTS,
            attn_res_layers=ATTENTION,
            disc_output_size=1,
            aug_types=["cutout", "translation"],
            aug_prob=min(0.5, max(0.0, (1e5 - pictures) * 3e-6)),  # its rule for small folders
            use_aim=False,
        )
        trainer.loader = _units(next_batch)
        trainer.evaluate = trainer.save = lambda *_, **__: None
        _seed_everything(seed)
        with _without_cuda():
            trainer.init_GAN()
        self.trainer = trainer

    def step(self) -> None:
        """One of its training steps: four batches for D, four for G."""
        with _without_cuda():
            self.trainer.train()

    @torch.no_grad()
    def render(self, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """Samples of the generator, clamped to [0, 1] as its own are."""
        gan = self.trainer.GAN
        gan.eval()
        parts = [gan.G(z) for z in seeded_normal(seeds, LATENTS).split(BATCH)]
        gan.train()
        return np.concatenate([to_uint8(part.clamp(0, 1) * 2 - 1) for part in parts])


class _TorchOnTheCpu:
    """torch, but for `torch.device("cuda:0")`, which is the CPU."""

    device = staticmethod(lambda *_: torch.device("cpu"))

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def _package() -> ModuleType:
    with mock.patch.object(torch.cuda, "is_available", return_value=True):
        try:
            from lightweight_gan import lightweight_gan as module
        except ImportError as error:
            raise MissingDependencyError(
                f"the peer lightweight-gan is not installed: there is no package '{error.name}'",
                "pip install --no-deps lightweight-gan==1.2.1 adabelief-pytorch colorama einops kornia "
                "kornia_rs tabulate",
            ) from None
    module.torch = _TorchOnTheCpu()
    return module


@contextlib.contextmanager
def _without_cuda() -> Iterator[None]:
    def stay(self: Any, *_: Any, **__: Any) -> Any:
        return self

    with mock.patch.object(Tensor, "cuda", stay), mock.patch.object(nn.Module, "cuda", stay):
        yield


def _units(next_batch: NextBatch) -> Iterator[Tensor]:
    """Its networks see pictures in [0, 1]."""
    while True:
        yield next_batch().add(1).div(2)


def _seed_everything(seed: int) -> None:
    """Its augmentation draws from Python's own generator, as its command line seeds it."""
    import random

    torch.manual_seed(seed)
    random.seed(seed)
