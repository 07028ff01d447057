"""What is in a picture folder, and what a person should know before training on it."""

import contextlib
import dataclasses
import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from impasto.config.shared import DataConfig, ImageConfig
from impasto.data.colours import hex_colours
from impasto.data.duplicates import find_duplicates
from impasto.data.folder import hold_out
from impasto.data.scan import Picture, Progress, Scan, in_threads, scan_folder
from impasto.data.themes import find_themes
from impasto.data.walk import describe
from impasto.errors import DataError, ImageError
from impasto.image import codec
from impasto.image.palettes import common_palette, palettes_of

FEW_PICTURES, SOME_PICTURES = 50, 1_000
_VARIED = (
    0.22  # thumbs' deviation from their mean: one painter's pictures have .18, photographs of all kinds .26
)
_DARK = 0.2
_SQUARE = 0.8  # short side by long side; likewise of shapes that are about the same
# By their proportions, WIDTHxHEIGHT that can be trained at, from large to small.
_SIZES = {
    "1:1": ((256, 256), (128, 128), (64, 64)),
    "4:3": ((256, 192), (128, 96), (64, 48)),
    "3:2": ((384, 256), (192, 128), (96, 64)),
    "16:9": ((448, 256), (224, 128), (112, 64)),
    "2:1": ((512, 256), (256, 128), (128, 64)),
}
_DRAWN = 1_000  # times larger than it says a drawing can be rendered
_NAMED = 5  # rare themes
FOLDER_COLOURS = 10
_LOOKED_AT, _LOOK_PX = 256, 64


class Choice(NamedTuple):
    """A preset for a folder, and why."""

    preset: str
    reason: str


def choose_preset(pictures: int) -> Choice:
    """The preset that suits a folder of so many usable pictures, held-out ones included."""
    if pictures < SOME_PICTURES:
        return Choice(
            "few-shot",
            f"{_some(pictures, 'picture')}; fewer than {SOME_PICTURES:,} are also shown mirrored and moved",
        )
    return Choice("default", f"{pictures:,} pictures, enough to learn from as they are")


class CommonShape(NamedTuple):
    """The proportions, as "3:2", that most pictures have, their share, and the `--size` that suits them."""

    proportions: str
    share: float
    size: str


def choose_shape(pictures: Sequence[Picture]) -> CommonShape:
    """The shape that the most pictures are about, and the largest size that half of these have or exceed."""
    sides = np.array([(p.width, p.height) for p in pictures], np.float64)
    sides[[p.format == "svg" for p in pictures]] *= _DRAWN
    wide = {name: [(w, h) for w, h in sizes] for name, sizes in _SIZES.items()}
    tall = {":".join(name.split(":")[::-1]): [(h, w) for w, h in sizes] for name, sizes in wide.items()}
    own = np.log(sides[:, 0] / sides[:, 1])
    apart = {name: np.abs(own - np.log(w / h)) for name, ((w, h), *_) in (tall | wide).items()}
    near = {name: far <= -np.log(_SQUARE) for name, far in apart.items()}
    best = max(apart, key=lambda name: (near[name].sum(), -np.median(apart[name])))
    usual = np.median(sides[near[best]] if near[best].any() else sides, axis=0)
    sizes = (tall | wide)[best]
    width, height = next((size for size in sizes if (usual >= size).all()), sizes[-1])
    words = str(width) if width == height else f"{width}x{height}"
    return CommonShape(best, round(float(near[best].mean()), 4), words)


@dataclass(frozen=True)
class Inspection:
    """A folder's description. Sides are in pixels, colours as '#rrggbb', brightness and variety in 0..1."""

    root: str
    pictures: int
    ignored: int
    formats: dict[str, int]
    shortest_side_px: tuple[int, int, int]
    """Smallest, median and largest of the pictures' shorter sides."""
    longest_side_px: tuple[int, int, int]
    square_share: float
    shape: str
    """The proportions that the most pictures are about, such as "3:2", width first."""
    shape_share: float
    size: str
    """A size of that shape to train at, as `--size` takes it."""
    broken: dict[str, str]
    """Path -> reason."""
    left_out: dict[str, str]
    """Path -> reason, of what was not even looked at: hidden, of the system, made by Impasto ..."""
    exact_duplicates: list[list[str]]
    near_duplicates: list[list[str]]
    themes: dict[str, int]
    """Pictures of each theme, the commonest first."""
    rare_themes: dict[str, int]
    without_theme: int
    palette: list[tuple[str, float]]
    """Dominant colours and their share of the pictures without the page they lie on, largest first."""
    mean_brightness: float
    variety: float
    holdout: int
    """How many pictures training would hold out to measure with; 0 when there are too few to train."""
    preset: str
    """The preset that training takes when none is named, and why."""
    preset_reason: str
    notes: list[str]
    """What was left out, in a sentence, and what of the themes may surprise."""
    advice: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return dataclasses.asdict(self)


