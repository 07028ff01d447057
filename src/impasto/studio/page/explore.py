"""Explore: a map of pictures; a film from favourite to favourite; two of them mixed."""

import json
from dataclasses import dataclass
from typing import Any

import gradio as gr

from impasto.studio import work
from impasto.studio.page import favourites, latent_map, models
from impasto.studio.page.context import PageContext
from impasto.studio.page.create import Create
from impasto.studio.page.favourites import Collection, Favourites
from impasto.studio.page.gallery import build_picture, save_picture, stem
from impasto.studio.page.notes import build_note, listen
from impasto.studio.schemas import MOST_FRAMES, MOST_STOPS, Interpolate

FPS = 24


@dataclass
class Explore:
    """The parts of the tab, and what connects them."""

    map: latent_map.LatentMap
    kept: Favourites
    frames: gr.Slider
    loop: gr.Checkbox
    go: gr.Button
    colours: gr.Checkbox
    mix: gr.Button
    note: gr.HTML
    seen: gr.Image
    save: gr.DownloadButton

    def connect(self, context: PageContext, page: gr.Blocks, tab: gr.Tab, make: Create) -> None:
        """Connect the parts of the tab.

        Args:
            context: What the tabs of the page work with.
            page: The page; when it loads, favourites are brought back.
            tab: The tab; when it is chosen, the map is drawn.
            make: The tab Create: its model and what is asked for count here, too.
        """
        self.map.connect(context, tab, make.model, make.steering)
        kept = self.kept
        sources = [(make.keep, make.one, make.chosen_note), (self.map.keep, self.map.one, self.map.note)]
        kept.connect(context, page, sources)
        slow: dict[str, Any] = {"show_progress": "full", "show_progress_on": [self.seen]}

        def film(kept: Collection, frames: int, loop: bool) -> tuple[Any, Any]:
            return _make_film(context, kept, frames, loop=loop)

        listen(
            context, [self.go.click], film, [kept.state, self.frames, self.loop], [self.seen, self.save],
            self.note, **slow,
        )  # fmt: skip
        which = [kept.state, kept.structure, kept.detail, self.colours]
        listen(
            context, [self.mix.click], lambda *which: _mix(context, *which), which,
            [self.seen, self.save, *kept.outputs], self.note, **favourites.IN_TURN, **slow,
        )  # fmt: skip


def build(context: PageContext, browser: gr.BrowserState) -> Explore:
    """The tab."""
    latents = latent_map.build(context)
    structure, detail = (
        gr.Dropdown([], label=context.say(name), render=False) for name in ("structure", "detail")
    )
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            gr.Markdown(context.say("explore_text"))
            kept = favourites.build(context, browser, structure, detail)
            with gr.Group():
                frames = gr.Slider(8, MOST_FRAMES, 48, step=1, label=context.say("frames"))
                loop = gr.Checkbox(label=context.say("loop"))
            go = gr.Button(context.say("go"), variant="primary")
            with gr.Group():
                structure.render()  # type: ignore[no-untyped-call]
                detail.render()  # type: ignore[no-untyped-call]
                colours = gr.Checkbox(value=True, label=context.say("with_colours"))
            mix = gr.Button(context.say("mix"), variant="primary")
            said = build_note("film-note")
        with gr.Column(scale=3, min_width=320):
            seen = build_picture(context.say("seen"), "seen", height=480)
            save = gr.DownloadButton(context.say("save_it"), interactive=False)
    return Explore(latents, kept, frames, loop, go, colours, mix, said, seen, save)


def _make_film(context: PageContext, kept: Collection, frames: int, *, loop: bool) -> tuple[Any, Any]:
    """From picture to picture, as an animated WebP."""
    made = kept.pictures
    if len(made) < 2 or len({one.model for one in made}) > 1:
        raise context.error("two_at_least")
    stops: list[Any] = [json.loads(one.recipe) for one in made]
    ask = Interpolate(
        model=made[0].model, stops=stops, frames=max(int(frames), len(stops)), loop=loop, fps=FPS
    )
    data, _ = context.do(lambda check: work.interpolate(context.studio.catalogue.generator(ask.model), ask))
    return _offer(context.put(f"{stem(models.title(context, ask.model))}_film.webp", data))


def _mix(
    context: PageContext, kept: Collection, structure: str | None, detail: str | None, colours: bool
) -> tuple[Any, ...]:
    """The shape of one with the style of another; the mixture is kept, too."""
    from impasto.tasks.generation.sampling.recipe import Recipe

    if not structure or not detail:
        raise context.error("two_at_least")
    one, other = (kept.pictures[int(number) - 1] for number in (structure, detail))
    if one.model != other.model:
        raise context.error("two_at_least")

    def make(check: object) -> Any:
        model = context.studio.catalogue.generator(one.model)
        recipes = [Recipe.model_validate_json(each.recipe) for each in (one, other)]
        return save_picture(context, model, one.model, model.mix(*recipes, colours=colours))

    made = context.do(make)
    more = Collection((*kept.pictures, made), kept.lost) if len(kept.pictures) < MOST_STOPS else kept
    return (*_offer(made.path), *favourites.show(more))


def _offer(path: str) -> tuple[str, Any]:
    return path, gr.update(value=path, interactive=True)
