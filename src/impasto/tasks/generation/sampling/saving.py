"""A model's picture as a file: its recipe inside and beside it, and what people should know of it."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from impasto import __version__
from impasto.files import replacing
from impasto.image.files import encode, from_pil
from impasto.tasks.generation.sampling.recipe import KEY, Coloured, Recipe, Seed
from impasto.training.checkpoints import ModelInfo


def save_picture(picture: Image.Image, path: Path, about: Mapping[str, str]) -> None:
    """Write a picture that a model made, .png, .webp or .jpg, its recipe inside and, as JSON, beside.

    Both replace what is there. Raises `InputError` for another suffix.
    """
    text = picture.info[KEY]
    data = encode(from_pil(picture), path.name, metadata={**about, KEY: text})
    # Both are whole before either has its name: nothing comes between them but the end of the process.
    with replacing(path.with_suffix(".json")) as beside, replacing(path) as temporary:
        beside.write_bytes(text.encode())
        temporary.write_bytes(data)


def description(model: str, info: ModelInfo, recipe: Recipe | None = None) -> dict[str, str]:
    """What a picture's file should say, for people, about how it was made: by which model, and of what."""
    about = {
        "software": f"Impasto {__version__}",
        "model": model,
        "model_images_seen": str(info.images_seen),
        "model_data": str(info.data.get("fingerprint", "")),
        "preset": info.config.preset,
    }
    point = None if recipe is None else recipe.point
    if isinstance(point, Coloured):
        about |= {"colours": ", ".join(colour for colour, _ in point.colours)}
        point = point.start
    if isinstance(point, Seed):
        about |= {"seed": str(point.seed), "truncation": f"{point.truncation:g}"}
        about |= {"themes": ", ".join(point.themes)} if point.themes else {}
    return about
