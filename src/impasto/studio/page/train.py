"""Train: pictures in, a training watched live, its model to Create. What runs, runs without the page."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from impasto.studio import work
from impasto.studio.page import figures
from impasto.studio.page.desk import Desk, Said
from impasto.studio.problems import Refused
from impasto.studio.records import Job
from impasto.studio.schemas import Train as Plan

PRESETS = ("default", "few-shot", "dcgan", "r3gan", "mlp")
SIZES = (32, 64, 128)
LOOK_SECONDS = 3.0
BAD = ("failed", "lost")


@dataclass
class Train:
    """The parts of the tab, and what connects them."""

    data: gr.Dropdown
    files: gr.File
    inspect: gr.Button
    report: gr.Markdown
    preset: gr.Dropdown
    size: gr.Dropdown
    minutes: gr.Number
    begin: gr.Button
    job: gr.Dropdown
    stop: gr.Button
    resume: gr.Button
    to_create: gr.Button
    state: gr.HTML
    curves: gr.HTML
    samples: gr.Image
    when: gr.Slider
    verdicts: gr.HTML

    def connect(self, desk: Desk, page: gr.Blocks, tabs: gr.Tabs, model: gr.Dropdown) -> None:
        """What happens when."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        page.load(lambda: (_sets(desk), _jobs(desk)), None, [self.data, self.job], **quiet)
        self.files.upload(
            lambda files: _take(desk, files), self.files, [self.data, self.files, self.report],
            api_visibility="private",
        )  # fmt: skip
        self.inspect.click(
            lambda name, size: _report(desk, name, size), [self.data, self.size], self.report,
            api_visibility="private",
        )  # fmt: skip
        asked = [self.data, self.preset, self.size, self.minutes]
        self.begin.click(lambda *a: _begin(desk, *a), asked, self.job, **quiet)
        seen = [self.state, self.curves, self.samples, self.verdicts]
        self.stop.click(lambda job: _stop(desk, job), self.job, **quiet)
        self.resume.click(lambda job, minutes: _go_on(desk, job, minutes), [self.job, self.minutes], **quiet)
        timer, known = gr.Timer(LOOK_SECONDS), gr.State(())
        gr.on(
            [timer.tick, self.job.change, self.when.change], lambda *asked: _seen(desk, *asked),
            [self.job, known, self.when], [known, *seen],
            concurrency_limit=4, trigger_mode="always_last", **quiet,
        )  # fmt: skip
        self.to_create.click(lambda job: _to_create(desk, job), self.job, [model, tabs], **quiet)


def build(desk: Desk) -> Train:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            data = gr.Dropdown([], label=desk.say("data"), info=desk.say("data_info"))
            files = gr.File(
                label=desk.say("upload"),
                file_count="multiple",
                file_types=["image", ".zip"],
                height=180,
                elem_id="set",
            )
            inspect = gr.Button(desk.say("inspect"))
            report = gr.Markdown(elem_id="report")
            choices: list[str | int | float | tuple[str, str]] = [(desk.say("by_itself"), ""), *PRESETS]
            preset = gr.Dropdown(choices, value="", label=desk.say("preset"))
            with gr.Row():
                size = gr.Dropdown(list(SIZES), value=64, label=desk.say("size"), min_width=90)
                minutes = gr.Number(20, minimum=0.1, maximum=1e5, label=desk.say("minutes"), min_width=90)
            begin = gr.Button(desk.say("begin"), variant="primary")
        with gr.Column(scale=3, min_width=320):
            job = gr.Dropdown([], label=desk.say("job"))
            with gr.Row():
                stop = gr.Button(desk.say("stop"), min_width=160)
                resume = gr.Button(desk.say("resume"), min_width=90)
                to_create = gr.Button(desk.say("to_create"), min_width=90)
            state = gr.HTML(elem_id="state")
            verdicts = gr.HTML()
            curves = gr.HTML()
        with gr.Column(scale=3, min_width=320):
            samples = gr.Image(
                label=desk.say("samples"),
                type="filepath",
                interactive=False,
                buttons=["fullscreen"],
                elem_id="samples",
                elem_classes="impasto-picture",
            )
            when = gr.Slider(0, 100, 100, step=1, label=desk.say("when"), info=desk.say("when_info"))
    return Train(
        data, files, inspect, report, preset, size, minutes, begin, job, stop, resume, to_create, state,
        curves, samples, when, verdicts,
    )  # fmt: skip


