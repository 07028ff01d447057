"""What a stranger may have written into a workspace: nothing of it is believed, and nobody else suffers."""

import errno
import json
import os
from pathlib import Path

import pytest

from impasto.errors import InputError
from impasto.studio import processes, records
from impasto.studio.catalogue import Catalogue
from impasto.studio.jobs import Jobs
from impasto.studio.journal import Journal
from impasto.studio.problems import Refused
from impasto.studio.settings import Settings
from impasto.studio.studio import open_studio
from impasto.studio.untrusted import Unusable, read_bytes, read_tail
from tests.studio.hostile import ABOUT, BESIDE, DAMAGED, DEEP, POISON, run

FOLDERS = ["--set", "data.themes=folders"]


@pytest.fixture
def started(monkeypatch):
    """The command lines that would have been started."""
    commands = []

    class Waiting:
        process = processes.Process(2**22 + 1, "never")

        def go(self):
            pass

        def give_up(self):
            commands.append("given up")

    def start(arguments, log):
        commands.append(list(arguments))
        return Waiting()

    monkeypatch.setattr(processes, "start", start)
    return commands


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_no_record_of_a_job_is_believed(client, workspace, started, poison):
    folder = run(workspace, about=ABOUT | poison)
    answer = client.post("/api/v1/jobs/x/resume")
    pictures = str(workspace.resolve() / "shapes")
    if answer.status_code == 202:  # what was wrong in it is not used at all
        assert started == [["train", pictures, "--out", str(folder.resolve()), "--resume", *FOLDERS]]
    else:
        assert answer.status_code in (404, 409), answer.text
        assert started == []


def test_what_was_asked_is_asked_again(client, workspace, started):
    asked = {
        "pictures": "shapes", "preset": "mlp", "size": 16, "minutes": 3, "dedupe": True,
        "settings": {"train.batch_size": 8},
    }  # fmt: skip
    job = client.post("/api/v1/jobs", json=asked).json()
    again = client.post(f"/api/v1/jobs/{job['id']}/resume")
    assert again.status_code == 202, again.text
    first, second = started
    assert first == second
    assert first[first.index("--resume") + 1 :] == [
        *FOLDERS, "--preset", "mlp", "--size", "16", "--set", "train.batch_size=8", "--minutes", "3.0",
        "--dedupe",
    ]  # fmt: skip
    assert client.post(f"/api/v1/jobs/{job['id']}/resume", json={"images": 7}).status_code == 202
    assert ("3.0" in started[2], started[2][-3:]) == (False, ["--images", "7", "--dedupe"])


def test_a_shape_is_asked_for_as_people_write_it(client, started):
    answer = client.post("/api/v1/jobs", json={"pictures": "shapes", "size": "384x256", "minutes": 3})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["size"], answer.json()["width"], answer.json()["part"]) == (256, 384, None)
    assert started[0][started[0].index("--size") + 1] == "384x256"
    for size in ("384 x 256", "384x256 --device cuda", "384x2560x1", "wide", 2048):
        assert client.post("/api/v1/jobs", json={"pictures": "shapes", "size": size}).status_code == 422
    for size in ("300x200", 65):
        refused = client.post("/api/v1/jobs", json={"pictures": "shapes", "size": size})
        assert refused.status_code == 422
        assert "multiple" in refused.text
    inspected = client.get("/api/v1/datasets/shapes?size=384x256").json()
    assert (inspected["shape"], inspected["size"]) == ("1:1", "64")
    assert len(started) == 1


def test_a_damaged_run_concerns_no_other(client, workspace):
    run(workspace, "good")
    for i, about in enumerate(DAMAGED.values()):
        run(workspace, f"damaged{i}", about)
    for i, files in enumerate(BESIDE.values()):
        run(workspace, f"beside{i}", **files)
    os.mkfifo(run(workspace, "pipe", saved=False) / "events.jsonl")
    (run(workspace, "pipe2") / "job.json").unlink()
    os.mkfifo(workspace / "runs" / "pipe2" / "job.json")
    answer = client.get("/api/v1/jobs")
    assert answer.status_code == 200, answer.text
    found = {job["id"]: job for job in answer.json()}
    assert found["good"]["state"] == "lost"
    for i, kind in enumerate(DAMAGED):
        job = found[f"damaged{i}"]
        assert (job["state"], job["resumable"], "job.json" in job["words"]) == ("failed", False, True), kind
        assert client.post(f"/api/v1/jobs/damaged{i}/resume").status_code == 409
    assert all(found[f"beside{i}"]["state"] in ("lost", "failed") for i in range(len(BESIDE)))
    assert found["pipe2"]["state"] == "failed"
    for name in found:
        assert client.get(f"/api/v1/jobs/{name}/events?follow=false").status_code == 200


