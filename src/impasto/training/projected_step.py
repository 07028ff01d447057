"""One round of a projected GAN: the game on pixels and frozen features, and a lesson beside it.

The game alone lets a generator settle on a few pictures that D likes. The lesson shows it for half of its
latents which picture they should have become. D and G share the generated batch, so the dear part of a step,
the generator and the frozen network, runs once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from impasto import draws
from impasto.augment import augment
from impasto.config import AugmentConfig, GrowConfig, LossConfig, MatchingConfig
from impasto.losses.adversarial import discriminator_loss, generator_compares, generator_loss
from impasto.losses.matching import map_difference
from impasto.losses.penalties import differentiates, penalties_of_halves
from impasto.models.discriminator import ProjectedDiscriminator
from impasto.models.encoder import THUMBNAIL_SIDE
from impasto.models.generator import GrowingGenerator, near
from impasto.models.layers import overshoot, recomputed, resize
from impasto.models.pyramid import thumbnail
from impasto.training import ranks
from impasto.training.gan_step import StepStats, means, observe, spread_of
from impasto.training.reference import Reference
from impasto.training.state import TrainingState


@dataclass
class Portion:
    """What is computed at once: all of a batch, or a part of it where memory is short."""

    real: Tensor
    real_maps: list[Tensor]
    z: Tensor
    real_z: Tensor
    pairs: int  # so many of the first of `z` are those of the real pictures
    seed: int | None  # of its augmentation

    def play(self, fabric: Fabric, state: TrainingState, changes: AugmentConfig) -> "Played":
        """Let G make its pictures; both sides as D sees them."""
        G, D = networks(state)
        real, real_maps = self.real, self.real_maps
        fake = made = G(self.z)
        if self.seed is not None:
            # The same changes for picture i on both sides: a pair stays a pair.
            real, fake = (augment(x, changes, draws.alike(state.rng, self.seed)) for x in (real, fake))
            with fabric.autocast(), torch.no_grad():
                real_maps = D.pyramid(real)
        with fabric.autocast():
            fake_maps = recomputed(D.pyramid, fake) if G.recomputes else D.pyramid(fake)
        return Played(made, real, real_maps, fake, fake_maps, D.features(fake_maps, fake))


class Played(NamedTuple):
    """Generated pictures as they were made, and both sides as they are judged."""

    made: Tensor
    real: Tensor
    real_maps: Sequence[Tensor]
    fake: Tensor
    fake_maps: Sequence[Tensor]
    fake_features: Tensor


def projected_step(
    fabric: Fabric,
    state: TrainingState,
    reference: Reference,
    next_batch: Callable[[], Tensor],
    loss: LossConfig,
    matching: MatchingConfig,
    changes: AugmentConfig,
    parts: int = 1,
) -> StepStats:
    """D learns once, then G learns once, from the same generated pictures.

    In several `parts` these are made twice, as G's part of the work cannot be kept for all of them at once.
    """
    G, D = networks(state)
    D.heeded = heeded(state.images_seen, matching.heed_by_images)
    real = soften(next_batch(), int(G.resolution))
    real_maps, known = look_at(fabric, state, reference, real)
    z, real_z, pairs, share = draw_latents(state, reference, known, matching)
    portions = deal(state, real, real_maps, z, real_z, pairs, changes, parts)

    state.discriminator_optimizer.zero_grad()
    views, seen = [], []
    for portion in portions:
        with torch.set_grad_enabled(parts == 1):
            played = portion.play(fabric, state, changes)
        spread = spread_of(played.made, portion.real)
        # D judges both sides in one batch. Penalties bound its slope over the features, not over the pixels:
        # what learns in D are a few small heads.
        both = torch.cat((D.features(played.real_maps, played.real), played.fake_features.detach()))
        both.requires_grad_(differentiates(loss, loss.r1_weight + loss.r2_weight))
        latents = torch.cat((portion.real_z, portion.z))
        logits = D(both, latents)
        judges = partial(D, latents=latents), partial(D, latents=portion.real_z)
        penalty = penalties_of_halves(*judges, both, logits, loss, state.rng)
        real_logits, fake_logits = ranks.gather(*logits.chunk(2))
        d_loss = discriminator_loss(loss.adversarial, real_logits, fake_logits).mean()
        fabric.backward((d_loss + penalty.weighted(loss)) / parts)
        seen.append(observe(D, loss, real_logits, fake_logits, d_loss, penalty) | {"spread": spread})
        views.append((played, both[: len(played.real)].detach()) if parts == 1 else None)
    ranks.average_gradients(D.parameters())
    state.discriminator_optimizer.step()

    D.requires_grad_(False)
    state.generator_optimizer.zero_grad()
    for portion, view in zip(portions, views, strict=True):
        played, real_features = view or again(portion, fabric, state, changes)
        fake_logits = D(played.fake_features, portion.z)
        against = fake_logits.detach()  # not looked at by a loss that does not compare
        if generator_compares(loss.adversarial):
            with torch.no_grad():
                against = D(real_features, portion.real_z)
        g_loss = generator_loss(loss.adversarial, *ranks.gather(against, fake_logits)).mean()
        reconstruction = 0 * g_loss
        if portion.pairs:
            reconstruction = pair_loss(played, reference, portion.pairs, matching.pixels)
            reconstruction = reconstruction * (share * parts * portion.pairs / pairs)
        total = matching.adversarial * g_loss + matching.reconstruction * reconstruction
        if matching.overshoot:
            total = total + matching.overshoot * overshoot(played.made)
        fabric.backward(total / parts)
        told = {"generator_loss": g_loss.detach(), "reconstruction": reconstruction.detach()}
        seen.append(told)
    ranks.average_gradients(G.parameters())
    state.generator_optimizer.step()
    D.requires_grad_(True)
    return StepStats(**means(seen))


def deal(
    state: TrainingState,
    real: Tensor,
    real_maps: list[Tensor],
    z: Tensor,
    real_z: Tensor,
    pairs: int,
    changes: AugmentConfig,
    parts: int,
) -> list[Portion]:
    """A batch in so many portions."""
    size = len(real) // parts
    portions = []
    for start in range(0, len(real), size):
        here = slice(start, start + size)
        changing = changes != AugmentConfig()
        seed = int(torch.randint(2**62, (), generator=state.rng)) if changing else None
        maps = [m[here] for m in real_maps]
        paired = min(size, max(0, pairs - start))
        portions.append(Portion(real[here], maps, z[here], real_z[here], paired, seed))
    return portions


def again(
    portion: Portion, fabric: Fabric, state: TrainingState, changes: AugmentConfig
) -> tuple[Played, Tensor]:
    """The portion played once more, with a history, and the features of its real pictures."""
    _, D = networks(state)
    played = portion.play(fabric, state, changes)
    return played, D.features(played.real_maps, played.real)


def look_at(
    fabric: Fabric, state: TrainingState, reference: Reference, real: Tensor
) -> tuple[list[Tensor], Tensor]:
    """The frozen network's maps of the batch of real pictures (B, C, H, W), and their latents (B, dims).

    What is remembered of them holds from the moment on when G makes all the detail that they have.
    """
    G, D = networks(state)
    if reference.memory is not None and int(G.resolution) == G.size:
        return reference.memory.recall(*state.batches.served())
    with fabric.autocast(), torch.no_grad():
        maps = D.pyramid(real)
    return maps, reference.encoder(real, maps)


def draw_latents(
    state: TrainingState, reference: Reference, known: Tensor, matching: MatchingConfig
) -> tuple[Tensor, Tensor, int, float]:
    """Latents (B, latent_dim) of the pictures to generate and of the real ones; how many are the same, and
    how many times its part of the whole batch's that is.

    Of the first, some are those of the real pictures, `known` (B, dims), hardly blurred, the others come from
    the prior. What the encoder does not say of a real picture is noise in its latent too.
    """
    G, _ = networks(state)
    z, real_z = (G.sample_latents(len(known), state.rng).to(known) for _ in range(2))
    dims = reference.encoder.dims
    noise = draws.randn(*known.shape, rng=state.rng).to(known)
    # As far from the picture's latent as the prior's are from their exemplars: D compares the two.
    share = G.noise[:dims].to(known) if len(G.exemplars) else matching.blur
    real_z[:, :dims] = near(known, noise, share)
    count = draws.whole(len(known), state.rng)
    wanted = round(matching.paired_share * count) if matching.reconstruction else 0
    pairs = len(draws.mine(torch.arange(count)[:wanted], state.rng))
    share = pairs / wanted * count / len(known) if wanted else 0.0
    z[:pairs] = real_z[:pairs]
    z[:pairs, :dims] = near(known, noise, matching.blur)[:pairs]
    return z, real_z, pairs, share


def pair_loss(played: Played, reference: Reference, pairs: int, pixels: float) -> Tensor:
    """How far the first `pairs` pictures are from those they stand for: in the maps, at 16 px, and `pixels`
    times at full size."""
    made, meant = ([m[:pairs] for m in maps] for maps in (played.fake_maps, played.real_maps))
    fake, real = played.fake[:pairs], played.real[:pairs]
    small_made, small_meant = (thumbnail(x, THUMBNAIL_SIDE) for x in (fake, real))
    seen = map_difference(made, meant, reference.map_scales).mean() + F.l1_loss(small_made, small_meant)
    return seen + pixels * F.l1_loss(fake.float(), real) if pixels else seen


def soften(images: Tensor, resolution: int) -> Tensor:
    """The same size with the detail of `resolution` px, as a generator makes it that has grown so far."""
    return resize(resize(images, resolution), images.shape[-1])


def heeded(images_seen: int, by_images: int) -> float:
    """How much of the latents D heeds: nothing at first, all after `by_images`.

    An early G cannot put into its pictures what the latents say. D would see that at once, be right on every
    picture for some minutes, and teach nothing else.
    """
    return min(1.0, images_seen / by_images) if by_images else 1.0


def grow(state: TrainingState, cfg: GrowConfig) -> None:
    """Let the generator make all the detail that its age allows."""
    G, _ = networks(state)
    resolution: int = cfg.from_px
    until = cfg.until_images
    while resolution < G.size and state.images_seen >= until:
        resolution, until = 2 * resolution, 4 * until
    G.grow_to(resolution)


def networks(state: TrainingState) -> tuple[GrowingGenerator, ProjectedDiscriminator]:
    """The two players of a projected GAN."""
    return cast(GrowingGenerator, state.generator), cast(ProjectedDiscriminator, state.discriminator)
