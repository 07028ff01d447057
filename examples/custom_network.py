"""A generator of your own in the library's game: it draws each pixel from its place alone.

    python examples/custom_network.py pictures sheet.png 2000

What is needed is a `Generator` with `forward`; seeds, steps, averages and losses work with it as they are.
"""

import sys
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

import impasto
from impasto.image.codec import to_tensor
from impasto.image.files import grid, save
from impasto.tasks.generation.gan_step import gan_step
from impasto.tasks.generation.generator import Generator
from impasto.tasks.generation.networks import build_discriminator
from impasto.tasks.generation.rendering import render
from impasto.training.device import Choice, make_fabric
from impasto.training.state import TrainingState, make_adam


class PlaceGenerator(Generator):
    """CPPN (Stanley 2007): (x, y) and the latent -> colour. Its pictures can be drawn at any size."""

    def __init__(self, latent_dim: int, width: int, side: int) -> None:
        super().__init__(latent_dim, "normal", (side,))
        y, x = torch.meshgrid(torch.linspace(-2, 2, side), torch.linspace(-2, 2, side), indexing="ij")
        self.register_buffer("places", torch.stack((x, y, x.hypot(y)))[None])
        self.place, self.latent = nn.Conv2d(3, width, 1), nn.Linear(latent_dim, width)
        layers = [nn.Conv2d(width, width, 1), nn.Tanh(), nn.Conv2d(width, width, 1), nn.Tanh()]
        self.layers = nn.Sequential(nn.Tanh(), *layers, nn.Conv2d(width, 3, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:  # (B, latent_dim) -> (B, 3, side, side)
        return self.layers(self.place(self.places) + self.latent(z)[:, :, None, None])


def main(pictures: str, sheet: str, steps: str, *settings: str) -> None:
    cfg = impasto.load_config("dcgan", ["image.size=32", *settings])
    batches = impasto.open_folder(Path(pictures), cfg.data, cfg.image, seed=0).batches(32, seed=0)
    torch.manual_seed(0)
    G, D = PlaceGenerator(64, 128, cfg.image.size), build_discriminator(cfg.model, cfg.image)
    fabric = make_fabric(Choice("cpu", "float32", "as asked"))
    optimizers = make_adam(G, cfg.optimizer, 1e-3), make_adam(D, cfg.optimizer, 2e-4)
    rng = torch.Generator().manual_seed(0)
    state = TrainingState(G, D, deepcopy(G), *optimizers, batches, rng)
    for step in range(int(steps)):
        stats = gan_step(fabric, state, lambda: to_tensor(batches.next()), cfg.loss, cfg.augment)
        if step % 100 == 0:
            print(f"step {step}: D {stats.discriminator_loss:.3f}, G {stats.generator_loss:.3f}")
    save(grid(render(G.eval(), range(16))), Path(sheet))


if __name__ == "__main__":
    main(*sys.argv[1:])