def test_only_a_training_is_told_to_stop(client, workspace):
    """A record may name any process, this server among them."""
    ours = processes.Process(os.getpid(), processes._start_time(os.getpid()))
    assert ours.runs
    run(workspace, process_json={"pid": ours.pid, "began": ours.began})
    assert client.post("/api/v1/jobs/x/stop").status_code == 409
    assert client.get("/api/v1/jobs/x").json()["state"] == "lost"


def test_no_link_of_a_run_is_followed(client, workspace, tmp_path, started):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"event": "progress", "images_seen": 1, "secret": "told"}) + "\n")
    (tmp_path / "job.json").write_text(json.dumps(ABOUT))
    run(workspace, "other")
    (workspace / "runs" / "link").symlink_to(tmp_path)
    for i, name in enumerate(("events.jsonl", "job.log", "samples", "samples/0000000064.png")):
        folder = run(workspace, f"x{i}")
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(tmp_path if name == "samples" else secret)
        here = f"/api/v1/jobs/{folder.name}"
        assert "told" not in client.get(f"{here}/events?follow=false").text
        assert client.get(f"{here}/samples").status_code == 404
        answer = client.post(f"{here}/resume")
        assert (answer.status_code, "holds a link" in answer.json()["detail"]) == (409, True)
    assert "link" not in {job["id"] for job in client.get("/api/v1/jobs").json()}
    assert client.get("/api/v1/jobs/link").status_code == 404
    assert started == []


def test_pictures_are_not_read_through_links_that_lead_out(client, workspace, tmp_path, started):
    (tmp_path / "private").mkdir()
    (workspace / "shapes" / "here").symlink_to(workspace / "shapes" / "discs")
    assert client.get("/api/v1/datasets/shapes").status_code == 200
    (workspace / "shapes" / "out").symlink_to(tmp_path / "private")
    for answer in (
        client.get("/api/v1/datasets/shapes"), client.post("/api/v1/jobs", json={"pictures": "shapes"}),
    ):  # fmt: skip
        assert (answer.status_code, "'out' is a link" in answer.json()["detail"]) == (409, True)
    assert started == []


def test_a_name_that_is_no_text_hides_nothing_else(client, workspace):
    for parent in (workspace, workspace / "shapes"):
        folder = Path(os.fsdecode(os.fsencode(parent) + b"/\xff"))
        folder.mkdir()
        (folder / "a.png").write_bytes((workspace / "shapes" / "discs").glob("*.png").__next__().read_bytes())
    assert client.get("/api/v1/models").status_code == 200
    assert "shapes" in {one["name"] for one in client.get("/api/v1/datasets").json()}


@pytest.mark.parametrize("text", [DEEP, '{"config": {"preset": 1}}', "x" * 5_000_000, '{"config": 1e999}'])
def test_a_strange_description_of_a_model_is_none(client, workspace, text):
    (workspace / "tiny" / "model.json").write_text(text)
    found = client.get("/api/v1/models")
    assert (found.status_code, "tiny" in {m["name"] for m in found.json()}) == (200, False)


@pytest.mark.parametrize("text", [DEEP, '{"name": 1}', '{"name": "x", "pictures": "many", "created": 1}'])
def test_a_strange_description_of_an_upload_is_none(client, workspace, text):
    folder = workspace / "datasets" / "0123456789ab"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(text)
    (workspace / "datasets" / "ba9876543210").symlink_to(workspace / "shapes")
    found = client.get("/api/v1/datasets")
    assert (found.status_code, [one for one in found.json() if one["id"]]) == (200, [])
    for name in ("0123456789ab", "ba9876543210", "..", "shapes"):
        assert client.delete(f"/api/v1/datasets/{name}").status_code in (404, 405)
    assert (workspace / "shapes").is_dir()


@pytest.mark.parametrize("name", ["job.json", "process.json"])
def test_a_full_disk_leaves_nothing_running_and_nothing_behind(client, workspace, started, monkeypatch, name):
    write = records.write_bytes_atomically

    def full(path, data, **options):
        if path.name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data, **options)

    monkeypatch.setattr(records, "write_bytes_atomically", full)
    answer = client.post("/api/v1/jobs", json={"pictures": "shapes", "preset": "mlp", "size": 16})
    assert (answer.status_code, answer.json()["detail"]) == (507, "the disk is full")
    assert started[1:] == (["given up"] if name == "process.json" else [])
    assert list((workspace / "runs").glob("*")) == []
    assert client.get("/api/v1/jobs").json() == []


