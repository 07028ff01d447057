"""Trainings, in processes of their own, through the server's end and `kill -9`."""

import json
import os
import signal

import pytest

from impasto.studio.catalogue import Catalogue
from impasto.studio.jobs import Jobs
from impasto.studio.journal import Journal
from impasto.studio.processes import GIVES_WAY, Process, start
from impasto.training.checkpoints import load_state
from tests.studio.conftest import TINY_RUN, wait_for

STOPS = ("stopping", "stopped")  # how long the first lasts nobody promises
ENDLESS = {"pictures": "shapes", "preset": "mlp", "size": 16, "images": 10**12, "settings": TINY_RUN}


def images_on_disk(workspace, job):
    path = workspace / "runs" / job["id"] / "state.safetensors"
    return load_state(path)[1]["images_seen"] if path.exists() else 0


def events_of(text):
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines())
        for block in text.strip().split("\n\n")
        if not block.startswith(":")  # a sign of life on a busy machine
    ]
    return [(block["event"], json.loads(block["data"]), block.get("id", "")) for block in blocks]


@pytest.mark.slow
def test_a_training_outlives_kill_nine_and_is_found_again(serve, workspace):
    server = serve(workspace)
    answer = server.http.post("/api/v1/jobs", json={**ENDLESS, "name": "Discs"})
    assert answer.status_code == 201, answer.text
    job = answer.json()
    here = answer.headers["location"]
    assert server.http.post("/api/v1/jobs", json=ENDLESS).status_code == 409  # one at a time
    wait_for(lambda: server.http.get(here).json()["images_per_second"])
    server.end(signal.SIGKILL)
    before = images_on_disk(workspace, job)

    server = serve(workspace)
    found = server.http.get("/api/v1/jobs").json()
    assert [(one["id"], one["name"], one["state"]) for one in found] == [(job["id"], "Discs", "running")]
    wait_for(lambda: images_on_disk(workspace, job) > before)  # it went on all the while
    assert server.http.post(f"{here}/resume").status_code == 409
    assert server.http.post(f"{here}/stop").json()["state"] in STOPS
    again = server.http.post(f"{here}/stop").status_code  # no harm: it saves all the same
    assert again in (202, 409)  # where it has ended meanwhile
    wait_for(lambda: server.http.get(here).json()["state"] == "stopped")
    saved = images_on_disk(workspace, job)
    assert server.http.get(here).json()["images_seen"] == saved

    # What a run does after a resume begins where it stopped; SIGTERM lets it save, too.
    assert server.http.post(f"{here}/resume").json()["state"] == "running"
    wait_for(lambda: server.http.get(here).json()["images_per_second"])
    code, log = server.end(signal.SIGTERM)
    assert (code, "Traceback" in log) == (0, False), log
    told = (workspace / "runs" / job["id"] / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in told]
    starts = [event["images_seen"] for event in events if event["event"] == "started"]
    ends = [event["images_seen"] for event in events if event["event"] == "stopped"]
    assert starts == [0, saved]
    assert ends == [saved, images_on_disk(workspace, job)]


@pytest.mark.slow
def test_kill_nine_of_all_costs_what_came_after_the_last_checkpoint(serve, workspace):
    server = serve(workspace)
    job = server.http.post("/api/v1/jobs", json=ENDLESS).json()
    here, folder = f"/api/v1/jobs/{job['id']}", workspace / "runs" / job["id"]
    wait_for(lambda: images_on_disk(workspace, job))
    os.kill(json.loads((folder / "process.json").read_text())["pid"], signal.SIGKILL)
    server.end(signal.SIGKILL)
    saved = images_on_disk(workspace, job)

    server = serve(workspace)
    (found,) = server.http.get("/api/v1/jobs").json()
    assert (found["id"], found["state"], found["resumable"]) == (job["id"], "lost", True)
    assert server.http.post(f"{here}/resume").json()["state"] == "running"
    wait_for(lambda: images_on_disk(workspace, job) > saved)
    assert server.end(signal.SIGTERM)[0] == 0
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["images_seen"] for event in events if event["event"] == "started"] == [0, saved]


