"""Photograph or drawing: which of the package's upscalers suits a picture."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.adaptive_threads import AdaptiveThreads
from impasto.image.codec import MAX_PIXELS, Source, fit_square, to_tensor
from impasto.image.film import is_film
from impasto.nn.features import INPUT_SIZE, MIDDLE_SIDE, Lite0, load_lite0
from impasto.tasks.upscaling.inference.upscale import PictureUpscaler
from impasto.tasks.upscaling.inference.upscalers import load_upscaler

AUTO = "auto"
PHOTO: Literal["photo-x4"] = "photo-x4"
DRAWING: Literal["drawing-x4"] = "drawing-x4"
DRAWN = f"taken for a drawing, enlarged by {DRAWING}"
EVEN_LEVELS = 16  # of 255: a margin after JPEG
LEAST_PX = 48  # of 256
PLANE = Path(__file__).with_name("kinds.json")


def choose_upscaler(source: Source | str, max_pixels: int = MAX_PIXELS) -> Literal["photo-x4", "drawing-x4"]:
    """The name of the package's upscaler that suits a picture; "drawing-x4" for drawings, logos, diagrams.

    A frozen EfficientNet-Lite0 sees the middle of the picture, without even margins, at 128 px. How much
    there is of each of its middle features says how a picture was made: a plane between those of photographs
    and of drawings was fitted by `benchmarks/kinds.py`, which also says how often it is right. Films count as
    photographs.

    Args:
        source: The file, or its bytes.
        max_pixels: Refuse pictures of more pixels.

    Raises:
        ImageError: The picture is too large, or it cannot be read.
    """
    source = Path(source) if isinstance(source, str) else source
    if isinstance(source, Path) and is_film(source):
        return PHOTO
    weights, bias = _plane()
    return DRAWING if float(features(source, max_pixels) @ weights) + bias > 0 else PHOTO


def features(source: Source, max_pixels: int = MAX_PIXELS) -> Tensor:
    """How a picture is made, (112,): means of the network's middle map. Raises `ImageError`."""
    pixels = without_margins(fit_square(source, 2 * INPUT_SIZE, max_pixels=max_pixels))
    with torch.inference_mode():
        middle: Tensor = _network().both(to_tensor(pixels[None]))[0]
    return middle.reshape(-1, MIDDLE_SIDE**2).mean(1)


def without_margins(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) without margins in the colour of its corner: photographs on white have them, too.

    A picture of which little would be left is returned as it is.
    """
    inside = np.abs(pixels.astype(np.int16) - pixels[0, 0]).max(2) > EVEN_LEVELS
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    if min(len(rows), len(columns)) < LEAST_PX:
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@dataclass
class ByKind:
    """Both upscalers of the package, each loaded when the first picture needs it."""

    open: Callable[[str], PictureUpscaler]
    _opened: dict[str, PictureUpscaler] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def named(self, name: str) -> PictureUpscaler:
        """One of both. Raises what `load_upscaler` raises."""
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self.open(name)
            return self._opened[name]

    def suited(
        self, source: Source, max_pixels: int = MAX_PIXELS, note: Callable[[str], None] = print
    ) -> PictureUpscaler:
        """The one for a picture; `note` is told where that is a drawing. Raises `ImageError`."""
        name = choose_upscaler(source, max_pixels)
        if name == DRAWING:
            note(DRAWN)
        return self.named(name)


def open_upscaler(model: str | Path, **options: Any) -> PictureUpscaler | ByKind:
    """What `load_upscaler` gives with these options; for "auto" both of the package's."""
    if model == AUTO:
        return ByKind(lambda name: load_upscaler(name, **options))
    return load_upscaler(model, **options)


@cache
def _network() -> Lite0:
    return load_lite0(torch.device("cpu"), AdaptiveThreads(1))


@cache
def _plane() -> tuple[Tensor, float]:
    tree = json.loads(PLANE.read_text(encoding="utf-8"))
    return torch.tensor(tree["weights"]), tree["bias"]
