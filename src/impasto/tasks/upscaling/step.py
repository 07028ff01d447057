"""One round of learning to enlarge: likeness to the sharp picture, to its features, and the game."""

from collections.abc import Callable
from types import EllipsisType
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from impasto.config.shared import LossConfig
from impasto.config.upscaling import RestorationConfig
from impasto.nn.compact import Upscaler
from impasto.nn.frozen import FrozenMaps
from impasto.nn.losses.adversarial import generator_compares, generator_loss
from impasto.nn.losses.matching import map_difference
from impasto.nn.losses.reconstruction import (
    absolute_difference,
    frequency_difference,
    lattice_difference,
    luma_difference,
    reduced_difference,
)
from impasto.tasks.upscaling.degradations import pair_of
from impasto.training.distributed import ranks
from impasto.training.game import StepStats, spread_of, update_discriminator
from impasto.training.state import TrainingState

Window = tuple[EllipsisType, slice, slice]


def upscale_step(
    fabric: Fabric,
    state: TrainingState,
    next_batch: Callable[[], Tensor],
    loss: LossConfig,
    cfg: RestorationConfig,
    features: FrozenMaps | None,
) -> StepStats:
    """One step: G learns to enlarge; D, once its time has come, to tell what is enlarged from what is sharp.

    Args:
        fabric: Runs the backward passes.
        state: State of the run. Both networks may change.
        next_batch: Gives a batch of windows (B, 3 or 6, S, S) in [-1, 1]; see `degradations.pair_of`.
        loss: The adversarial loss and the weights of the penalties.
        cfg: Weights of what G learns, and when the game begins.
        features: The frozen network of the feature loss. None: that loss has no weight.
    """
    G, D = cast(Upscaler, state.generator), state.discriminator
    windows = turned(next_batch(), state.rng)
    low, sharp = pair_of(windows, G.scale, cfg.degradation, state.rng)
    made = G(low.contiguous(memory_format=torch.channels_last))
    stats = untouched(made, sharp)
    at = phase(made.shape[-1], cfg.phases, state.rng)
    plays = cfg.adversarial > 0 and state.images_seen >= cfg.adversarial_from_images
    if plays:
        stats |= update_discriminator(fabric, state, sharp[at].detach(), made[at].detach(), loss)

    with fabric.autocast():
        reconstruction = restoration_loss(made, sharp, at, cfg, features, G.scale)
    total, g_loss = reconstruction, torch.zeros_like(reconstruction)
    if plays:
        D.requires_grad_(False)
        fake_logits = D(made[at])
        against = fake_logits.detach()
        if generator_compares(loss.adversarial):
            with torch.no_grad():
                against = D(sharp[at])
        g_loss = generator_loss(loss.adversarial, *ranks.gather(against, fake_logits)).mean()
        total = total + cfg.adversarial * g_loss
    state.generator_optimizer.zero_grad()
    fabric.backward(total)
    ranks.average_gradients(G.parameters())
    state.generator_optimizer.step()
    D.requires_grad_(True)
    stats |= {"generator_loss": g_loss.detach(), "reconstruction": reconstruction.detach()}
    return StepStats(**stats)


def phase(side: int, phases: int, rng: torch.Generator) -> Window:
    """Which part of windows (B, 3, side, side) networks look at: all but `phases` px, at a corner by chance.

    A network that halves its maps hears more of some pixels than of others, and an upscaler makes each of the
    pixels of a pixel by weights of its own: without chance between them the one draws the other's lattice.
    """
    if not phases or side <= 2 * phases:
        return (..., slice(None), slice(None))
    top, left = (int(n) for n in torch.randint(0, phases + 1, (2,), generator=rng))
    return (..., slice(top, top + side - phases), slice(left, left + side - phases))


def restoration_loss(
    made: Tensor,
    sharp: Tensor,
    at: Window,
    cfg: RestorationConfig,
    features: FrozenMaps | None,
    scale: int,
) -> Tensor:
    """How far enlarged windows are from the sharp ones in all that `cfg` weighs: a scalar.

    Args:
        made: The enlarged windows, (B, 3, s, s).
        sharp: The sharp windows, (B, 3, s, s).
        at: The part of both that the feature network looks at; see `phase`. All else is of the whole.
        cfg: The weights.
        features: The frozen network of the feature loss. None: that loss is left out.
        scale: How many times the windows were enlarged.
    """
    total = cfg.pixels * absolute_difference(made, sharp).mean()
    if cfg.luma:
        total = total + cfg.luma * luma_difference(made, sharp).mean()
    if cfg.frequencies:
        total = total + cfg.frequencies * frequency_difference(made, sharp).mean()
    if cfg.consistency:
        total = total + cfg.consistency * reduced_difference(made, sharp, scale).mean()
    if cfg.lattice:
        total = total + cfg.lattice * lattice_difference(made, sharp, scale).mean()
    if features is not None and cfg.features:
        with torch.no_grad():
            meant = features(sharp[at])
        scales = [1 / float(m.abs().mean().clamp_min(1e-6)) for m in meant]
        total = total + cfg.features * map_difference(features(made[at]), meant, scales).mean()
    return total


def untouched(made: Tensor, sharp: Tensor) -> dict[str, Tensor]:
    """What `StepStats` says of a D that does not play: it knows nothing and is right by chance."""
    nothing = torch.zeros((), device=made.device)
    names = ("discriminator_loss", "r1", "r2", "gradient_penalty", "real_logit", "fake_logit")
    chance = {name: torch.full_like(nothing, 0.5) for name in ("real_accuracy", "fake_accuracy")}
    return {**dict.fromkeys(names, nothing), **chance, "spread": spread_of(made, sharp)}


def turned(windows: Tensor, rng: torch.Generator) -> Tensor:
    """A batch (B, C, S, S) turned by a quarter as often as chance says, and perhaps mirrored."""
    quarters, mirrored = (int(n) for n in torch.randint(0, 4, (2,), generator=rng))
    windows = torch.rot90(windows, quarters, (2, 3))
    return windows.flip(3) if mirrored % 2 else windows
