"""The picture sets that figures are measured on, made or found."""

import os
from dataclasses import dataclass
from pathlib import Path

from impasto.data.fashion import make_fashion_mnist
from impasto.data.samples import make_openmoji
from impasto.errors import InputError

SETS = ("openmoji-64", "vangogh-64", "vangogh-128", "fashion-mnist-32")


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
