"""Points in the space of noise -> latents: draw, truncate, walk between, mix, vary, move.

A latent has a row for each level at which it enters the network (generator.py), coarsest first. Themes
say where latents are drawn; colours are a matter of the picture that is made (`colouring_of`).
"""

import base64
import binascii
import functools
from collections.abc import Callable, Sequence
from typing import assert_never

import numpy as np
import torch
from torch import Tensor

from impasto.config.overrides import closest
from impasto.data.names import theme_name
from impasto.errors import InputError
from impasto.tasks.generation.generator import Generator, GrowingGenerator, ModulatedGenerator
from impasto.tasks.generation.sampling.recipe import Between, Coloured, Mix, Moved, Near, Point, Seed, Stored

FARTHEST = 20  # units of a direction
NO_THEMES_HINT = "it was trained on pictures without: themes are subfolders, or a table (data.themes)"

Shift = Callable[[str], Tensor]
"""The name of a direction -> (latent_dim,), one unit of it. Raises `InputError` for an unknown one."""


def latent_of(point: Point, generator: Generator, shift: Shift, themes: Sequence[str] = ()) -> Tensor:
    """The latent of a point: (levels, latent_dim) float32 on the CPU.

    Args:
        point: The point.
        generator: The generator that the latent is for.
        shift: Gives the step of a direction by its name.
        themes: Names of the themes that can be asked for, in the order in which the generator knows them.
            Empty: none.

    Raises:
        InputError: The generator cannot do what the point says.
    """
    go = functools.partial(latent_of, generator=generator, shift=shift, themes=themes)
    match point:
        case Seed():
            return draw(point, generator, themes)
        case Coloured():
            return go(point.start)
        case Stored():
            return unpack(point, generator)
        case Between():
            return slerp(go(point.first), go(point.last), point.at)
        case Mix():
            structure, detail = go(point.structure), go(point.detail)
            fine = torch.tensor([px >= point.detail_from_px for px in generator.levels])
            if fine.all() or not fine.any():
                raise InputError(
                    f"nothing can be mixed from {point.detail_from_px} px on", levels_hint(generator, 1)
                )
            return torch.where(fine[:, None], detail, structure)
        case Near():
            check_seed(point.seed)
            rng = torch.Generator().manual_seed(point.seed)
            return generator.vary(go(point.centre), rng, point.spread)
        case Moved():
            start = go(point.start)
            for name, value in sorted(point.directions.items()):
                check_move(name, value)
                start = start + value * shift(name)
            return start
        case _:
            assert_never(point)


Colouring = tuple[tuple[float, "Coloured | None"], ...]
"""How much of a picture is in which colours: weights that add up to 1, and None for its own."""


def colouring_of(point: Point) -> Colouring:
    """In which colours the picture at a point is. On the way between two it is a blend of both of theirs."""
    match point:
        case Seed() | Stored():
            return ((1.0, None),)
        case Coloured():
            return ((1.0, point),)
        case Near():
            return colouring_of(point.centre)
        case Moved():
            return colouring_of(point.start)
        case Mix():
            return colouring_of(point.detail)
        case Between():
            ends = (1 - point.at, point.first), (point.at, point.last)
            return tuple((part * w, c) for part, end in ends if part for w, c in colouring_of(end))
        case _:
            assert_never(point)


def draw(point: Seed, generator: Generator, themes: Sequence[str] = ()) -> Tensor:
    """(levels, latent_dim): the same draw at each level, truncated as it says there.

    Raises `InputError` for a seed, a truncation or a level out of range, or a theme not among `themes`.
    """
    check_seed(point.seed)
    asked = places_of(point.themes, themes)
    unknown = set(point.truncation_at) - set(generator.levels)
    if unknown:
        raise InputError(f"there is no level of {min(unknown)} px to truncate", levels_hint(generator))
    rows = []
    for px in generator.levels:
        truncation = point.truncation_at.get(px, point.truncation)
        check_truncation(truncation)
        rng = torch.Generator().manual_seed(point.seed)
        if not asked:
            rows.append(generator.sample_latents(1, rng, truncation))
            continue
        assert isinstance(generator, GrowingGenerator | ModulatedGenerator)  # no other has themes
        if isinstance(generator, GrowingGenerator) and not generator.having(asked).any():
            raise InputError(
                f"no picture that this model learnt from is all of: {', '.join(point.themes)}",
                "ask for one of them",
            )
        rows.append(generator.sample_latents(1, rng, truncation, asked))
    return torch.cat(rows)


