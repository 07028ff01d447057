"""Colours as people give them, and the palette of a picture file, as what is asked of a generator."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import webcolors
from torch import Tensor

from impasto.errors import ImageError, InputError
from impasto.image import codec
from impasto.image.oklab import srgb_from_oklab
from impasto.image.palettes import COLOURS, hex_to_oklab, palettes_of

_LOOKED_AT_PX = 128

Colours = Sequence[tuple[str, float]]
"""`("#rrggbb", share)` of each colour that is asked for: requests as in oklab.py, as recipes have them."""


def colours_asked(
    colours: Sequence[str] = (), palette_from: str | Path | None = None, background: str = "#ffffff"
) -> Colours:
    """What people ask for: up to five colours such as "teal", or the palette of a picture file.

    Raises `InputError` for what is no colour or no picture, and for both at once.
    """
    if palette_from is None:
        return tuple((parse_colour(text), 1.0) for text in check_count(colours))
    if colours:
        raise InputError(
            "colours and the colours of a picture exclude each other", "give the one or the other"
        )
    found = hex_colours(palette_from_file(Path(palette_from), background=background))
    return tuple((colour, round(share, 4)) for colour, share in found)


def request_of(colours: Colours, count: int = COLOURS) -> Tensor:
    """`("#rrggbb", share)` of up to `count` colours -> (count, 4): a request as in oklab.py."""
    asked = torch.zeros(count, 4)
    for row, (colour, share) in enumerate(colours):
        asked[row] = torch.cat((hex_to_oklab(colour), torch.tensor([share])))
    return asked


def check_count(texts: Sequence[str], count: int = COLOURS) -> Sequence[str]:
    """The same. Raises `InputError` for more than can be asked for."""
    if len(texts) > count:
        raise InputError(
            f"{len(texts)} colours are more than the {count} that can be asked for", f"give {count} at most"
        )
    return texts


def parse_colour(text: str) -> str:
    """`"#f4c20d"`, `"#fa0"`, both also without `#`, or a CSS name in any case -> `"#rrggbb"`.

    Raises `InputError`, which offers the closest names.
    """
    plain = text.strip().lower()
    names = webcolors.names(webcolors.CSS3)
    if plain in names:
        return str(webcolors.name_to_hex(plain))
    for digits in (plain, f"#{plain}"):
        try:
            return str(webcolors.normalize_hex(digits))
        except ValueError:
            continue
    raise InputError(f"'{text}' is not a colour", _advice(plain, names))


def _advice(plain: str, names: Sequence[str]) -> str:
    usual = "write '#f4c20d', '#fa0' or a CSS name such as teal"
    if plain.startswith("#"):
        return f"after '#' come 3 or 6 digits from 0 to f; {usual}"
    squeezed = "".join(letter for letter in plain if letter.isalpha())
    near = difflib.get_close_matches(squeezed, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}? Else {usual}" if near else usual


def palette_from_file(path: Path, count: int = COLOURS, background: str = "#ffffff") -> Tensor:
    """The palette of a picture file, `palettes.palettes_of`: (count, 4), OKLab and share, largest first.

    What is transparent, or page of the `background`, has no share. Raises `InputError` for a file that is no
    picture.
    """
    try:
        # Letterboxed in transparency: the bars are page.
        pixels = codec.fit_square(path, _LOOKED_AT_PX, channels=4, fit="letterbox")
    except ImageError as error:
        raise InputError(
            f"'{path}' {error.message}", "give a picture whose colours you want, such as a photo"
        ) from None
    return palettes_of(codec.to_tensor(pixels[None]), count, background)[0]


def hex_colours(palette: Tensor) -> list[tuple[str, float]]:
    """(K, 4) OKLab and share -> `("#rrggbb", share)` of each colour, clipped to sRGB."""
    there = palette[palette[:, 3] > 0]
    rgb = srgb_from_oklab(there[:, :3]).clamp(0, 1).mul(255).round().byte()
    return [
        (f"#{bytes(colour.tolist()).hex()}", float(share))
        for colour, share in zip(rgb, there[:, 3], strict=True)
    ]


def palette_strips(palettes: Tensor, height: int) -> codec.Pixels:
    """Palettes (N, K, 4) to look at: (N, height, height // 2, 3) uint8, bands by share."""
    strips = np.full((len(palettes), height, height // 2, 3), 128, np.uint8)
    for strip, palette in zip(strips, palettes, strict=True):
        rgb = srgb_from_oklab(palette[:, :3]).clamp(0, 1).mul(255).round().byte().numpy()
        ends = palette[:, 3].cumsum(0).mul(height).round().int().tolist()
        for start, end, colour in zip([0, *ends], ends, rgb, strict=False):
            strip[start:end, 1:-1] = colour  # between grey lines: white must be seen on white
    return strips
