"""The published FID: Fréchet distance of Inception features (Heusel et al. 2017), if its weights are on disk.

Nothing is downloaded, and no code in the weight file is run: torch-fidelity 0.4 unpickles what it is given
without restriction, so it is only ever given a file that this module has just written from plain tensors.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.errors import InputError, MissingDependencyError
from impasto.metrics.distances import frechet_distance

WEIGHTS_FILE = "weights-inception-2015-12-05-6726825d.pth"
BATCH = 16


def find_inception_weights() -> Path | None:
    """The file with Inception's weights: `IMPASTO_INCEPTION`, else torch hub's own place, else None.

    Raises `InputError` where `IMPASTO_INCEPTION` names a file that is not there.
    """
    if named := os.environ.get("IMPASTO_INCEPTION"):
        if not Path(named).is_file():
            raise InputError(
                f"IMPASTO_INCEPTION names '{named}', which is not a file", f"give the path of {WEIGHTS_FILE}"
            )
        return Path(named)
    usual = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE
    return usual if usual.is_file() else None


def published_fid(
    real: Iterable[NDArray[np.uint8]], fake: Iterable[NDArray[np.uint8]], weights: Path
) -> float:
    """FID of two sets of pictures, each in batches (B, H, W, C) uint8: >= 0.

    The network, its TensorFlow-like resizing to 299 px and its features (2048) are torch-fidelity's, as in
    torchmetrics; the distance is ours, which is the same figure without a root of a 2048 x 2048 matrix. The
    published protocol compares 50,000 samples; fewer give a larger figure.
    Raises `MissingDependencyError` without torch-fidelity, `InputError` for a weight file that is damaged,
    foreign or holds anything but tensors.
    """
    network = load_inception(weights)
    return frechet_distance(_features(network, real), _features(network, fake))


def load_inception(weights: Path) -> Any:
    """torch-fidelity's Inception: (B, 3, H, W) uint8 -> ((B, 2048) float32,). Raises as `published_fid`."""
    try:
        from torch_fidelity import feature_extractor_inceptionv3 as published
    except ImportError:
        raise MissingDependencyError(
            "the published FID needs torch-fidelity", "pip install 'impasto[fid]'"
        ) from None
    hint = f"use the published {WEIGHTS_FILE}"
    try:
        tensors = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # of foreign bytes the restricted reader can raise nearly anything
        raise InputError(f"'{weights}' holds no weights that are safe to read", hint) from error
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "inception.pth"
        torch.save(tensors, ours)
        try:
            return published.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(ours))
        except (RuntimeError, TypeError) as error:
            raise InputError(f"'{weights}' does not hold Inception's weights", hint) from error


@torch.no_grad()
def _features(network: Any, batches: Iterable[NDArray[np.uint8]]) -> torch.Tensor:
    pieces = (b[i : i + BATCH] for b in batches for i in range(0, len(b), BATCH))
    parts = [network(torch.from_numpy(_rgb(piece)).permute(0, 3, 1, 2))[0] for piece in pieces]
    return torch.cat(parts) if parts else torch.zeros(0, 2048)


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(B, H, W, C) uint8, C of 1, 3 or 4 -> (B, H, W, 3) uint8: grey repeated, alpha on white; a copy."""
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or pixels.shape[3] not in (1, 3, 4):
        raise InputError(f"pictures must be (B, H, W, 1 or 3 or 4) uint8, not {pixels.shape} {pixels.dtype}")
    if pixels.shape[3] == 4:
        colour, alpha = pixels[..., :3].astype(np.float64), pixels[..., 3:] / 255
        return np.rint(colour * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels.copy()
