"""A task of your own on the public engine, points on a ring: python examples/points.py RUN [IMAGES]"""

import sys
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from impasto.config.shared import Config, EmaConfig, LossConfig, NetworkConfig, OptimizerConfig
from impasto.data.batches import Batches
from impasto.image.files import save
from impasto.nn.discriminator import Discriminator
from impasto.nn.losses.adversarial import generator_loss
from impasto.nn.losses.matching import distances, energy_distance
from impasto.training.checkpoints import load_model
from impasto.training.game import StepStats, spread_of, update_discriminator
from impasto.training.logging.events import Event
from impasto.training.run import Request, train


class PointsConfig(Config):
    task: Literal["points"] = "points"
    model: NetworkConfig = NetworkConfig(kind="points")
    loss: LossConfig = LossConfig(adversarial="relativistic", r1_weight=0.2, r2_weight=0.2)
    optimizer: OptimizerConfig = OptimizerConfig(generator_lr=1e-3, discriminator_lr=1e-3)
    ema: EmaConfig = EmaConfig(halflife_images=5_000)


class Ring:  # what a folder is to pictures: 900 points to learn from, and 100 that never train
    fingerprint, notes, train_indices, holdout_indices = "ring", (), np.arange(900), np.arange(900, 1000)

    def about(self):
        return {"train_pictures": 900, "holdout_pictures": 100, "fingerprint": self.fingerprint}

    def take(self, at, places=None):
        return np.stack((np.cos(at * 2.4), np.sin(at * 2.4)), -1)[:, None].astype(np.float32)

    def batches(self, batch_size, seed, rank=0, world=1):
        return Batches(self, self.train_indices, batch_size, seed, rank=rank, world=world)


def layers(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs)
    )


class Critic(Discriminator):
    def __init__(self):
        super().__init__()
        self.layers = layers(2, 1)

    def forward(self, points):
        return self.layers(points)[:, 0]


class Distance(NamedTuple):
    distance: float

    def record(self):
        return {"distance": self.distance, "figures": {"energy distance": round(self.distance, 4)}}

    def event(self, images_seen, best):
        return Event(images_seen)


class PointsLearner:
    def __init__(self, fabric):
        self.fabric = fabric

    def tensor(self, rows, device):
        return torch.from_numpy(rows[:, 0]).to(device)

    def step(self, state, config, next_batch):
        real, G, D = next_batch(), state.generator, state.discriminator
        fake = G(torch.randn(len(real), 8, generator=state.rng))
        told = update_discriminator(self.fabric, state, real, fake.detach(), config.loss)
        loss = generator_loss(config.loss.adversarial, D(real), D(fake)).mean()
        state.generator_optimizer.zero_grad()
        self.fabric.backward(loss)
        state.generator_optimizer.step()
        return StepStats(generator_loss=loss.detach(), spread=spread_of(fake, real), **told)

    def show(self, state, folder):
        picture, path = np.full((128, 128, 3), 255, np.uint8), folder / f"{state.images_seen:010}.png"
        column, row = ((draw(state.average, 500).numpy() + 1.5) * 42).clip(0, 127).astype(int).T
        picture[row, column] = 0
        save(picture, path)
        return path

    def measure(self, state):
        real = torch.from_numpy(Ring().take(np.arange(900, 1000))[:, 0])
        return Distance(float(energy_distance(distances(draw(state.average, 100), real))))

    def kept(self, state):
        return state.average


class Points:
    name, tries_memory = "points", False

    def open_data(self, directory, pairs, config, progress):
        return Ring(), config

    def build(self, config):
        return layers(8, 2), Critic()

    def saved_network(self, config):
        return layers(8, 2)

    def take(self, state, begun, config):
        state.average.load_state_dict(begun.weights)

    def start(self, config, state, fabric, data, *, first, threads=None):
        return PointsLearner(fabric)

    def follows(self, model):
        return "python", "examples/points.py", str(model)


@torch.no_grad()
def draw(generator, count, seed=0):
    return generator(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)))


def main(out, images="200000"):
    trees, limits = {"points": PointsConfig}, {"stop.images": int(images), "data.mirror": False}
    request = Request(".", Path(out), config=PointsConfig(), settings=limits, resume=True, trees=trees)
    run = train(request, lambda config: Points())
    weights, _ = load_model(run.out / "best", lambda config: layers(8, 2), trees)
    generator = layers(8, 2)
    generator.load_state_dict(weights)
    print(
        f"{run.reason.words}; energy distance {run.best['distance']:.3f}; points:",
        draw(generator, 3).tolist(),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
