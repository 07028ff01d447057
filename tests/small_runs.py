"""Small runs of every preset: seconds each."""

import impasto

SMALL = {
    "image.size": 16,
    "train.batch_size": 8,
    "train.evaluate_samples": 16,
    "train.snapshot_every_images": 40,
    "train.evaluate_every_images": 80,
    "train.precision": "float32",
    "train.device": "cpu",
}


NETWORKS = {
    "mlp": {"model.hidden": [32]},
    "dcgan": {"model.base_channels": 4},
    "r3gan": {"model.generator_channels": 8, "model.discriminator_channels": 8, "model.max_channels": 16},
    "default": {
        "model.generator_channels": 4,
        "model.max_channels": 16,
        "model.pyramid_px": 32,
        "model.head_channels": 8,
        "model.latent_dim": 16,
        "optimizer.cooldown": 0.0,  # by design a run with a new limit has not cooled down for the old one
    },
}
NETWORKS["few-shot"] = NETWORKS["default"]


def train(shapes, out, preset="default", **more):
    overrides = {**SMALL, **NETWORKS[preset], **more.pop("overrides", {})}
    return impasto.train(shapes, out, preset=preset, overrides=overrides, **more)
