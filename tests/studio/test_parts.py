"""Trainings of large pictures, whose run holds a second one: what is said of both."""

import json

import pytest

from impasto.studio.launches import JobProcess
from impasto.studio.parts import newest_of_parts, part_of, seconds_of
from impasto.studio.processes import Process
from impasto.studio.records import Launch
from impasto.studio.status import read_job

RUNS = Process(1, "now")


def event(kind, time, images=8, **more):
    return {"event": kind, "unix_time": time, "images_seen": images, **more}


def stopped(time, condition, seconds=60.0):
    return event("stopped", time, condition=condition, words=condition, seconds=seconds)


def progress(time, images, seconds):
    return event("progress", time, images, images_per_second=2.0, eta_seconds=seconds)


FIRST = [event("started", 1), progress(2, 900, 30.0), event("evaluated", 3, 1_000), stopped(4, "minutes")]
SECOND = [event("started", 5), progress(6, 40, 20.0)]


@pytest.fixture
def write(tmp_path):
    """A function that writes the journals of both parts, and gives the run's folder."""

    def write_both(first, second):
        (tmp_path / "enlarger").mkdir(exist_ok=True)
        (tmp_path / "job.json").write_text(json.dumps({"name": "x", "pictures": "p", "created": 0.5}))
        for folder, events in ((tmp_path, first), (tmp_path / "enlarger", second)):
            (folder / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
        return tmp_path

    return write_both


def read(folder, running=None, **launch):
    return read_job(folder, JobProcess(Launch(**launch), running, asked_to_stop=False), "x")


def test_the_part_at_work_says_how_far_it_is(write):
    job = read(write(FIRST[:2], []), RUNS)
    assert (job.state, job.part, job.images_seen, job.eta_seconds) == ("running", 1, 900, 30.0)
    job = read(write(FIRST, SECOND), RUNS)
    assert (job.state, job.part, job.images_seen, job.eta_seconds) == ("running", 2, 40, 20.0)


def test_a_training_is_finished_when_its_second_part_is(write):
    assert read(write(FIRST, SECOND)).state == "lost"
    assert read(write(FIRST, [*SECOND, stopped(7, "interrupted")])).state == "stopped"
    assert read(write(FIRST, [*SECOND, stopped(7, "minutes")])).state == "finished"
    assert read(write([*FIRST[:3], stopped(4, "interrupted")], [])).state == "stopped"
    assert read(write([*FIRST[:3], stopped(4, "unhealthy")], [])).state == "failed"


def test_what_ended_before_it_went_on_is_no_end(write):
    """The first part, which goes on for a moment and ends again, says nothing of the second."""
    again = [*FIRST, event("started", 8), stopped(9, "minutes")]
    folder = write(again, [*SECOND, stopped(7, "interrupted")])
    before = newest_of_parts(folder)["stopped"]["unix_time"]
    assert before == 7
    assert read(folder, ended_before=before).state == "lost"
    assert part_of(folder) == 1
    folder = write(again, [*SECOND, stopped(7, "interrupted"), event("started", 10), stopped(11, "minutes")])
    assert (read(folder, ended_before=before).state, part_of(folder)) == ("finished", 2)


def test_the_time_of_both_counts(write):
    assert seconds_of(write(FIRST, [*SECOND, stopped(7, "minutes", 25.0)])) == 85.0


def test_other_runs_have_one_part(tmp_path):
    (tmp_path / "events.jsonl").write_text(json.dumps(FIRST[-1]) + "\n")
    assert part_of(tmp_path) is None
    assert newest_of_parts(tmp_path)["stopped"]["condition"] == "minutes"
    assert seconds_of(tmp_path) == 60.0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "enlarger").symlink_to(elsewhere)  # may lead anywhere
    assert part_of(tmp_path) is None
