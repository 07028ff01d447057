"""A small upscaler that does something, and pictures of every kind for it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from impasto.checkpoints import ModelInfo, save_model
from impasto.config import load_config
from impasto.models.build import build_upscaler

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


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an upscaler x4."""
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny")


def painting(height: int = 40, width: int = 56, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: smooth colours with an edge and a little grain."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / 5 + i) + np.cos(columns / (4 + i)) for i in range(3)]
    pixels = 128 + 40 * np.stack(waves, 2) + 30 * (rows > columns)[:, :, None]
    return (pixels + rng.normal(0, 3, pixels.shape)).clip(0, 255).astype(np.uint8)
