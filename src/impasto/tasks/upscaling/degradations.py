"""From sharp pictures to low-resolution ones: what an upscaler learns to undo.

`bicubic` is the protocol that upscalers are compared by. `photo` is what happens to ordinary pictures: two
rounds of blur, resizing, noise and JPEG, each by chance (after Real-ESRGAN, Wang et al. 2021, section 3), or
none of it. `drawing` is what happens to logos, comics and diagrams: a little blur, resizing, few colours (as
in a GIF) and JPEG of lower quality, whose traces are plain to see on flat colours.
"""

import io
import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from impasto.image.codec import to_tensor, to_uint8
from impasto.image.files import grid
from impasto.nn import draws

Degradation = Literal["bicubic", "photo", "drawing"]

MARGIN = 4  # low-resolution px at each edge that lack what lies beyond it: they are cut off
FATES = 4  # of each picture on a sheet
UNHARMED = 0.3
_MODES = ("area", "bilinear", "bicubic")


def degrade(
    images: Tensor, scale: int, kind: Degradation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Make low-resolution pictures of sharp windows. Both lose `MARGIN` low-resolution px at each edge.

    Args:
        images: Sharp windows (B, C, S, S) in [-1, 1].
        scale: How many times smaller the low-resolution pictures are.
        kind: How they are made.
        generator: Draws what happens to each picture; "bicubic" draws nothing.

    Returns:
        Low-resolution pictures (B, C, s, s), their values those of 8 bits, and what they show, (B, C, scale
        s, scale s). s = S / scale - 2 MARGIN.

    Raises:
        ValueError: S is not a multiple of `scale`, or nothing would be left.
    """
    side = images.shape[-1]
    if side % scale or side // scale <= 2 * MARGIN:
        raise ValueError(f"{side} px cannot be reduced {scale} times with a margin of {MARGIN}")
    if kind == "bicubic":
        low = quantised(bicubic(images, side // scale))
    else:
        # Chance of its own for each picture: how much of it one uses is then nothing to the others.
        seeds = draws.randint(0, 2**62, len(images), rng=generator).tolist()
        fates = (torch.Generator().manual_seed(seed) for seed in seeds)
        harmed = photo if kind == "photo" else drawing
        low = torch.stack([harmed(x, side // scale, fate) for x, fate in zip(images, fates, strict=True)])
    inner = slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN)
    outer = slice(MARGIN * scale, -MARGIN * scale)
    return low[..., inner[0], inner[1]].contiguous(), images[..., outer, outer].contiguous()


def pair_of(
    windows: Tensor, scale: int, kind: Degradation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The low-resolution and the sharp pictures of windows.

    Args:
        windows: Sharp windows (B, 3, S, S), which are degraded; or (B, 6, S, S) with both pictures, as
            `pairs.PairedPixels` gives them, which are not.
        scale: How many times smaller the low-resolution pictures are.
        kind: How sharp windows are degraded.
        generator: Draws what happens to each picture.

    Raises:
        ValueError: Sharp windows do not suit `scale`; see `degrade`.
    """
    if windows.shape[1] == 3:
        return degrade(windows, scale, kind, generator)
    return windows[:, 3:, ::scale, ::scale].contiguous(), windows[:, :3].contiguous()


def bicubic(images: Tensor, side: int) -> Tensor:
    """(B, C, S, S) -> (B, C, side, side): antialiased bicubic with a = -0.5, Pillow's and MATLAB's."""
    return F.interpolate(images.float(), (side, side), mode="bicubic", antialias=True)


def quantised(images: Tensor) -> Tensor:
    """The nearest values that 8 bits can hold, still in [-1, 1]."""
    return images.add(1).mul(127.5).round().clamp(0, 255).div(127.5).sub(1)


def photo(image: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """One picture (C, S, S) in [-1, 1] -> (C, side, side), as it might have come to somebody's computer.

    Milder than Real-ESRGAN's: what most people want enlarged is a decent picture that is too small, and a
    network that expects ruins paints over what is there. A `UNHARMED` share is reduced and nothing else.
    """
    x = image[None].float()
    if chance(generator) < UNHARMED:
        return quantised(bicubic(x, side))[0]
    for again in (False, True):
        if again and chance(generator) < 0.5:
            break
        if chance(generator) < 0.6:
            x = blurred(x, generator, most=0.7 if again else 1.8)
        # Down to between the final size and twice that, so that the last reduction is left something to do.
        share = between(generator, 1.0, 2.0) if again else between(generator, 1.0, x.shape[-1] / side)
        x = resized(x, round(side * share), generator)
        if chance(generator) < 0.5:
            x = noisy(x, generator, most=5.0 if again else 10.0)
        if chance(generator) < 0.5:
            x = compressed(x, generator, least=60)
    x = quantised(resized(x, side, generator))
    if chance(generator) < 0.5:
        x = compressed(x, generator, least=70)
    return x[0]


def drawing(image: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """One drawing (C, S, S) in [-1, 1] -> (C, side, side), as it might have come to somebody's computer.

    A quarter is reduced and nothing else. Of the others some were blurred or scanned, half were kept before
    they were small, and most are JPEG of a quality of 40 or more, or have few colours.
    """
    x = image[None].float()
    if chance(generator) < 0.25:
        return quantised(bicubic(x, side))[0]
    if chance(generator) < 0.3:
        x = blurred(x, generator, most=1.8)
    if chance(generator) < 0.5:
        x = resized(x, round(side * between(generator, 1.0, x.shape[-1] / side)), generator)
        x = kept(x, generator, least=50)
    x = quantised(resized(x, side, generator))
    if chance(generator) < 0.1:
        x = quantised(noisy(x, generator, most=6.0))
    return kept(x, generator, least=40)[0]


def kept(x: Tensor, generator: torch.Generator, least: int) -> Tensor:
    """A drawing (1, C, H, W) as files of drawings are kept: with few colours, as JPEG, or whole."""
    how = chance(generator)
    if how < 0.15:
        return with_few_colours(x, generator)
    return compressed(x, generator, least) if how < 0.75 else x


def with_few_colours(x: Tensor, generator: torch.Generator) -> Tensor:
    """With 8 to 128 colours, dithered or not, as in a GIF. Alpha is kept as it is."""
    colours = round(between(generator, 8.0, 128.0))
    dither = Image.Dither.FLOYDSTEINBERG if chance(generator) < 0.3 else Image.Dither.NONE
    return _through(x, lambda picture: picture.quantize(colours, dither=dither).convert(picture.mode))


def blurred(x: Tensor, generator: torch.Generator, most: float) -> Tensor:
    """Convolved with a Gaussian of up to `most` px in each of two directions, turned by any angle."""
    wide, narrow = (between(generator, 0.2, most) for _ in range(2))
    angle = between(generator, 0.0, math.pi)
    reach = math.ceil(3 * max(wide, narrow))
    rows, columns = torch.meshgrid(*(torch.arange(-reach, reach + 1.0),) * 2, indexing="ij")
    along = columns * math.cos(angle) + rows * math.sin(angle)
    across = rows * math.cos(angle) - columns * math.sin(angle)
    kernel = torch.exp(-0.5 * ((along / wide) ** 2 + (across / narrow) ** 2))
    kernel = (kernel / kernel.sum()).to(x).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(x, (reach,) * 4, mode="reflect"), kernel, groups=x.shape[1])


def resized(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """(1, C, s, s) -> (1, C, side, side) by a way that chance picks: means of areas, bilinear or bicubic."""
    mode = _MODES[int(chance(generator) * len(_MODES))]
    if mode == "area" and side <= x.shape[-1]:
        return F.adaptive_avg_pool2d(x, side)
    if mode == "area":
        mode = "bilinear"
    return F.interpolate(x, (side, side), mode=mode, antialias=True)


def noisy(x: Tensor, generator: torch.Generator, most: float) -> Tensor:
    """With noise of up to `most` levels of 255: of the sensor (even) or of light (more where it is bright),
    in colour or in grey."""  # fmt: skip
    level = between(generator, 0.5, most) / 127.5
    channels = x.shape[1] if chance(generator) < 0.6 else 1
    noise = torch.randn(1, channels, *x.shape[2:], generator=generator).to(x) * level
    if chance(generator) < 0.5:
        noise = noise * x.add(1).div(2).clamp(0, 1).sqrt()
    return (x + noise).clamp(-1, 1)


def compressed(x: Tensor, generator: torch.Generator, least: int) -> Tensor:
    """After JPEG of a quality from `least` to 95. Alpha is kept as it is."""
    quality = round(between(generator, least, 95))

    def reread(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return _through(x, reread)


def _through(x: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """(1, C, H, W), changed as a Pillow picture of 8 bits, RGB or grey."""
    colour = x[0, :3].add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    picture = Image.fromarray(np.ascontiguousarray(colour if colour.shape[2] == 3 else colour[:, :, 0]))
    with change(picture) as changed:
        pixels = np.array(changed, np.float32).reshape(colour.shape)
    decoded = torch.from_numpy(pixels).permute(2, 0, 1).to(x).div(127.5).sub(1)
    return torch.cat((decoded[None], x[:, 3:]), 1)


def chance(generator: torch.Generator) -> float:
    """A number in [0, 1)."""
    return float(torch.rand((), generator=generator))


def between(generator: torch.Generator, low: float, high: float) -> float:
    """A number in [low, high), drawn evenly in its logarithm where that exists, else evenly."""
    if low > 0:
        return float(low * (high / low) ** chance(generator))
    return low + (high - low) * chance(generator)


def degradation_sheet(
    pictures: Sequence[NDArray[np.uint8]], side: int, scale: int, kind: Degradation, seed: int = 0
) -> NDArray[np.uint8]:
    """A sheet with a row for each picture: its middle, and `FATES` of it, enlarged again.

    Enlarged by repeating pixels, so that what is seen is what an upscaler gets.

    Args:
        pictures: Pictures (H, W, 3) uint8, both sides at least `side`.
        side: Side of the middle that is shown, in px; a multiple of `scale`.
        scale: How many times smaller the low-resolution pictures are.
        kind: How they are made.
        seed: Seed of what happens to the pictures.

    Returns:
        The sheet, (H', W', 3) uint8.

    Raises:
        ValueError: `side` does not suit `scale`; see `degrade`.
    """
    rng = torch.Generator().manual_seed(seed)
    shown = []
    for picture in pictures:
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        window = to_tensor(picture[None, top : top + side, left : left + side])
        fates = [degrade(window, scale, kind, rng) for _ in range(FATES)]
        large = [F.interpolate(low, scale_factor=scale, mode="nearest") for low, _ in fates]
        shown += [fates[0][1], *large]
    return grid(to_uint8(torch.cat(shown)), columns=1 + FATES)
