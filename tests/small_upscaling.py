"""Small upscaler runs: seconds each."""

import pytest
from PIL import Image

from tests.pictures import painting

SMALL = {
    "image.size": 64,
    "model.channels": 8,
    "model.convolutions": 2,
    "model.discriminator_channels": 4,
    "train.evaluate_every_images": 32,
    "train.snapshot_every_images": 32,
    "train.precision": "float32",
    "train.device": "cpu",
    "data.holdout_min_pictures": 4,
}


GAME = {
    "restoration.features": 0.1,
    "restoration.adversarial": 0.1,
    "restoration.adversarial_from_images": 16,
    "restoration.phases": 8,
}


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Sixteen pictures of 96 x 120 px with edges and grain, and one that is too small."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(16):
        Image.fromarray(painting(96, 120 - i, seed=i)).save(folder / f"{i:02}.png")
    Image.fromarray(painting(20, 20)).save(folder / "small.png")
    return folder
