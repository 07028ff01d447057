"""One tile of a picture, enlarged: engines know colour alone, and pictures may be grey or have alpha."""

import threading
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.nn.compact import spread_colour
from impasto.tasks.upscaling.inference.engines import Engine
from impasto.tasks.upscaling.inference.strips import as_levels


class TileEnlarger:
    """Enlarges tiles by an engine. Several threads may call it; `turn` says how many it serves at once."""

    def __init__(self, engine: Engine, turn: threading.Semaphore) -> None:
        self.engine, self.turn = engine, turn

    def __call__(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """(h, w, 1..4) of 8 or 16 bits -> (scale h, scale w, 1..4), as `as_levels` gives them."""
        deep = pixels.dtype == np.uint16
        top = np.float32(65535 if deep else 255)
        signed = pixels.astype(np.float32) * (2 / top) - 1
        bands = pixels.shape[2]
        colour, alpha = (signed[:, :, : bands - 1], signed[:, :, -1:]) if bands in (2, 4) else (signed, None)
        if alpha is not None and (alpha < 1).any():
            made = self._run(_seen_colour(colour, (alpha + 1) * np.float32(0.5)))
            return as_levels(np.concatenate((made, self._run(alpha))), deep=deep)
        made = self._run(colour)
        made = made if alpha is None else np.concatenate((made, np.ones_like(made[:1])))
        return as_levels(made, deep=deep)

    def _run(self, signed: NDArray[np.float32]) -> NDArray[np.float32]:
        """(h, w, 1 or 3) in [-1, 1] through the engine: (1 or 3, H, W); grey goes in as colour."""
        planes = np.broadcast_to(signed, (*signed.shape[:2], 3)).transpose(2, 0, 1)[None]
        with self.turn:
            made: NDArray[np.float32] = self.engine(np.array(planes, np.float32, order="C"))[0]
        if signed.shape[2] == 3:
            return made
        grey: NDArray[np.float32] = made.mean(0, keepdims=True)
        return grey


def _seen_colour(colour: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """`spread_colour` of one picture, (h, w, c) with (h, w, 1)."""
    seen, sure = (torch.from_numpy(np.ascontiguousarray(x)).permute(2, 0, 1)[None] for x in (colour, alpha))
    spread: NDArray[np.float32] = spread_colour(seen, sure)[0].permute(1, 2, 0).numpy()
    return spread
