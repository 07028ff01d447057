"""Find the latent of a photo: which picture of this model is the most like it.

Begin with the best of many pictures, and with a guess by a linear map from what is seen of a picture to its
latent, fitted to those many; then descend. What is descended is the distance in the maps of Lite1 and in
pixels (after Abdal et al. 2019, who descend VGG's); Lite0 is the judge and takes no part.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.adaptive_threads import for_this_process
from impasto.data.scan import Progress
from impasto.errors import InputError
from impasto.nn.frozen_features import FrozenFeatures, content, thumbnail
from impasto.nn.losses.matching import map_difference
from impasto.tasks.generation.generator import Generator

CANDIDATES, STEPS, STARTS = 1_024, 300, 4
FEWEST_CANDIDATES, MOST = 16, 100_000
TRIAL = 0.2  # of the steps all starts take; the best goes on alone
BATCH = 32
RATE = 0.05
PIXELS = 2.0  # weight of a mean absolute difference in pixels, beside maps
TOGETHER = 0.02  # weight of how far the latents of the levels lie apart
SEEN_PX = 128
THUMBNAIL_SIDE = 16


def project(
    generator: Generator,
    photo: Tensor,
    rng: torch.Generator | None = None,
    *,
    candidates: int = CANDIDATES,
    steps: int = STEPS,
    progress: Progress | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the latent of the picture that is most like a photo.

    Args:
        generator: The generator.
        photo: The photo, (1, C, H, W) in [-1, 1], at the generator's size.
        rng: Draws the candidates where the search begins. None: always the same ones.
        candidates: How many latents are tried before the search, 16 to 100,000.
        steps: Steps of the search in all, 0 to 100,000.
        progress: Is told "searching", steps done, and steps in all. None: nobody is told.

    Returns:
        What was found and the best start, (levels, latent_dim) each, on the CPU.

    Raises:
        InputError: There are too few candidates or steps, or too many.
    """
    if not 0 <= steps <= MOST:
        raise InputError(f"{steps} steps are out of range", f"0 to {MOST:,}")
    if not FEWEST_CANDIDATES <= candidates <= MOST:
        raise InputError(f"{candidates} candidates are out of range", f"{FEWEST_CANDIDATES} to {MOST:,}")
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    target = Target(FrozenFeatures((SEEN_PX, SEEN_PX)).to(generator.device), photo.to(generator.device))
    z = find_starts(generator, target, rng, candidates)
    starts = z[:, None].repeat(1, len(generator.levels), 1)
    trial = round(TRIAL * steps)
    report = progress or (lambda _what, _done, _all: None)
    tried, distances, first = descend(
        generator, target, starts, trial, lambda done: report("searching", done, steps)
    )
    best = tried[distances.argmin()][None]
    found, _, _ = descend(
        generator, target, best, steps - trial, lambda done: report("searching", trial + done, steps)
    )
    return found[0], starts[first.argmin()]


def descend(
    generator: Generator, target: "Target", starts: Tensor, steps: int, report: Callable[[int], None]
) -> tuple[Tensor, Tensor, Tensor]:
    """Descend from each start towards the target by Adam.

    Args:
        generator: The generator.
        target: The photo that pictures should be like.
        starts: Latents to begin with, (B, levels, latent_dim). They stay as they are.
        steps: Steps to make, 0 or more.
        report: Is told of steps done, from 1 on.

    Returns:
        The nearest latents on each way, (B, levels, latent_dim); their distances (B,); and the distances of
        the starts (B,). All on the CPU.
    """
    latents = starts.clone().requires_grad_(True)
    nearest, least = starts.clone(), torch.full((len(starts),), torch.inf)
    first = least
    optimizer = torch.optim.Adam([latents], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    threads = for_this_process()
    for step in range(steps + 1):
        with threads.restored(), threads.unit(starts.shape):
            distances = target.distance(generator(latents.to(generator.device))).cpu()
            with torch.no_grad():
                better = distances < least
                least = torch.where(better, distances, least)
                nearest[better] = latents[better]
            if step == 0:
                first = least
            if step == steps:
                break
            apart = (latents - latents.mean(1, keepdim=True)).square().mean((1, 2))
            # A latent much longer than the prior's is a picture that the network never learnt to make.
            excess = F.relu(latents.square().mean((1, 2)) - 1)
            optimizer.zero_grad()
            (distances + TOGETHER * (apart + excess)).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            report(step + 1)
    return nearest, least, first


class Target:
    """A photo, and how far pictures are from it."""

    def __init__(self, pyramid: FrozenFeatures, photo: Tensor) -> None:
        self.pyramid, self.photo = pyramid, photo
        with torch.no_grad():
            self.maps = pyramid(photo)
        self.scales = [float(1 / m.float().abs().mean().clamp(min=1e-6)) for m in self.maps]

    def distance(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B,)."""
        return self.distance_of(images, self.pyramid(images))

    def distance_of(self, images: Tensor, maps: list[Tensor]) -> Tensor:
        """The same where the pictures' maps are known."""
        count = len(images)
        same = [m.expand(count, -1, -1, -1) for m in self.maps]
        in_pixels = (images - self.photo).abs().mean((1, 2, 3))
        return map_difference(maps, same, self.scales) + PIXELS * in_pixels


@torch.no_grad()
def find_starts(generator: Generator, target: Target, rng: torch.Generator, candidates: int) -> Tensor:
    """Latents to begin a search with: the guess of the linear map, then the nearest of the candidates.

    Args:
        generator: The generator.
        target: The photo that pictures should be like.
        rng: Draws the candidates.
        candidates: How many latents to draw and to look at.

    Returns:
        (STARTS, latent_dim), or fewer with few candidates, on the CPU.
    """
    z = generator.sample_latents(candidates, rng)
    seen, distances = [], []
    for part in torch.split(z, BATCH):
        images = generator(part.to(generator.device))
        maps = target.pyramid(images)
        seen.append(see(images, maps).cpu())
        distances.append(target.distance_of(images, maps).cpu())
    guess = regress(torch.cat(seen), z, see(target.photo, target.maps).cpu())
    guess = guess * (z.norm(dim=1).mean() / guess.norm(dim=1, keepdim=True).clamp(min=1e-6))
    nearest = torch.cat(distances).argsort()[: STARTS - 1]
    return torch.cat((guess, z[nearest]))


def see(images: Tensor, maps: list[Tensor]) -> Tensor:
    """(B, C 16^2 + 1600): the layout and colours of pictures, and what the deepest map knows."""
    return torch.cat((thumbnail(images, THUMBNAIL_SIDE), content(maps)), 1)


def regress(x: Tensor, y: Tensor, at: Tensor) -> Tensor:
    """Ridge regression of y (N, d) on x (N, D), at (M, D) -> (M, d); in its dual form, for N below D."""
    mean, scale = x.mean(0), x.std(0).clamp(min=1e-3)
    x, at = (x - mean) / scale, (at - mean) / scale
    gram = x @ x.T
    ridge = 0.1 * gram.diagonal().mean() * torch.eye(len(x))
    estimate: Tensor = at @ x.T @ torch.linalg.solve(gram + ridge, y - y.mean(0)) + y.mean(0)
    return estimate
