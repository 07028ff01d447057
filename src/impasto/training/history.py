"""How a run learnt, as an animation of the pictures that its snapshots showed."""

from pathlib import Path

import numpy as np

from impasto.errors import ImageError
from impasto.image.codec import read
from impasto.image.files import save_animation

MOST_FRAMES = 60


def save_history(folder: Path, path: Path, channels: int, up_to: int) -> Path | None:
    """Animate the grids of a run into one file, at most 60 of them, evenly chosen.

    Args:
        folder: Folder of the grids: PNG files, named by images seen.
        path: File to write, .webp or .gif.
        channels: Channels of the run's pictures: 1, 3 or 4. Only with 4 is the alpha kept.
        up_to: Images seen; grids of later ones are left out.

    Returns:
        `path`, or None if there are fewer than two grids.

    Raises:
        InputError: `path` has another suffix.
    """
    files = sorted(f for f in folder.glob("*.png") if f.stem.isdigit() and int(f.stem) <= up_to)
    if len(files) > MOST_FRAMES:
        files = [files[round(i)] for i in np.linspace(0, len(files) - 1, MOST_FRAMES)]
    frames = []
    for file in files:
        try:
            frames.append(read(file, channels=4 if channels == 4 else 3))
        except ImageError:  # somebody's own file in our folder does not end a run
            continue
    if len(frames) < 2:
        return None
    save_animation(np.stack(frames), path, fps=8)
    return path
