"""Train: pictures in, a training watched live, its model to Create. What runs, runs without the page."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from impasto.config.size import GAME_SHARE
from impasto.pages import chart
from impasto.studio import work
from impasto.studio.catalogue import model_folder
from impasto.studio.journal import read_all
from impasto.studio.page import errors, manage, models, preparing
from impasto.studio.page.context import PageContext
from impasto.studio.page.gallery import build_picture
from impasto.studio.page.manage import Manage, unique
from impasto.studio.page.notes import QUIET, Reply, build_note, listen, note
from impasto.studio.parts import seconds_of
from impasto.studio.queue import Check
from impasto.studio.records import EVENTS, JOB
from impasto.studio.samples import list_grids, read_grid
from impasto.studio.schemas import Limits
from impasto.studio.schemas import Train as Plan
from impasto.studio.status import Job
from impasto.studio.uploads import ABOUT, FOLDER
from impasto.training.health.report import LITTLE_COVERAGE

PRESETS = ("default", "few-shot", "dcgan", "r3gan", "mlp")
SIZES = (32, 64, 128, 256, 512)
USUAL = "usual"  # in their place: the size of the shape that most pictures have
LEAST_MINUTES, MOST_MINUTES = 0.1, 1e5
LOOK_SECONDS = 3.0
BAD = ("failed", "lost")


@dataclass
class Train:
    """The parts of the tab, and what connects them."""

    data: gr.Dropdown
    files: gr.File
    data_note: gr.HTML
    inspect: gr.Button
    report: gr.Markdown
    data_names: Manage
    name: gr.Textbox
    preset: gr.Dropdown
    size: gr.Dropdown
    minutes: gr.Number
    begin: gr.Button
    begin_note: gr.HTML
    blocked: gr.HTML
    job: gr.Dropdown
    stop: gr.Button
    resume: gr.Button
    to_create: gr.Button
    job_note: gr.HTML
    job_names: Manage
    state: gr.HTML
    curves: gr.HTML
    samples: gr.Image
    when: gr.Slider
    verdicts: gr.HTML

    def connect(
        self, context: PageContext, page: gr.Blocks, tabs: gr.Tabs, model: gr.Dropdown, redraw: gr.State
    ) -> None:
        """Connect the parts of the tab.

        Args:
            context: What the tabs of the page work with.
            page: The page; when it loads, pictures and trainings are listed.
            tabs: All tabs, to go to Create.
            model: Create's list of models.
            redraw: Create's state by which pictures are made again.
        """
        page.load(lambda: (_sets(context), _jobs(context)), None, [self.data, self.job], **QUIET)
        # Why the chosen pictures cannot be trained on; what is known of the chosen training.
        unfit, known = gr.State(""), gr.State(())
        self._connect_data(context, unfit)
        seen = [self.state, self.curves, self.samples, self.verdicts]
        allowed = [self.stop, self.resume, self.to_create, self.begin, self.blocked]
        asked = [self.data, self.name, self.preset, self.size, self.minutes]
        listen(
            context,
            [self.begin.click],
            partial(_begin, context),
            asked,
            [self.job, self.name],
            self.begin_note,
        )
        listen(context, [self.stop.click], partial(_stop, context), [self.job], [], self.job_note)
        listen(
            context, [self.resume.click], partial(_resume, context),
            [self.job, self.minutes], [], self.job_note,
        )  # fmt: skip
        timer = gr.Timer(LOOK_SECONDS)
        gr.on(
            [timer.tick, self.job.change, self.when.change, unfit.change], partial(_show, context),
            [self.job, known, self.when, unfit], [known, *seen, *allowed],
            concurrency_limit=4, trigger_mode="always_last", **QUIET,
        )  # fmt: skip
        self.job.change(lambda: ("", ""), None, [self.job_note, self.job_names.note], **QUIET)
        listen(
            context, [self.to_create.click], partial(_to_create, context),
            [self.job, redraw], [model, redraw, tabs], self.job_note,
        )  # fmt: skip
        self.job_names.connect(context, self.job, partial(_job_file, context), partial(_jobs, context))

    def _connect_data(self, context: PageContext, unfit: gr.State) -> None:
        """Pictures: chosen, uploaded, looked at, renamed, deleted."""
        listen(
            context, [self.files.upload], partial(_upload, context), [self.files],
            [self.data, self.files, self.report], self.data_note, show_progress="full",
            show_progress_on=[self.files],
        )  # fmt: skip
        listen(
            context, [self.inspect.click], partial(_report, context), [self.data, self.size],
            [self.report], self.data_note, show_progress="full",
        )  # fmt: skip
        # What was said of other pictures goes; whether these can be trained on comes.
        listen(
            context, [self.data.change], partial(_check_data, context), [self.data],
            [unfit, self.begin_note], self.data_names.note,
        )  # fmt: skip
        self.data.input(
            lambda: ("", ""), None, [self.report, self.data_note], **QUIET,
        )  # fmt: skip
        self.data_names.connect(
            context, self.data, partial(_data_file, context), partial(_refresh_sets, context)
        )


def build(context: PageContext) -> Train:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            data = gr.Dropdown([], label=context.say("data"), info=context.say("data_info"))
            files = gr.File(label=context.say("upload"), file_count="multiple", height=180, elem_id="set")
            data_note = build_note("data-note")
            inspect = gr.Button(context.say("inspect"))
            report = gr.Markdown(elem_id="report")
            data_names = manage.build(context, "manage_data", "manage-data")
            name = gr.Textbox(
                label=context.say("name"), placeholder=context.say("name_info"), max_lines=1, max_length=80
            )
            choices: list[str | int | float | tuple[str, str]] = [(context.say("by_itself"), ""), *PRESETS]
            preset = gr.Dropdown(choices, value="", label=context.say("preset"))
            with gr.Row():
                sizes: list[Any] = [*SIZES, (context.say("usual_size"), USUAL)]
                size = gr.Dropdown(sizes, value=64, label=context.say("size"), min_width=90)
                minutes = gr.Number(20, label=context.say("minutes"), min_width=90)
            begin = gr.Button(context.say("begin"), variant="primary", interactive=False)
            blocked = build_note("blocked")
            begin_note = build_note("begin-note")
        with gr.Column(scale=3, min_width=320):
            job = gr.Dropdown([], label=context.say("job"))
            with gr.Row():
                stop = gr.Button(context.say("stop"), min_width=160, interactive=False)
                resume = gr.Button(context.say("resume"), min_width=90, interactive=False)
                to_create = gr.Button(context.say("to_create"), min_width=140, interactive=False)
            job_note = build_note("job-note")
            state = gr.HTML(elem_id="state")
            verdicts = gr.HTML()
            curves = gr.HTML()
            job_names = manage.build(context, "manage_job", "manage-job")
        with gr.Column(scale=3, min_width=320):
            samples = build_picture(context.say("samples"), "samples")
            when = gr.Slider(0, 100, 100, step=1, label=context.say("when"), info=context.say("when_info"))
    return Train(
        data, files, data_note, inspect, report, data_names, name, preset, size, minutes, begin, begin_note,
        blocked, job, stop, resume, to_create, job_note, job_names, state, curves, samples, when, verdicts,
    )  # fmt: skip


def _upload_names(context: PageContext) -> dict[str, str]:
    """What people call the folders that they uploaded."""
    return {one.catalogue_name: one.name for one in context.studio.uploads.all()}


def _sets(context: PageContext, chosen: str | None = None) -> Any:
    """The folders of pictures, those that were uploaded by the names that people gave them."""
    uploaded = _upload_names(context)
    found = [name for name, _ in context.studio.catalogue.pictures() if name != FOLDER]
    choices = [(uploaded.get(name, name), name) for name in found]
    chosen = chosen if chosen in found else None
    return gr.update(choices=choices, value=chosen or (found[0] if found else None))


def _refresh_sets(context: PageContext, chosen: str | None) -> Any:
    """The same after a change; an upload may be named by its id alone."""
    return _sets(context, chosen if chosen is None or "/" in chosen else f"{FOLDER}/{chosen}")


def _jobs(context: PageContext, chosen: str | None = None) -> Any:
    jobs = context.studio.jobs.all()
    choices = [(f"{job.name} · {_date(job.created)}", job.id) for job in jobs]
    ids = [job.id for job in jobs]
    return gr.update(choices=choices, value=chosen if chosen in ids else next(iter(ids), None))


def _date(unix_time: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix_time))


def _data_file(context: PageContext, name: str) -> Path:
    """Where the name of uploaded pictures stands. Raises `gr.Error` for others, and while they are used."""
    if name not in _upload_names(context):
        raise context.error("not_uploaded")
    if any(job.runs and job.pictures == name for job in context.studio.jobs.all()):
        raise context.error("in_use")
    return context.studio.uploads.folder / name.removeprefix(f"{FOLDER}/") / ABOUT


def _job_file(context: PageContext, id_: str) -> Path:
    """Where the name of a training stands. Raises `NotHere`, or `gr.Error` while it runs."""
    job = context.studio.jobs.get(id_)
    if job.runs:
        raise context.error("in_use")
    return job.folder / JOB


def _upload(context: PageContext, paths: list[str]) -> Any:
    """Uploaded pictures and zips as a data set; nothing is chosen where they cannot be used."""

    def open_each() -> Iterator[tuple[str, Any]]:
        for path in paths:
            with Path(path).open("rb") as file:
                yield Path(path).name, file

    many = context.say("many_pictures", count=len(paths))
    name = unique(Path(paths[0]).stem if len(paths) == 1 else many, list(_upload_names(context).values()))
    try:
        made = context.do(lambda check: context.studio.uploads.take(name, open_each(), check))
    except gr.Error as error:  # what was chosen before is another folder's
        label = Path(paths[0]).name if len(paths) == 1 else many
        words = note(context.say("upload_failed", name=label, reason=str(error.message)))
        return Reply((gr.update(value=None), None, ""), words)
    left = [
        context.say("left_out", name=name, reason=errors.reason_in_words(why, context.language))
        for name, why in list(made.rejected.items())[:5]
    ]
    words = context.say("uploaded", count=made.pictures, name=made.name)
    told = note(words, "good") if not (left or made.notes) else note(
        "\n".join([words, context.say("left_out_more", count=len(made.rejected)), *left, *made.notes])
    )  # fmt: skip
    return Reply((_sets(context, made.catalogue_name), None, ""), told)


def _check_data(context: PageContext, name: str | None) -> tuple[str, str]:
    """Why pictures cannot be trained on, and an empty note."""
    return (_why_unfit(context, name) if name else context.say("no_data")), ""


def _why_unfit(context: PageContext, name: str) -> str:
    """Why pictures cannot be trained on; nothing for those that can."""
    from impasto.config.reading import load_config
    from impasto.data.batches import split
    from impasto.data.scan import scan_folder

    def look(check: Check) -> None:
        config = load_config()
        data = config.data
        tell = lambda stage, done, total: check()  # noqa: E731
        folder = context.studio.catalogue.folder_to_read(name)
        scan = scan_folder(folder, min_side_px=data.min_side_px, max_pixels=data.max_pixels, progress=tell)
        hashes = [picture.content_hash for picture in scan.pictures]
        split(hashes, data.holdout_share, data.holdout_min_pictures, config.train.seed)

    try:
        context.do(look)
    except gr.Error as error:
        return str(error.message)
    return ""


def _inspect(context: PageContext, name: str, size: int | str) -> dict[str, Any]:
    """What is in a folder, for pictures of a size that is on the list."""
    with context.explain_errors():
        folder = context.studio.catalogue.folder_to_read(name)
    if size == USUAL:
        size = _inspect(context, name, 64)["size"]
    return context.do(lambda check: work.inspect(folder, size, check))


def _report(context: PageContext, name: str | None, size: int | str) -> str:
    """What is in a folder, and advice."""
    if not name:
        raise context.error("no_data")
    found = _inspect(context, name, size)
    words = context.say(
        "report", name=_escape(_upload_names(context).get(name, name)), pictures=found["pictures"],
        shortest=found["shortest_side_px"][1],
        longest=found["longest_side_px"][1], broken=len(found["broken"]),
        copies=len(found["exact_duplicates"]),
        themes=len(found["themes"]), preset=found["preset"],
        reason=errors.advice_in_words(found["preset_reason"], context.language),
    )  # fmt: skip
    lines = [errors.advice_in_words(line, context.language) for line in found["advice"]]
    advice = "".join(f"\n- {_escape(line)}" for line in lines)
    words += "".join(f"\n\n{_escape(line)}" for line in found["notes"])
    return words + (f"\n\n{context.say('advice')}:\n{advice}" if advice else "")


def _escape(text: str) -> str:
    """Words that people chose, without what Markdown would make of them."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|~" else c for c in text)