def inspect_folder(
    root: Path, data: DataConfig, image: ImageConfig, *, seed: int = 0, progress: Progress | None = None
) -> Inspection:
    """Look at every picture of a folder.

    Args:
        root: The folder.
        data: The settings that training would have.
        image: The size that training would have. Advice is given for it.
        seed: The seed of the split into pictures to learn from and held-out ones.
        progress: Told how many pictures are read; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: There is no usable picture in the folder, or its themes cannot be read.
    """
    scan = scan_folder(root, min_side_px=data.min_side_px, max_pixels=data.max_pixels, progress=progress)
    copies = find_duplicates(scan)
    sides = np.array([sorted((p.width, p.height)) for p in scan.pictures])
    thumbs = scan.thumbs().reshape(len(scan.pictures), -1).astype(np.float64) / 255
    holdout, complaint = _holdout(scan, data, seed)
    choice = choose_preset(len(scan.pictures) - (len(copies.surplus) if data.dedupe else 0))
    themes, shape = find_themes(scan, data), choose_shape(scan.pictures)
    found = Inspection(
        root=_printable(str(root)),
        pictures=len(scan.pictures),
        ignored=scan.ignored,
        formats=dict(Counter(p.format for p in scan.pictures).most_common()),
        shortest_side_px=_spread(sides[:, 0]),
        longest_side_px=_spread(sides[:, 1]),
        square_share=round(float((sides[:, 0] >= _SQUARE * sides[:, 1]).mean()), 4),
        shape=shape.proportions,
        shape_share=shape.share,
        size=shape.size,
        broken={_printable(r.path): _printable(r.reason) for r in scan.rejected},
        left_out={_printable(item.path): item.reason for item in scan.left_out},
        exact_duplicates=[[_printable(p.path) for p in group] for group in copies.exact],
        near_duplicates=[[_printable(p.path) for p in group] for group in copies.near],
        themes={_printable(name): count for name, count in Counter(themes.counts).most_common()},
        rare_themes={_printable(name): count for name, count in themes.rare.items()},
        without_theme=themes.without,
        palette=palette_of_folder(scan, data.background),
        mean_brightness=round(float(np.mean([p.mean_brightness for p in scan.pictures])), 4),
        variety=round(float((thumbs - thumbs.mean(axis=0)).std()), 4),
        holdout=holdout,
        preset=choice.preset,
        preset_reason=choice.reason,
        notes=[note for note in (describe(scan.left_out), *themes.notes) if note],
        advice=[],
    )
    height, width = image.shape
    small = sum((p.height < height or p.width < width) and p.format != "svg" for p in scan.pictures)
    cropped = _advice_on_shape(scan.pictures, found, image) if data.fit == "crop" else []
    advice = [*complaint, *_advice(found, cropped, image, small, len(copies.surplus))]
    advice += _other_themes(root, data)
    return dataclasses.replace(found, advice=advice)