def test_a_process_that_is_not_on_record_does_nothing(tmp_path, workspace):
    """What is started waits; where the studio is gone, or the record failed, it ends."""
    from tests.studio.conftest import wait_for

    waiting = processes.start(
        ["train", str(workspace / "shapes"), "--out", str(tmp_path / "out")], tmp_path / "log"
    )
    assert waiting._child.stdin is not None
    waiting._child.stdin.close()  # as when the studio is killed
    wait_for(lambda: not waiting.process.runs)
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "log").read_text() == ""


def test_a_clock_that_is_set_back_changes_no_end(client, workspace, started):
    ended = {
        "event": "stopped",
        "images_seen": 9,
        "unix_time": 50,
        "condition": "images",
        "words": "done",
        "seconds": 1,
    }
    folder = run(workspace, process_json={"pid": 1, "began": "x", "unix_time": 1e12})
    (folder / "events.jsonl").write_text(json.dumps(ended) + "\n")
    assert client.get("/api/v1/jobs/x").json()["state"] == "finished"
    client.post("/api/v1/jobs/x/resume")  # what was before does not count for the next start
    assert client.get("/api/v1/jobs/x").json()["state"] == "lost"
    with (folder / "events.jsonl").open("a") as file:
        file.write(json.dumps(ended | {"unix_time": 20}) + "\n")
    assert client.get("/api/v1/jobs/x").json()["state"] == "finished"


def test_one_studio_holds_a_workspace(client, workspace):
    incoming = workspace / "datasets" / ".incoming-abc"
    incoming.mkdir(parents=True)
    with pytest.raises(InputError, match="another studio works in"):
        open_studio(Settings((workspace,)))
    assert incoming.is_dir()
    client.app.state.studio.close()
    open_studio(Settings((workspace,))).close()


def test_private_files_are_for_nobody_else_and_go_with_the_server(workspace):
    studio = open_studio(Settings((workspace,)))
    assert studio.private.is_relative_to(workspace.resolve())
    assert studio.private.stat().st_mode & 0o077 == 0
    (studio.private / "left").mkdir()
    studio.held._lock.release()  # as when it is killed
    again = open_studio(Settings((workspace,)))
    assert list(again.private.glob("l*t")) == []
    again.close()


def test_no_link_stands_for_a_folder_of_the_studio(workspace, tmp_path):
    for name in ("runs", "datasets", ".impasto-studio"):
        (workspace / name).symlink_to(tmp_path)
        with pytest.raises(InputError, match=r"is a link|was not made by"):
            open_studio(Settings((workspace,)))
        (workspace / name).unlink()
    assert not (tmp_path / "lock").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_workspace_that_cannot_be_written_to_is_refused(workspace):
    workspace.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written to"):
            open_studio(Settings((workspace,)))
    finally:
        workspace.chmod(0o700)


def test_a_workspace_on_a_read_only_disk_is_refused(workspace, monkeypatch):
    def mkdir(self, *args, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(InputError, match="cannot be written to: Read-only"):
        open_studio(Settings((workspace,)))


def test_files_are_read_up_to_a_bound(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    assert read_bytes(path, 100) == b"x" * 100
    with pytest.raises(Unusable, match="larger"):
        read_bytes(path, 99)
    assert read_tail(path, 10) == b"x" * 10
    assert read_tail(path, 10, start=95) == b"x" * 5
    assert read_tail(tmp_path / "none", 10) == b""
    with pytest.raises(Unusable, match="regular"):
        read_bytes(tmp_path, 9)


def test_a_long_journal_is_given_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.studio.journal.MOST_BYTES", 100)
    path = tmp_path / "events.jsonl"
    lines = [json.dumps({"event": "a", "images_seen": i}) + "\n" for i in range(20)]
    path.write_text("".join(lines[:10]) + "x" * 350 + "\n" + "".join(lines[10:]))
    journal, found = Journal(path), []
    while True:
        found += journal.new()[1]
        if not journal.behind:
            break
    assert [line.record["images_seen"] for line in found] == list(range(20))
    after, rest = Journal(path, found[12].id), []
    while True:
        rest += after.new()[1]
        if not after.behind:
            break
    assert [line.record["images_seen"] for line in rest] == list(range(13, 20))


def test_no_place_of_this_computer_is_told(client, workspace):
    (workspace / "none").mkdir()
    answer = client.get("/api/v1/datasets/none")
    assert (answer.status_code, "no pictures in 'none'" in answer.json()["detail"]) == (422, True)
    run(
        workspace, **{"job.log": f"impasto: the run in '{workspace}/runs/x' and /root/.cache/impasto/a.bin\n"}
    )
    words = client.get("/api/v1/jobs/x").json()["words"]
    assert words == "the run in 'runs/x' and a.bin"


def test_jobs_can_be_listed_without_a_studio(workspace):
    with pytest.raises(Refused):
        Jobs(workspace, Catalogue([workspace])).get("x")
