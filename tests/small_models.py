"""Small models for tests: untrained, quick, and they do something."""

from pathlib import Path

import torch

from impasto.config.reading import load_config
from impasto.tasks.upscaling.networks import build_upscaler
from impasto.training.checkpoints import ModelInfo, save_model

TINY = {"model.channels": 8, "model.convolutions": 2}


def tiny_model(folder: Path, scale: int = 4) -> Path:
    """A model folder of an untrained upscaler whose additions are large enough to be seen."""
    config = load_config(f"upscale-x{scale}", TINY)
    torch.manual_seed(0)
    network = build_upscaler(config.model)
    with torch.no_grad():
        network.layers[-1].narrow.mul_(3)
    save_model(folder, network.deployed_weights(), ModelInfo(config, 8))
    return folder
