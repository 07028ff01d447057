"""What a decoded picture shows: its numbers as brightness, its colours as sRGB or by their own profile."""

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError
from impasto.image import profiles
from impasto.image.decoding import interpretation, vips

_PROFILE = "icc-profile-data"
_OTHER_SPACES = ("lab", "labs", "labq", "xyz", "lch", "yxy", "hsv")
_KNOWN_SPACES = ("b-w", "srgb", "cmyk", "grey16", "rgb16")
_LOOKED_AT = 1_000_000  # numbers that decide what white is
_MOST_OF_THEM = 0.99
_NAMES = {
    "char": "signed 8-bit numbers",
    "short": "signed 16-bit numbers",
    "int": "32-bit numbers",
    "uint": "32-bit numbers",
    "float": "floats",
    "double": "floats",
}


def to_srgb(image: Any) -> Any:
    """8-bit sRGB with three bands, or four when there is alpha."""
    profiled = bool(image.get_typeof(_PROFILE))
    if image.format == "uchar" and image.interpretation == "srgb" and image.bands in (3, 4) and not profiled:
        return image  # by far the most common, and each libvips operation costs Python 0.1 ms
    image = _as_integers(image)
    colour, alpha = _split(image)
    deep = image.format == "ushort"
    converted = _by_profile(colour, 8)
    if converted is None and deep and image.interpretation in ("grey16", "rgb16"):
        converted = _halved(colour).copy(interpretation=interpretation(colour.bands, deep=False))
    colour = (converted or colour).colourspace("srgb")
    if colour.bands == 1:
        colour = colour.bandjoin([colour, colour])
    colour = colour.cast("uchar").copy(interpretation="srgb")
    if alpha is None:
        return colour
    return colour.bandjoin(_halved(alpha) if deep else alpha.cast("uchar"))


def as_it_is(image: Any, *, keep_profile: bool = True) -> tuple[Any, list[str]]:
    """The picture in 8 or 16 bits, grey or RGB, with alpha if it has any; and what was changed, in words.

    It still has its profile where that is for such pixels and `keep_profile` says so; else it is sRGB.
    """
    told = []
    if image.format not in ("uchar", "ushort"):
        told.append(f"its {_NAMES.get(image.format, 'numbers')} become 16 bits")
    if image.interpretation == "cmyk" or image.interpretation in _OTHER_SPACES:
        deep = image.format != "uchar"
        return to_srgb(image), [f"its {image.interpretation.upper()} colours become {'8-bit ' * deep}sRGB"]
    image = _as_integers(image)
    if image.bands > 4:
        image = image.extract_band(0, n=3)
    if not image.get_typeof(_PROFILE):
        return image, told
    colour, alpha = _split(image)
    meant = profiles.colours_of(image.get(_PROFILE))
    if keep_profile and meant == ("GRAY" if colour.bands == 1 else "RGB"):
        return image, told
    deep = image.format == "ushort"
    converted = _by_profile(colour, 16 if deep else 8)
    if converted is None:
        told.append("its colour profile is not for such a picture and is left out")
    else:  # of grey, libvips makes three bands alike
        colour = converted.extract_band(0, n=colour.bands)
    made = colour if alpha is None else colour.bandjoin(alpha)
    made = made.cast(image.format).copy(interpretation=interpretation(made.bands, deep))
    made.remove(_PROFILE)
    return made, told


def _split(image: Any) -> tuple[Any, Any]:
    """Colour, and alpha or None."""
    bands = {"b-w": 1, "grey16": 1, "cmyk": 4}.get(image.interpretation, 3)
    if image.bands <= bands:
        return image, None
    return image.extract_band(0, n=bands), image.extract_band(bands)


def _by_profile(colour: Any, depth: int) -> Any:
    """Colour as sRGB of so many bits by the profile that it has; None where that is for other pixels."""
    if not colour.get_typeof(_PROFILE):
        return None
    meant = profiles.colours_of(colour.get(_PROFILE))
    if meant == "RGB" and colour.bands == 1:  # grey that was made of colour and kept its profile
        deep = colour.format == "ushort"
        colour = colour.bandjoin([colour, colour]).copy(interpretation=interpretation(3, deep))
    elif meant == "GRAY" and colour.bands != 1:
        return None
    with contextlib.suppress(vips().Error):  # a broken profile is no reason to lose the picture
        return colour.icc_transform("srgb", embedded=True, intent="relative", depth=depth)
    return None


def _halved(image: Any) -> Any:
    """16 bits to 8, rounding: 65535 is 255 and 257 is 1."""
    return (image * (1 / 257)).rint().cast("uchar")


def _as_integers(image: Any) -> Any:
    """8 or 16 bits in a colour space that libvips can convert."""
    if "complex" in image.format:
        raise ImageError("holds complex numbers")
    if image.interpretation in _OTHER_SPACES:
        return image.colourspace("srgb")
    known = image.interpretation in _KNOWN_SPACES
    if image.format == "uchar":
        return image if known else image.copy(interpretation=interpretation(image.bands, deep=False))
    if image.format != "ushort":
        numbers = np.asarray(image.numpy()).reshape(image.height, image.width, image.bands)
        white = _white(numbers[..., :3] if image.bands > 2 else numbers[..., :1])
        numbers = np.multiply(numbers, 65535.0 / white, dtype=np.float32)
        np.rint(numbers, out=numbers).clip(0, 65535, out=numbers)
        scaled = vips().Image.new_from_array(numbers.astype(np.uint16))
        scaled = scaled.copy(interpretation=image.interpretation, xres=image.xres, yres=image.yres)
        if image.get_typeof(_PROFILE):
            scaled.set_type(vips().GValue.blob_type, _PROFILE, image.get(_PROFILE))
        image = scaled
    if image.interpretation == "cmyk":
        return image
    return image.copy(interpretation=interpretation(image.bands, deep=True))


def _white(numbers: NDArray[Any]) -> float:
    """The number that is full brightness, which such files do not say. What is above it is white, too.

    Signed numbers of 8 and 16 bits: the largest of their type. 32-bit integers: 255 or 65535, the first that
    all but a hundredth keep to, else the largest of their type. Floats: 1 where half of the positive ones
    are no larger (highlights may be many times brighter), unless all are whole numbers and some above 2;
    else 255 or 65535 as for integers. Raises `ImageError` for any other.
    """
    if numbers.dtype.kind != "f":
        largest = float(np.iinfo(numbers.dtype).max)
        return largest if numbers.dtype.itemsize < 4 else (_usual(numbers) or largest)
    if not np.isfinite(numbers).all():
        raise ImageError("holds numbers that are not finite")
    some = numbers.reshape(-1)[:: max(1, numbers.size // _LOOKED_AT)]
    positive = some[some > 0]
    whole = bool((positive == np.rint(positive)).all()) and positive.max(initial=0) > 2
    if not len(positive) or (not whole and np.median(positive) <= 1):
        return 1.0
    usual = _usual(some)
    if usual is None:
        raise ImageError(f"holds numbers up to {numbers.max():.4g}: scale them to 0..1, 0..255 or 0..65535")
    return usual


def _usual(numbers: NDArray[Any]) -> float | None:
    some = numbers.reshape(-1)[:: max(1, numbers.size // _LOOKED_AT)]
    return next((white for white in (255.0, 65535.0) if (some <= white).mean() >= _MOST_OF_THEM), None)
