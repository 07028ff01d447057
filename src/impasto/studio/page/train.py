"""Train: pictures in, a training watched live, its model to Create. What runs, runs without the page."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from impasto.pages import chart
from impasto.studio import work
from impasto.studio.journal import newest, read_all
from impasto.studio.page import errors, manage, models, preparing
from impasto.studio.page.desk import Desk, Said
from impasto.studio.page.manage import Manage, unique
from impasto.studio.page.notes import Noted, empty_note, listen, note
from impasto.studio.queue import Check
from impasto.studio.records import EVENTS, JOB, Ended
from impasto.studio.samples import list_grids, read_grid
from impasto.studio.schemas import Limits
from impasto.studio.schemas import Train as Plan
from impasto.studio.status import Job
from impasto.studio.uploads import ABOUT
from impasto.training.health.report import LITTLE_COVERAGE

PRESETS = ("default", "few-shot", "dcgan", "r3gan", "mlp")
SIZES = (32, 64, 128)
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
        self, desk: Desk, page: gr.Blocks, tabs: gr.Tabs, model: gr.Dropdown, redraw: gr.State
    ) -> None:
        """Connect the parts of the tab.

        Args:
            desk: The desk of the page.
            page: The page; when it loads, pictures and trainings are listed.
            tabs: All tabs, to go to Create.
            model: Create's list of models.
            redraw: Create's state by which pictures are made again.
        """
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        page.load(lambda: (_sets(desk), _jobs(desk)), None, [self.data, self.job], **quiet)
        # Why the chosen pictures cannot be trained on; what is known of the chosen training.
        unfit, known = gr.State(""), gr.State(())
        self._connect_data(desk, unfit)
        seen = [self.state, self.curves, self.samples, self.verdicts]
        allowed = [self.stop, self.resume, self.to_create, self.begin, self.blocked]
        asked = [self.data, self.name, self.preset, self.size, self.minutes]
        listen(
            desk,
            [self.begin.click],
            lambda *a: _begin(desk, *a),
            asked,
            [self.job, self.name],
            self.begin_note,
        )
        listen(desk, [self.stop.click], lambda job: _stop(desk, job), [self.job], [], self.job_note)
        listen(
            desk, [self.resume.click], lambda job, minutes: _go_on(desk, job, minutes),
            [self.job, self.minutes], [], self.job_note,
        )  # fmt: skip
        timer = gr.Timer(LOOK_SECONDS)
        gr.on(
            [timer.tick, self.job.change, self.when.change, unfit.change], lambda *asked: _seen(desk, *asked),
            [self.job, known, self.when, unfit], [known, *seen, *allowed],
            concurrency_limit=4, trigger_mode="always_last", **quiet,
        )  # fmt: skip
        self.job.change(lambda: ("", ""), None, [self.job_note, self.job_names.note], **quiet)
        listen(
            desk, [self.to_create.click], lambda job, redraw: _to_create(desk, job, redraw),
            [self.job, redraw], [model, redraw, tabs], self.job_note,
        )  # fmt: skip
        self.job_names.connect(desk, self.job, partial(_job_file, desk), partial(_jobs, desk))

    def _connect_data(self, desk: Desk, unfit: gr.State) -> None:
        """Pictures: chosen, uploaded, looked at, renamed, deleted."""
        listen(
            desk, [self.files.upload], lambda files: _take(desk, files), [self.files],
            [self.data, self.files, self.report], self.data_note, show_progress="full",
            show_progress_on=[self.files],
        )  # fmt: skip
        listen(
            desk, [self.inspect.click], lambda name, size: _report(desk, name, size), [self.data, self.size],
            [self.report], self.data_note, show_progress="full",
        )  # fmt: skip
        # What was said of other pictures goes; whether these can be trained on comes.
        listen(
            desk, [self.data.change], lambda name: _looked_over(desk, name), [self.data],
            [unfit, self.begin_note], self.data_names.note,
        )  # fmt: skip
        self.data.input(
            lambda: ("", ""), None, [self.report, self.data_note], api_visibility="private",
            show_progress="hidden",
        )  # fmt: skip
        self.data_names.connect(desk, self.data, partial(_data_file, desk), partial(_sets_again, desk))


def build(desk: Desk) -> Train:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            data = gr.Dropdown([], label=desk.say("data"), info=desk.say("data_info"))
            files = gr.File(label=desk.say("upload"), file_count="multiple", height=180, elem_id="set")
            data_note = empty_note("data-note")
            inspect = gr.Button(desk.say("inspect"))
            report = gr.Markdown(elem_id="report")
            data_names = manage.build(desk, "manage_data", "manage-data")
            name = gr.Textbox(
                label=desk.say("name"), placeholder=desk.say("name_info"), max_lines=1, max_length=80
            )
            choices: list[str | int | float | tuple[str, str]] = [(desk.say("by_itself"), ""), *PRESETS]
            preset = gr.Dropdown(choices, value="", label=desk.say("preset"))
            with gr.Row():
                size = gr.Dropdown(list(SIZES), value=64, label=desk.say("size"), min_width=90)
                minutes = gr.Number(20, label=desk.say("minutes"), min_width=90)
            begin = gr.Button(desk.say("begin"), variant="primary", interactive=False)
            blocked = gr.HTML(elem_classes="impasto-note", elem_id="blocked", padding=False)
            begin_note = empty_note("begin-note")
        with gr.Column(scale=3, min_width=320):
            job = gr.Dropdown([], label=desk.say("job"))
            with gr.Row():
                stop = gr.Button(desk.say("stop"), min_width=160, interactive=False)
                resume = gr.Button(desk.say("resume"), min_width=90, interactive=False)
                to_create = gr.Button(desk.say("to_create"), min_width=140, interactive=False)
            job_note = empty_note("job-note")
            state = gr.HTML(elem_id="state")
            verdicts = gr.HTML()
            curves = gr.HTML()
            job_names = manage.build(desk, "manage_job", "manage-job")
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
        data, files, data_note, inspect, report, data_names, name, preset, size, minutes, begin, begin_note,
        blocked, job, stop, resume, to_create, job_note, job_names, state, curves, samples, when, verdicts,
    )  # fmt: skip


def _uploaded(desk: Desk) -> dict[str, str]:
    """What people call the folders that they uploaded."""
    return {f"datasets/{one.id}": one.name for one in desk.studio.uploads.all()}


def _sets(desk: Desk, chosen: str | None = None) -> Any:
    """The folders of pictures, those that were uploaded by the names that people gave them."""
    uploaded = _uploaded(desk)
    found = [name for name, _ in desk.studio.catalogue.pictures() if name != "datasets"]
    choices = [(uploaded.get(name, name), name) for name in found]
    chosen = chosen if chosen in found else None
    return gr.update(choices=choices, value=chosen or (found[0] if found else None))


def _sets_again(desk: Desk, chosen: str | None) -> Any:
    """The same after a change; an upload may be named by its id alone."""
    return _sets(desk, chosen if chosen is None or "/" in chosen else f"datasets/{chosen}")


def _jobs(desk: Desk, chosen: str | None = None) -> Any:
    jobs = desk.studio.jobs.all()
    choices = [(f"{job.name} · {_date(job.created)}", job.id) for job in jobs]
    ids = [job.id for job in jobs]
    return gr.update(choices=choices, value=chosen if chosen in ids else next(iter(ids), None))


def _date(unix_time: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix_time))


def _data_file(desk: Desk, name: str) -> Path:
    """Where the name of uploaded pictures stands. Raises `gr.Error` for others, and while they are used."""
    if name not in _uploaded(desk):
        raise desk.refused("not_uploaded")
    if any(job.runs and job.pictures == name for job in desk.studio.jobs.all()):
        raise desk.refused("in_use")
    return desk.studio.uploads.folder / name.removeprefix("datasets/") / ABOUT


def _job_file(desk: Desk, id_: str) -> Path:
    """Where the name of a training stands. Raises `NotHere`, or `gr.Error` while it runs."""
    job = desk.studio.jobs.get(id_)
    if job.runs:
        raise desk.refused("in_use")
    return job.folder / JOB


def _take(desk: Desk, paths: list[str]) -> Any:
    """Uploaded pictures and zips as a data set; nothing is chosen where they cannot be used."""

    def given() -> Iterator[tuple[str, Any]]:
        for path in paths:
            with Path(path).open("rb") as file:
                yield Path(path).name, file

    many = desk.say("many_pictures", count=len(paths))
    name = unique(Path(paths[0]).stem if len(paths) == 1 else many, list(_uploaded(desk).values()))
    try:
        made = desk.do(lambda check: desk.studio.uploads.take(name, given(), check))
    except gr.Error as error:  # what was chosen before is another folder's
        label = Path(paths[0]).name if len(paths) == 1 else many
        words = note(desk.say("upload_failed", name=label, reason=str(error.message)))
        return Noted((gr.update(value=None), None, ""), words)
    left = [
        desk.say("left_out", name=name, reason=errors.reason_in_words(why, desk.language))
        for name, why in list(made.rejected.items())[:5]
    ]
    words = desk.say("uploaded", count=made.pictures, name=made.name)
    told = note(words, "good") if not (left or made.notes) else note(
        "\n".join([words, desk.say("left_out_more", count=len(made.rejected)), *left, *made.notes])
    )  # fmt: skip
    return Noted((_sets(desk, f"datasets/{made.id}"), None, ""), told)


def _looked_over(desk: Desk, name: str | None) -> tuple[str, str]:
    """Why pictures cannot be trained on, and an empty note."""
    return (_unfit(desk, name) if name else desk.say("no_data")), ""


def _unfit(desk: Desk, name: str) -> str:
    """Why pictures cannot be trained on; nothing for those that can."""
    from impasto.config.reading import load_config
    from impasto.data.batches import split
    from impasto.data.scan import scan_folder

    def look(check: Check) -> None:
        config = load_config()
        data = config.data
        tell = lambda stage, done, total: check()  # noqa: E731
        folder = desk.studio.catalogue.folder_to_read(name)
        scan = scan_folder(folder, min_side_px=data.min_side_px, max_pixels=data.max_pixels, progress=tell)
        hashes = [picture.content_hash for picture in scan.pictures]
        split(hashes, data.holdout_share, data.holdout_min_pictures, config.train.seed)

    try:
        desk.do(look)
    except gr.Error as error:
        return str(error.message)
    return ""


def _report(desk: Desk, name: str | None, size: int) -> str:
    """What is in a folder, and advice."""
    if not name:
        raise desk.refused("no_data")
    with Said(desk):
        folder = desk.studio.catalogue.folder_to_read(name)
    found = desk.do(lambda check: work.inspect(folder, size, check))
    words = desk.say(
        "report", name=_plain(_uploaded(desk).get(name, name)), pictures=found["pictures"],
        shortest=found["shortest_side_px"][1],
        longest=found["longest_side_px"][1], broken=len(found["broken"]),
        copies=len(found["exact_duplicates"]),
        themes=len(found["themes"]), preset=found["preset"],
        reason=errors.advice_in_words(found["preset_reason"], desk.language),
    )  # fmt: skip
    lines = [errors.advice_in_words(line, desk.language) for line in found["advice"]]
    advice = "".join(f"\n- {_plain(line)}" for line in lines)
    words += "".join(f"\n\n{_plain(line)}" for line in found["notes"])
    return words + (f"\n\n{desk.say('advice')}:\n{advice}" if advice else "")


def _plain(text: str) -> str:
    """Words that people chose, without what Markdown would make of them."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|~" else c for c in text)