def _minutes(context: PageContext, minutes: float | None) -> float:
    """Raises `gr.Error` for what is no length of a training."""
    if minutes is None or not math.isfinite(minutes) or not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        raise context.error("minutes_wrong", least=LEAST_MINUTES, most=f"{MOST_MINUTES:,.0f}")
    return float(minutes)


def _begin(
    context: PageContext, data: str | None, name: str, preset: str, size: int | str, minutes: float | None
) -> tuple[Any, str]:
    if not data:
        raise context.error("no_data")
    minutes = _minutes(context, minutes)
    if why := _why_unfit(context, data):
        raise gr.Error(why, print_exception=False)
    taken = [job.name for job in context.studio.jobs.all()]
    title = name.strip() or unique(_upload_names(context).get(data, Path(data).name), taken)
    if size == USUAL:
        size = _inspect(context, data, 64)["size"]
    with context.explain_errors():
        plan = Plan(pictures=data, name=title, preset=preset or None, size=size, minutes=minutes)
        job = context.studio.jobs.create(plan)
    return _jobs(context, job.id), ""


def _stop(context: PageContext, job: str | None) -> None:
    """Let a training save and end."""
    if not job:
        raise context.error("no_job")
    with context.explain_errors():
        context.studio.jobs.stop(job)


def _resume(context: PageContext, job: str | None, minutes: float | None) -> None:
    """Go on to the limits that were set; beyond them, for as many minutes more as are asked for."""
    if not job:
        raise context.error("no_job")
    with context.explain_errors():
        jobs, limits = context.studio.jobs, None
        known = jobs.get(job)
        if known.state == "finished":
            limits = Limits(minutes=seconds_of(known.folder) / 60 + _minutes(context, minutes))
        jobs.resume(job, limits)


