"""What is asked of new pictures besides their seeds: daring, theme, colours, directions."""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from impasto.studio.page.context import PageContext
from impasto.studio.page.notes import QUIET, Reply, bar, build_note, listen, note
from impasto.studio.queue import Check
from impasto.studio.uploads import read_picture

if TYPE_CHECKING:
    from impasto.tasks.generation.sampling.model import Model
    from impasto.tasks.generation.sampling.recipe import Point

# As tasks/generation/sampling/properties.py has them.
STEERED = ("brightness", "warmth", "saturation", "contrast", "symmetry")
FIRST_COLOURS = ("#f4c20d", "#1d4ed8", "#15803d", "#c2410c", "#7c3aed")
FARTHEST = 3.0  # of an adjustment, in deviations as far as predicted
TRIED, TRIED_AT = 16, 0.8  # pictures, and their truncation, by which an adjustment is tried
LEAST_SHARE = 0.25  # of those pictures must change, or it is not worth a slider
OWN, CHOSEN, OF_PHOTO = "own", "chosen_colours", "of_photo"  # where colours come from


@dataclass
class Steering:
    """The parts of a tab where it is said."""

    truncation: gr.Slider
    theme: gr.Dropdown
    source: gr.Radio
    count: gr.Slider
    pickers: list[gr.ColorPicker]
    photo: gr.File
    adjust: gr.Accordion
    fitted: gr.HTML
    moves: list[gr.Slider]

    @property
    def parts(self) -> list[Any]:
        """All of them, in the order in which `wish` takes their values."""
        return [
            self.truncation,
            self.theme,
            self.source,
            self.count,
            self.photo,
            *self.pickers,
            *self.moves,
        ]

    def connect(self, context: PageContext, model: gr.Dropdown) -> None:
        """Show what can be asked of the model, and of colours what belongs to where they come from."""
        model.change(partial(_list_themes, context), model, self.theme, **QUIET)
        recall = partial(_recall_sliders, context)
        listen(context, [model.change], recall, [model], self.moves, self.fitted)

        fit = partial(_fit_sliders, context, count=len(self.moves))
        listen(context, [self.adjust.expand], fit, [model], self.moves, self.fitted, concurrency_limit=2)
        gr.on(
            [self.source.change, self.count.change], _show_sources, [self.source, self.count],
            [self.count, *self.pickers, self.photo], **QUIET,
        )  # fmt: skip


def build(context: PageContext) -> Steering:
    """The parts."""
    truncation = gr.Slider(
        0.05, 1.5, 0.8, step=0.05, label=context.say("truncation"), info=context.say("truncation_info")
    )
    theme = gr.Dropdown([], multiselect=True, visible=False, label=context.say("theme"))
    with gr.Accordion(context.say("colours"), open=False):
        sources = [(context.say(name), name) for name in (OWN, CHOSEN, OF_PHOTO)]
        source = gr.Radio(sources, value=OWN, label=context.say("colours_from"))
        count = gr.Slider(1, len(FIRST_COLOURS), 2, step=1, label=context.say("colour_count"), visible=False)
        # One below the other: an open one needs the width.
        pickers = [
            gr.ColorPicker(value, label=context.say("colour", number=i), visible=False)
            for i, value in enumerate(FIRST_COLOURS, 1)
        ]
        # A file, not Gradio's picture: that one refuses what Pillow cannot open, and in its own words.
        photo = gr.File(label=context.say("photo"), height=140, visible=False, elem_id="palette")
    with gr.Accordion(context.say("directions"), open=False, elem_id="adjust") as adjust:
        fitted = build_note("fitted")
        moves = [gr.Slider(-FARTHEST, FARTHEST, 0, step=0.1, label=context.say(name)) for name in STEERED]
    return Steering(truncation, theme, source, count, pickers, photo, adjust, fitted, moves)


@dataclass(frozen=True)
class Wish:
    """What is asked for. `photo` is a file that the page took in."""

    truncation: float
    themes: tuple[str, ...]
    colours: tuple[str, ...]
    photo: str | None
    directions: dict[str, float]

    def is_ready(self, context: PageContext, name: str) -> bool:
        """Whether nothing must be fitted first that takes its time."""
        return not self.directions or context.studio.catalogue.generator(name).known_directions() is not None

    def of(self, context: PageContext, model: "Model") -> Callable[[int], "Point"]:
        """Where a model has the picture of a seed. Raises `Refused` for a photo that is none."""
        if self.photo is not None:
            read_picture(Path(self.photo), context.studio.settings.limits)
        # A model that knows of no such theme was chosen after the theme: the page is about to forget it.
        themes = tuple(name for name in self.themes if name in model.themes)
        return partial(
            model.seed_point,
            truncation=self.truncation,
            directions=self.directions,
            theme=themes,
            colours=model.request(self.colours, self.photo),
        )