def palette_of_folder(scan: Scan, background: str, count: int = FOLDER_COLOURS) -> list[tuple[str, float]]:
    """The colours that stand for all pictures: the palettes' colours of up to 256, brought together.

    As `("#rrggbb", share)`, the largest share first; each picture weighs the same. See palettes.py.
    """
    step = -(-len(scan.pictures) // _LOOKED_AT)
    look = functools.partial(_look, scan.root, background)
    seen = [pixels for pixels in in_threads(look, scan.pictures[::step]) if pixels is not None]
    if not seen:
        return []
    palettes = palettes_of(codec.to_tensor(np.stack(seen)), background=background)
    return [(colour, round(share, 4)) for colour, share in hex_colours(common_palette(palettes, count))]


def _look(root: Path, background: str, picture: Picture) -> codec.Pixels | None:
    try:
        return codec.fit_square(root / picture.path, _LOOK_PX, fit="letterbox", background=background)
    except ImageError:  # gone since the scan
        return None


def _spread(values: np.ndarray[Any, Any]) -> tuple[int, int, int]:
    return int(values.min()), int(np.median(values)), int(values.max())


def _holdout(scan: Scan, data: DataConfig, seed: int) -> tuple[int, list[str]]:
    try:
        _, holdout, note = hold_out(scan, data, seed)
        return len(holdout), [note] if note else []
    except DataError as error:
        return 0, [f"Training would refuse this folder: {error.message}; {error.hint}."]


def _advice(
    found: Inspection, cropped: Sequence[str], image: ImageConfig, small: int, surplus: int
) -> Sequence[str]:
    """Plain words, the gravest first; `cropped` is what there is to say of shapes."""
    count, advice = found.pictures, []
    if found.broken:
        advice.append(f"{_some(len(found.broken), 'picture')} cannot be used and will be left out.")
    if count < FEW_PICTURES:
        advice.append(
            f"{_some(count, 'picture')} are very few: the model can only learn them by heart."
            f" Find {FEW_PICTURES} at least."
        )
    elif count < SOME_PICTURES:
        advice.append(
            f"{count:,} pictures are few: expect pictures close to yours, and stop before it knows them by"
            " heart (`impasto evaluate` says when it does)."
        )
    if found.variety > _VARIED and count < SOME_PICTURES:
        advice.append(
            "The pictures differ much for so few: keep to one subject or one style, or add many more."
        )
    if surplus > 0.02 * count:
        advice.append(f"{_some(surplus, 'picture')} are copies of others; --dedupe leaves them out.")
    advice += cropped
    if small > 0.1 * count:
        advice.append(
            f"{_some(small, 'picture')} are smaller than {image.words} px and will look soft: train at a"
            " smaller --size."
        )
    if found.mean_brightness < _DARK:
        advice.append(
            f"The pictures are very dark (mean brightness {found.mean_brightness:.0%}): brighten them if that"
            " is not meant."
        )
    if found.rare_themes and len(found.themes) > 1:
        names = list(found.rare_themes)
        listed = ", ".join(f"'{name}' ({found.rare_themes[name]:,})" for name in names[:_NAMED])
        rest = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        advice.append(
            f"Rare themes: {listed}{rest}. Find more pictures of them, join them with others, show them more"
            " often (data.balance=0.5), or leave them out (data.theme_min_pictures)."
        )
    if 0 < found.without_theme < count:
        advice.append(
            f"{_some(found.without_theme, 'picture')} of {count:,} have no theme: they teach what pictures"
            " look like, but no theme."
        )
    biggest = max(found.themes.values(), default=0)
    if len(found.themes) > 1 and biggest > 0.7 * count:
        name = max(found.themes, key=lambda theme: found.themes[theme])
        advice.append(f"'{name}' holds {biggest / count:.0%} of the pictures and will dominate.")
    return advice or ["Nothing stands in the way of training."]


def _advice_on_shape(pictures: Sequence[Picture], found: Inspection, image: ImageConfig) -> list[str]:
    """What to do where most pictures are far from the shape that is asked for."""
    height, width = image.shape
    by = [p.width * height / (p.height * width) for p in pictures]
    far = sum(min(ratio, 1 / ratio) < _SQUARE for ratio in by) / len(pictures)
    if far <= 0.5:
        return []
    if found.shape_share > 0.5:
        return [
            f"Most of your pictures ({found.shape_share:.0%}) are about {found.shape}: --size {found.size}"
            " keeps their ends."
        ]
    shape = "square" if height == width else image.words
    return [
        f"{far:.0%} of the pictures are far from {shape} and lose their ends: data.fit=letterbox keeps the"
        " whole, data.fit=random-crop uses all parts in turn."
    ]


def _other_themes(root: Path, data: DataConfig) -> list[str]:
    """Tables beside the pictures that other tools write, where nobody has asked for themes from elsewhere."""
    if data.themes != "folders":
        return []
    tables = [name for name in ("metadata.jsonl", "metadata.csv") if (root / name).is_file()]
    with contextlib.suppress(OSError), (root / "dataset.json").open("rb") as file:
        if b'"labels"' in file.read(4_096):  # StyleGAN's; ours of the same name has none
            tables.append("dataset.json")
    return [
        f"'{name}' may say which picture has which theme: data.themes={name} reads it." for name in tables
    ]


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _printable(text: str) -> str:
    # A name that is not Unicode could be neither printed nor written as JSON for others.
    return text.encode("utf-8", "backslashreplace").decode()
