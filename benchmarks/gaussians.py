"""A grid of Gaussians in two dimensions: a task in which a collapse can be counted, and networks for it.

The convention is VEEGAN's and PacGAN's (Srivastava et al. 2017; Lin et al. 2018, section 4.1): centres 2
apart, deviation 0.05, 2,500 points; a point is good within 3 deviations of a centre, a mode is found by one
good point. Of the data itself 98.9 % is good. The reverse KL is KL(good points per mode || uniform) in nats;
2,500 points of a perfect generator have (modes - 1) / 5,000.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from impasto.config.shared import AugmentConfig, EmaConfig, LossConfig, OptimizerConfig
from impasto.nn.layers import leaky, linear, spectrally_normalised
from impasto.tasks.generation.discriminator import Discriminator
from impasto.tasks.generation.gan_step import gan_step
from impasto.tasks.generation.generator import Generator
from impasto.training.state import TrainingState, make_adam, update_average

SPACING, DEVIATION, SAMPLES, GOOD = 2.0, 0.05, 2_500, 3
STEPS_PER_MODE = 100


@dataclass(frozen=True)
class Recipe:
    """Networks, game and schedule. The default finds 25 modes of 25 with nine points of ten good.

    What it took, most important first: Fourier features in both networks (a plain perceptron is too smooth to
    jump from one mode to the next, and to tell 0.05 from 0.1); a generator that starts as wide as the data; a
    uniform prior; gradient penalties that begin large, so that every mode is found, and end small, so that D
    becomes sharp; G faster than D; learning rates that go down; an average.
    """

    loss: LossConfig = field(
        default_factory=lambda: LossConfig(adversarial="relativistic", r1_weight=0.05, r2_weight=0.05)
    )
    final_gamma_share: float = 0.006  # r1_weight and r2_weight go down to this share, geometrically
    steps: int | None = None  # of G; STEPS_PER_MODE for every mode when it is left out
    batch: int = 128
    generator_lr: float = 4e-3
    discriminator_lr: float = 2e-3
    beta1: float = 0.0
    beta2: float = 0.99
    discriminator_steps: int = 1
    width: int = 128
    spectral_norm: bool = False
    average_halflife_steps: int = 20

    def at(self, progress: float) -> tuple[LossConfig, float]:
        """The game, and the factor of the learning rates, when a share `progress` of the steps is done."""
        share = self.final_gamma_share ** min(1.0, progress / 0.8)
        gammas = {"r1_weight": self.loss.r1_weight * share, "r2_weight": self.loss.r2_weight * share}
        return self.loss.model_copy(update=gammas), 0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2


def centres(side: int) -> Tensor:
    """(side x side, 2): a grid around 0."""
    line = (torch.arange(side) - (side - 1) / 2) * SPACING
    return torch.cartesian_prod(line, line)


def deviation(side: int) -> float:
    """The deviation of a coordinate of all centres: the scale of the data."""
    return SPACING * math.sqrt((side**2 - 1) / 12)


def real_points(side: int, count: int, rng: torch.Generator) -> Tensor:
    """(count, 2) points of side x side Gaussians."""
    modes = torch.randint(side**2, (count,), generator=rng)
    return centres(side)[modes] + DEVIATION * torch.randn(count, 2, generator=rng)


class Perceptron(nn.Module):
    """(B, 2) -> (B, N): random Fourier features (Tancik et al. 2020) beside the input, three leaky layers."""

    frequencies: Tensor

    def __init__(self, outputs: int, width: int, scale: float, features: int, gain: float) -> None:
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(2, features))
        self.first = linear(2 + 2 * features, width)
        self.middle = nn.ModuleList([linear(width, width), linear(width, width)])
        self.last = linear(width, outputs, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        waves = x @ self.frequencies
        x = self.first(torch.cat((x, waves.sin(), waves.cos()), 1))
        for layer in self.middle:
            x = layer(leaky(x))
        y: Tensor = self.last(leaky(x))
        return y


class PointGenerator(Generator):
    """`scale * (z + perceptron(z))` of z brought to variance 1: starts as wide as the data. (B, 2) -> (B, 2).

    The frequencies grow with the number of modes along a side: each is a step of the stairs that G builds.
    """

    def __init__(self, side: int, width: int) -> None:
        super().__init__(latent_dim=2, prior="uniform", levels=(1,))
        self.scale = deviation(side)
        self.layers = Perceptron(2, width, scale=0.8 * side, features=64, gain=0.1)

    def forward(self, z: Tensor) -> Tensor:
        z = math.sqrt(3) * z
        return self.scale * (z + self.layers(z))


class PointDiscriminator(Discriminator):
    """The same perceptron over points, whatever the number of modes: its waves are as long as the spacing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = Perceptron(1, width, scale=2.0, features=32, gain=0.5)

    def forward(self, points: Tensor) -> Tensor:
        return self.layers(points / SPACING)[:, 0]