def places_of(asked: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where in `names` the themes asked for are. Raises `InputError` with the closest names."""
    if asked and not names:
        raise InputError("this model cannot be asked for themes", NO_THEMES_HINT)
    places = {theme_name(name): place for place, name in enumerate(names)}  # however "é" is written
    unknown = [name for name in asked if theme_name(name) not in places]
    if unknown:
        hint = closest(unknown[0], names) or f"this model has: {', '.join(names)}"
        raise InputError(f"there is no theme '{unknown[0]}'", hint)
    return [places[theme_name(name)] for name in asked]


def check_seed(seed: int) -> None:
    """Raises `InputError` for a seed that is none."""
    if not 0 <= seed < 2**63:
        raise InputError(f"seed {seed} is out of range", "seeds run from 0 to 9223372036854775807")


def check_any(seeds: Sequence[int]) -> None:
    """Raises `InputError` where there are no seeds."""
    if not len(seeds):
        raise InputError("there are no seeds to make pictures of", "give at least one")


def check_truncation(truncation: float) -> None:
    """Raises `InputError` for a truncation that is none."""
    if not 0 < truncation <= 2:
        raise InputError(
            f"truncation {truncation:g} is out of range", "above 0, at most 2; 1 changes nothing"
        )


def check_move(name: str, value: float) -> None:
    """Raises `InputError` for a value of a direction that leads nowhere."""
    if not abs(value) <= FARTHEST:
        raise InputError(f"{name}={value:g} is out of range", f"{-FARTHEST} to {FARTHEST}; 2 is far already")


def slerp(first: Tensor, last: Tensor, at: float) -> Tensor:
    """The point `at` of the way from `first` to `last`, row by row: (N, d) and (N, d) -> (N, d).

    On the great circle (Shoemake 1985; for latents White 2016), lengths changing evenly: a straight line
    would pass through shorter latents than the network knows. The ends are exactly the ends.
    """
    if at in (0, 1):
        return last if at else first
    lengths = [torch.linalg.vector_norm(end, dim=1, keepdim=True) for end in (first, last)]
    one, other = (end / length.clamp(min=1e-12) for end, length in zip((first, last), lengths, strict=True))
    angle = torch.arccos((one * other).sum(1, keepdim=True).clamp(-1, 1))
    sine = torch.sin(angle)
    arc = (torch.sin((1 - at) * angle) * one + torch.sin(at * angle) * other) / sine.clamp(min=1e-12)
    length = (1 - at) * lengths[0] + at * lengths[1]
    # Where both point the same way (or away from each other) there is no circle to walk on.
    return torch.where(sine > 1e-4, length * arc, (1 - at) * first + at * last)


def pack(latent: Tensor) -> Stored:
    """(levels, latent_dim) as text, without loss."""
    return Stored(latent=base64.b64encode(latent.cpu().numpy().astype("<f4").tobytes()).decode())


def unpack(point: Stored, generator: Generator) -> Tensor:
    """What `pack` wrote. Raises `InputError` if it does not fit this generator."""
    shape = len(generator.levels), generator.latent_dim
    try:
        numbers = np.frombuffer(base64.b64decode(point.latent, validate=True), "<f4")
        latent = torch.from_numpy(numbers.astype(np.float32)).view(shape)
    except (binascii.Error, ValueError, RuntimeError):
        raise InputError(
            f"the recipe's latent is not {shape[0]} x {shape[1]} numbers", "it is another model's, or damaged"
        ) from None
    if not torch.isfinite(latent).all():
        raise InputError("the recipe's latent holds numbers that are not finite", "it is damaged")
    return latent


def levels_hint(generator: Generator, first: int = 0) -> str:
    """Which levels a generator has, for an error's hint."""
    names = ", ".join(str(px) for px in generator.levels[first:])
    if len(generator.levels) == 1:
        return "this network takes its noise at one place only"
    return f"noise enters this network at {names} px"
