import torch

from impasto.tasks.generation.sampling.latents import draw, latent_of
from impasto.tasks.generation.sampling.plane import point_at, seed_of
from impasto.tasks.generation.sampling.recipe import Between, Seed


class Noise:
    """Of a generator, what latents are drawn with."""

    levels = (4,)

    def sample_latents(self, count, rng, truncation):
        return truncation * torch.randn(count, 64, generator=rng)


def latent(x, y, per=4):
    point = point_at(x, y, per, lambda seed: Seed(seed=seed, truncation=0.7))
    return latent_of(point, Noise(), shift=None)


def test_every_whole_point_is_another_seed():
    near = range(-20, 21)
    seeds = {seed_of(i, j) for i in near for j in near}
    assert len(seeds) == len(near) ** 2
    assert min(seeds) == seed_of(0, 0) == 0
    assert seed_of(10**6, -(10**6)) < 2**63


def test_whole_points_are_seeds_and_others_lie_between_them():
    corner = lambda seed: Seed(seed=seed)  # noqa: E731
    assert point_at(-8, 4, 4, corner) == Seed(seed=seed_of(-2, 1))
    middle = point_at(2, 1, 4, corner)
    assert isinstance(middle, Between)
    assert middle.at == 0.25
    assert middle.first == Between(first=Seed(seed=0), last=Seed(seed=seed_of(1, 0)), at=0.5)
    assert middle.last.last.seed == seed_of(1, 1)
    assert torch.equal(latent(4, 0), draw(Seed(seed=seed_of(1, 0), truncation=0.7), Noise()))


def test_steps_are_small_and_none_leads_out_of_where_noise_is():
    for per, most in ((4, 0.8), (16, 0.25)):
        steps = [
            torch.dist(latent(x, y, per), latent(x + dx, y + dy, per)) / latent(x, y, per).norm()
            for x in range(-per, per)
            for y in (-3, 0, per - 1)
            for dx, dy in ((1, 0), (0, 1))
        ]
        assert min(steps) > 0
        assert max(steps) < most
    lengths = [latent(x, y).norm() / 0.7 / 8 for x in range(-8, 8) for y in range(-8, 8)]  # 8: of 64 numbers
    assert 0.7 < min(lengths) < max(lengths) < 1.3