def _sets(desk: Desk, chosen: str | None = None) -> Any:
    """The folders of pictures, those that were uploaded by the names that people gave them."""
    uploaded = {f"datasets/{one.id}": one.name for one in desk.studio.uploads.all()}
    found = [name for name, _ in desk.studio.catalogue.pictures() if name != "datasets"]
    choices = [(uploaded.get(name, name), name) for name in found]
    return gr.update(choices=choices, value=chosen or (found[0] if found else None))


def _jobs(desk: Desk, chosen: str | None = None) -> Any:
    jobs = desk.studio.jobs.all()
    choices = [(f"{job.name} · {job.id[:15]}", job.id) for job in jobs]
    return gr.update(choices=choices, value=chosen or (jobs[0].id if jobs else None))


def _take(desk: Desk, paths: list[str]) -> tuple[Any, ...]:
    """Uploaded pictures and zips as a data set."""

    def given() -> Iterator[tuple[str, Any]]:
        for path in paths:
            with Path(path).open("rb") as file:
                yield Path(path).name, file

    made = desk.do(lambda check: desk.studio.uploads.take(Path(paths[0]).stem, given(), check))
    words = " ".join((desk.say("uploaded", count=made.pictures, left=len(made.rejected)), *made.notes))
    return _sets(desk, f"datasets/{made.id}"), None, words


def _report(desk: Desk, name: str | None, size: int) -> str:
    """What is in a folder, and advice."""
    with Said(desk):
        if not name:
            raise Refused(422, desk.say("no_data"))
    catalogue = desk.studio.catalogue
    found = desk.do(lambda check: work.inspect(catalogue.folder_to_read(name), size, check))
    words = desk.say(
        "report", pictures=found["pictures"], shortest=found["shortest_side_px"][1],
        longest=found["longest_side_px"][1], broken=len(found["broken"]),
        copies=len(found["exact_duplicates"]),
        themes=len(found["themes"]), preset=found["preset"], reason=found["preset_reason"],
    )  # fmt: skip
    advice = "".join(f"\n- {line}" for line in found["advice"])
    words += "".join(f"\n\n{line}" for line in found["notes"])
    return words + (f"\n\n{desk.say('advice')}:\n{advice}" if advice else "")


def _begin(desk: Desk, name: str | None, preset: str, size: int, minutes: float) -> Any:
    with Said(desk):
        if not name:
            raise Refused(422, desk.say("no_data"))
        uploaded = {f"datasets/{one.id}": one.name for one in desk.studio.uploads.all()}
        plan = Plan(
            pictures=name, name=uploaded.get(name, ""), preset=preset or None, size=size, minutes=minutes
        )
        job = desk.studio.jobs.create(plan)
    return _jobs(desk, job.id)


def _stop(desk: Desk, job: str | None) -> None:
    """Let a training save and end."""
    with Said(desk):
        if not job:
            raise Refused(422, desk.say("no_job"))
        desk.studio.jobs.stop(job)


def _go_on(desk: Desk, job: str | None, minutes: float | None) -> None:
    """Go on to the limits that were set; beyond them, for as many minutes more as are asked for."""
    with Said(desk):
        if not job:
            raise Refused(422, desk.say("no_job"))
        jobs, in_all = desk.studio.jobs, None
        if minutes and jobs.get(job).state == "finished":
            in_all = jobs.seconds(job) / 60 + minutes
        jobs.resume(job, minutes=in_all)


