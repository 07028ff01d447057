"""What is computed for a request, in a thread of the queue. Here torch is loaded, when first needed."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from impasto.studio.problems import Refused
from impasto.studio.schemas import Generate, Interpolate, PictureFormat
from impasto.studio.settings import Limits
from impasto.studio.uploads import DECODED, check_picture

if TYPE_CHECKING:
    from impasto.tasks.generation.sampling.model import Model
    from impasto.tasks.upscaling.inference.upscale import PictureUpscaler

MEDIA_TYPES = {
    "png": "image/png", "webp": "image/webp", "jpg": "image/jpeg", "json": "application/json",
}  # fmt: skip

Answer = tuple[bytes, str]
"""A body and its media type."""


def generate(model: "Model", ask: Generate, limits: Limits) -> Answer:
    """Pictures of seeds or recipes. Raises `Refused` (413, 415) for a `palette_from` that cannot be used."""
    if ask.recipes:
        pictures = [model.make(_recipe(tree)) for tree in ask.recipes]
    elif ask.palette_from is None:
        pictures = model.generate(ask.seeds, **ask.steering())
    else:
        check_picture(ask.palette_from, "palette_from", limits)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "photo"
            path.write_bytes(ask.palette_from)
            pictures = model.generate(ask.seeds, palette_from=path, **ask.steering())
    return as_answer(model, pictures, ask.format)


def interpolate(model: "Model", ask: Interpolate) -> Answer:
    """Frames on the way, as an animation or each by itself."""
    import numpy as np

    from impasto.image.files import from_pil, save_animation

    stops = [stop if isinstance(stop, int) else _recipe(stop) for stop in ask.stops]
    frames = model.interpolate(stops, frames=ask.frames, loop=ask.loop, truncation=ask.truncation)
    if ask.format == "json":
        return as_answer(model, frames, "json")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "way.webp"
        pixels = np.stack([from_pil(frame) for frame in frames])
        last = 1 / ask.fps if ask.loop else 1.0
        save_animation(pixels, path, fps=ask.fps, hold_last_seconds=last, metadata=model.describe())
        return path.read_bytes(), MEDIA_TYPES["webp"]


def project(
    model: "Model", photo: bytes, steps: int, candidates: int, seed: int, check: Callable[[], None]
) -> dict[str, Any]:
    """The model's picture that is most like a photo, with its recipe and the figures of the search.

    Args:
        model: The model.
        photo: The bytes of a picture file.
        steps: Steps of the search.
        candidates: Latents that are tried before the search.
        seed: Draws the candidates.
        check: Is called now and then; what it raises ends the search.

    Raises:
        InputError: The photo is not a picture, or a value is out of range.
    """
    import torch

    found = model.project(
        photo,
        rng=torch.Generator().manual_seed(seed),
        steps=steps,
        candidates=candidates,
        progress=lambda stage, done, total: check(),
    )
    return {**_as_json(model, found.picture), "figures": found.to_dict()}


def upscale(
    upscaler: "PictureUpscaler",
    picture: bytes,
    scale: float | None,
    format_: str,
    limits: Limits,
    check: Callable[[], None],
    tell: Callable[[int, int], None] = lambda done, total: None,
    note: Callable[[str], None] = lambda words: None,
) -> Answer:
    """A picture made larger.

    Args:
        upscaler: The upscaler.
        picture: The bytes of a picture file.
        scale: How many times larger. None: the upscaler's own scale.
        format_: Format of the answer: "png", "webp" or "jpg".
        limits: How many pixels and frames are allowed.
        check: Is called now and then; what it raises ends the work.
        tell: Is told how many of the pixels are done, and of how many.
        note: Is told, in words, what of the picture is not kept.

    Raises:
        Refused: 413 where it, or all its frames, would be too large; 415 for what is not a picture.
        InputError: The scale is out of range, or the picture cannot be written so large.
    """
    from impasto.errors import ImageError
    from impasto.tasks.upscaling.inference.pictures import open_picture
    from impasto.tasks.upscaling.inference.upscale import wanted_size

    try:
        source = open_picture(picture, limits.picture_pixels, format_)
        if source.frames > limits.frames:
            raise Refused(413, f"the picture has {source.frames:,} frames", f"at most {limits.frames}")
        width, height = wanted_size(source, upscaler.network.scale, scale, None)
        if width * height * source.frames > limits.enlarged_pixels:
            raise Refused(
                413,
                f"{width:,} x {height:,} pixels are too many to send back",
                "choose a smaller scale, or use `impasto upscale`",
            )
        pixels = source.width * source.height * source.frames
        with DECODED.take(pixels, check), TemporaryDirectory() as folder:
            path = Path(folder) / f"larger.{format_}"

            def progress(done: int, total: int) -> None:
                check()
                tell(done, total)

            most = limits.picture_pixels
            upscaler.file(picture, path, scale=scale, max_pixels=most, progress=progress, note=note)
            return path.read_bytes(), MEDIA_TYPES[format_]
    except ImageError as error:
        raise Refused(415, f"the picture {error.message}", "send a JPEG, PNG, WebP, TIFF ...") from None


def inspect(folder: Path, size: int | str, check: Callable[[], None]) -> dict[str, Any]:
    """What is in a folder, and advice. Its place on this computer is nobody's business."""
    from impasto.config.reading import load_config
    from impasto.config.shared import ImageConfig
    from impasto.config.size import drawn, parse_size, size_settings
    from impasto.data.inspect import inspect_folder

    height, width = parse_size(size)
    themes = {"data.themes": "themes.json"} if (folder / "themes.json").is_file() else {}
    config = load_config(overrides={**size_settings(drawn((height, width), None)), **themes})
    found = inspect_folder(
        folder,
        config.data,
        ImageConfig(size=height, width=width),
        seed=config.train.seed,
        progress=lambda stage, done, total: check(),
    )
    return {**found.to_dict(), "root": folder.name}