def test_a_training_from_first_to_last(client, workspace):
    asked = {**ENDLESS, "images": 400, "settings": {**TINY_RUN, "train.snapshot_every_images": 100}}
    job = client.post("/api/v1/jobs", json=asked).json()
    here = f"/api/v1/jobs/{job['id']}"
    assert client.get(f"{here}/samples").status_code == 404
    told = events_of(client.get(f"{here}/events").text)  # followed until it ends
    names = [name for name, _, _ in told]
    assert names[0] == "state"
    assert {"started", "snapshot", "evaluated", "checkpointed", "stopped"} <= set(names)
    assert told[-1][1]["state"] == "finished"
    assert client.get(f"{here}/samples").headers["content-type"] == "image/png"
    assert client.get(here).json()["words"] == "400 images were asked for"
    made = client.post("/api/v1/generate", json={"model": job["model"], "seeds": [1]})
    assert made.headers["content-type"] == "image/png"
    # A client that lost its connection gets only what it does not have.
    ids = [id_ for _, _, id_ in told if id_]
    again = client.get(f"{here}/events?follow=false", headers={"last-event-id": ids[-3]}).text
    assert [id_ for _, _, id_ in events_of(again) if id_] == ids[-2:]


def test_a_training_that_is_stopped_before_it_begins(client):
    here = f"/api/v1/jobs/{client.post('/api/v1/jobs', json=ENDLESS).json()['id']}"
    assert client.post(f"{here}/stop").json()["state"] in STOPS
    wait_for(lambda: client.get(here).json()["state"] == "stopped")
    assert client.get(here).json()["resumable"]


def test_a_job_that_was_killed_is_lost_and_can_be_resumed(workspace):
    folder = workspace / "runs" / "x"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(
        json.dumps({"name": "x", "pictures": "shapes", "created": 1, "preset": "mlp", "size": 16})
    )
    (folder / "process.json").write_text(json.dumps({"pid": 1, "began": "another boot 1", "unix_time": 5}))
    (folder / "events.jsonl").write_text(
        '{"event": "progress", "images_seen": 8, "unix_time": 6}\n{"event": "prog'
    )
    (job,) = Jobs(workspace, Catalogue([workspace])).all()
    assert (job.state, job.images_seen, job.resumable) == ("lost", 8, True)


@pytest.mark.parametrize(
    ("log", "state", "words"),
    [
        ("impasto: the disk is full\n         buy another\n", "failed", "the disk is full"),
        ("Traceback ...\n  File\nOSError: no memory\n", "failed", "OSError: no memory"),
        ("images 8  images/s 9\n", "lost", "it ended without a word: killed, or a power cut"),
    ],
)  # fmt: skip
def test_why_a_training_ended_is_told(workspace, log, state, words):
    folder = workspace / "runs" / "x"
    folder.mkdir(parents=True)
    about = {"name": "x", "pictures": "shapes", "created": 1, "preset": "mlp", "size": 16}
    (folder / "job.json").write_text(json.dumps(about))
    before = "impasto: of an earlier start\n"
    (folder / "process.json").write_text(json.dumps({"pid": 1, "began": "", "log_from": len(before)}))
    (folder / "job.log").write_text(before + log)
    (job,) = Jobs(workspace, Catalogue([workspace])).all()
    assert (job.state, job.words) == (state, words)


def test_another_process_of_the_same_number_is_not_ours(tmp_path):
    waiting = start(["train", "pictures", "--out", str(tmp_path)], tmp_path / "log")
    process = waiting.process
    assert process.runs
    assert process.trains(tmp_path)
    assert not process.trains(tmp_path / "another")
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, ours + GIVES_WAY)
    stranger = Process(process.pid, process.began + "0")
    assert not stranger.runs
    assert not stranger.ask_to_stop()
    waiting.give_up()
    wait_for(lambda: not process.runs)


def test_a_journal_that_is_rewritten_begins_anew(tmp_path):
    from impasto.files import write_bytes_atomically

    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    assert journal.new() == (False, [])
    path.write_text('{"event": "a"}\n{"event": "b"}\n{"event": ')
    anew, lines = journal.new()
    assert (anew, [line.record["event"] for line in lines]) == (True, ["a", "b"])
    with path.open("a") as file:
        file.write('"c"}\n')
    anew, (line,) = journal.new()
    assert (anew, line.record["event"], line.number) == (False, "c", 3)
    write_bytes_atomically(path, b'{"event": "a"}\n{"event": "d"}\n')
    anew, lines = journal.new()
    assert (anew, [line.record["event"] for line in lines]) == (True, ["a", "d"])
    assert Journal(path, lines[0].id).new()[1][0].record["event"] == "d"


@pytest.mark.parametrize("path", ["", "/stop", "/resume", "/events", "/samples"])
def test_no_such_job(client, path):
    ask = client.get if path in ("", "/events", "/samples") else client.post
    for id_ in ("nothing", "..", "%2e%2e", "x" * 500):
        assert ask(f"/api/v1/jobs/{id_}{path}").status_code in (404, 405)
