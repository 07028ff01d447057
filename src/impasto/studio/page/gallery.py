"""Pictures that a model made, as the tabs hand them on."""

import io
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from impasto.studio import work
from impasto.studio.page import models
from impasto.studio.page.context import PageContext
from impasto.studio.page.notes import QUIET
from impasto.studio.queue import Check

if TYPE_CHECKING:
    from impasto.tasks.generation.sampling.recipe import Point

SHOW_SECONDS = 0.25  # a gallery that takes longer changes as its pictures finish, the first at once
LONGEST_STEM = 60
# Of a gallery in which no tile is marked: Gradio leaves None out of what it sends, and takes the nearest of
# whole numbers that are too small or too large.
NOWHERE = 0.5
DOWNLOAD = """file => {
    if (file?.url) {
        const link = document.createElement("a");
        link.href = file.url;
        link.download = file.orig_name || "";
        link.click();
    }
}"""


@dataclass(frozen=True)
class GalleryPicture:
    """A picture in a gallery: its file, how it was made, and what is written on it."""

    path: str
    model: str
    recipe: str
    words: str


GalleryValues = tuple[list[tuple[str, str]], list[GalleryPicture]]
"""A gallery, as Gradio and as we know it."""


def save_picture(
    context: PageContext, model: Any, name: str, picture: Any, words: str = "", title: str | None = None
) -> GalleryPicture:
    """A picture as a PNG with its recipe inside, ready to be shown. The file's name says what it is.

    Args:
        context: What the tabs of the page work with.
        model: The model that made the picture.
        name: Name of the model in the catalogue.
        picture: The picture, with its recipe in `info`.
        words: What is written on it in a gallery.
        title: What people call the model, where that is known already. None: it is looked up.
    """
    from impasto.tasks.generation.sampling.recipe import KEY, Recipe

    recipe = picture.info[KEY]
    point = Recipe.model_validate_json(recipe).point
    file = f"{stem(title or models.title(context, name))}_{place(point)}.png"
    return GalleryPicture(context.put(file, work.encode_picture(model, picture, "png")), name, recipe, words)


def place(point: "Point") -> str:
    """Where a picture lies, for the name of its file: seed14, seed14_variation3."""
    from impasto.tasks.generation.sampling.recipe import Between, Coloured, Mix, Moved, Near, Seed

    match point:
        case Seed():
            return f"seed{point.seed}"
        case Coloured() | Moved():
            return place(point.start)
        case Near():
            return f"{place(point.centre)}_variation{point.seed + 1}"[:LONGEST_STEM]
        case Between():
            return "map"
        case Mix():
            return "mix"
        case _:
            return "picture"


def stem(name: str) -> str:
    """A name that a file system takes."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in name.rpartition("/")[2])
    return kept[:LONGEST_STEM].strip("-") or "picture"


def zip_files(context: PageContext, paths: Sequence[str], name: str) -> str:
    """Several files as one; those of one name get numbers."""
    buffer = io.BytesIO()
    taken: set[str] = set()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in paths:
            inside, number = Path(path).name, 1
            while inside in taken:
                number += 1
                inside = f"{Path(path).stem}-{number}{Path(path).suffix}"
            taken.add(inside)
            archive.write(path, inside)
    return context.put(f"{name}.zip", buffer.getvalue())


def save_sheet(context: PageContext, made: Sequence[GalleryPicture], name: str) -> str:
    """Several pictures on one, with all their recipes inside."""
    import numpy as np
    from PIL import Image

    from impasto.image.files import encode, from_pil, grid
    from impasto.tasks.generation.sampling.recipe import KEY, Recipe, Recipes

    pixels = []
    for one in made:
        with Image.open(one.path) as picture:
            pixels.append(from_pil(picture))
    recipes = Recipes(recipes=[Recipe.model_validate_json(one.recipe) for one in made])
    data = encode(grid(np.stack(pixels)), "sheet.png", metadata={KEY: recipes.model_dump_json()})
    return context.put(f"{name}.png", data)


def gallery_values(made: Sequence[GalleryPicture]) -> GalleryValues:
    """What a gallery and its state become."""
    return [(one.path, one.words) for one in made], list(made)


def fill_gallery(
    context: PageContext,
    works: Iterable[Callable[[Check], GalleryPicture]],
    old: Sequence[GalleryPicture],
    count: int,
) -> Iterator[GalleryValues]:
    """A gallery as its pictures finish; until then old ones of the same model are where they were.

    Args:
        context: What the tabs of the page work with.
        works: Make one picture each.
        old: Pictures that the gallery shows now.
        count: Pictures that it will show.
    """
    new: list[GalleryPicture] = []
    shown = 0.0
    for made in context.each(works):
        new.append(made)
        if time.monotonic() - shown > SHOW_SECONDS:
            shown = time.monotonic()
            # Those of another model would pass for this one's.
            kept = [one for one in old[len(new) : count] if one.model == made.model]
            yield gallery_values([*new, *kept])
    yield gallery_values(new)


def build_gallery(label: str, id_: str, *looks: str) -> gr.Gallery:
    """A gallery to choose from, as wide as there is room."""
    return gr.Gallery(
        label=label, columns=6, height="auto", object_fit="contain", format="png", allow_preview=False,
        interactive=False, buttons=[], elem_id=id_, elem_classes=["impasto-grid", *looks],
    )  # fmt: skip


def build_picture(label: str, id_: str, height: int | None = None) -> gr.Image:
    """A picture to look at, which can fill the screen. `height` is in px; None: that of the picture."""
    return gr.Image(
        label=label, type="filepath", interactive=False, buttons=["fullscreen"], height=height,
        elem_id=id_, elem_classes="impasto-picture",
    )  # fmt: skip


def download(file: gr.DownloadButton, after: Any) -> None:
    """Let the browser save what an event has put into a hidden button, once."""
    after.then(None, file, None, js=DOWNLOAD, **QUIET).then(lambda: None, None, file, **QUIET)
