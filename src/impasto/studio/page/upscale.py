"""Upscale: pictures made larger and sharp, before and after side by side."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL.Image import Resampling

from impasto.studio import work
from impasto.studio.page.desk import Desk, Said
from impasto.studio.problems import Refused
from impasto.studio.uploads import check_picture, read_bounded

MOST_FILES = 64
ENGINES = (("PyTorch", "torch"), ("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino"), ("ncnn", "ncnn"))
SEEN_PX = 2_048  # of the longer side, when shown; what is saved is whole


@dataclass
class Upscale:
    """The parts of the tab, and what connects them."""

    files: gr.File
    model: gr.Dropdown
    scale: gr.Dropdown
    format: gr.Dropdown
    engine: gr.Dropdown
    start: gr.Button
    slider: gr.ImageSlider
    made: gr.File

    def connect(self, desk: Desk, page: gr.Blocks) -> None:
        """What happens when."""
        page.load(lambda: _models(desk), None, self.model, api_visibility="private", show_progress="hidden")

        def enlarge(
            files: list[str] | None,
            model: str,
            scale: float,
            format_: str,
            engine: str,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> tuple[Any, Any]:
            return _enlarge(desk, files, model, scale, format_, engine, progress)

        self.start.click(
            enlarge, [self.files, self.model, self.scale, self.format, self.engine], [self.slider, self.made],
            concurrency_limit=2, api_visibility="private", show_progress_on=[self.slider],
        )  # fmt: skip


def build(desk: Desk) -> Upscale:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            files = gr.File(
                label=desk.say("drop"),
                file_count="multiple",
                file_types=["image"],
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
            made = gr.File(label=desk.say("made"), file_count="multiple", interactive=False, elem_id="made")
        with gr.Column(scale=5, min_width=320):
            slider = gr.ImageSlider(
                label=desk.say("before_after"), type="filepath", interactive=False, max_height=900,
                buttons=["fullscreen"], elem_id="before-after",
            )  # fmt: skip
    return Upscale(files, model, scale, format_, engine, start, slider, made)


def _models(desk: Desk) -> Any:
    names = desk.models("upscaler")
    best = "photo-x4" if "photo-x4" in names else next(iter(names), None)
    return gr.update(choices=names, value=best)


def _enlarge(
    desk: Desk,
    files: list[str] | None,
    model: str,
    scale: float,
    format_: str,
    engine: str,
    progress: gr.Progress,
) -> tuple[Any, Any]:
    """Before and after of the first picture, and all of them as files; several also as a zip."""
    limits = desk.studio.settings.limits
    paths: list[str] = []  # of what is made: on the disk at once, or many would fill the memory
    first: tuple[str, str] | None = None
    with Said(desk):
        if not files:
            raise Refused(422, desk.say("no_pictures"))
        if len(files) > MOST_FILES:
            raise Refused(413, desk.say("too_many", most=MOST_FILES))
    for number, file in enumerate(files, 1):
        done = [0, 1]  # pixels, and of how many

        def enlarge(check: Any, file: str = file, done: list[int] = done) -> tuple[bytes, bytes]:
            with Path(file).open("rb") as opened:  # Gradio's own copy of an upload
                data = read_bounded(opened, limits.picture_bytes, desk.say("the_picture"))
            check_picture(data, desk.say("the_picture"), limits)

            def tell(now: int, all_: int) -> None:
                done[:] = now, all_

            upscaler = desk.studio.catalogue.upscaler(model, engine)
            return data, work.upscale(upscaler, data, scale or None, format_, limits, check, tell)[0]

        def tell(number: int = number, done: list[int] = done) -> None:
            words = desk.say(
                "megapixels", done=done[0] / 1e6, total=done[1] / 1e6, number=number, files=len(files)
            )
            progress(done[0] / done[1] if done[1] else 0, desc=words)

        before, after = desk.do(enlarge, tell)
        paths.append(desk.put(f"{_stem(file)}-{number}.{format_}", after))
        if first is None:
            first = _pair(desk, before, after)
    if len(paths) > 1:
        paths.insert(0, _zipped(desk, paths))
    return first, paths


def _pair(desk: Desk, before: bytes, after: bytes) -> tuple[str, str]:
    """A picture as it was, enlarged plainly, and as it is: of one size."""
    from impasto.image_files import to_pil
    from impasto.images import read

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


def _stem(path: str) -> str:
    """A name that a file system takes, from one that came with an upload."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(path).stem)
    return kept[:60] or "picture"


def _zipped(desk: Desk, paths: list[str]) -> str:
    zipped = desk.put("impasto.zip", b"")
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_STORED) as archive:
        for path in paths:
            archive.write(path, Path(path).name)
    return zipped