def play(
    side: int,
    recipe: Recipe,
    seed: int,
    seconds: float | None = None,
    watch: Callable[[TrainingState], None] | None = None,
) -> tuple[Tensor, dict[str, Any]]:
    """Play the game with the library's own step: 2,500 points of the averaged generator, and what it took.

    With `seconds` the schedule is by the clock: it ends there, after as many steps as there was time for.
    `watch` is shown the state before the first step and after each; it must draw no randomness from it.
    """
    torch.manual_seed(seed)
    fabric = Fabric(accelerator="cpu", devices=1)
    G, D = PointGenerator(side, recipe.width), PointDiscriminator(recipe.width)
    if recipe.spectral_norm:
        spectrally_normalised(D)
    average = copy.deepcopy(G).requires_grad_(False)
    adam = OptimizerConfig(beta1=recipe.beta1, beta2=recipe.beta2)
    g_module, g_optimizer = fabric.setup(G, make_adam(G, adam, recipe.generator_lr))
    d_module, d_optimizer = fabric.setup(D, make_adam(D, adam, recipe.discriminator_lr))
    rng = torch.Generator().manual_seed(seed)
    state = TrainingState(g_module, d_module, average, g_optimizer, d_optimizer, batches=None, rng=rng)  # type: ignore[arg-type]
    ema = EmaConfig(halflife_images=recipe.average_halflife_steps * recipe.batch)
    steps = recipe.steps or STEPS_PER_MODE * side**2
    start, progress = time.perf_counter(), 0.0
    watch = watch or (lambda state: None)
    watch(state)
    while progress < 1:
        loss, factor = recipe.at(progress)
        g_optimizer.param_groups[0]["lr"] = recipe.generator_lr * factor
        d_optimizer.param_groups[0]["lr"] = recipe.discriminator_lr * factor
        k = recipe.discriminator_steps
        gan_step(fabric, state, lambda: real_points(side, recipe.batch, rng), loss, AugmentConfig(), k)
        state.images_seen += recipe.batch
        state.steps += 1
        update_average(state, ema, recipe.batch)
        watch(state)
        elapsed = time.perf_counter() - start
        progress = elapsed / seconds if seconds else state.steps / steps
    with torch.no_grad():
        points = average(average.sample_latents(SAMPLES, torch.Generator().manual_seed(seed + 1)))
    return points, {"seconds": elapsed, "steps": state.steps}


def score(side: int, points: Tensor) -> Mapping[str, float]:
    """Modes with a good point, modes with a fifth of their share or more, the share of good points, KL."""
    distance, mode = torch.cdist(points, centres(side)).min(1)
    good = distance < GOOD * DEVIATION
    counts = torch.bincount(mode[good], minlength=side**2)
    share = counts / counts.sum().clamp_min(1)
    return {
        "modes": int((counts > 0).sum()),
        "full_modes": int((counts >= len(points) / side**2 / 5).sum()),
        "good": float(good.float().mean()),
        "kl": float(torch.xlogy(share, share * side**2).sum()) if good.any() else math.inf,
    }
