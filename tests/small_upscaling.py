"""Small upscaler runs: seconds each."""

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
