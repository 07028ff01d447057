"""How well an upscaler gives back what was made small: the protocol that the field's papers compare by."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from impasto.data.scan import scan_folder
from impasto.image import codec
from impasto.image.codec import to_tensor
from impasto.image.files import to_pil
from impasto.metrics.fidelity import luma, psnr, shaved, ssim, texture_and_structure
from impasto.nn.features import FeatureMaps
from impasto.tasks.upscaling.inference.upscale import PictureUpscaler

Pixels = NDArray[np.uint8]
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
    """The figures of the upscaler and of bicubic on a folder's pictures: made small, made large again.

    As in the papers: pictures are cut to a multiple of the scale, reduced by Pillow's bicubic, and measured
    on the luma of 8 bits with `scale` pixels cut off at each edge.

    Args:
        upscaler: The upscaler.
        against: Folder of pictures.
        progress: Is told what is done, how many pictures, and of how many. None: nobody is told.
        warn: Is told what was left out of the folder.

    Raises:
        DataError: The folder has no picture that can be used and is large enough.
    """
    scale = upscaler.network.scale
    scan = scan_folder(Path(against), min_side_px=LEAST_PX)
    if scan.report:
        warn(scan.report)
    net = FeatureMaps()
    ways: dict[str, Callable[[Pixels], Pixels]] = {
        "bicubic": lambda low: bicubic(low, low.shape[1] * scale, low.shape[0] * scale),
        upscaler.name: lambda low: np.asarray(upscaler(to_pil(low))),
    }
    figures: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    for done, picture in enumerate(scan.pictures):
        sharp = codec.read(scan.root / picture.path)
        height, width = (side - side % scale for side in sharp.shape[:2])
        sharp = np.ascontiguousarray(sharp[:height, :width])
        low = bicubic(sharp, width // scale, height // scale)
        made = [way(low) for way in ways.values()]
        for name, found in zip(ways, _measure(net, made, sharp, low, scale), strict=True):
            figures[name].append(found)
        if progress:
            progress("enlarging pictures", done + 1, len(scan.pictures))
    return [
        Row(name, *(float(np.mean(column)) for column in zip(*found, strict=True)))
        for name, found in figures.items()
    ]


def bicubic(pixels: Pixels, width: int, height: int) -> Pixels:
    """(H, W, 3) uint8 resized by Pillow: (height, width, 3) uint8."""
    return np.asarray(to_pil(pixels).resize((width, height), Image.Resampling.BICUBIC))


@torch.inference_mode()
def _measure(
    net: FeatureMaps, made: Sequence[Pixels], sharp: Pixels, low: Pixels, scale: int
) -> list[tuple[float, ...]]:
    """The figures of each of the pictures, as `Row` has them. What is known of the sharp one serves all."""
    again = [bicubic(pixels, low.shape[1], low.shape[0]) for pixels in made]
    y, y_sharp = _lumas(made, scale), _lumas([sharp], scale)
    consistency = psnr(_lumas(again), _lumas([low]))
    seen = texture_and_structure(net, to_tensor(np.stack(made)), to_tensor(sharp[None]))
    columns = (psnr(y, y_sharp), ssim(y, y_sharp), consistency, *seen)
    return [tuple(map(float, row)) for row in zip(*columns, strict=True)]


def _lumas(pictures: Sequence[Pixels], shave_px: int = 0) -> Tensor:
    """Pictures (H, W, 3) uint8 of one size -> (B, 1, H, W), without `shave_px` at each edge."""
    return torch.cat([luma(shaved(to_tensor(pixels[None]), shave_px)) for pixels in pictures])
