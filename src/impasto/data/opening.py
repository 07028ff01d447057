"""From what a person names, a folder of pictures or shards, to a data set."""

from pathlib import Path

from impasto.config.shared import DataConfig, ImageConfig
from impasto.data.folder import Dataset, open_folder, scan_pictures
from impasto.data.named_sets import prepared
from impasto.data.scan import Progress
from impasto.data.sharded import open_shards
from impasto.data.shards import find_shards
from impasto.errors import DataError


def open_pictures(
    place: str | Path, data: DataConfig, image: ImageConfig, *, seed: int, progress: Progress | None = None
) -> Dataset:
    """The pictures of a folder, of shards, or of a set that a library knows by name.

    Args:
        place: A folder, whatever `shards.find_shards` takes, `hf:NAME` or `torchvision:NAME`.
        data: How the pictures are read, split and decoded.
        image: The training size and the channels.
        seed: Decides which pictures are held out. Packed shards do not need it.
        progress: Told how far each stage is; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: There is nothing there that can be used, or too little to train on.
        MissingDependencyError: The library of a named set is not installed.
    """
    place = prepared(str(place), data, progress)
    found = find_shards(place)
    if found is None:
        return open_folder(Path(place), data, image, seed=seed, progress=progress)
    return open_shards(found, place, data, image, seed, progress)


def pictures_in(
    place: str | Path, data: DataConfig, image: ImageConfig, *, seed: int, progress: Progress | None = None
) -> int:
    """How many pictures training would use, held-out ones included.

    Args:
        place: A folder, whatever `shards.find_shards` takes, `hf:NAME` or `torchvision:NAME`.
        data: Which pictures can be used. Shards without an index are also split and decoded by it.
        image: The training size and the channels.
        seed: The seed of the split of shards without an index. The count does not depend on it.
        progress: Told how far each stage is; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: There is nothing there that can be used.
        MissingDependencyError: The library of a named set is not installed.
    """
    place = prepared(str(place), data, progress)
    found = find_shards(place)
    if found is None:
        return len(scan_pictures(Path(place), data, image, progress).pictures)
    # What is decoded for this is not decoded again.
    return found.pictures or len(open_shards(found, place, data, image, seed, progress).pixels)


def open_to_compare(
    place: str | Path, data: DataConfig, image: ImageConfig, *, seed: int, progress: Progress | None = None
) -> Dataset:
    """`open_pictures` for pictures that a model's are compared with.

    What the model learned themes from, tags or a table, another folder need not have: it is opened without
    themes then, and is known by that not to be the model's own.

    Args:
        place: As for `open_pictures`.
        data: The settings that the model was trained with.
        image: The model's size and channels.
        seed: The seed that the model was trained with, so that the same pictures are held out.
        progress: Told how far each stage is; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: There is nothing there that can be used, even without themes.
        MissingDependencyError: The library of a named set is not installed.
    """
    try:
        return open_pictures(place, data, image, seed=seed, progress=progress)
    except DataError:
        if data.themes in ("folders", "none"):
            raise
        plain = data.model_copy(update={"themes": "none"})
        return open_pictures(place, plain, image, seed=seed, progress=progress)