def _to_create(context: PageContext, job_id: str | None, redraw: int) -> tuple[Any, int, Any]:
    """The training's model in Create, its pictures made anew: it may have gone on since they were."""
    if not job_id:
        raise context.error("no_job")
    with context.explain_errors():
        name = context.studio.jobs.get(job_id).model
    if name not in [one.entry.name for one in models.list_models(context, "generator")]:
        raise context.error("model_soon")
    return models.update_choices(context, name), redraw + 1, gr.Tabs(selected="create")


def _show(
    context: PageContext, job_id: str | None, known: tuple[Any, ...], when: float = 100, unfit: str = ""
) -> tuple[Any, ...]:
    """How a training stands, in words and pictures, and what can be done; skipped where it is as it was.

    The samples are those of `when`: 0 the first, 100 the newest. `unfit` says why no training can be started
    on the chosen pictures.
    """
    jobs = context.studio.jobs.all()
    job = next((one for one in jobs if one.id == job_id), None)
    others = [one.name for one in jobs if one.runs]
    allowed = _enable(context, job, others, unfit)
    if job is None:
        return (), "", "", None, "", *allowed
    getting_ready = preparing.is_preparing(job)
    now = (
        job.id,
        job.name,
        job.state,
        job.part,
        job.images_seen,
        when,
        tuple(others),
        unfit,
        _has_model(context, job),
    )
    if now == known and not getting_ready:
        return (known, *[gr.skip()] * (4 + len(allowed)))
    events, grids = read_all(job.folder / EVENTS), list_grids(job.folder)
    return (
        now, _state(context, job), _curves(context, events), _grid(context, grids, when),
        _verdicts(context, events), *allowed,
    )  # fmt: skip


