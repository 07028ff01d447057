"""What became of a photo: prepared as the model's own pictures were, found in its space of noise, judged."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from impasto.config.shared import Config, DataConfig, ImageConfig
from impasto.data.opening import open_to_compare
from impasto.data.scan import Progress
from impasto.errors import ImageError, InputError
from impasto.image.codec import fit_shape, grid, to_tensor
from impasto.image.files import from_pil, to_pil
from impasto.metrics.fidelity import psnr
from impasto.nn.features import extract, load_lite0

MOST_REAL = 10_000


@dataclass(frozen=True)
class Likeness:
    """A picture beside a photo: the distance in Lite0's features, 0 is the same, and the PSNR in dB."""

    picture: Image.Image
    distance: float
    psnr: float


@dataclass(frozen=True)
class Projection:
    """A photo at the model's size, the model's picture that is most like it, the best start of the search,
    and the nearest training picture where a folder was given."""  # fmt: skip

    photo: Image.Image
    found: Likeness
    start: Likeness
    nearest: Likeness | None

    @property
    def picture(self) -> Image.Image:
        """The model's picture; its recipe is `info["recipe"]`."""
        return self.found.picture

    def before_after(self) -> NDArray[np.uint8]:
        """The photo, the start, what was found, and the nearest training picture in one row."""
        row = [self.photo, self.start.picture, self.found.picture]
        row += [self.nearest.picture] if self.nearest else []
        return grid(np.stack([from_pil(picture) for picture in row]), columns=len(row))

    def to_dict(self) -> dict[str, Any]:
        """The figures."""
        rows = {"found": self.found, "start": self.start, "nearest_training_picture": self.nearest}
        return {
            name: {"distance_lite0": row.distance, "psnr": row.psnr} if row else None
            for name, row in rows.items()
        }


def prepare_photo(
    photo: Path | bytes | str | Image.Image, image: ImageConfig, data: DataConfig
) -> NDArray[np.uint8]:
    """(*image.shape, channels) uint8, fitted as the pictures were that the model learnt from.

    Raises `InputError` for what is not a picture.
    """
    name = "the photo"
    if isinstance(photo, Image.Image):
        buffer = io.BytesIO()
        photo.save(buffer, "PNG")
        photo = buffer.getvalue()
    elif not isinstance(photo, bytes):
        name = f"'{photo}'"
        photo = Path(photo)
    fit = "letterbox" if data.fit == "letterbox" else "crop"
    try:
        return fit_shape(
            photo,
            image.shape,
            channels=image.channels,
            fit=fit,  # type: ignore[arg-type]
            background=data.background,
            max_pixels=data.max_pixels,
        )
    except ImageError as error:
        raise InputError(f"{name} {error.message}", "give a picture: JPEG, PNG, WebP, TIFF ...") from None


def judge(
    found: Image.Image,
    start: Image.Image,
    photo: NDArray[np.uint8],
    config: Config,
    against: str | Path | None,
    progress: Progress | None,
) -> Projection:
    """Measure the picture that was found, and the start of its search, beside the photo.

    Args:
        found: The model's picture that the search found.
        start: The model's picture where the search began.
        photo: The photo at the model's size, (H, W, channels) uint8.
        config: Config of the model; says how pictures of `against` are read.
        against: Folder of pictures, among which the nearest to the photo is found. None: there is none.
        progress: Is told how far that folder has been read. None: nobody is told.

    Raises:
        InputError: The folder cannot be used.
    """
    net = load_lite0(torch.device("cpu"))
    target = extract(net, photo[None])
    nearest = None
    if against is not None:
        dataset = open_to_compare(
            Path(against), config.data, config.image, seed=config.train.seed, progress=progress
        )
        real = dataset.train_pixels(MOST_REAL, seed=0)
        features = extract(net, real)
        nearest = real[int(torch.linalg.vector_norm(features - target, dim=1).argmin())]

    def likeness(picture: Image.Image) -> Likeness:
        pixels = from_pil(picture)
        apart = torch.linalg.vector_norm(extract(net, pixels[None]) - target)
        return Likeness(picture, float(apart), levels_psnr(pixels, photo))

    near = likeness(to_pil(nearest)) if nearest is not None else None
    return Projection(to_pil(photo), likeness(found), likeness(start), near)


def levels_psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Of two pictures (H, W, C), in dB over all channels; 99 where equal, which JSON can say."""
    pair = [(to_tensor(picture[None]).double() + 1) * 127.5 for picture in (one, other)]
    return min(99.0, float(psnr(pair[0], pair[1])))