def _to_create(desk: Desk, job_id: str | None) -> tuple[Any, Any]:
    """The training's model in Create."""
    with Said(desk):
        if not job_id:
            raise Refused(422, desk.say("no_job"))
        name = desk.studio.jobs.get(job_id).model
        names = desk.models("generator")
        if name not in names:
            raise Refused(409, desk.say("model_soon"))
    return gr.update(choices=names, value=name), gr.Tabs(selected="create")


def _seen(desk: Desk, job_id: str | None, known: tuple[Any, ...], when: float = 100) -> tuple[Any, ...]:
    """How a training stands: words, curves, samples, verdicts; nothing where it stands as it did.

    The samples are those of `when`: 0 the first, 100 the newest.
    """
    if not job_id:
        return (), "", "", None, ""
    with Said(desk):
        job = desk.studio.jobs.get(job_id)
    now = (job.id, job.state, job.images_seen, when)
    if now == known:
        return (known, *[gr.skip()] * 4)
    events, grids = desk.studio.jobs.events(job_id), desk.studio.jobs.samples(job_id)
    return now, _state(desk, job), _curves(desk, events), _grid(desk, grids, when), _verdicts(desk, events)


def _grid(desk: Desk, grids: list[Path], when: float) -> Any:
    """One of the grids of pictures from the same noise; its label says after how many images."""
    if not grids:
        return None
    grid = grids[round(when / 100 * (len(grids) - 1))]
    label = desk.say("samples_at", images=int(grid.stem))
    return gr.update(value=desk.put("samples.png", desk.studio.jobs.grid(grid)), label=label)


def _state(desk: Desk, job: Job) -> str:
    speed = desk.say("speed", speed=job.images_per_second) if job.images_per_second else ""
    left = desk.say("to_go", minutes=job.eta_seconds / 60) if job.eta_seconds else ""
    words = desk.say(
        "stands", name=job.name, state=desk.say(job.state), images=job.images_seen, speed=speed, left=left,
        words=job.words if job.state in BAD else "",
    )  # fmt: skip
    return _note(words, "bad" if job.state in BAD else "")


def _curves(desk: Desk, events: list[dict[str, Any]]) -> str:
    """Losses, D's accuracy and the distance over the images seen."""

    def line(event: str, key: str) -> list[tuple[float, float]]:
        found = [e for e in events if e["event"] == event and isinstance(e.get(key), int | float)]
        return [(e["images_seen"], e[key]) for e in found]

    drawn = [
        ("losses", [line("progress", f"{who}_loss") for who in ("discriminator", "generator")]),
        ("accuracy", [line("progress", f"{kind}_accuracy") for kind in ("real", "fake")]),
        ("distance", [line("evaluated", "distance")]),
    ]
    return "".join(figures.lines(desk.say(key), series) for key, series in drawn if any(series))


def _verdicts(desk: Desk, events: list[dict[str, Any]]) -> str:
    """What is wrong now: verdicts that no later event took back."""
    wrong: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["event"] == "verdict":
            wrong[event["kind"]] = event
        elif event["event"] in ("recovered", "repaired"):
            wrong.pop(event["kind"], None)
    if not wrong:
        return _note(desk.say("healthy"), "good") if any(e["event"] == "evaluated" for e in events) else ""
    texts = ("kind", "severity", "evidence", "advice")
    return "".join(
        _note(desk.say("verdict", **{key: str(v[key]) for key in texts}), "bad") for v in wrong.values()
    )


def _note(words: str, kind: str) -> str:
    """Words as a note; `**` marks what is strong. What people named must not become markup."""
    parts = html.escape(words).split("**")
    text = "".join(f"<strong>{part}</strong>" if i % 2 else part for i, part in enumerate(parts))
    return f'<p class="impasto-verdict {kind}" role="status">{text}</p>'