def _enable(context: PageContext, job: Job | None, live: list[str], unfit: str) -> tuple[Any, ...]:
    """Which buttons make sense: stop, resume, use in Create, start; and why the last one does not."""
    stop = job is not None and job.state == "running"
    resume = job is not None and job.resumable and len(live) < context.studio.jobs.at_once
    if job is not None and job.state == "failed" and not job.images_seen:
        resume = False  # it would fail in the same way: it never came to a first step
    busy = len(live) >= context.studio.jobs.at_once
    why = context.say("other_running", name=live[0]) if busy else unfit
    return (
        *[gr.update(interactive=each) for each in (stop, resume, _has_model(context, job), not why)],
        note(why, ""),
    )  # fmt: skip


def _has_model(context: PageContext, job: Job | None) -> bool:
    return job is not None and model_folder(job.folder) is not None


def _grid(context: PageContext, grids: list[Path], when: float) -> Any:
    """One of the grids of pictures from the same noise; its label says after how many images."""
    if not grids:
        return None
    grid = grids[round(when / 100 * (len(grids) - 1))]
    label = context.say("samples_at", images=int(grid.stem))
    return gr.update(value=context.put("samples.png", read_grid(grid)), label=label)


def _state(context: PageContext, job: Job) -> str:
    if preparing.is_preparing(job):
        return preparing.show(context, job)
    speed = context.say("speed", speed=job.images_per_second) if job.images_per_second else ""
    left = context.say("to_go", minutes=job.eta_seconds / 60) if job.eta_seconds else ""
    words = errors.reason_in_words(job.words, context.language) if job.state in BAD else ""
    share = {1: GAME_SHARE, 2: 1 - GAME_SHARE}.get(job.part or 0, 0.0)
    part = context.say("part", number=job.part, share=share) if job.part and job.runs else ""
    told = context.say(
        "stands", name=job.name, state=context.say(job.state), part=part, images=job.images_seen,
        speed=speed, left=left, words=words,
    )  # fmt: skip
    return note(told, "bad" if job.state in BAD else "plain")


