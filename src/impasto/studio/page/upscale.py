"""Upscale: pictures made larger and sharp, before and after side by side."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from PIL.Image import Resampling

from impasto.errors import ImageError, InputError
from impasto.image.film import is_film
from impasto.studio import work
from impasto.studio.page import errors, film, models
from impasto.studio.page.context import PageContext
from impasto.studio.page.gallery import stem, zip_files
from impasto.studio.page.notes import QUIET, Reply, build_note, listen, note
from impasto.studio.problems import Refused
from impasto.studio.queue import Check
from impasto.studio.uploads import read_picture

MOST_FILES = 64
ENGINES = (("PyTorch", "torch"), ("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino"), ("ncnn", "ncnn"))
SEEN_PX = 2_048  # of the longer side, when shown; what is saved is whole
OF_THE_PICTURE = (413, 415, 422)  # statuses that speak of one picture; the others end a batch
log = logging.getLogger("impasto.studio")


@dataclass
class Upscale:
    """The parts of the tab, and what connects them."""

    files: gr.File
    model: gr.Dropdown
    scale: gr.Dropdown
    format: gr.Dropdown
    engine: gr.Dropdown
    start: gr.Button
    note: gr.HTML
    slider: gr.ImageSlider
    film: film.FilmPart
    downloads: gr.File

    def connect(self, context: PageContext, page: gr.Blocks) -> None:
        """What happens when."""
        page.load(lambda: _list_models(context), None, self.model, **QUIET)
        self.files.change(  # what was wrong is gone, or about to go, and the film is another
            lambda: ("", gr.update(visible=False), None), None, [self.note, self.film.whole, self.film.asked],
            **QUIET,
        )  # fmt: skip

        def enlarge(
            files: list[str] | None,
            model: str | None,
            scale: float,
            format_: str,
            engine: str,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> Iterator[Any]:
            yield from _enlarge(context, files, model, scale, format_, engine, progress)

        started = listen(
            context, [self.start.click], enlarge,
            [self.files, self.model, self.scale, self.format, self.engine],
            [self.slider, self.downloads, *self.film.outputs],
            self.note, concurrency_limit=2, show_progress="full", show_progress_on=[self.slider],
        )  # fmt: skip
        self.film.connect(context, self.downloads, self.note, started)


def build(context: PageContext) -> Upscale:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            files = gr.File(
                label=context.say("drop"),
                file_count="multiple",  # of any kind: what is no picture is named, beside the button
                height=180,
                elem_id="small",
            )
            model = gr.Dropdown([], label=context.say("upscaler"))
            with gr.Row():
                scale = gr.Dropdown(
                    [(context.say("own_scale"), 0), *[(f"× {n}", n) for n in (2, 3, 4, 8)]], value=0,
                    label=context.say("scale"), min_width=120,
                )  # fmt: skip
                format_ = gr.Dropdown(
                    ["png", "webp", "jpg"], value="png", label=context.say("format"), min_width=120
                )
            engine = gr.Dropdown(
                [(context.say("fastest"), "auto"), *ENGINES], value="auto", label=context.say("engine"),
                info=context.say("engine_info"),
            )  # fmt: skip
            start = gr.Button(context.say("enlarge"), variant="primary")
            said = build_note("upscale-note")
            downloads = gr.File(
                label=context.say("downloads"), file_count="multiple", interactive=False, elem_id="downloads"
            )
        with gr.Column(scale=5, min_width=320):
            slider = gr.ImageSlider(
                label=context.say("before_after"), type="filepath", interactive=False, max_height=900,
                buttons=["fullscreen"], elem_id="before-after",
            )  # fmt: skip
            moving = film.build(context)
    return Upscale(files, model, scale, format_, engine, start, said, slider, moving, downloads)


def _list_models(context: PageContext) -> Any:
    found = models.list_models(context, "upscaler")
    suited = (context.say("suited"), "auto")
    return gr.update(choices=[suited, *models.choices(context, found)], value="auto")


@dataclass
class _Made:
    """What there is so far of some files. `pair` is before and after of the first picture."""

    files: int
    pair: tuple[str, str] | None = None
    paths: list[str] = field(default_factory=list)  # on the disk at once: many would fill the memory
    left: list[str] = field(default_factory=list)

    def reply(self, context: PageContext, said: str = "", **shown: Any) -> Reply:
        """The values of slider, downloads and the parts of a film; `said` stands before what is left out."""
        if self.left:
            head = context.say("left_out_some", count=len(self.left), files=self.files)
            said += note("\n".join([head, *self.left]))
        slider = gr.update(value=self.pair, visible=shown.pop("slider", True))
        return Reply((slider, list(self.paths), *film.shown(**shown)), said)


def _enlarge(
    context: PageContext,
    files: list[str] | None,
    model: str | None,
    scale: float,
    format_: str,
    engine: str,
    progress: gr.Progress,
) -> Iterator[Any]:
    """Before and after of the first picture, and all as files as they are done; several also as a zip.

    The beginning of a film comes after the pictures. What cannot be enlarged is left out and named; the
    others come all the same.
    """
    if not files:
        raise context.error("no_pictures")
    if len(files) > MOST_FILES:
        raise context.error("too_many", most=MOST_FILES)
    if not model:
        raise context.error("no_upscaler")
    context.do(
        lambda check: context.studio.catalogue.upscaler(model, engine)
    )  # what is wrong with it is not theirs
    films = [file for file in files if is_film(Path(file))]
    pictures = [file for file in files if file not in films]
    made = _Made(len(files), left=[context.say("film_another", name=Path(one).name) for one in films[1:]])
    for number, file in enumerate(pictures, 1):
        done = [0, 1]  # pixels, and of how many

        def tell(number: int = number, done: list[int] = done) -> None:
            words = context.say(
                "megapixels", done=done[0] / 1e6, total=done[1] / 1e6, number=number, files=len(pictures)
            )
            progress(done[0] / done[1] if done[1] else 0, desc=words)

        one = context.do(partial(_enlarge_one, context, file, model, scale, format_, engine, done), tell)
        if isinstance(one, str):
            made.left.append(context.say("left_out", name=Path(file).name, reason=one))
        else:
            before, after = one
            made.paths.append(context.put(f"{stem(Path(file).stem)}-{number}.{format_}", after))
            made.pair = made.pair or _pair(context, before, after)
        if number < len(pictures):
            yield made.reply(context)
    if len(made.paths) > 1:
        made.paths.insert(0, zip_files(context, made.paths, "impasto"))
    if not films:
        yield made.reply(context)
        return
    asked = film.Asked(Path(films[0]), model, scale, engine, tuple(made.paths))
    yield from _preview(context, asked, made, slider=bool(pictures))


def _preview(context: PageContext, asked: film.Asked, made: _Made, *, slider: bool) -> Iterator[Any]:
    """The beginning of a film, beside what there is of the pictures."""
    yield made.reply(context, slider=slider, stop=True)
    try:
        preview = yield from film.make_preview(context, asked, outputs=6)
    except gr.Error as error:
        made.left.append(str(error.message))
        yield made.reply(context, slider=slider)
        return
    if preview.is_all:
        made.paths.append(preview.path)
    yield made.reply(
        context, note(preview.words, "good"), slider=slider, stop=preview.more, path=preview.path,
        asked=asked if preview.more else None,
    )  # fmt: skip


def _enlarge_one(
    context: PageContext,
    file: str,
    model: str,
    scale: float,
    format_: str,
    engine: str,
    done: list[int],
    check: Check,
) -> tuple[bytes, bytes] | str:
    """A picture's file, and the larger one; or why that one cannot be made."""
    limits, name = context.studio.settings.limits, Path(file).name

    def tell(now: int, total: int) -> None:
        done[:] = now, total

    try:
        data = read_picture(Path(file), limits)  # Gradio's own copy of an upload
        upscaler = context.studio.catalogue.upscaler(model, engine, data)
        return data, work.upscale(upscaler, data, scale or None, format_, limits, check, tell)[0]
    except (InputError, ImageError) as error:
        if isinstance(error, Refused) and error.status not in OF_THE_PICTURE:
            raise
        return errors.reason_of(error.message, name, context.language)
    except Exception:
        log.exception("unexpected")
        return context.say("inside")


def _pair(context: PageContext, before: bytes, after: bytes) -> tuple[str, str]:
    """A picture as it was, enlarged plainly, and as it is: of one size."""
    from impasto.image.codec import read
    from impasto.image.files import to_pil

    limits = context.studio.settings.limits
    seen = to_pil(read(after, max_pixels=limits.enlarged_pixels))
    seen.thumbnail((SEEN_PX, SEEN_PX))
    plain = to_pil(read(before, max_pixels=limits.picture_pixels)).resize(seen.size, Resampling.BICUBIC)
    paths = []
    for name, picture in (("before.png", plain), ("after.png", seen)):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=1)
        paths.append(context.put(name, buffer.getvalue()))
    return paths[0], paths[1]
