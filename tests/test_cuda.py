"""On a CUDA device: the same functions as on the CPU, and runs that go from the one to the other.

Skipped where there is none. What is compared is in float32, with TF32 off.
"""

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto.training.checkpoints import load_state
from tests.small_runs import NETWORKS, SMALL

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

UPSCALE = {
    "image.size": 64,
    "model.channels": 8,
    "model.convolutions": 2,
    "train.begin_with": None,
    "train.batch_size": 8,
    "train.evaluate_every_images": 80,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """24 pictures of 96 px: ramps and noise."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(24):
        small = rng.integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def train(folder, out, preset, device, **more):
    networks = NETWORKS.get(preset, UPSCALE)
    overrides = {**SMALL, **networks, "train.device": device, **more.pop("overrides", {})}
    return impasto.train(folder, out, preset=preset, overrides=overrides, **more)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("preset", list(NETWORKS))
def test_every_preset_trains_and_goes_on_elsewhere(shapes, tmp_path, preset, precision):
    overrides = {"train.precision": precision, "data.mirror": True}
    run = train(shapes, tmp_path / "run", preset, "cuda", images=160, overrides=overrides)
    assert run.images_seen == 160
    overrides = {"train.device": "cpu"}
    there = impasto.train(shapes, tmp_path / "run", images=240, resume=True, overrides=overrides)
    assert there.images_seen == 240
    back = impasto.train(
        shapes, tmp_path / "run", images=320, resume=True, overrides={"train.device": "cuda"}
    )
    assert back.images_seen == 320
    assert [e["images_seen"] for e in back.evaluations] == [80, 160, 240, 320]
    assert load_state(tmp_path / "run" / "state.safetensors")[0]


@pytest.mark.parametrize("preset", ["upscale-x2", "upscale-x4", "photo-x4"])
def test_upscalers_train(photos, tmp_path, preset):
    overrides = {"train.precision": "bfloat16"}
    run = train(photos, tmp_path / "run", preset, "cuda", images=160, overrides=overrides)
    assert run.images_seen == 160
    assert np.isfinite(run.evaluations[-1]["distance"])


def test_one_begins_with_the_weights_of_another(photos, tmp_path):
    """They are read on the CPU."""
    overrides = {"train.device": "cuda", "train.batch_size": 4, "image.size": 96}
    run = impasto.train(photos, tmp_path / "run", preset="photo-x4", images=8, overrides=overrides)
    assert run.images_seen == 8


def test_the_first_steps_are_those_of_the_cpu(shapes, tmp_path):
    """One seed, one state after a few steps, to what the order of sums changes."""
    for device in ("cpu", "cuda"):
        train(shapes, tmp_path / device, "dcgan", device, images=24)
    states = [load_state(tmp_path / device / "state.safetensors")[0] for device in ("cpu", "cuda")]
    names = [n for n in states[0] if n.startswith("generator/") and n.endswith("weight")]
    assert names
    for name in names:
        torch.testing.assert_close(states[0][name], states[1][name], rtol=2e-2, atol=2e-3)


def test_a_model_makes_the_same_pictures(shapes, tmp_path):
    train(shapes, tmp_path / "run", "default", "cpu", images=160)
    here, there = (impasto.load(tmp_path / "run", device=device) for device in ("cpu", "cuda"))
    seeds = list(range(8))
    a, b = (np.stack([np.asarray(p) for p in model.generate(seeds)]).astype(int) for model in (here, there))
    assert abs(a - b).max() <= 2


def test_an_upscaler_makes_the_same_pictures():
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (12, 12, 3), np.uint8)
    picture = Image.fromarray(small).resize((60, 48), Image.Resampling.BICUBIC)
    made = []
    for device in ("cpu", "cuda"):
        upscaler = impasto.load_upscaler("photo-x4", engine="torch", device=device)
        upscaler.engine.low = False
        made.append(np.asarray(upscaler(picture)).astype(int))
    assert made[0].shape == (192, 240, 3)
    assert abs(made[0] - made[1]).max() <= 2
