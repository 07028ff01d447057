"""Directions in the space of noise: where to go for a warmer, brighter, ... picture.

Some have names, from what can be measured of a picture (properties.py). The others, `pca1` and so
on, are what this model's pictures differ in most: the principal components of its activations half-way
(GANSpace, Härkönen et al. 2020). Both are fitted in one way: the least-squares prediction of the measurement
from the latent, and the shortest step that by this prediction changes it by one standard deviation.
`theme:food` and the like lead towards what the pictures of a theme have in common, fitted in the same way to
the latents of the real ones.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.config.overrides import closest
from impasto.errors import CheckpointError, InputError
from impasto.files import cache_folder
from impasto.tasks.generation.generator import Generator, GrowingGenerator, ModulatedGenerator
from impasto.tasks.generation.sampling.properties import PROPERTIES, properties
from impasto.training.checkpoints import ZOO, load_state, save_state

FILE = "directions.safetensors"
VERSION = 1  # of the fit: raise it when the numbers change
SAMPLES, TRIALS, COMPONENTS = 2_048, 256, 8
FIRST_SEED = 2_000_000  # far from those that people take
BATCH = 32
RIDGE = 0.1  # of the latents' variance
MIDDLE_SIDE = 4  # px that activations are averaged to
LEAST = 1e-6  # deviation of a property that pictures have at all
HIGHEST = 6.0  # of an activation

Progress = Callable[[int, int], None]
"""Told how much is done, and of how much."""


@dataclass(frozen=True)
class Directions(Mapping[str, Tensor]):
    """Steps (latent_dim,) by name: 1 is one standard deviation of that measurement, as far as predicted.

    `predicted` is the share of the measurement's variance that a latent tells (R^2, on latents that were not
    fitted to); `measured` (names, 5) by how many standard deviations a step of 1 really changed each of
    `PROPERTIES`, on average over other pictures.
    """

    names: tuple[str, ...]
    steps: Tensor  # (names, latent_dim)
    predicted: tuple[float, ...]
    measured: Tensor  # (names, 5)

    def __getitem__(self, name: str) -> Tensor:
        """The step of that name. Raises `InputError` for an unknown one, with the nearest."""
        if name not in self.names:
            near = closest(name, self.names)
            raise InputError(
                f"there is no direction '{name}'", near or f"this model has: {', '.join(self.names)}"
            )
        return self.steps[self.names.index(name)]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class KeptDirections:
    """The directions of one model: fitted once (some 20 s), and kept beside it.

    Those of a model that comes with the package, or that lies in a folder that cannot be written to, are kept
    in the cache: nothing is written into an installed package.

    Args:
        generator: The generator.
        folder: Folder of the model.
        digest: Digest of the generator's weights. What was fitted to others is fitted again.
        themes: Names of the themes that the generator knows. Empty: none.
    """

    def __init__(self, generator: Generator, folder: Path, digest: str, themes: Sequence[str] = ()) -> None:
        self._generator, self._digest, self._themes = generator, digest, themes
        cached = cache_folder() / "directions" / f"{digest}.safetensors"
        self._places = (folder / FILE, cached)
        self._writable = (cached,) if folder.resolve().is_relative_to(ZOO.resolve()) else self._places
        self._found: Directions | None = None

    def known(self) -> Directions | None:
        """Those that were fitted before, or nothing."""
        if self._found is None:
            read = (_read(place, self._digest) for place in self._places)
            self._found = next((found for found in read if found is not None), None)
        return self._found

    def find(self, progress: Progress | None = None) -> Directions:
        """Those that were fitted before, or those fitted now.

        `progress` is told how many pictures are measured, and of how many, where they are fitted now.
        """
        if (found := self.known()) is None:
            found = self._found = fit_directions(self._generator, self._themes, progress)
            self._keep(found)
        return found

    def _keep(self, found: Directions) -> None:
        tensors = {"steps": found.steps, "measured": found.measured}
        about: dict[str, object] = {"names": found.names, "predicted": found.predicted}
        about |= {"digest": self._digest, "version": VERSION}
        for place in self._writable:
            with contextlib.suppress(OSError):
                save_state(place, tensors, about)
                return


def _read(path: Path, digest: str) -> Directions | None:
    try:
        tensors, values = load_state(path)
    except CheckpointError:  # absent or damaged: it can be made again
        return None
    if (values.get("digest"), values.get("version")) != (digest, VERSION):
        return None
    return Directions(
        tuple(values["names"]), tensors["steps"], tuple(values["predicted"]), tensors["measured"]
    )


@torch.no_grad()
def fit_directions(
    generator: Generator, themes: Sequence[str] = (), progress: Progress | None = None
) -> Directions:
    """A function of the weights alone: always the same seeds."""
    steps_at_most = len(PROPERTIES) + COMPONENTS + len(themes)
    tell = _told_of(progress, SAMPLES + TRIALS * (1 + steps_at_most))
    z = _latents(generator, range(FIRST_SEED, FIRST_SEED + SAMPLES))
    measured, activations = _measure(generator, z, tell)
    deviations = measured.std(0)
    varied = [i for i, deviation in enumerate(deviations) if deviation > LEAST]  # grey has no warmth
    components = principal_components(activations, COMPONENTS)
    names = [PROPERTIES[i] for i in varied] + [f"pca{i + 1}" for i in range(components.shape[1])]
    targets = torch.cat(((measured - measured.mean(0))[:, varied] / deviations[varied], components), 1)
    steps, predicted = fit_steps(z, targets), told(z, targets)
    if themes and isinstance(generator, GrowingGenerator | ModulatedGenerator):
        exemplars, has = _themed(generator, z)
        has = (has - has.mean(0)) / has.std(0).clamp(min=LEAST)
        names += [f"theme:{name}" for name in themes]
        steps = torch.cat((steps, fit_steps(exemplars, has)))
        predicted = torch.cat((predicted, told(exemplars, has)))

    fresh = _latents(generator, range(FIRST_SEED + SAMPLES, FIRST_SEED + SAMPLES + TRIALS))
    before, _ = _measure(generator, fresh, tell)
    changes = [(_measure(generator, fresh + step, tell)[0] - before).mean(0) for step in steps]
    effects = torch.stack(changes) / deviations.clamp(min=LEAST)
    return Directions(tuple(names), steps, tuple(round(float(p), 4) for p in predicted), effects)


def _themed(generator: GrowingGenerator | ModulatedGenerator, z: Tensor) -> tuple[Tensor, Tensor]:
    """Latents (N, latent_dim) and which themes each has (N, T), of a generator that knows themes."""
    if isinstance(generator, ModulatedGenerator):
        return z, z[:, : generator.kinds]
    return generator.exemplars.cpu(), generator.themes.cpu()


def _told_of(progress: Progress | None, total: int) -> Callable[[int], None]:
    """A function that adds up how many are done and tells `progress`."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(min(done, total), total)

    return tell


