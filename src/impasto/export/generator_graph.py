"""A generator with its prior and themes as one network, for programs without Impasto."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from impasto.config.shared import ImageConfig
from impasto.nn.onnx_graph import traced
from impasto.tasks.generation.generator import Generator, GrowingGenerator, ModulatedGenerator, mix_noise


class GeneratorGraph(nn.Module):
    """Numbers that anybody can draw, and what is asked for -> pictures; see `forward`."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = deepcopy(generator).float().cpu().eval().requires_grad_(False)
        self.around = isinstance(generator, GrowingGenerator) and len(generator.exemplars) > 0
        self.themed = "themes" in dict(generator.named_buffers())
        if isinstance(self.generator, GrowingGenerator):  # a number, for the graph's shape hangs on it
            grown = int(self.generator.resolution)
            del self.generator.resolution
            self.generator.resolution = grown  # type: ignore[assignment]

    def forward(
        self, noise: Tensor, truncation: Tensor, choice: Tensor | None = None, themes: Tensor | None = None
    ) -> Tensor:
        """Make pictures: `GrowingGenerator.sample_latents` with its random numbers given, then the generator.

        Args:
            noise: (B, latent_dim), from N(0, 1), or from U(-1, 1) where `described` says so.
            truncation: (B,), 1, or less for more typical pictures.
            choice: (B,), from U(0, 1), for a network that draws around exemplars. None: for any other.
            themes: (B, T), ones and zeros, for a network with themes. None: no theme is asked for.

        Returns:
            Pictures (B, C, height, width) in [-1, 1].
        """
        if isinstance(self.generator, GrowingGenerator) and choice is not None:
            exemplars = self.generator.exemplars
            places = self._chosen(choice, themes)
            share = (self.generator.noise * truncation[:, None]).clamp(max=1)
            z = mix_noise(exemplars[places], noise, share)
        else:
            z = noise * truncation[:, None]
        return self.generator(z).clamp(-1, 1)

    def _chosen(self, choice: Tensor, themes: Tensor | None) -> Tensor:
        """(B,) and (B, T) -> (B,): which exemplar, among those that have most of the themes asked for."""
        generator = self.generator
        assert isinstance(generator, GrowingGenerator)
        count = len(generator.exemplars)
        if themes is None:
            return (choice * count).long().clamp(0, count - 1)
        having = themes @ generator.themes.T  # (B, N): how many of those asked for each has
        wanted = (having >= having.amax(1, keepdim=True) - 0.5).long()
        order = wanted.cumsum(1)
        number = (choice * order[:, -1]).long().clamp(min=0) + 1
        number = torch.minimum(number, order[:, -1])
        return (order * wanted == number[:, None]).long().argmax(1)

    def examples(self, count: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Arguments for `count` pictures, by their names."""
        found = {
            "noise": noise_of(self.generator, count, rng),
            "truncation": 0.5 + torch.rand(count, generator=rng) / 2,
        }
        if self.around:
            found["choice"] = torch.rand(count, generator=rng)
        if self.themed and isinstance(self.generator, GrowingGenerator | ModulatedGenerator):
            kinds = self.generator.themes.shape[1]
            asked = torch.randint(kinds + 1, (count,), generator=rng)  # the last: nothing
            found["themes"] = torch.eye(kinds + 1)[asked][:, :kinds]
        return found


class ThemedGraph(GeneratorGraph):
    """The same of a `ModulatedGenerator` that knows themes: it takes no choice."""

    def forward(self, noise: Tensor, truncation: Tensor, themes: Tensor) -> Tensor:  # type: ignore[override]
        """As `GeneratorGraph.forward`; themes (B, T) may be all zeros, which asks for none."""
        z = torch.cat((themes, noise * truncation[:, None]), 1)
        return self.generator(z).clamp(-1, 1)


def graph_of(generator: Generator) -> GeneratorGraph:
    """The graph that suits a generator."""
    if isinstance(generator, ModulatedGenerator) and generator.kinds:
        return ThemedGraph(generator)
    return GeneratorGraph(generator)


def noise_of(generator: Generator, count: int, rng: torch.Generator) -> Tensor:
    """What a caller draws for `count` pictures: latents from the plain prior, without themes."""
    plain = Generator.sample_latents(generator, count, rng)
    return plain[:, generator.kinds :] if isinstance(generator, ModulatedGenerator) else plain


def described(generator: Generator, image: ImageConfig, themes: Sequence[str]) -> dict[str, object]:
    """What a program needs to know that runs the graph."""
    return {
        "latent_dim": noise_of(generator, 1, torch.Generator()).shape[1],
        "prior": generator.prior,
        "size": image.size,
        "width": image.shape[1],
        "channels": image.channels,
        "themes": list(themes),
    }


def to_onnx(graph: GeneratorGraph, about: Mapping[str, object]) -> bytes:
    """An ONNX model of opset 18 whose batch is free, with `about` as JSON among its properties, as `impasto`.

    Raises `MissingDependencyError` without the packages onnx and onnxscript.
    """
    batch = torch.export.Dim("batch", min=1)
    examples = graph.examples(3, torch.Generator().manual_seed(0))
    shapes = ({0: batch},) * len(examples)
    return traced(graph, examples, shapes, "pictures", {"impasto": json.dumps(about)})