def _minutes(desk: Desk, minutes: float | None) -> float:
    """Raises `gr.Error` for what is no length of a training."""
    if minutes is None or not math.isfinite(minutes) or not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        raise desk.refused("minutes_wrong", least=LEAST_MINUTES, most=f"{MOST_MINUTES:,.0f}")
    return float(minutes)


def _begin(
    desk: Desk, data: str | None, name: str, preset: str, size: int, minutes: float | None
) -> tuple[Any, str]:
    if not data:
        raise desk.refused("no_data")
    minutes = _minutes(desk, minutes)
    if why := _unfit(desk, data):
        raise gr.Error(why, print_exception=False)
    taken = [job.name for job in desk.studio.jobs.all()]
    title = name.strip() or unique(_uploaded(desk).get(data, Path(data).name), taken)
    with Said(desk):
        plan = Plan(pictures=data, name=title, preset=preset or None, size=size, minutes=minutes)
        job = desk.studio.jobs.create(plan)
    return _jobs(desk, job.id), ""


def _stop(desk: Desk, job: str | None) -> None:
    """Let a training save and end."""
    if not job:
        raise desk.refused("no_job")
    with Said(desk):
        desk.studio.jobs.stop(job)


def _go_on(desk: Desk, job: str | None, minutes: float | None) -> None:
    """Go on to the limits that were set; beyond them, for as many minutes more as are asked for."""
    if not job:
        raise desk.refused("no_job")
    with Said(desk):
        jobs, limits = desk.studio.jobs, None
        known = jobs.get(job)
        if known.state == "finished":
            ended = Ended.of(newest(known.folder / EVENTS).get("stopped"))
            seconds = ended.seconds if ended is not None else 0.0
            limits = Limits(minutes=seconds / 60 + _minutes(desk, minutes))
        jobs.resume(job, limits)


