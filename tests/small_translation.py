"""Small translator runs on drawn pairs: seconds each."""

import numpy as np
from PIL import Image

import impasto

SMALL = {
    "image.size": 32,
    "model.channels": 8,
    "model.discriminator_channels": 8,
    "train.precision": "float32",
    "train.device": "cpu",
    "train.threads": 1,
    "train.evaluate_every_images": 32,
    "train.snapshot_every_images": 32,
    "data.holdout_min_pictures": 4,
    "optimizer.cooldown": 0.0,  # by design a run with a new limit has not cooled down for the old one
}
TRANSLATE = {"model.max_channels": 32, "model.halvings": 3, "model.latent_dim": 4}
SETTINGS = SMALL | TRANSLATE
COLOURS = {"wall": "#0000aa", "window": "#ffee00"}


def draw_pairs(out, count=24, side=32, seed=0, colours=COLOURS):
    """Label maps of rectangles on a wall, and pictures of them: red stripes, and a paling blue."""
    rng = np.random.default_rng(seed)
    palette = np.array([tuple(bytes.fromhex(c[1:])) for c in colours.values()], np.uint8)
    rows, columns = np.mgrid[:side, :side]
    stripes = np.where(columns[..., None] // 2 % 2, [200, 60, 50], [150, 30, 30])
    paling = np.stack((rows * 2, rows * 3, np.full_like(rows, 220)), 2)
    for name in ("layouts", "pictures"):
        (out / name).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        labels = np.zeros((side, side), np.int64)
        for _ in range(3):
            y, x = rng.integers(0, side - 10, 2)
            height, width = rng.integers(8, 16, 2)
            labels[y : y + height, x : x + width] = 1
        picture = np.where(labels[..., None] == 1, paling, stripes) + rng.integers(-8, 9, (side, side, 1))
        Image.fromarray(palette[labels]).save(out / "layouts" / f"{i:03}.png")
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(out / "pictures" / f"{i:03}.png")
    return out


def train(pairs, out, preset="translate", **more):
    overrides = SMALL | (TRANSLATE if preset == "translate" else {}) | more.pop("overrides", {})
    return impasto.train(
        pairs / "layouts", out, pairs=pairs / "pictures", preset=preset, overrides=overrides, **more
    )
