"""Photograph or drawing: which of the package's upscalers suits a picture."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
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
PLANE = Path(__file__).with_name("kinds.json")


def choose_upscaler(source: Source, max_pixels: int = MAX_PIXELS) -> Literal["photo-x4", "drawing-x4"]:
    """The name of the package's upscaler that suits a picture; "drawing-x4" for drawings, logos, diagrams.

    A frozen EfficientNet-Lite0 sees the middle of the picture at 128 px. How much there is of each of its
    middle features says how a picture was made: a plane between those of photographs and of drawings was
    fitted by `benchmarks/kinds.py`, which also says how often it is right. Films count as photographs.

    Args:
        source: The file, or its bytes.
        max_pixels: Refuse pictures of more pixels.

    Raises:
        ImageError: The picture is too large, or it cannot be read.
    """
    if isinstance(source, Path) and is_film(source):
        return PHOTO
    pixels = fit_square(source, INPUT_SIZE, max_pixels=max_pixels)
    weights, bias = _plane()
    return DRAWING if float(features(to_tensor(pixels[None]))[0] @ weights) + bias > 0 else PHOTO


def features(pictures: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) in [-1, 1] -> how they are made, (B, 112): means of the middle map."""
    with torch.inference_mode():
        middle: Tensor = _network().both(pictures)[0]
    return middle.reshape(len(middle), -1, MIDDLE_SIDE**2).mean(2)


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
            note(f"it is a drawing: enlarged by {DRAWING}")
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
