"""Explore: a map of pictures; a way between those that were kept, as an animation; two of them mixed."""

import json
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from impasto.studio import work
from impasto.studio.page import wander
from impasto.studio.page.create import Create
from impasto.studio.page.desk import Desk, Said
from impasto.studio.page.made import Made, Shown, empty_gallery, in_gallery, put
from impasto.studio.problems import Refused
from impasto.studio.schemas import MOST_STOPS, Interpolate

FPS, MOST_FRAMES = 24, 240


@dataclass
class Explore:
    """The parts of the tab, and what connects them."""

    map: wander.Wander
    kept: gr.Gallery
    clear: gr.Button
    frames: gr.Slider
    loop: gr.Checkbox
    go: gr.Button
    structure: gr.Dropdown
    detail: gr.Dropdown
    colours: gr.Checkbox
    mix: gr.Button
    seen: gr.Image
    save: gr.DownloadButton

    def connect(self, desk: Desk, tab: gr.Tab, make: Create) -> None:
        """What happens when."""
        self.map.connect(desk, tab, make.model, make.steering)
        state = gr.State([])
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        kept = [self.kept, state, self.structure, self.detail]
        for place in (make, self.map):
            place.keep.click(lambda kept, one: _keep(desk, kept, one), [state, place.one], kept, **quiet)
        self.clear.click(lambda: _listed([]), None, kept, **quiet)
        slow: dict[str, Any] = {"api_visibility": "private", "show_progress_on": [self.seen]}
        self.go.click(
            lambda kept, frames, loop: _way(desk, kept, frames, loop=loop),
            [state, self.frames, self.loop], [self.seen, self.save], **slow,
        )  # fmt: skip
        self.mix.click(
            lambda kept, *which: _mixed(desk, kept, *which),
            [state, self.structure, self.detail, self.colours], [self.seen, self.save, *kept], **slow,
        )  # fmt: skip


def build(desk: Desk) -> Explore:
    """The tab."""
    seen_from_above = wander.build(desk)
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            gr.Markdown(desk.say("explore_text"))
            kept = empty_gallery(desk.say("kept"), "kept")
            clear = gr.Button(desk.say("clear"))
            with gr.Group():
                frames = gr.Slider(8, MOST_FRAMES, 48, step=1, label=desk.say("frames"))
                loop = gr.Checkbox(label=desk.say("loop"))
            go = gr.Button(desk.say("go"), variant="primary")
            with gr.Group():
                structure = gr.Dropdown([], label=desk.say("structure"))
                detail = gr.Dropdown([], label=desk.say("detail"))
                colours = gr.Checkbox(value=True, label=desk.say("with_colours"))
            mix = gr.Button(desk.say("mix"), variant="primary")
        with gr.Column(scale=3, min_width=320):
            seen = gr.Image(
                label=desk.say("seen"), type="filepath", interactive=False, buttons=["fullscreen"],
                elem_id="seen", elem_classes="impasto-picture", height=480,
            )  # fmt: skip
            save = gr.DownloadButton(desk.say("save_it"), interactive=False)
    return Explore(
        seen_from_above, kept, clear, frames, loop, go, structure, detail, colours, mix, seen, save
    )


def _keep(desk: Desk, kept: list[Made], one: Made | None) -> tuple[Any, ...]:
    """One more, unless it is there already."""
    with Said(desk):
        if one is None:
            raise Refused(422, desk.say("no_chosen"))
        if len(kept) >= MOST_STOPS:
            raise Refused(413, desk.say("too_many", most=MOST_STOPS))
    if any(one.recipe == other.recipe for other in kept):
        return _listed(kept)
    gr.Info(desk.say("kept_now", count=len(kept) + 1))
    return _listed([*kept, one])


def _listed(kept: list[Made]) -> tuple[Any, ...]:
    """The gallery with its numbers, its state, and two lists to choose from."""
    numbered = [replace(one, words=str(i)) for i, one in enumerate(kept, 1)]
    numbers = [one.words for one in numbered]
    choices = [gr.update(choices=numbers, value=numbers[i] if len(numbers) > i else None) for i in (0, 1)]
    shown: Shown = in_gallery(numbered)
    return (*shown, *choices)


def _way(desk: Desk, kept: list[Made], frames: int, *, loop: bool) -> tuple[Any, Any]:
    """From picture to picture, as an animated WebP."""
    with Said(desk):
        if len(kept) < 2:
            raise Refused(422, desk.say("two_at_least"))
        stops: list[Any] = [json.loads(one.recipe) for one in kept]
        ask = Interpolate(
            model=kept[0].model, stops=stops, frames=max(int(frames), len(stops)), loop=loop, fps=FPS
        )
    data, _ = desk.do(lambda check: work.interpolate(desk.studio.catalogue.generator(ask.model), ask))
    return _given(desk.put("impasto.webp", data))


def _mixed(
    desk: Desk, kept: list[Made], structure: str | None, detail: str | None, colours: bool
) -> tuple[Any, ...]:
    """The structure of one with the detail of another; the mixture is kept, too."""
    from impasto.inference.recipe import Recipe

    with Said(desk):
        if not structure or not detail:
            raise Refused(422, desk.say("two_at_least"))
    one, other = (kept[int(number) - 1] for number in (structure, detail))

    def make(check: object) -> Made:
        model = desk.studio.catalogue.generator(one.model)
        recipes = [Recipe.model_validate_json(each.recipe) for each in (one, other)]
        return put(desk, model, one.model, model.mix(*recipes, colours=colours))

    made = desk.do(make)
    return (*_given(made.path), *_listed([*kept, made] if len(kept) < MOST_STOPS else kept))


def _given(path: str) -> tuple[str, Any]:
    return path, gr.update(value=path, interactive=True)
