"""Work on a Ray cluster of two workers on this machine: done once, whole, whoever dies at it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.cluster import workers
from impasto.errors import InputError, MissingDependencyError
from tests.pictures import painting

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'impasto[ray]'")


def distribute(tasks, open_, **more):
    return workers.distribute(tasks, open_, lambda task, why: f"{task}: {why}", workers=2, **more)


def test_tasks_come_back_in_order_and_what_fails_costs_itself():
    def open_():
        me = os.getpid()

        def work(task):
            if task == 7:
                raise ValueError("seven is right out")
            if task == 11:
                os._exit(1)  # as a crash in a library, or the system short of memory
            return task, me

        return work

    seen = []
    made = distribute(list(range(30)), open_, watch=lambda done, lost: seen.append((done, lost)))
    assert made[7] == "7: seven is right out"
    assert made[11] == "11: 3 workers have died at it"
    rest = [result for place, result in enumerate(made) if place not in (7, 11)]
    assert [task for task, _ in rest] == [n for n in range(30) if n not in (7, 11)]
    assert len({process for _, process in rest}) >= 2
    assert seen[-1] == (30, 3)


def test_workers_that_cannot_begin():
    def open_():
        os._exit(1)

    with pytest.raises(workers.ClusterError, match="before any had done anything"):
        distribute([1, 2, 3], open_)


def test_an_address_where_nobody_is():
    with pytest.raises(InputError, match=r"there is no cluster at '127\.0\.0\.1:1'"):
        distribute([1], lambda: str, address="127.0.0.1:1")


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match="--ray needs the package ray"):
        distribute([1], lambda: str)


def impasto(*words):
    command = [sys.executable, "-m", "impasto", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def workers_of_this_machine():
    """Processes that hold an actor, by what Ray calls them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if re.match(rb"ray::Worker", path.read_bytes()):
                found.append(int(path.parent.name))
        except OSError:
            continue  # gone
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_worker_is_killed_midway_and_a_picture_is_poisoned(tmp_path, tiny):
    for number in range(60):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(painting(96, 96, seed=number)).save(tmp_path / "in" / f"{number:02}.png")
    (tmp_path / "in" / "poison.png").write_bytes(b"no picture")
    words = ["upscale", tmp_path / "in", "--out", tmp_path / "out", "--model", tiny, "--engine", "torch"]
    with impasto(*words, "--ray", "local") as run:
        deadline = time.monotonic() + 240
        while len(list((tmp_path / "out").glob("*.png"))) < 5:
            assert run.poll() is None, run.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(workers_of_this_machine()[0], signal.SIGKILL)
        _, said = run.communicate(timeout=300)
    assert run.returncode == 2  # of the poisoned one
    assert "a worker was lost" in said
    assert "60 pictures in" in said
    assert "1 picture could not be enlarged" in said
    assert sorted(p.name for p in (tmp_path / "out").glob("[!.]*")) == [f"{n:02}.png" for n in range(60)]
    for path in (tmp_path / "out").glob("[!.]*"):
        with Image.open(path) as picture:
            picture.load()  # whole
            assert picture.size == (384, 384)
    (tmp_path / "out" / "07.png").unlink()
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("[!.]*")}
    with impasto(*words, "--ray", "local", "--skip-existing") as run:
        _, said = run.communicate(timeout=300)
    assert "1 picture in" in said
    assert "59 were there already" in said
    assert {p: p.stat().st_mtime_ns for p in written} == written


def test_generated_pictures_are_those_of_one_machine(tmp_path):
    words = ["generate", "fashion-32", "--count", 40, "--truncation", "0.7"]
    for out, more in (("alone", []), ("cluster", ["--ray", "local"]), ("cluster", ["--ray", "local"])):
        with impasto(*words, "--out", tmp_path / out, *more) as run:
            told, said = run.communicate(timeout=300)
        assert run.returncode == 0, said
    assert "0 pictures" in told
    assert "40 were there already" in told
    for number in range(40):
        one, other = (tmp_path / out / f"{number:04}" for out in ("alone", "cluster"))
        assert one.with_suffix(".json").read_text() == other.with_suffix(".json").read_text()
        with Image.open(one.with_suffix(".png")) as a, Image.open(other.with_suffix(".png")) as b:
            assert np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1
