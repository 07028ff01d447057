"""One round of the game for new pictures: D and G in turn, and beside it how both batches are distributed.

The game alone lets a generator settle on a few pictures that D likes, and a loss that says which picture a
latent should become teaches it to redraw. Here nothing compares a generated picture with a real one. The
energy distance between the generated batch and the real one, as thumbnails and in a frozen network's maps,
asks for shapes and colours as varied as the real ones; D asks for pictures that look real. Both players share
the generated batch, so that the slow part of a step, the generator and the frozen network, runs once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from impasto.config.generation import DistributionConfig
from impasto.config.shared import AugmentConfig, LossConfig
from impasto.nn import draws
from impasto.nn.augment import augment
from impasto.nn.layers import overshoot, recomputed
from impasto.nn.losses.adversarial import discriminator_loss, generator_compares, generator_loss
from impasto.nn.losses.matching import distances, energy_distance
from impasto.nn.losses.penalties import differentiates, penalties_of_halves
from impasto.tasks.generation.discriminator import ProjectedDiscriminator
from impasto.tasks.generation.generator import ModulatedGenerator
from impasto.training.distributed import ranks
from impasto.training.game import StepStats, means, observe, spread_of
from impasto.training.state import TrainingState

AT_PLACES = 96  # earlier real pictures that places are compared with, too: more cost much, and tell little


class Views(NamedTuple):
    """A part of a batch: generated and real pictures, both as D sees them, with the frozen network's maps."""

    made: Tensor  # before augmentation, as all that follow are after it
    fake: Tensor
    fake_maps: Sequence[Tensor]
    given: Tensor
    real: Tensor
    real_maps: Sequence[Tensor]
    latents: Tensor


def players(state: TrainingState) -> tuple[ModulatedGenerator, ProjectedDiscriminator]:
    """G and D of such a run."""
    return cast(ModulatedGenerator, state.generator), cast(ProjectedDiscriminator, state.discriminator)


