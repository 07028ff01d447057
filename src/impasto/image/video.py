"""Frames -> MP4, through PyAV."""

from fractions import Fraction
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import MissingDependencyError
from impasto.files import replacing

SMALLEST_PX = 256  # players show smaller films as stamps, and some cannot at all
QUALITY = "16"  # x264's constant rate factor: hardly to be told from lossless


def save_mp4(
    frames: NDArray[np.uint8], path: Path, *, fps: float, hold_last_seconds: float = 0, comment: str = ""
) -> None:
    """Write a film as H.264, whole or not at all.

    Frames whose short side is under 256 px are repeated pixel by pixel to at least that, so that they stay
    as they are. H.264 needs even sides: of an odd one the last row or column is written twice.

    Args:
        frames: The pictures, (N, H, W, C) uint8, N of 1 at least, C of 1, 3 or 4. Alpha is composited on
            white.
        path: Where to write. The format is MP4 whatever the suffix.
        fps: Frames per second.
        hold_last_seconds: How long the last frame is shown, to the nearest frame; at least one frame long.
        comment: A text that goes inside the file.

    Raises:
        MissingDependencyError: PyAV is not installed.
    """
    av = need_av()
    enlarge = -(-SMALLEST_PX // min(frames.shape[1:3]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as film:
        film.metadata["comment"] = comment
        stream = film.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        height, width = (side * enlarge for side in frames.shape[1:3])
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": QUALITY}
        # Repeated: players ignore how long a single frame says that it lasts.
        held = max(0, round(hold_last_seconds * fps) - 1)
        for frame in chain(frames, repeat(frames[-1], held)):
            large = on_white(frame).repeat(enlarge, 0).repeat(enlarge, 1)
            even = np.pad(large, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            picture = av.VideoFrame.from_ndarray(even, format="rgb24")
            film.mux(stream.encode(picture))
        film.mux(stream.encode())


def need_av(
    message: str = "MP4 needs the package PyAV",
    hint: str = "pip install 'impasto[video]', or end --out in .webp or .gif",
) -> Any:
    """The package. Raises `MissingDependencyError` with what to do."""
    try:
        import av
    except ImportError:
        raise MissingDependencyError(message, hint) from None
    return av


def on_white(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 1, 3 or 4) uint8 -> (H, W, 3) uint8."""
    if frame.shape[2] == 4:
        alpha = frame[:, :, 3:] / 255
        return (frame[:, :, :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return np.broadcast_to(frame, (*frame.shape[:2], 3))