def _to_create(desk: Desk, job_id: str | None, redraw: int) -> tuple[Any, int, Any]:
    """The training's model in Create, its pictures made anew: it may have gone on since they were."""
    if not job_id:
        raise desk.refused("no_job")
    with Said(desk):
        name = desk.studio.jobs.get(job_id).model
    if name not in [one.entry.name for one in models.known(desk, "generator")]:
        raise desk.refused("model_soon")
    return models.to_choose(desk, name), redraw + 1, gr.Tabs(selected="create")


def _seen(
    desk: Desk, job_id: str | None, known: tuple[Any, ...], when: float = 100, unfit: str = ""
) -> tuple[Any, ...]:
    """How a training stands, in words and pictures, and what can be done; skipped where it is as it was.

    The samples are those of `when`: 0 the first, 100 the newest. `unfit` says why no training can be started
    on the chosen pictures.
    """
    jobs = desk.studio.jobs.all()
    job = next((one for one in jobs if one.id == job_id), None)
    others = [one.name for one in jobs if one.runs]
    allowed = _allowed(desk, job, others, unfit)
    if job is None:
        return (), "", "", None, "", *allowed
    getting_ready = preparing.is_preparing(job)
    now = (job.id, job.name, job.state, job.images_seen, when, tuple(others), unfit, _has_model(desk, job))
    if now == known and not getting_ready:
        return (known, *[gr.skip()] * (4 + len(allowed)))
    events, grids = read_all(job.folder / EVENTS), list_grids(job.folder)
    return (
        now, _state(desk, job), _curves(desk, events), _grid(desk, grids, when), _verdicts(desk, events),
        *allowed,
    )  # fmt: skip


