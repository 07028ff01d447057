"""Seeds -> latents -> pictures. One random generator per seed: picture 8 is the same alone or in a batch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from impasto import __version__
from impasto.checkpoints import ModelInfo, find_model, load_model, load_weights
from impasto.descriptors import GeneratorConfig
from impasto.errors import CheckpointError, InputError
from impasto.image_files import to_pil
from impasto.images import to_uint8
from impasto.models.build import build_generator
from impasto.models.generator import Generator

BATCH = 32
MOST_SEEDS = 100_000


def latents(generator: Generator, seeds: Sequence[int], truncation: float = 1.0) -> Tensor:
    """(len(seeds), latent_dim) float32 on the CPU, drawn from the prior and scaled by `truncation`.

    Below 1 the pictures are more typical and less varied (the truncation trick, Brock et al. 2019).
    Raises `InputError` for a seed or a truncation out of range.
    """
    if not 0 < truncation <= 2:
        raise InputError(
            f"truncation {truncation:g} is out of range", "above 0, at most 2; 1 changes nothing"
        )
    rows = []
    for seed in seeds:
        if not 0 <= seed < 2**63:
            raise InputError(f"seed {seed} is out of range", "seeds run from 0 to 9223372036854775807")
        rows.append(generator.sample_latents(1, torch.Generator().manual_seed(seed)))
    return torch.cat(rows) * truncation


@torch.inference_mode()
def render(generator: Generator, seeds: Sequence[int], truncation: float = 1.0) -> NDArray[np.uint8]:
    """Pictures of the seeds: (len(seeds), size, size, channels) uint8. The generator must be in eval mode."""
    z = latents(generator, seeds, truncation)
    device = next(generator.parameters()).device
    parts = [to_uint8(generator(chunk.to(device))) for chunk in torch.split(z, BATCH)]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Model:
    """A trained generator and what is known about it. `impasto.load` makes one."""

    generator: Generator
    info: ModelInfo
    folder: Path

    def generate(self, seeds: Sequence[int], *, truncation: float = 1.0) -> list[Image.Image]:
        """Pictures, one for each seed. Raises `InputError` for a seed or a truncation out of range."""
        return [to_pil(pixels) for pixels in self.render(seeds, truncation=truncation)]

    def render(self, seeds: Sequence[int], *, truncation: float = 1.0) -> NDArray[np.uint8]:
        """The same as (len(seeds), size, size, channels) uint8."""
        if not len(seeds):
            raise InputError("there are no seeds to make pictures of", "give at least one")
        return render(self.generator, seeds, truncation)

    def describe(self, truncation: float = 1.0) -> dict[str, str]:
        """What a picture's file should say about how it was made."""
        return {
            "software": f"Impasto {__version__}",
            "model": self.folder.resolve().name,
            "model_images_seen": str(self.info.images_seen),
            "model_data": str(self.info.data.get("fingerprint", "")),
            "preset": self.info.config.preset,
            "truncation": f"{truncation:g}",
        }


def parse_seeds(text: str) -> list[int]:
    """`"0-3,8"` -> `[0, 1, 2, 3, 8]`. Raises `InputError` for anything else, or for more than 100,000."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,19})(?:-(\d{1,19}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise InputError(f"'{text}' does not name seeds", "write 0-15, or 3,7,40-49")
        if last - first + len(seeds) >= MOST_SEEDS:
            raise InputError(f"'{text}' names more than {MOST_SEEDS:,} seeds", "make them in several goes")
        seeds += range(first, last + 1)
    return seeds


def load(folder: str | Path, *, device: str = "cpu") -> Model:
    """Load a model folder, or a run's best model; nothing read is executed. Raises `CheckpointError`."""
    path = find_model(Path(folder))
    weights, info = load_model(path)
    if not isinstance(info.config.model, GeneratorConfig):
        raise CheckpointError(
            f"'{path}' is an upscaler: it makes pictures larger, not new ones",
            "`impasto upscale` uses it",
        )
    with torch.random.fork_rng(devices=[]):  # building draws initial weights that are thrown away
        generator = build_generator(info.config.model, info.config.image)
    load_weights(generator, weights, path / "model.safetensors")
    generator.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
    return Model(generator, info, path)
