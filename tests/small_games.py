"""The game of `default` without its surroundings: small networks, made-up drawings with two themes."""

import torch
from lightning_fabric import Fabric

from impasto.config.reading import load_config
from impasto.tasks import task_of
from impasto.tasks.generation.modulated_step import ModulatedStep, players
from impasto.training import state as states
from tests.small_runs import NETWORKS

THEMES = torch.eye(2).repeat(16, 1)  # of 32 drawings, in turn


def drawings(size=16, count=32):
    """(count, 3, size, size): a bright square on dark ground, of varied place and colour."""
    rng = torch.Generator().manual_seed(3)
    images = torch.full((count, 3, size, size), -0.9)
    for image in images:
        y, x = torch.randint(0, size // 2, (2,), generator=rng).tolist()
        image[:, y : y + size // 2, x : x + size // 2] = torch.rand(3, 1, 1, generator=rng)
    return images


class Game:
    """A run without its surroundings: `play(n)` plays n rounds and returns the figures of each."""

    def __init__(self, size=16, **settings):
        settings = {key.replace("__", "."): value for key, value in settings.items()}
        small = {**NETWORKS["default"], "image.size": size, "train.batch_size": 8, "model.themes": ["a", "b"]}
        self.config = load_config("default", {**small, **settings})
        fabric = Fabric(accelerator="cpu", devices=1)
        self.state = states.create_state(task_of(self.config).build, self.config, batches=None, fabric=fabric)
        config = self.config
        self.step = ModulatedStep(fabric, self.state, config.loss, config.distribution, config.augment)
        self.images = drawings(size)
        self.G, self.D = players(self.state)
        maps = self.D.pyramid(self.images)
        self.D.calibrate(maps)
        self.D.compared.fit([self.D.compared.plain(self.images, maps)])
        self.G.learn_themes(THEMES)

    def play(self, rounds, parts=1):
        found = []
        for i in range(rounds):
            rows = torch.arange(8 * i, 8 * i + 8) % 32
            found.append(self.step(self.images[rows], THEMES[rows][:, : self.G.kinds], parts))
        return found


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()]).clone()