def _curves(context: PageContext, events: list[dict[str, Any]]) -> str:
    """Losses, D's accuracy and the distance over the images seen."""

    def line(event: str, key: str) -> list[tuple[float, float]]:
        found = [e for e in events if e["event"] == event and isinstance(e.get(key), int | float)]
        return [(e["images_seen"], e[key]) for e in found]

    drawn = [
        ("losses", [line("progress", f"{who}_loss") for who in ("discriminator", "generator")]),
        ("accuracy", [line("progress", f"{kind}_accuracy") for kind in ("real", "fake")]),
        ("distance", [line("evaluated", "distance")]),
    ]
    return "".join(chart(context.say(key), series) for key, series in drawn if any(series))


def _verdicts(context: PageContext, events: list[dict[str, Any]]) -> str:
    """What is wrong now: verdicts that no later event took back; and how new the newest samples are."""
    wrong: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["event"] == "verdict":
            wrong[event["kind"]] = event
        elif event["event"] in ("recovered", "repaired"):
            wrong.pop(event["kind"], None)
    said = [note(_verdict(context, event)) for event in wrong.values()]
    newest = next((e for e in reversed(events) if e["event"] == "evaluated"), None)
    if newest is None:
        return "".join(said)
    covered, sourced = newest.get("coverage"), newest.get("sourced")
    if covered is not None and covered < LITTLE_COVERAGE:
        said.append(note(context.say("little_covered", share=covered), ""))
    if not said:
        said.append(note(context.say("healthy"), "good"))
    if sourced is not None:
        chance = newest.get("sourced_chance", 0.0)
        said.append(note(context.say("how_new", sourced=100 * sourced, chance=100 * chance), ""))
    return "".join(said)


def _verdict(context: PageContext, event: dict[str, Any]) -> str:
    """What is wrong, in the page's words."""
    texts = {key: str(event[key]) for key in ("kind", "severity", "evidence", "advice")}
    if context.language == "zh" and texts["kind"] in errors.VERDICTS:
        texts["kind"], texts["advice"] = errors.VERDICTS[texts["kind"]]
        texts["severity"] = errors.SEVERITIES.get(texts["severity"], texts["severity"])
        texts["evidence"] = ""
    return context.say("verdict", **texts)
