"""Pictures of many seeds, for measuring and for sheets."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.image.codec import to_uint8
from impasto.tasks.generation.generator import Generator

BATCH = 32


@torch.inference_mode()
def render(generator: Generator, seeds: Sequence[int]) -> NDArray[np.uint8]:
    """Pictures of the seeds: (len(seeds), H, W, channels) uint8. The generator must be in eval mode.

    In batches, for measuring: twice as fast as `Model.render`, and some pixels are rounded otherwise.
    """
    z = torch.cat([generator.sample_latents(1, torch.Generator().manual_seed(seed)) for seed in seeds])
    return np.concatenate([to_uint8(generator(part.to(generator.device))) for part in torch.split(z, BATCH)])
