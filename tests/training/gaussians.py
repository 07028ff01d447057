"""A grid of Gaussians (VEEGAN, Srivastava et al. 2017): a task in which a collapse can be counted."""

from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from impasto.config import AugmentConfig, Config, EmaConfig, LossConfig
from impasto.models.discriminator import Discriminator
from impasto.models.generator import Generator
from impasto.models.layers import linear
from impasto.training.gan_step import gan_step
from impasto.training.state import TrainingState, make_adam, update_average

DEVIATION = 0.05


def centres(side: int) -> Tensor:
    """(side x side, 2): a grid over [-2, 2] x [-2, 2]."""
    line = torch.linspace(-2, 2, side)
    return torch.cartesian_prod(line, line)


def real_points(side: int, count: int, rng: torch.Generator) -> Tensor:
    """(count, 2) points of side x side Gaussians."""
    modes = torch.randint(side**2, (count,), generator=rng)
    return centres(side)[modes] + DEVIATION * torch.randn(count, 2, generator=rng)


class PointGenerator(Generator):
    def __init__(self, width: int = 128) -> None:
        super().__init__(latent_dim=4, prior="normal")
        self.layers = _mlp(4, width, 2)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class PointDiscriminator(Discriminator):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.layers = _mlp(2, width, 1)

    def forward(self, points: Tensor) -> Tensor:
        return self.layers(points)[:, 0]


def _mlp(inputs: int, width: int, outputs: int) -> nn.Sequential:
    leak = nn.LeakyReLU(0.2)
    return nn.Sequential(
        linear(inputs, width), leak, linear(width, width), leak, linear(width, width), leak,
        linear(width, outputs, gain=0.5),
    )  # fmt: skip


def play(side: int, loss: LossConfig, steps: int, seed: int, lr: float, batch: int = 256) -> Tensor:
    """Play the game with the library's own step; returns 2,500 points of the averaged generator."""
    torch.manual_seed(seed)
    fabric = Fabric(accelerator="cpu", devices=1)
    optimizer_cfg = Config().optimizer.model_copy(update={"beta1": 0.0, "beta2": 0.99})
    G, D, average = PointGenerator(), PointDiscriminator(), PointGenerator()
    average.load_state_dict(G.state_dict())
    g_module, g_optimizer = fabric.setup(G, make_adam(G, optimizer_cfg, lr))
    d_module, d_optimizer = fabric.setup(D, make_adam(D, optimizer_cfg, lr))
    rng = torch.Generator().manual_seed(seed)
    state = TrainingState(g_module, d_module, average, g_optimizer, d_optimizer, batches=None, rng=rng)  # type: ignore[arg-type]
    next_batch: Callable[[], Tensor] = lambda: real_points(side, batch, rng)  # noqa: E731
    ema = EmaConfig(halflife_images=20_000, ramp=0.05)
    for step in range(steps):
        for optimizer in (g_optimizer, d_optimizer):
            optimizer.param_groups[0]["lr"] = lr * (1 - 0.9 * step / steps)
        gan_step(fabric, state, next_batch, loss, AugmentConfig())
        state.images_seen += batch
        update_average(state, ema, batch)
    with torch.no_grad():
        return average(average.sample_latents(2500, torch.Generator().manual_seed(seed + 1)))


def score(side: int, points: Tensor) -> tuple[int, float]:
    """Modes found (with a fifth of their share of points or more), and the share within 4 deviations."""
    distance, mode = torch.cdist(points, centres(side)).min(1)
    good = distance < 4 * DEVIATION
    counts = torch.bincount(mode[good], minlength=side**2)
    return int((counts >= len(points) / side**2 / 5).sum()), float(good.float().mean())
