"""Models of the kind that version 0.1 trained: they draw around exemplars, and none is trained any more."""

from typing import Any

import torch

from impasto.config.reading import load_config
from impasto.config.shared import Config
from impasto.tasks.generation.generator import GrowingGenerator
from impasto.tasks.generation.networks import build_generator

KIND: dict[str, Any] = {
    "model.kind": "projected",
    "model.generator_channels": 4,
    "model.latent_dim": 32,
    "model.pixel_dims": 16,
    "model.content_dims": 8,
}


def old_model(exemplars: int = 12, **settings: Any) -> tuple[Config, GrowingGenerator]:
    """A config and a generator as one that has learnt: its exemplars lie anywhere, themes follow in turn."""
    config = load_config("default", {**KIND, "model.exemplars": exemplars, **settings})
    rng = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    generator = build_generator(config.model, config.image).eval()
    with torch.no_grad():
        generator.exemplars.copy_(torch.randn(generator.exemplars.shape, generator=rng))
        generator.noise[:24] = 0.3
        generator.sketch.weight.normal_(0, 0.05, generator=rng)
        for name, buffer in generator.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2, generator=rng)
            if name == "themes":
                buffer.copy_(torch.eye(buffer.shape[1])[torch.arange(exemplars) % buffer.shape[1]])
    return config, generator
