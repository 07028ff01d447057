"""Learn: the adversarial game with points of a plane, live."""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from impasto.pages import BLUE, ORANGE, chart, data_url, render
from impasto.studio.page.context import PageContext
from impasto.studio.page.notes import QUIET, build_note, listen, note

if TYPE_CHECKING:
    from impasto.studio.game import Game

Rows = Sequence[Sequence[float]]
KINDS = ("textbook", "minimax", "wasserstein-gp", "relativistic", "relativistic-r1-r2")
SHAPES = ("ring", "grid", "pair")
TICK_SECONDS, ROUNDS = 0.5, 25
MOST_ROUNDS = 20_000  # then it pauses: a page that was forgotten costs nothing
PLANE = 400  # px
_RAMP = ((15, 23, 42), (226, 232, 240))  # D's surface, from generated to real
GOOD, BAD = ("converged",), ("collapsed", "oscillating", "diverged")


def build(context: PageContext, page: gr.Blocks) -> None:
    """The tab, and what happens in it."""
    game = gr.State(None, time_to_live=3_600)  # of which beginning, and the game
    begun = gr.State(0, time_to_live=3_600)  # how often it was begun anew; rounds never write it
    timer = gr.Timer(TICK_SECONDS, active=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(context.say("learn_text"))
            kind = gr.Dropdown(
                [(context.say(name), name) for name in KINDS], value=KINDS[0], label=context.say("loss")
            )
            shape = gr.Dropdown(
                [(context.say(name), name) for name in SHAPES], value=SHAPES[0], label=context.say("shape")
            )
            rates = [
                gr.Slider(-5, -1, -3, step=0.1, label=context.say(name)) for name in ("g_rate", "d_rate")
            ]
            with gr.Row():
                play = gr.Button(context.say("play"), variant="primary", min_width=100)
                pause = gr.Button(context.say("pause"), min_width=100)
                anew = gr.Button(context.say("anew"), min_width=100)
        with gr.Column(scale=3, min_width=320):
            plane = gr.HTML(elem_id="plane")
        with gr.Column(scale=3, min_width=320):
            said = build_note("learn-note")
            verdict = gr.HTML(elem_id="verdict")
            losses = gr.HTML()
    asked, seen = [kind, shape, *rates], [game, plane, losses, verdict, timer]

    def step(known: "tuple[int, Game] | None", number: int, *rules: Any) -> tuple[Any, ...]:
        played = context.do(lambda check: _play(continue_game(known, number), *rules))
        return (number, played), *_draw(context, played), gr.update(active=played.step < MOST_ROUNDS)

    def begin(*rules: Any) -> tuple[Any, ...]:
        return _draw(context, context.do(lambda check: _begin(*rules)))

    drawn = [plane, losses, verdict]
    listen(
        context, [timer.tick], step, [game, begun, *asked], seen, said, concurrency_limit=4,
        trigger_mode="once",
    )  # fmt: skip
    play.click(lambda: gr.update(active=True), None, timer, **QUIET)
    pause.click(lambda: gr.update(active=False), None, timer, **QUIET)
    again = [anew.click, shape.change]
    gr.on(again, lambda number: (number + 1, gr.update(active=True)), begun, [begun, timer], **QUIET)
    # Not only when it is played: an empty page says nothing.
    listen(context, [page.load, *again], begin, asked, drawn, said, concurrency_limit=2)


def continue_game(known: "tuple[int, Game] | None", number: int) -> "Game | None":
    """The game of this beginning; None for an older one, put back by rounds that were still played."""
    return known[1] if known is not None and known[0] == number else None


def _play(game: "Game | None", kind: str, shape: str, g_rate: float, d_rate: float) -> "Game":
    """A game, some rounds further."""
    from impasto.studio.game import Game, Rules

    rules = Rules(kind, shape, 10.0**g_rate, 10.0**d_rate)  # type: ignore[arg-type]
    if game is None:
        game = Game(rules)
    game.change(rules)
    game.play(ROUNDS)
    return game


def _begin(kind: str, shape: str, g_rate: float, d_rate: float) -> "Game":
    """A game before its first round."""
    from impasto.studio.game import Game, Rules

    return Game(Rules(kind, shape, 10.0**g_rate, 10.0**d_rate))  # type: ignore[arg-type]


def _draw(context: PageContext, game: "Game") -> tuple[str, str, str]:
    """The plane, the losses and the verdict."""
    from impasto.studio.game import SIDE, centres, judge

    verdict = judge(game.looks, game.rules.shape)
    caption = context.say("plane_before")
    if game.looks:
        now, clumps = game.looks[-1], len(centres(game.rules.shape))
        caption = context.say("plane", step=now.step, accuracy=now.accuracy, found=now.found, clumps=clumps)
    plane = _plane(
        caption, game.surface().tolist(), game.real.tolist(), game.generated_points().tolist(), SIDE
    )
    losses = chart(
        context.say("losses"),
        [
            [(look.step, getattr(look, f"{who}_loss")) for look in game.looks]
            for who in ("discriminator", "generator")
        ],
    )
    kind = "good" if verdict.state in GOOD else "bad" if verdict.state in BAD else ""
    return plane, losses, note(context.say(verdict.state, **verdict.evidence), kind, role="status")


def _plane(caption: str, surface: Rows, real: Rows, generated: Rows, side: float) -> str:
    """Points of a plane from -side to side on a surface in [0, 1], its top row first."""
    shades = [
        tuple(round(a + (b - a) * min(1.0, max(0.0, value))) for a, b in zip(*_RAMP, strict=True))
        for row in surface
        for value in (row if all(map(math.isfinite, row)) else [0.5] * len(row))
    ]
    image = Image.new("RGB", (len(surface[0]), len(surface)))
    image.putdata(shades)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    scale = PLANE / (2 * side)
    dots = [
        (colour, f"{(x + side) * scale:.1f}", f"{(side - y) * scale:.1f}")
        for points, colour in ((real, BLUE), (generated, ORANGE))
        for x, y in points
        if abs(x) <= side and abs(y) <= side
    ]
    return render("plane.html", caption=caption, ground=data_url(buffer.getvalue()), dots=dots, size=PLANE)
