"""What a new run finds out from some of its pictures, before the first step."""

from types import SimpleNamespace

import pytest
import torch

from impasto.config.reading import load_config
from impasto.image.codec import to_tensor
from impasto.nn.frozen_features import FrozenFeatures
from impasto.tasks.generation import task


def test_each_picture_passes_through_the_frozen_network_once(shapes, monkeypatch):
    monkeypatch.setattr(task, "WHITENED", 64)
    monkeypatch.setattr(task, "CALIBRATED", 40)  # no multiple of what is looked at in one go
    shown, whole = [], FrozenFeatures.forward
    monkeypatch.setattr(FrozenFeatures, "forward", lambda self, x: shown.append(len(x)) or whole(self, x))
    generation = task.Generation()
    data, config = generation.open_data(shapes, None, load_config("default", {"image.size": 32}), None)
    generator, discriminator = generation.build(config)
    average, _ = generation.build(config)
    state = SimpleNamespace(generator=generator, discriminator=discriminator, average=average)
    task._prepare(config, state, data)
    assert sum(shown) == 64
    places = data.some_to_train_on(40, config.train.seed, task.OF_EACH_THEME)
    with torch.no_grad():
        maps = discriminator.pyramid(to_tensor(data.pixels.take(places)))
    units = [1 / float(m.square().mean().sqrt()) for m in maps]
    assert discriminator.units.tolist() == pytest.approx(units, rel=1e-4)
