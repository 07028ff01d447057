"""Upscale: pictures made larger and sharp, before and after side by side."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from PIL.Image import Resampling

from impasto.errors import ImageError, InputError
from impasto.studio import work
from impasto.studio.page import errors, models
from impasto.studio.page.desk import Desk
from impasto.studio.page.made import stem, zipped
from impasto.studio.page.notes import Noted, empty_note, listen, note
from impasto.studio.problems import Refused
from impasto.studio.queue import Check
from impasto.studio.uploads import check_picture, read_bounded

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
    made: gr.File

    def connect(self, desk: Desk, page: gr.Blocks) -> None:
        """What happens when."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        page.load(lambda: _models(desk), None, self.model, **quiet)
        self.files.change(lambda: "", None, self.note, **quiet)  # what was wrong is gone, or about to go

        def enlarge(
            files: list[str] | None,
            model: str | None,
            scale: float,
            format_: str,
            engine: str,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> Iterator[Any]:
            yield from _enlarge(desk, files, model, scale, format_, engine, progress)

        listen(
            desk, [self.start.click], enlarge,
            [self.files, self.model, self.scale, self.format, self.engine], [self.slider, self.made],
            self.note, concurrency_limit=2, show_progress="full", show_progress_on=[self.slider],
        )  # fmt: skip


def build(desk: Desk) -> Upscale:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            files = gr.File(
                label=desk.say("drop"),
                file_count="multiple",  # of any kind: what is no picture is named, beside the button
                height=180,
                elem_id="small",
            )
            model = gr.Dropdown([], label=desk.say("upscaler"))
            with gr.Row():
                scale = gr.Dropdown(
                    [(desk.say("own_scale"), 0), *[(f"× {n}", n) for n in (2, 3, 4, 8)]], value=0,
                    label=desk.say("scale"), min_width=120,
                )  # fmt: skip
                format_ = gr.Dropdown(
                    ["png", "webp", "jpg"], value="png", label=desk.say("format"), min_width=120
                )
            engine = gr.Dropdown(
                [(desk.say("fastest"), "auto"), *ENGINES], value="auto", label=desk.say("engine"),
                info=desk.say("engine_info"),
            )  # fmt: skip
            start = gr.Button(desk.say("enlarge"), variant="primary")
            said = empty_note("upscale-note")
            made = gr.File(label=desk.say("made"), file_count="multiple", interactive=False, elem_id="made")
        with gr.Column(scale=5, min_width=320):
            slider = gr.ImageSlider(
                label=desk.say("before_after"), type="filepath", interactive=False, max_height=900,
                buttons=["fullscreen"], elem_id="before-after",
            )  # fmt: skip
    return Upscale(files, model, scale, format_, engine, start, said, slider, made)


def _models(desk: Desk) -> Any:
    found = models.known(desk, "upscaler")
    names = [one.entry.name for one in found]
    best = "photo-x4" if "photo-x4" in names else next(iter(names), None)
    return gr.update(choices=models.choices(desk, found), value=best)


def _enlarge(
    desk: Desk,
    files: list[str] | None,
    model: str | None,
    scale: float,
    format_: str,
    engine: str,
    progress: gr.Progress,
) -> Iterator[Any]:
    """Before and after of the first picture, and all as files as they are done; several also as a zip.

    A picture that cannot be enlarged is left out and named; the others come all the same.
    """
    if not files:
        raise desk.refused("no_pictures")
    if len(files) > MOST_FILES:
        raise desk.refused("too_many", most=MOST_FILES)
    if not model:
        raise desk.refused("no_upscaler")
    desk.do(
        lambda check: desk.studio.catalogue.upscaler(model, engine)
    )  # what is wrong with it is not theirs
    paths: list[str] = []  # of what is made: on the disk at once, or many would fill the memory
    left: list[str] = []
    first: tuple[str, str] | None = None
    for number, file in enumerate(files, 1):
        done = [0, 1]  # pixels, and of how many

        def tell(number: int = number, done: list[int] = done) -> None:
            words = desk.say(
                "megapixels", done=done[0] / 1e6, total=done[1] / 1e6, number=number, files=len(files)
            )
            progress(done[0] / done[1] if done[1] else 0, desc=words)

        made = desk.do(partial(_one, desk, file, model, scale, format_, engine, done), tell)
        if isinstance(made, str):
            left.append(desk.say("left_out", name=Path(file).name, reason=made))
        else:
            before, after = made
            paths.append(desk.put(f"{stem(Path(file).stem)}-{number}.{format_}", after))
            first = first or _pair(desk, before, after)
        words = (
            note("\n".join([desk.say("left_out_some", count=len(left), files=len(files)), *left]))
            if left
            else ""
        )
        if number < len(files):
            yield Noted((first, list(paths)), words)
    whole = [zipped(desk, paths, "impasto"), *paths] if len(paths) > 1 else paths
    yield Noted((first, whole), words)


def _one(
    desk: Desk, file: str, model: str, scale: float, format_: str, engine: str, done: list[int], check: Check
) -> tuple[bytes, bytes] | str:
    """A picture's file, and the larger one; or why that one cannot be made."""
    limits, name = desk.studio.settings.limits, Path(file).name

    def tell(now: int, total: int) -> None:
        done[:] = now, total

    upscaler = desk.studio.catalogue.upscaler(model, engine)
    try:
        with Path(file).open("rb") as opened:  # Gradio's own copy of an upload
            data = read_bounded(opened, limits.picture_bytes, name)
        check_picture(data, name, limits)
        return data, work.upscale(upscaler, data, scale or None, format_, limits, check, tell)[0]
    except (InputError, ImageError) as error:
        if isinstance(error, Refused) and error.status not in OF_THE_PICTURE:
            raise
        return errors.reason_of(error.message, name, desk.language)
    except Exception:
        log.exception("unexpected")
        return desk.say("inside")


def _pair(desk: Desk, before: bytes, after: bytes) -> tuple[str, str]:
    """A picture as it was, enlarged plainly, and as it is: of one size."""
    from impasto.image.codec import read
    from impasto.image.files import to_pil

    limits = desk.studio.settings.limits
    seen = to_pil(read(after, max_pixels=limits.enlarged_pixels))
    seen.thumbnail((SEEN_PX, SEEN_PX))
    plain = to_pil(read(before, max_pixels=limits.picture_pixels)).resize(seen.size, Resampling.BICUBIC)
    paths = []
    for name, picture in (("before.png", plain), ("after.png", seen)):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=1)
        paths.append(desk.put(name, buffer.getvalue()))
    return paths[0], paths[1]
