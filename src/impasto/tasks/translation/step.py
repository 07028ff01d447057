"""One round of learning to translate: likeness to the real picture, to its features, and the game."""

from dataclasses import dataclass
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from impasto.config.translation import TranslationConfig
from impasto.nn import draws
from impasto.nn.augment import augment, change_colour
from impasto.nn.frozen import FrozenMaps
from impasto.nn.losses.adversarial import discriminator_loss, generator_loss
from impasto.nn.losses.latents import distance_from_normal
from impasto.nn.losses.matching import map_difference
from impasto.nn.losses.penalties import differentiates, penalties
from impasto.nn.losses.reconstruction import absolute_difference
from impasto.tasks.translation.networks import AnyDiscriminator, AnyTranslator
from impasto.tasks.translation.translators import Translator
from impasto.training.distributed import ranks
from impasto.training.game import StepStats, observe
from impasto.training.state import TrainingState


@dataclass
class TranslationStep:
    """Both networks learn once from a batch of pairs: the picture (B, 3, H, W) and, behind it, the layout.

    Attributes:
        fabric: Runs the backward passes.
        state: State of the run. Both networks change.
        config: Weights of what G learns, the game, and how what D sees is changed.
        features: The frozen network of the feature loss. None: that loss has no weight.
    """

    fabric: Fabric
    state: TrainingState
    config: TranslationConfig
    features: FrozenMaps | None

    def __post_init__(self) -> None:
        self.G, self.D = players(self.state)
        self.loss = self.config.loss.at_size(self.config.image.size)

    def __call__(self, pairs: Tensor) -> StepStats:
        """D learns once, then G learns once, from the same translations of (B, 3 + L, H, W)."""
        real, layout = pairs[:, :3], pairs[:, 3:]
        with self.fabric.autocast():
            z, compared, unlikely = self.latents(real)
            made = self.G(layout, z).float()
        seen_real, seen_fake = self.augmented(real, made, layout)
        told, real_logits, real_maps = self.learn_to_judge(seen_real, seen_fake.detach())

        self.D.requires_grad_(False)
        with self.fabric.autocast():
            game, matching = self.game(seen_fake, real_logits, [m[:compared] for m in real_maps])
            likeness = self.likeness(made[:compared], real[:compared]) + matching
        weights = self.config.translation
        total = weights.adversarial * game + likeness + weights.latents * unlikely
        self.state.generator_optimizer.zero_grad()
        self.fabric.backward(total)
        ranks.average_gradients(self.G.parameters())
        self.state.generator_optimizer.step()
        self.D.requires_grad_(True)
        told |= {"generator_loss": game.detach(), "reconstruction": likeness.detach()}
        return StepStats(**told, spread=spread_of_all(made, real))

    def latents(self, real: Tensor) -> tuple[Tensor, int, Tensor]:
        """The latents of a batch.

        Returns:
            Latents (B, latent_dim); how many of the first ones were found in the real pictures, whose
            translations are compared with them; how far these are from N(0, I). Without an encoder all are
            drawn, and all are compared.
        """
        count, weights = len(real), self.config.translation
        z = draws.randn(count, self.G.latent_dim, rng=self.state.rng).to(real)
        if not (weights.latents and isinstance(self.G, Translator)):
            return z, count, z.new_zeros(())
        found = count - round(weights.drawn_share * count)
        mean, log_variance = (x.float() for x in self.G.encode(real[:found]))
        likely = mean + (0.5 * log_variance).exp() * z[:found]
        return torch.cat((likely, z[found:])), found, distance_from_normal(mean, log_variance).mean()

    def augmented(self, real: Tensor, made: Tensor, layout: Tensor) -> tuple[Tensor, Tensor]:
        """What D sees of the real pairs and of the translated ones: both are changed alike."""
        cfg, rng = self.config.augment, self.state.rng
        start, seen = rng.get_state(), []
        for picture in (real, made):
            rng.set_state(start)
            if cfg.colour > 0:
                picture = change_colour(picture, cfg.colour, rng)
            together = torch.cat((picture, layout), 1).contiguous(memory_format=torch.channels_last)
            seen.append(augment(together, cfg.model_copy(update={"colour": 0.0}), rng))
        return seen[0], seen[1]

    def learn_to_judge(self, real: Tensor, fake: Tensor) -> tuple[dict[str, Tensor], Tensor, list[Tensor]]:
        """One update of D by both sides in one batch, (B, 3 + L, H, W) each.

        Returns:
            What `StepStats` says of D, and D's logits and maps of the real pairs, without a history.
        """
        D, loss = self.D, self.loss
        real.requires_grad_(differentiates(loss, loss.r1_weight))
        fake.requires_grad_(differentiates(loss, loss.r2_weight))
        with self.fabric.autocast():
            logits, maps = D.both(torch.cat((real, fake)))
        real_logits, fake_logits = logits.float().chunk(2)
        penalty = penalties(D, real, fake, real_logits, fake_logits, loss, self.state.rng)
        real_logits, fake_logits = ranks.gather(real_logits, fake_logits)
        d_loss = discriminator_loss(loss.adversarial, real_logits, fake_logits).mean()
        self.state.discriminator_optimizer.zero_grad()
        self.fabric.backward(d_loss + penalty.weighted(loss))
        ranks.average_gradients(D.parameters())
        self.state.discriminator_optimizer.step()
        told = observe(D, loss, real_logits, fake_logits, d_loss, penalty)
        return told, real_logits.detach(), [m.detach()[: len(real)] for m in maps]

    def game(self, seen_fake: Tensor, real_logits: Tensor, real_maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """G's loss in the game, and the weighted difference of D's maps of the first pairs.

        Args:
            seen_fake: The translated pairs as D sees them, (B, 3 + L, H, W).
            real_logits: D's logits of the real ones.
            real_maps: D's maps of those that are compared, from before its update. Empty: none are.
        """
        kind, weight = self.loss.adversarial, self.config.translation.matching
        fake_logits, fake_maps = self.D.both(seen_fake)
        matching = fake_logits.new_zeros((), dtype=torch.float32)
        if weight and real_maps:
            matching = weight * likeness_of_maps([m[: len(real_maps[0])] for m in fake_maps], real_maps)
        _, fake_logits = ranks.gather(fake_logits.detach().float(), fake_logits.float())
        return generator_loss(kind, real_logits, fake_logits).mean(), matching

    def likeness(self, made: Tensor, real: Tensor) -> Tensor:
        """How far translations are from the real pictures, in pixels and in features, weighted: ()."""
        weights = self.config.translation
        total = made.new_zeros(())
        if weights.pixels:
            total = total + weights.pixels * absolute_difference(made, real).mean()
        if self.features is not None and weights.features:
            with torch.no_grad():
                meant = self.features(real)
            total = total + weights.features * likeness_of_maps(self.features(made), meant)
        return total


def likeness_of_maps(maps: list[Tensor], meant: list[Tensor]) -> Tensor:
    """Mean absolute difference of maps, each over the mean absolute value of those that are meant: ()."""
    scales = [1 / float(m.float().abs().mean().clamp_min(1e-6)) for m in meant]
    return map_difference(maps, meant, scales).mean()


def spread_of_all(made: Tensor, real: Tensor) -> Tensor:
    """The deviation of all pixels of a batch of translations over that of the real pictures: ().

    Layouts, and not chance, decide most of what differs between translations, and a batch may be of one.
    """
    deviations = [x.detach().float().std((0, 2, 3)).mean() for x in (made, real)]
    return deviations[0] / deviations[1].clamp_min(0.1)


def players(state: TrainingState) -> tuple[AnyTranslator, AnyDiscriminator]:
    """G and D themselves: what Fabric wraps around them has only their call."""
    both = (state.generator, state.discriminator)
    G, D = (cast(nn.Module, getattr(network, "module", network)) for network in both)
    return cast(AnyTranslator, G), cast(AnyDiscriminator, D)
