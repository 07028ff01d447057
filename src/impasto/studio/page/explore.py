"""Explore: a map of pictures; a film from favourite to favourite; two of them mixed."""

import json
from dataclasses import dataclass
from typing import Any

import gradio as gr

from impasto.studio import work
from impasto.studio.page import favourites, models, wander
from impasto.studio.page.create import Create
from impasto.studio.page.desk import Desk
from impasto.studio.page.favourites import Favourites, Kept
from impasto.studio.page.made import put, stem
from impasto.studio.page.notes import empty_note, listen
from impasto.studio.schemas import MOST_STOPS, Interpolate

FPS, MOST_FRAMES = 24, 240


@dataclass
class Explore:
    """The parts of the tab, and what connects them."""

    map: wander.Wander
    kept: Favourites
    frames: gr.Slider
    loop: gr.Checkbox
    go: gr.Button
    colours: gr.Checkbox
    mix: gr.Button
    note: gr.HTML
    seen: gr.Image
    save: gr.DownloadButton

    def connect(self, desk: Desk, page: gr.Blocks, tab: gr.Tab, make: Create) -> None:
        """Connect the parts of the tab.

        Args:
            desk: The desk of the page.
            page: The page; when it loads, favourites are brought back.
            tab: The tab; when it is chosen, the map is drawn.
            make: The tab Create: its model and what is asked for count here, too.
        """
        self.map.connect(desk, tab, make.model, make.steering)
        kept = self.kept
        kept.connect(desk, page, favourites.keepers(make, self.map))
        slow: dict[str, Any] = {"show_progress": "full", "show_progress_on": [self.seen]}

        def film(kept: Kept, frames: int, loop: bool) -> tuple[Any, Any]:
            return _way(desk, kept, frames, loop=loop)

        listen(
            desk, [self.go.click], film, [kept.state, self.frames, self.loop], [self.seen, self.save],
            self.note, **slow,
        )  # fmt: skip
        which = [kept.state, kept.structure, kept.detail, self.colours]
        listen(
            desk, [self.mix.click], lambda *which: _mixed(desk, *which), which,
            [self.seen, self.save, *kept.outputs], self.note, **favourites.IN_TURN, **slow,
        )  # fmt: skip


def build(desk: Desk, browser: gr.BrowserState) -> Explore:
    """The tab."""
    seen_from_above = wander.build(desk)
    structure, detail = (
        gr.Dropdown([], label=desk.say(name), render=False) for name in ("structure", "detail")
    )
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            gr.Markdown(desk.say("explore_text"))
            kept = favourites.build(desk, browser, structure, detail)
            with gr.Group():
                frames = gr.Slider(8, MOST_FRAMES, 48, step=1, label=desk.say("frames"))
                loop = gr.Checkbox(label=desk.say("loop"))
            go = gr.Button(desk.say("go"), variant="primary")
            with gr.Group():
                structure.render()  # type: ignore[no-untyped-call]
                detail.render()  # type: ignore[no-untyped-call]
                colours = gr.Checkbox(value=True, label=desk.say("with_colours"))
            mix = gr.Button(desk.say("mix"), variant="primary")
            said = empty_note("film-note")
        with gr.Column(scale=3, min_width=320):
            seen = gr.Image(
                label=desk.say("seen"), type="filepath", interactive=False, buttons=["fullscreen"],
                elem_id="seen", elem_classes="impasto-picture", height=480,
            )  # fmt: skip
            save = gr.DownloadButton(desk.say("save_it"), interactive=False)
    return Explore(seen_from_above, kept, frames, loop, go, colours, mix, said, seen, save)


def _way(desk: Desk, kept: Kept, frames: int, *, loop: bool) -> tuple[Any, Any]:
    """From picture to picture, as an animated WebP."""
    made = kept.made
    if len(made) < 2 or len({one.model for one in made}) > 1:
        raise desk.refused("two_at_least")
    stops: list[Any] = [json.loads(one.recipe) for one in made]
    ask = Interpolate(
        model=made[0].model, stops=stops, frames=max(int(frames), len(stops)), loop=loop, fps=FPS
    )
    data, _ = desk.do(lambda check: work.interpolate(desk.studio.catalogue.generator(ask.model), ask))
    return _given(desk.put(f"{stem(models.title(desk, ask.model))}_film.webp", data))


def _mixed(
    desk: Desk, kept: Kept, structure: str | None, detail: str | None, colours: bool
) -> tuple[Any, ...]:
    """The shape of one with the style of another; the mixture is kept, too."""
    from impasto.tasks.generation.sampling.recipe import Recipe

    if not structure or not detail:
        raise desk.refused("two_at_least")
    one, other = (kept.made[int(number) - 1] for number in (structure, detail))
    if one.model != other.model:
        raise desk.refused("two_at_least")

    def make(check: object) -> Any:
        model = desk.studio.catalogue.generator(one.model)
        recipes = [Recipe.model_validate_json(each.recipe) for each in (one, other)]
        return put(desk, model, one.model, model.mix(*recipes, colours=colours))

    made = desk.do(make)
    more = Kept((*kept.made, made), kept.lost) if len(kept.made) < MOST_STOPS else kept
    return (*_given(made.path), *favourites.listed(more))


def _given(path: str) -> tuple[str, Any]:
    return path, gr.update(value=path, interactive=True)
