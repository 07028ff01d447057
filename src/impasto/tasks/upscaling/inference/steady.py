"""Frames of a film, larger, without the flicker of frames that are enlarged one by one.

A network makes detail out of noise, and noise differs from frame to frame: where nothing moves, enlarged
frames change two to four times as much as the film does. Here such places keep the detail that was made for
an earlier frame, and what little has changed since is added to it, enlarged bicubically. So they change as
much as the film does, a slow fade is followed, and only what moves goes through the network. After a cut
that is everything.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from impasto.image.film import Pixels

# Levels of 255 up to which a mean change of 5 x 5 pixels is noise: at least, and at most where there is much.
STILL = 2.5, 5.0
ABOVE = 4.5  # and so much above it is a change of the picture
AROUND = 3  # pixels beyond a change that are made anew with it
GAP = 64  # pixels between two changed places that are worth two goes


@dataclass
class SteadyFrames:
    """Enlarges frame after frame, (H, W, 3) uint8 or uint16 -> (scale H, scale W, 3).

    Args:
        enlarge: Enlarges pixels of any size.
        scale: How many times larger it makes them.
        reach: How far, in px, what it makes depends on what lies around.
    """

    enlarge: Callable[[Pixels], Pixels]
    scale: int
    reach: int
    _seen: Tensor | None = None  # (1, 3, H, W): the pixels that the detail was made for
    _made: Tensor | None = None  # (1, 3, scale H, scale W): the detail

    def __call__(self, pixels: Pixels) -> Pixels:
        """The next frame. One of another size or depth begins anew."""
        levels = 257.0 if pixels.dtype == np.uint16 else 1.0
        now = as_planes(pixels) / levels
        if self._seen is None or self._made is None or self._seen.shape != now.shape:
            self._seen, self._made = now, as_planes(self.enlarge(pixels)) / levels
            return as_pixels(self._made * levels, pixels.dtype)
        weight = moving(now - self._seen)
        for top, bottom, left, right in boxes(weight[0, 0].numpy() > 0, GAP):
            self._renew(pixels, now, weight, (top, bottom, left, right), levels)
        rest = now - self._seen
        made = self._made
        if bool(rest.any()):
            made = made + F.interpolate(rest, scale_factor=self.scale, mode="bicubic")
        return as_pixels(made * levels, pixels.dtype)

    def _renew(
        self, pixels: Pixels, now: Tensor, weight: Tensor, box: tuple[int, int, int, int], levels: float
    ) -> None:
        """Make the detail in a box (top, bottom, left, right) anew, as far as `weight` says at each place."""
        assert self._seen is not None
        assert self._made is not None
        (height, width), scale = pixels.shape[:2], self.scale
        top, bottom, left, right = box
        up, down = max(0, top - self.reach), min(height, bottom + self.reach)
        back, on = max(0, left - self.reach), min(width, right + self.reach)
        fresh = as_planes(self.enlarge(np.ascontiguousarray(pixels[up:down, back:on]))) / levels
        inner = (
            slice((top - up) * scale, (bottom - up) * scale),
            slice((left - back) * scale, (right - back) * scale),
        )
        outer = slice(top * scale, bottom * scale), slice(left * scale, right * scale)
        share = F.interpolate(weight[:, :, up:down, back:on], scale_factor=scale, mode="bilinear")
        self._made[..., outer[0], outer[1]].lerp_(
            fresh[..., inner[0], inner[1]], share[..., inner[0], inner[1]]
        )
        here = slice(top, bottom), slice(left, right)
        self._seen[..., here[0], here[1]].lerp_(now[..., here[0], here[1]], weight[..., here[0], here[1]])


def moving(change: Tensor) -> Tensor:
    """(1, 3, H, W) changes in levels of 255 -> (1, 1, H, W): 0 where nothing but noise changed, 1 where the
    picture did, and in between."""  # fmt: skip
    usual = 1.48 * float(change.abs().median())  # deviation of the noise, where less than half of all moves
    still = min(max(STILL[0], 0.7 * usual), STILL[1])  # three and a half deviations of a mean of 25
    common = F.avg_pool2d(change, 5, stride=1, padding=2, count_include_pad=False).abs().amax(1, keepdim=True)
    weight = ((common - still) / ABOVE).clamp(0, 1)
    grown: Tensor = F.max_pool2d(weight, 2 * AROUND + 1, stride=1, padding=AROUND)
    return grown


def boxes(changed: NDArray[np.bool_], gap: int) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (top, bottom, left, right) that hold all of `changed` (H, W): runs of rows, and in each of them
    runs of columns, at least `gap` apart."""  # fmt: skip
    for top, bottom in runs(np.any(changed, 1), gap):
        for left, right in runs(np.any(changed[top:bottom], 0), gap):
            yield top, bottom, left, right


def runs(line: NDArray[Any], gap: int) -> Iterator[tuple[int, int]]:
    """[start, stop) of each run of true values (N,); runs that are less than `gap` apart are one."""
    places = np.flatnonzero(line)
    if not len(places):
        return
    ends = np.flatnonzero(np.diff(places) > gap)
    yield from zip(places[[0, *(ends + 1)]].tolist(), (places[[*ends, -1]] + 1).tolist(), strict=True)


def as_planes(pixels: Pixels) -> Tensor:
    """(H, W, 3) -> (1, 3, H, W) float32, the same numbers."""
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None].contiguous()


def as_pixels(planes: Tensor, kind: np.dtype[Any]) -> Pixels:
    """The other way round, rounded and clipped to what the kind of number holds."""
    top = float(np.iinfo(kind).max)
    found: Pixels = planes[0].permute(1, 2, 0).round().clamp(0, top).numpy().astype(kind)
    return found