def wish(
    truncation: float,
    theme: Sequence[str] | None,
    source: str,
    count: int,
    photo: str | None,
    *rest: Any,
) -> Wish:
    """What is asked for, by the values of `Steering.parts`.

    Args:
        truncation: How daring the pictures are, 0 to 1.5.
        theme: Themes that are asked for. None or empty: none.
        source: Where colours come from: `OWN`, `CHOSEN` or `OF_PHOTO`.
        count: How many of the pickers count, where colours are chosen.
        photo: Path of the picture whose colours are taken, where they are taken from one. None: it is
            missing.
        *rest: Values of the pickers, then of the sliders of `STEERED`.
    """
    pickers, moves = rest[: len(FIRST_COLOURS)], rest[len(FIRST_COLOURS) :]
    colours = tuple(map(to_hex, pickers[: int(count)])) if source == CHOSEN else ()
    directions = {name: value for name, value in zip(STEERED, moves, strict=True) if value}
    return Wish(truncation, tuple(theme or ()), colours, photo if source == OF_PHOTO else None, directions)


def prepare(
    context: PageContext, name: str | None, asked: Wish
) -> Generator[Reply, None, Callable[[int], "Point"] | None]:
    """Fit what a model needs for a wish, which is told for a gallery of two outputs.

    Returns:
        The point of a seed; None where no model is chosen.
    """
    if not name:
        yield Reply(([], []), note(context.say("no_models"), ""))
        return None
    if not context.do(lambda check: asked.is_ready(context, name)):
        for words in fit_directions(context, name):
            yield Reply((gr.skip(), gr.skip()), words)
    return context.do(lambda check: asked.of(context, context.studio.catalogue.generator(name)))


def fit_directions(context: PageContext, name: str) -> Iterator[str]:
    """Let a model's directions be fitted; how far that is, as HTML."""
    done = [0, 1]

    def fit(check: Check) -> None:
        def tell(now: int, total: int) -> None:
            check()
            done[:] = now, total

        context.studio.catalogue.generator(name).directions(tell)

    yield from context.watch(fit, lambda: bar(context.say("fitting"), done[0] / done[1]))


def find_useful(context: PageContext, name: str) -> frozenset[str] | None:
    """The adjustments that change a model's pictures; None where its directions are not known yet.

    Found by trying: in at least `LEAST_SHARE` of some pictures the farthest moves must change what they are
    named after by half a deviation. What is measured when directions are fitted is a mean, which a single
    picture may have made.
    """
    model = context.studio.catalogue.generator(name)
    found = model.known_directions()
    if found is None:
        return None
    if model.digest not in context.useful:
        context.useful[model.digest] = frozenset(
            _find_effective(model, [each for each in STEERED if each in found])
        )
    return context.useful[model.digest]


def _find_effective(model: "Model", names: Sequence[str]) -> Iterator[str]:
    """Those of `names` that change enough pictures."""
    import torch

    from impasto.image.codec import to_tensor
    from impasto.image.files import from_pil
    from impasto.tasks.generation.sampling.properties import PROPERTIES, properties

    def measure(**directions: float) -> torch.Tensor:
        points = (model.seed_point(seed, TRIED_AT, directions=directions) for seed in range(TRIED))
        pixels = [from_pil(model.make(model.recipe(point))) for point in points]
        return torch.cat([properties(to_tensor(each[None])) for each in pixels])

    before = measure()
    least = before.std(0) / 2
    for name in names:
        i = PROPERTIES.index(name)
        moved = [(measure(**{name: far})[:, i] - before[:, i]).abs() for far in (-FARTHEST, FARTHEST)]
        if float((torch.maximum(*moved) > least[i].clamp(min=1e-3)).float().mean()) >= LEAST_SHARE:
            yield name


def to_hex(colour: str) -> str:
    """What a picker gives, `rgba(29.4, 78, 216, 1)` once it was touched, as `#1d4ed8`."""
    if not colour.startswith("rgb"):
        return colour
    red, green, blue = (round(float(part)) for part in re.findall(r"[\d.]+", colour)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _list_themes(context: PageContext, name: str | None) -> Any:
    """Those of a model, none chosen."""
    found = [entry.themes for entry in context.studio.catalogue.models() if entry.name == name]
    themes = list(found[0]) if found else []
    return gr.update(choices=themes, value=[], visible=bool(themes))


def _show_sources(source: str, count: int) -> tuple[Any, ...]:
    chosen = source == CHOSEN
    pickers = [gr.update(visible=chosen and i < count) for i in range(len(FIRST_COLOURS))]
    return (gr.update(visible=chosen), *pickers, gr.update(visible=source == OF_PHOTO))


def _fit_sliders(context: PageContext, name: str | None, count: int) -> Iterator[Any]:
    """The sliders of a model, once its directions are known; until then a bar and nothing to move."""
    if not name:
        return
    held = tuple(gr.update(interactive=False) for _ in range(count))
    yield Reply(held, bar(context.say("fitting")))
    for words in fit_directions(context, name):
        yield Reply(held, words)
    yield _set_sliders(context, context.do(lambda check: find_useful(context, name)))


def _recall_sliders(context: PageContext, name: str | None) -> tuple[Any, ...]:
    """The sliders of a model that was just chosen: nothing is tried for that, which takes its time."""
    known = None
    if name and context.useful:
        known = context.useful.get(context.do(lambda check: context.studio.catalogue.generator(name)).digest)
    return _set_sliders(context, known)


def _set_sliders(context: PageContext, found: frozenset[str] | None) -> tuple[Any, ...]:
    """The sliders: those that change nothing cannot be moved, and say so."""
    return tuple(
        gr.update(interactive=True, info="")
        if found is None or each in found
        else gr.update(interactive=False, value=0, info=context.say("changes_nothing"))
        for each in STEERED
    )
