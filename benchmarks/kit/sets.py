"""The picture sets that figures are measured on, made or found."""

import gzip
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.data.samples import make_openmoji
from impasto.errors import InputError
from impasto.files import write_bytes_atomically
from impasto.image_files import encode

SETS = ("openmoji-64", "vangogh-64", "vangogh-128", "fashion-mnist-32")
FASHION_FOLDERS = ("/usr/share/datasets/fashion-mnist", "/usr/share/dataset-fashion-mnist")
FASHION_FILE = "train-images-idx3-ubyte.gz"
FASHION_PICTURES = 10_000


@dataclass(frozen=True)
class PictureSet:
    """A folder, and what its pictures are made into."""

    name: str
    folder: Path
    size: int
    channels: int


def find_set(name: str, work: Path) -> PictureSet:
    """One of `SETS`; what must be made is made below `work`. Raises `InputError` where it is absent."""
    match name:
        case "openmoji-64":
            return PictureSet(name, make_openmoji(work / name, 64), 64, 3)
        case "vangogh-64" | "vangogh-128":
            folder = Path(os.environ.get("IMPASTO_REALDATA", "../shared/data")) / "vangogh"
            if not folder.is_dir():
                raise InputError(
                    f"the paintings are not in '{folder}'",
                    "set IMPASTO_REALDATA to the folder that holds a folder vangogh",
                )
            return PictureSet(name, folder, int(name.removeprefix("vangogh-")), 3)
        case "fashion-mnist-32":
            return PictureSet(name, make_fashion_mnist(work / name), 32, 1)
        case _:
            raise InputError(f"there is no set '{name}'", f"one of: {', '.join(SETS)}; or --pictures DIR")


def make_fashion_mnist(out: Path) -> Path:
    """The first 10,000 training pictures of Fashion-MNIST as PNG files, 28 px on 32 px of black."""
    folders = [Path(os.environ.get("IMPASTO_FASHION_MNIST", FASHION_FOLDERS[0])), *map(Path, FASHION_FOLDERS)]
    source = next((folder / FASHION_FILE for folder in folders if (folder / FASHION_FILE).is_file()), None)
    if source is None:
        raise InputError(
            f"Fashion-MNIST is not in '{folders[0]}'",
            f"apt install dataset-fashion-mnist; or let IMPASTO_FASHION_MNIST name {FASHION_FILE}'s folder",
        )
    for index, picture in enumerate(read_idx(source)[:FASHION_PICTURES]):
        path = out / f"{index:05}.png"
        if not path.exists():
            padded = np.pad(picture, 2)[..., None]
            write_bytes_atomically(path, encode(padded, path.name), durable=False)
    return out


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in a gzipped idx file of bytes. Raises `InputError` for anything else."""
    try:
        raw = gzip.decompress(path.read_bytes())
        zero, kind, dimensions = struct.unpack(">HBB", raw[:4])
        shape = struct.unpack(f">{dimensions}I", raw[4 : 4 + 4 * dimensions])
        if zero or kind != 8:
            raise ValueError("not bytes")
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise InputError(f"'{path}' is no idx file: {error}") from None