def told(z: Tensor, targets: Tensor) -> Tensor:
    """What share of the variance of targets (N, k) is predicted where z (N, d) was not fitted to: (k,)."""
    half = len(z) // 2
    missed = targets[half:] - _predict(z[:half], targets[:half], z[half:])
    return 1 - missed.square().mean(0) / targets[half:].var(0).clamp(min=LEAST)


def fit_steps(z: Tensor, targets: Tensor) -> Tensor:
    """The shortest step in z (N, d) that should add 1, for each of k targets (N, k): (k, d)."""
    weights = _ridge(z, targets)
    steps: Tensor = (weights / weights.square().sum(0).clamp(min=1e-12)).T.contiguous()
    return steps


def principal_components(x: Tensor, count: int) -> Tensor:
    """Coordinates (N, count) of unit variance along the main axes of x (N, D), the largest first."""
    centred = (x - x.mean(0)).double()
    variances, axes = torch.linalg.eigh(centred @ centred.T)  # N is smaller than D, or not much larger
    real = min(count, int((variances > variances[-1] * 1e-9).sum()))
    coordinates = axes[:, -real:].flip(1) * len(x) ** 0.5
    # An axis has no sign of its own: the largest coordinate is positive, whatever the solver gave.
    largest = coordinates.gather(0, coordinates.abs().argmax(0, keepdim=True))
    signed: Tensor = (coordinates * largest.sign()).float()
    return signed


def _ridge(z: Tensor, targets: Tensor) -> Tensor:
    centred = z - z.mean(0)
    gram = centred.T @ centred + RIDGE * len(z) * torch.eye(z.shape[1])
    weights: Tensor = torch.linalg.solve(gram, centred.T @ (targets - targets.mean(0)))
    return weights


def _predict(z: Tensor, targets: Tensor, others: Tensor) -> Tensor:
    predicted: Tensor = (others - z.mean(0)) @ _ridge(z, targets) + targets.mean(0)
    return predicted


def _latents(generator: Generator, seeds: Sequence[int]) -> Tensor:
    return torch.cat([generator.sample_latents(1, torch.Generator().manual_seed(seed)) for seed in seeds])


def _measure(generator: Generator, z: Tensor, tell: Callable[[int], None]) -> tuple[Tensor, Tensor]:
    """Properties (N, 5) and activations half-way (N, D) of the pictures of latents (N, d), on the CPU."""
    measured, activations = [], []

    def keep(_module: object, _inputs: object, output: Tensor) -> None:
        # A spike in one corner, which later layers cut off, would be a component of its own.
        output = output.float().clamp(-HIGHEST, HIGHEST)
        small = F.adaptive_avg_pool2d(output, MIDDLE_SIDE) if output.ndim == 4 else output
        activations.append(small.flatten(1).cpu())

    hook = generator.middle.register_forward_hook(keep)
    try:
        for part in torch.split(z, BATCH):
            measured.append(properties(generator(part.to(generator.device))).cpu())
            tell(len(part))
    finally:
        hook.remove()
    return torch.cat(measured), torch.cat(activations)