def _allowed(desk: Desk, job: Job | None, live: list[str], unfit: str) -> tuple[Any, ...]:
    """Which buttons make sense: stop, resume, use in Create, start; and why the last one does not."""
    stop = job is not None and job.state == "running"
    resume = job is not None and job.resumable and len(live) < desk.studio.jobs.at_once
    if job is not None and job.state == "failed" and not job.images_seen:
        resume = False  # it would fail in the same way: it never came to a first step
    busy = len(live) >= desk.studio.jobs.at_once
    why = desk.say("other_running", name=live[0]) if busy else unfit
    return (
        *[gr.update(interactive=each) for each in (stop, resume, _has_model(desk, job), not why)],
        note(why, ""),
    )  # fmt: skip


def _has_model(desk: Desk, job: Job | None) -> bool:
    return job is not None and any(
        (job.folder / part / "model.json").is_file() for part in ("", "best", "last")
    )


def _grid(desk: Desk, grids: list[Path], when: float) -> Any:
    """One of the grids of pictures from the same noise; its label says after how many images."""
    if not grids:
        return None
    grid = grids[round(when / 100 * (len(grids) - 1))]
    label = desk.say("samples_at", images=int(grid.stem))
    return gr.update(value=desk.put("samples.png", read_grid(grid)), label=label)


def _state(desk: Desk, job: Job) -> str:
    if preparing.is_preparing(job):
        return preparing.shown(desk, job)
    speed = desk.say("speed", speed=job.images_per_second) if job.images_per_second else ""
    left = desk.say("to_go", minutes=job.eta_seconds / 60) if job.eta_seconds else ""
    words = errors.reason_in_words(job.words, desk.language) if job.state in BAD else ""
    told = desk.say(
        "stands", name=job.name, state=desk.say(job.state), images=job.images_seen, speed=speed, left=left,
        words=words,
    )  # fmt: skip
    return note(told, "bad" if job.state in BAD else "plain")


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
    return "".join(chart(desk.say(key), series) for key, series in drawn if any(series))


def _verdicts(desk: Desk, events: list[dict[str, Any]]) -> str:
    """What is wrong now: verdicts that no later event took back; and how new the newest samples are."""
    wrong: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["event"] == "verdict":
            wrong[event["kind"]] = event
        elif event["event"] in ("recovered", "repaired"):
            wrong.pop(event["kind"], None)
    said = [note(_verdict(desk, event)) for event in wrong.values()]
    newest = next((e for e in reversed(events) if e["event"] == "evaluated"), None)
    if newest is None:
        return "".join(said)
    covered, sourced = newest.get("coverage"), newest.get("sourced")
    if covered is not None and covered < LITTLE_COVERAGE:
        said.append(note(desk.say("little_covered", share=covered), ""))
    if not said:
        said.append(note(desk.say("healthy"), "good"))
    if sourced is not None:
        chance = newest.get("sourced_chance", 0.0)
        said.append(note(desk.say("how_new", sourced=100 * sourced, chance=100 * chance), ""))
    return "".join(said)


def _verdict(desk: Desk, event: dict[str, Any]) -> str:
    """What is wrong, in the page's words."""
    texts = {key: str(event[key]) for key in ("kind", "severity", "evidence", "advice")}
    if desk.language == "zh" and texts["kind"] in errors.VERDICTS:
        texts["kind"], texts["advice"] = errors.VERDICTS[texts["kind"]]
        texts["severity"] = errors.SEVERITIES.get(texts["severity"], texts["severity"])
        texts["evidence"] = ""
    return desk.say("verdict", **texts)
