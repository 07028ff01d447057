"""Frames -> MP4, through PyAV."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import MissingDependencyError
from impasto.files import replacing

SMALLEST_PX = 256  # players show smaller films as stamps, and some cannot at all
QUALITY = "16"  # x264's constant rate factor: hardly to be told from lossless


def save_mp4(frames: NDArray[np.uint8], path: Path, *, fps: float, comment: str = "") -> None:
    """Write a film as H.264, whole or not at all.

    Frames whose short side is under 256 px are repeated pixel by pixel to at least that, so that they stay
    as they are. Of an odd side the last row or column is left out.

    Args:
        frames: The pictures, (N, H, W, C) uint8, C of 1, 3 or 4. Alpha is composited on white.
        path: Where to write. The format is MP4 whatever the suffix.
        fps: Frames per second.
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
        stream.width, stream.height = (side * enlarge // 2 * 2 for side in frames.shape[2:0:-1])
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": QUALITY}
        for frame in frames:
            large = on_white(frame).repeat(enlarge, 0).repeat(enlarge, 1)[: stream.height, : stream.width]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(large), format="rgb24")
            film.mux(stream.encode(picture))
        film.mux(stream.encode())


def need_av() -> Any:
    """The package. Raises `MissingDependencyError` with what to do."""
    try:
        import av
    except ImportError:
        raise MissingDependencyError(
            "MP4 needs the package PyAV", "pip install 'impasto[video]', or end --out in .webp or .gif"
        ) from None
    return av


def on_white(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 1, 3 or 4) uint8 -> (H, W, 3) uint8."""
    if frame.shape[2] == 4:
        alpha = frame[:, :, 3:] / 255
        return (frame[:, :, :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return np.broadcast_to(frame, (*frame.shape[:2], 3))
