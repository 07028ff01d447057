"""One round of a projected GAN: the game on pixels and frozen features, and a lesson beside it.

The game alone lets a generator settle on a few pictures that D likes. The lesson shows it for half of its
latents which picture they should have become. D and G share the generated batch, so the dear part of a step,
the generator and the frozen network, runs once.
"""

from collections.abc import Callable, Sequence
from typing import cast

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
from impasto.models.layers import overshoot, resize
from impasto.models.pyramid import thumbnail
from impasto.training import ranks
from impasto.training.gan_step import StepStats, observe, spread_of
from impasto.training.reference import Reference
from impasto.training.state import TrainingState


def projected_step(
    fabric: Fabric,
    state: TrainingState,
    reference: Reference,
    next_batch: Callable[[], Tensor],
    loss: LossConfig,
    matching: MatchingConfig,
    changes: AugmentConfig,
) -> StepStats:
    """D learns once, then G learns once, from the same generated pictures."""
    G, D = networks(state)
    D.heeded = heeded(state.images_seen, matching.heed_by_images)
    real = soften(next_batch(), int(G.resolution))
    real_maps, known = look_at(fabric, state, reference, real)
    z, real_z, pairs, share = draw_latents(state, reference, known, matching)
    fake = made = G(z)
    spread = spread_of(fake, real)
    if changes != AugmentConfig():
        # The same changes for picture i on both sides: a pair stays a pair.
        seed = int(torch.randint(2**62, (), generator=state.rng))
        real, fake = (augment(x, changes, draws.alike(state.rng, seed)) for x in (real, fake))
        with fabric.autocast(), torch.no_grad():
            real_maps = D.pyramid(real)
    with fabric.autocast():
        fake_maps = D.pyramid(fake)

    # D judges both sides in one batch. Penalties bound its slope over the features, not over the pixels: what
    # learns in D are a few small heads.
    fake_features = D.features(fake_maps, fake)
    both = torch.cat((D.features(real_maps, real), fake_features.detach()))
    both.requires_grad_(differentiates(loss, loss.r1_weight + loss.r2_weight))
    latents = torch.cat((real_z, z))
    logits = D(both, latents)
    judges = (lambda x: D(x, latents)), (lambda x: D(x, real_z))
    penalty = penalties_of_halves(*judges, both, logits, loss, state.rng)
    real_logits, fake_logits = ranks.gather(*logits.chunk(2))
    d_loss = discriminator_loss(loss.adversarial, real_logits, fake_logits).mean()
    state.discriminator_optimizer.zero_grad()
    fabric.backward(d_loss + penalty.weighted(loss))
    ranks.average_gradients(D.parameters())
    state.discriminator_optimizer.step()

    seen = observe(D, loss, real_logits, fake_logits, d_loss, penalty)
    D.requires_grad_(False)
    fake_logits = D(fake_features, z)
    against = fake_logits.detach()  # not looked at by a loss that does not compare
    if generator_compares(loss.adversarial):
        with torch.no_grad():
            against = D(both[: len(real)], real_z)
    g_loss = generator_loss(loss.adversarial, *ranks.gather(against, fake_logits)).mean()
    reconstruction = 0 * g_loss
    if pairs:
        reconstruction = pair_loss(fake, real, fake_maps, real_maps, reference, pairs, matching.pixels)
        reconstruction = reconstruction * share
    total = matching.adversarial * g_loss + matching.reconstruction * reconstruction
    if matching.overshoot:
        total = total + matching.overshoot * overshoot(made)
    state.generator_optimizer.zero_grad()
    fabric.backward(total)
    ranks.average_gradients(G.parameters())
    state.generator_optimizer.step()
    D.requires_grad_(True)

    return StepStats(
        generator_loss=g_loss.detach(),
        reconstruction=reconstruction.detach(),
        spread=spread,
        **seen,
    )


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


def pair_loss(
    fake: Tensor,
    real: Tensor,
    fake_maps: Sequence[Tensor],
    real_maps: Sequence[Tensor],
    reference: Reference,
    pairs: int,
    pixels: float,
) -> Tensor:
    """How far the first `pairs` pictures are from those they stand for: in the maps, at 16 px, and `pixels`
    times at full size."""
    made, meant = ([m[:pairs] for m in maps] for maps in (fake_maps, real_maps))
    small_made, small_meant = (thumbnail(x[:pairs], THUMBNAIL_SIDE) for x in (fake, real))
    seen = map_difference(made, meant, reference.map_scales).mean() + F.l1_loss(small_made, small_meant)
    return seen + pixels * F.l1_loss(fake[:pairs].float(), real[:pairs]) if pixels else seen


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
