"""Fashion-MNIST, where a package has put it on the disk: 28 px photographs of ten kinds of clothes."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.data.samples import CREDIT_FILE, claim
from impasto.data.scan import Progress
from impasto.errors import InputError, MissingDependencyError
from impasto.files import write_bytes_atomically
from impasto.image.codec import encode

FOLDERS = ("/usr/share/datasets/fashion-mnist", "/usr/share/dataset-fashion-mnist")
PICTURES_FILE, KINDS_FILE = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
KINDS = ("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer", "bag", "boot")
SIZE = 32
_TITLE = "Fashion-MNIST pictures made by `impasto samples fashion-mnist`"
_CREDIT = """\
{title}
the first {count} of its training set

Fashion-MNIST (Han Xiao, Kashif Rasul, Roland Vollgraf; Zalando SE, 2017),
https://github.com/zalandoresearch/fashion-mnist. Licence: MIT.

Each picture of 28 px lies in the middle of 32 px of black and is otherwise unchanged.
"""


def make_fashion_mnist(out: Path, count: int = 10_000, *, progress: Progress | None = None) -> Path:
    """Write `count` grey photographs as `out`/KIND/NUMBER.png, 32 px, and return `out`.

    They are sought where Debian's dataset-fashion-mnist puts them, or in the folder that the environment
    variable IMPASTO_FASHION_MNIST names. A second call finishes what a first one began. Raises `InputError`
    when `out` holds anything else or a file is no idx file, `MissingDependencyError` where there are none.
    """
    named = [Path(folder) for folder in (os.environ.get("IMPASTO_FASHION_MNIST"), *FOLDERS) if folder]
    source = next(
        (f for f in named if all((f / name).is_file() for name in (PICTURES_FILE, KINDS_FILE))), None
    )
    if source is None:
        raise MissingDependencyError(
            f"Fashion-MNIST is not in '{named[0]}'",
            f"apt install dataset-fashion-mnist; or let IMPASTO_FASHION_MNIST name {PICTURES_FILE}'s folder",
        )
    pictures, kinds = read_idx(source / PICTURES_FILE), read_idx(source / KINDS_FILE)
    if pictures.shape[1:] != (28, 28) or kinds.shape != pictures.shape[:1] or kinds.max() >= len(KINDS):
        raise InputError(f"the files in '{source}' are not those of Fashion-MNIST", "install them anew")
    count = min(count, len(pictures))
    credit = _CREDIT.format(title=_TITLE, count=f"{count:,}")
    if not claim(out, _TITLE, credit):
        for old in out.glob("*/*.png"):  # of a set of more
            old.unlink()
        write_bytes_atomically(out / CREDIT_FILE, credit.encode())
    for index in range(count):
        path = out / KINDS[kinds[index]] / f"{index:05}.png"
        if not path.exists():
            padded = np.pad(pictures[index], (SIZE - 28) // 2)[..., None]
            write_bytes_atomically(path, encode(padded, path.name), durable=False)
        if progress:
            progress("writing", index + 1, count)
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