def as_answer(model: "Model", pictures: Sequence[Image], format_: PictureFormat) -> Answer:
    """Pictures as the body of an answer: one with its recipe inside, several as a contact sheet, or JSON."""
    import numpy as np

    from impasto.image.files import encode, from_pil, grid

    if format_ == "json":
        made = {"pictures": [_as_json(model, picture) for picture in pictures]}
        return json.dumps(made).encode(), MEDIA_TYPES["json"]
    if len(pictures) == 1:
        return encode_picture(model, pictures[0], format_), MEDIA_TYPES[format_]
    sheet = grid(np.stack([from_pil(picture) for picture in pictures]))
    return encode(sheet, f"sheet.{format_}", metadata=model.describe()), MEDIA_TYPES[format_]


def encode_picture(model: "Model", picture: Image, format_: str) -> bytes:
    """The file of one picture that a model made, its recipe inside."""
    from impasto.image.files import encode, from_pil
    from impasto.tasks.generation.sampling.recipe import KEY, Recipe

    text = picture.info[KEY]
    about: Mapping[str, str] = {**model.describe(Recipe.model_validate_json(text)), KEY: text}
    return encode(from_pil(picture), f"picture.{format_}", metadata=about)


def _as_json(model: "Model", picture: Image) -> dict[str, Any]:
    from impasto.tasks.generation.sampling.recipe import KEY

    png = base64.b64encode(encode_picture(model, picture, "png")).decode()
    return {"png": png, "recipe": json.loads(picture.info[KEY])}


def _recipe(tree: Mapping[str, Any]) -> Any:
    """Raises `InputError`."""
    from impasto.errors import InputError
    from impasto.tasks.generation.sampling.recipe import parse_recipes

    recipe, *more = parse_recipes(json.dumps(tree).encode(), "the request's recipe")
    if more:
        raise InputError("the request's recipe holds several", "give them one by one")
    return recipe
