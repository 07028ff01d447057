"""A trained translator, ready for layouts: pictures of any size, each with the recipe that it was made by."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from impasto import __version__
from impasto.config.translation import LayoutConfig, TranslationConfig
from impasto.data.layouts import fitted_layout, palette_of
from impasto.errors import ImageError, InputError
from impasto.files import replacing
from impasto.image import codec
from impasto.image.codec import to_uint8
from impasto.image.files import encode, from_pil, to_pil
from impasto.image.labels import from_hex, index_map, paint, to_hex
from impasto.tasks.translation.learner import latent_of, layout_tensor
from impasto.tasks.translation.networks import AnyTranslator, saved_translator
from impasto.training.checkpoints import ModelInfo, digest_of, find_model, load_model, load_weights

KEY = "recipe"  # the name of the recipe inside a picture
LEAST_PX = 8
MOST_PIXELS = 24_000_000  # that a network computes at once; larger layouts need tiles
# A layout that is no more than so many times larger or smaller than trained ones is translated as it is.
SAME_SCALE = 2.0
STRANGE_SHARE = 1e-3  # of a layout: fewer pixels of unknown colours are dirt

Pixels = NDArray[np.uint8]
Source = str | Path | Image.Image | Pixels


@dataclass(frozen=True)
class Prepared:
    """A layout as the network gets it, and what is to be done with its translation.

    Attributes:
        layout: (1, L, H, W), sides multiples of the network's.
        inside: Height and width of the layout in it; the rest repeats its edge.
        size: Height and width of the result.
        identity: A hash of the layout's pixels.
        notes: What a person should know of how it was read.
    """

    layout: Tensor
    inside: tuple[int, int]
    size: tuple[int, int]
    identity: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class LayoutTranslator:
    """`translator.translate("layout.png", seeds=range(4))` are four PIL pictures of the layout's size."""

    network: AnyTranslator
    info: ModelInfo
    folder: Path
    device: torch.device

    @property
    def name(self) -> str:
        """Its folder's name, that of the run where it is the best of one."""
        own = self.folder.resolve()
        return own.parent.name if own.name in ("best", "last") else own.name

    @property
    def config(self) -> TranslationConfig:
        """How it was trained."""
        return cast(TranslationConfig, self.info.config)

    @property
    def layout(self) -> LayoutConfig:
        """What its layouts are."""
        return self.config.layout

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that other weights do not share."""
        return digest_of(self.network.state_dict())

    def translate(
        self, layout: Source, seeds: Sequence[int] = (0,), *, strict: bool = False
    ) -> list[Image.Image]:
        """A picture of the layout for each seed. Its `info["recipe"]` says how it was made.

        Args:
            layout: A file, a PIL picture, or (H, W, 3) uint8.
            seeds: Each gives the picture another look; the same one gives the same picture.
            strict: Whether a layout with colours of no label is refused. Else the nearest labels are taken.

        Raises:
            InputError: The layout cannot be read, is too small or too large, or has unknown colours.
        """
        name = Path(layout).name if isinstance(layout, str | Path) else ""
        try:
            prepared = self.prepare(layout, strict=strict)
        except ImageError as error:
            raise InputError(f"'{name or 'the layout'}' {error.message}", error.hint) from None
        return [self.make(prepared, seed, name) for seed in seeds]

    def prepare(self, source: Source, *, strict: bool = False) -> Prepared:
        """Read a layout; see `translate`."""
        pixels = _read(source)
        height, width = pixels.shape[:2]
        if min(height, width) < LEAST_PX:
            raise ImageError(f"is too small: {width} x {height} px, at least {LEAST_PX} are needed")
        notes = self._unknown(pixels, strict=strict)
        scale = self._scale(min(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        if size[0] * size[1] > MOST_PIXELS:
            most = MOST_PIXELS // 1_000_000
            raise ImageError(f"is too large: {size[1]} x {size[0]} px, and the limit is {most} megapixels")
        if scale != 1:
            notes = (*notes, f"translated at {size[1]} x {size[0]} px, as it was trained, and resized")
        rows = fitted_layout(pixels, size, self.layout)
        down, across = (-side % self.network.multiple for side in size)
        rows = np.pad(rows, ((0, down), (0, across), (0, 0)), mode="edge")
        layout = layout_tensor(rows[None], self.layout, self.device)
        identity = hashlib.blake2b(pixels.tobytes() + str(pixels.shape).encode(), digest_size=8).hexdigest()
        return Prepared(
            layout.contiguous(memory_format=torch.channels_last), size, (height, width), identity, notes
        )

    @torch.inference_mode()
    def make(self, prepared: Prepared, seed: int, name: str = "") -> Image.Image:
        """The picture of a prepared layout by one seed; `name` is the layout's, for its recipe."""
        made = self.network(prepared.layout, latent_of(seed, self.network).to(self.device)).float()
        made = made[:, :, : prepared.inside[0], : prepared.inside[1]]
        if prepared.inside != prepared.size:
            made = F.interpolate(made, prepared.size, mode="bicubic", antialias=True)
        pixels = to_uint8(made)[0]
        if self.layout.targets:
            palette = [from_hex(label.colour) for label in self.layout.targets]
            pixels = paint(index_map(pixels, palette)[0], palette)
        picture = to_pil(pixels)
        picture.info[KEY] = json.dumps(
            {
                "format": "impasto-translation",
                "format_version": 1,
                "model": self.name,
                "weights": self.digest,
                "engine": f"torch {torch.__version__} {self.device.type}",
                "layout": name,
                "layout_hash": prepared.identity,
                "seed": seed,
            }
        )
        return picture

    def save(self, picture: Image.Image, path: str | Path) -> None:
        """Write a picture, .png, .webp or .jpg, its recipe inside and, as JSON, beside.

        Both replace what is there. Raises `InputError` for another suffix.
        """
        path, text = Path(path), picture.info[KEY]
        about = {
            "software": f"Impasto {__version__}",
            "model": self.name,
            "model_images_seen": str(self.info.images_seen),
            "preset": self.config.preset,
        }
        data = encode(from_pil(picture), path.name, metadata={**about, KEY: text})
        with replacing(path.with_suffix(".json")) as beside, replacing(path) as temporary:
            beside.write_bytes(text.encode())
            temporary.write_bytes(data)

    def _scale(self, short: int) -> float:
        """The factor by which a layout of this shorter side is resized: to be as large as trained ones."""
        trained = round(self.config.image.size * (1 + self.layout.jitter))
        alike = trained / SAME_SCALE <= short <= trained * SAME_SCALE
        return 1.0 if alike or self.config.data.fit == "windows" else trained / short

    def _unknown(self, pixels: Pixels, *, strict: bool) -> tuple[str, ...]:
        """What is to be said of colours that no label has. Raises `ImageError` where `strict`."""
        if not self.layout.labels:
            return ()
        palette = palette_of(self.layout)
        _, strange = index_map(pixels, palette)
        if sum(strange.values()) < STRANGE_SHARE * pixels.shape[0] * pixels.shape[1]:
            return ()
        names = {label.colour: label.name for label in self.layout.labels}
        told = []
        for colour in list(strange)[:3]:
            single = np.array([[tuple(bytes.fromhex(colour[1:]))]], np.uint8)
            nearest = to_hex(palette[int(index_map(single, palette)[0][0, 0])])
            told.append(f"{colour} (nearest: {names[nearest]})")
        more = f" and {len(strange) - 3:,} more" if len(strange) > 3 else ""
        words = f"has colours of no label: {', '.join(told)}{more}"
        if strict:
            raise ImageError(words)
        return (f"{words}; the nearest labels are taken",)


def load_translator(model: str | Path, *, device: str = "cpu") -> LayoutTranslator:
    """A translator, from the folder of a run or a model; nothing in it is executed.

    Raises `CheckpointError`.
    """
    path = find_model(model)
    weights, info = load_model(path, saved_translator)
    with torch.random.fork_rng(devices=[]):  # building draws initial weights that are thrown away
        network = saved_translator(info.config)
    load_weights(network, weights, path / "model.safetensors")
    place = torch.device(device)
    network.to(device=place, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
    return LayoutTranslator(network, info, path, place)


def _read(source: Source) -> Pixels:
    """(H, W, 3) uint8. Raises `InputError`."""
    if isinstance(source, str | Path):
        return codec.read(Path(source))
    if isinstance(source, Image.Image):
        return from_pil(source.convert("RGB"))
    if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8:
        raise InputError(f"a layout must be (H, W, 3) uint8, not {source.shape} {source.dtype}")
    return source