@dataclass
class ModulatedStep:
    """Plays rounds of the game. Pictures are (B, C, H, W) in [-1, 1], latents (B, latent_dim)."""

    fabric: Fabric
    state: TrainingState
    loss: LossConfig
    distribution: DistributionConfig
    changes: AugmentConfig

    def __post_init__(self) -> None:
        self.G, self.D = players(self.state)

    def __call__(self, real: Tensor, themes: Tensor, parts: int = 1) -> StepStats:
        """D learns once, then G learns once, from the same generated pictures.

        `themes` (B, T) are those of the real pictures, and asked of the generated ones. In several `parts`,
        where memory is short, pictures are made twice, and what compares pictures sees a part.
        """
        self.D.condition_weight = condition_weight(self.state.images_seen, self.distribution.heed_by_images)
        batch = list(zip(real.chunk(parts), self.latents(themes).to(real).chunk(parts), strict=True))
        seen, kept = [], []
        self.state.discriminator_optimizer.zero_grad()
        for given, latents in batch:
            with torch.set_grad_enabled(parts == 1):
                views = self.look(given, latents)
            seen.append(self.d_loss(views, parts))
            kept.append(views if parts == 1 else None)
        ranks.average_gradients(self.D.parameters())
        self.state.discriminator_optimizer.step()

        self.D.requires_grad_(False)
        self.state.generator_optimizer.zero_grad()
        for (given, latents), views_or_none in zip(batch, kept, strict=True):
            seen.append(self.g_loss(views_or_none or self.look(given, latents), parts))
        ranks.average_gradients(self.G.parameters())
        self.state.generator_optimizer.step()
        self.D.requires_grad_(True)
        return StepStats(**means(seen))

    def latents(self, themes: Tensor) -> Tensor:
        """Latents (B, latent_dim) of pictures with the `themes`; some are told none."""
        z = self.G.sample_latents(len(themes), self.state.rng)
        told = draws.rand(len(themes), 1, rng=self.state.rng) >= self.distribution.themeless_share
        return torch.cat((themes * told, z[:, themes.shape[1] :]), 1)

    def look(self, given: Tensor, latents: Tensor) -> Views:
        """Let G make its pictures; both sides as D sees them."""
        made = self.G(latents)
        fake, real = (augment(x, self.changes, self.state.rng) for x in (made, given))
        pyramid = self.D.pyramid
        with self.fabric.autocast():
            with torch.no_grad():
                real_maps = pyramid(real)
            fake_maps = recomputed(pyramid, fake) if self.G.recomputes else pyramid(fake)
        return Views(made, fake, fake_maps, given, real, real_maps, latents)

    def d_loss(self, views: Views, parts: int) -> dict[str, Tensor]:
        """D's gradients by one of so many parts of a batch, added to those it has; what is said of D."""
        D, loss = self.D, self.loss
        # D judges both sides in one batch. Penalties bound its slope over the features, not over the pixels:
        # what learns in D are a few small heads.
        sides = (views.real_maps, views.real), ([m.detach() for m in views.fake_maps], views.fake.detach())
        both = torch.cat([D.features(maps, images) for maps, images in sides])
        both.requires_grad_(differentiates(loss, loss.r1_weight + loss.r2_weight))
        latents = views.latents.repeat(2, 1)
        logits = D(both, latents)
        judges = partial(D, latents=latents), partial(D, latents=views.latents)
        penalty = penalties_of_halves(*judges, both, logits, loss, self.state.rng)
        real_logits, fake_logits = ranks.gather(*logits.chunk(2))
        d_loss = discriminator_loss(loss.adversarial, real_logits, fake_logits).mean()
        self.fabric.backward((d_loss + penalty.weighted(loss)) / parts)
        said = observe(D, loss, real_logits, fake_logits, d_loss, penalty)
        return said | {"spread": spread_of(views.made, views.given)}

    def g_loss(self, views: Views, parts: int) -> dict[str, Tensor]:
        """G's gradients by one of so many parts of a batch, added to those it has; what is said of G."""
        D, weights, kind = self.D, self.distribution, self.loss.adversarial
        fake_logits = D(D.features(views.fake_maps, views.fake), views.latents)
        against = fake_logits.detach()  # not looked at by a loss that does not compare
        if generator_compares(kind):
            with torch.no_grad():
                against = D(D.features(views.real_maps, views.real), views.latents)
        g_loss = generator_loss(kind, *ranks.gather(against, fake_logits)).mean()
        apart = self.apart(views)
        total = weights.adversarial * g_loss + apart + weights.overshoot * overshoot(views.made)
        self.fabric.backward(total / parts)
        return {"generator_loss": g_loss.detach(), "reconstruction": apart.detach()}

    def apart(self, views: Views) -> Tensor:
        """How differently generated and real pictures are distributed: (), with their weights."""
        weights, told = self.distribution, ranks.gather(views.latents[:, : self.G.kinds])[0]
        made = self.D.compared.plain(views.made, views.fake_maps)
        given = self.D.compared.plain(views.given, views.real_maps)
        all_told = torch.cat((told, self.state.recent.get("told", told[:0])))
        total = views.made.new_zeros(())
        for name, whitening in self.D.compared.whitenings.items():
            ours, theirs = ranks.gather(made[name], given[name])
            of_a_map = name != "thumbnails"
            if weight := weights.maps / len(views.real_maps) if of_a_map else weights.thumbnails:
                real = self.remember(name, whitening(theirs))
                total = total + weight * self.distance(whitening(ours), real, told, all_told)
            if of_a_map and weights.places:
                real = self.remember(f"{name} by place", theirs, AT_PLACES)
                total = total + weights.places / len(views.real_maps) * self.at_places(name, ours, real)
        self.remember("told", told)
        return total

    def at_places(self, name: str, made: Tensor, real: Tensor) -> Tensor:
        """The energy distance at each place of a map: in few dimensions it sees more than what rows have in
        common, and nothing of what belongs together."""  # fmt: skip
        by_place, exponent = self.D.compared.by_place, self.distribution.exponent
        return energy_distance(
            distances(by_place(name, made), by_place(name, real), exponent), None, exponent
        )

    def distance(self, made: Tensor, real: Tensor, told: Tensor, all_told: Tensor) -> Tensor:
        """The energy distance between generated rows and real ones, and among those told the same themes.

        Args:
            made: Rows of the generated pictures, (N, D).
            real: Rows of real pictures, (M, D) with M >= N: the N present ones first, then remembered ones.
            told: Themes that the generated pictures were told, (N, T).
            all_told: Themes of the real pictures, (M, T), in the order of `real`.

        Returns:
            The distance, 0-dimensional. Themes count by `distribution.themes`, where the generator has any.
        """
        exponent = self.distribution.exponent
        pairs = distances(made, real, exponent)
        total = energy_distance(pairs, exponent=exponent)
        if self.G.kinds and self.distribution.themes:
            within = energy_distance(pairs, themes_alike(told, all_told), exponent)
            total = total + self.distribution.themes * within
        return total

    def remember(self, name: str, rows: Tensor, most: int | None = None) -> Tensor:
        """Rows of real pictures and, after them, the last ones of that `name`: as many as are remembered of
        both are kept, and at `most` so many."""  # fmt: skip
        known = torch.cat((rows.detach(), self.state.recent.get(name, rows[:0])))
        kept = self.distribution.remembered
        self.state.recent[name] = known[: kept if most is None else min(kept, most)]
        return known


def condition_weight(images_seen: int, by_images: int) -> float:
    """How much D heeds themes: not at all at first, fully after `by_images`.

    An early G cannot put into its pictures what they are told. D would see that at once, be right on every
    picture for some minutes, and teach nothing else.
    """
    return min(1.0, images_seen / by_images) if by_images else 1.0


def themes_alike(one: Tensor, other: Tensor) -> Tensor:
    """(N, T) and (M, T) zeros and ones -> (N, M): the cosine of two pictures' themes; none is like none."""
    sides = (torch.cat((x, (x.sum(1, keepdim=True) == 0).to(x)), 1) for x in (one, other))
    ours, theirs = (F.normalize(side, dim=1) for side in sides)
    return ours @ theirs.T
