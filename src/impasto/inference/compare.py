"""How well an upscaler gives back what was made small: the protocol that the field's papers compare by."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from impasto import images
from impasto.data.scan import scan_folder
from impasto.image_files import to_pil
from impasto.images import to_tensor
from impasto.inference.upscale import PictureUpscaler
from impasto.metrics.fidelity import luma, psnr, shaved, ssim, texture_and_structure
from impasto.models.features import FeatureMaps

Pixels = NDArray[np.uint8]
CLASSICS = {
    "nearest": Image.Resampling.NEAREST,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
LEAST_PX = 48  # of the smaller side: less leaves SSIM and the features too little


@dataclass(frozen=True)
class Row:
    """Means over the pictures of one way to enlarge them."""

    method: str
    psnr: float  # dB, of luma
    ssim: float
    consistency: float  # dB, of the picture made small again to what was given
    texture: float  # distance in features: how much there is of what (metrics/fidelity.py)
    structure: float  # ... and what lies where

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def compare(
    upscaler: PictureUpscaler,
    against: str | Path,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    warn: Callable[[str], None] = lambda words: None,
) -> list[Row]:
    """The upscaler and the classic ways on a folder's pictures: made small by bicubic, made large again.

    As in the papers: pictures are cut to a multiple of the scale, reduced by Pillow's bicubic, and measured
    on the luma of 8 bits with `scale` pixels cut off at each edge. Raises `DataError` for a folder without
    a picture that can be used and is large enough.
    """
    scale = upscaler.network.scale
    scan = scan_folder(Path(against), min_side_px=LEAST_PX)
    if scan.report:
        warn(scan.report)
    net = FeatureMaps()
    ways: dict[str, Callable[[Pixels], Pixels]] = {
        name: _resampling(scale, kind) for name, kind in CLASSICS.items()
    }
    ways[upscaler.name] = lambda low: np.asarray(upscaler(to_pil(low)))
    figures: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    for done, picture in enumerate(scan.pictures):
        sharp = images.read(scan.root / picture.path)
        height, width = (side - side % scale for side in sharp.shape[:2])
        sharp = np.ascontiguousarray(sharp[:height, :width])
        low = resampled(sharp, width // scale, height // scale, Image.Resampling.BICUBIC)
        for name, way in ways.items():
            figures[name].append(_measure(net, way(low), sharp, low, scale))
        if progress:
            progress("enlarging pictures", done + 1, len(scan.pictures))
    return [
        Row(name, *(float(np.mean(column)) for column in zip(*found, strict=True)))
        for name, found in figures.items()
    ]


def resampled(pixels: Pixels, width: int, height: int, kind: Image.Resampling) -> Pixels:
    """(H, W, 3) uint8 resized by Pillow: (height, width, 3) uint8."""
    return np.asarray(to_pil(pixels).resize((width, height), kind))


def _resampling(scale: int, kind: Image.Resampling) -> Callable[[Pixels], Pixels]:
    return lambda low: resampled(low, low.shape[1] * scale, low.shape[0] * scale, kind)


@torch.inference_mode()
def _measure(net: FeatureMaps, made: Pixels, sharp: Pixels, low: Pixels, scale: int) -> tuple[float, ...]:
    a, b = (to_tensor(pixels[None]) for pixels in (made, sharp))
    y_a, y_b = (luma(shaved(x, scale)) for x in (a, b))
    again = to_tensor(resampled(made, low.shape[1], low.shape[0], Image.Resampling.BICUBIC)[None])
    same = psnr(luma(again), luma(to_tensor(low[None])))
    found = (psnr(y_a, y_b), ssim(y_a, y_b), same, *texture_and_structure(net, a, b))
    return tuple(float(value) for value in found)
