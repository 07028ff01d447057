"""What workers of a cluster do, with a stand-in for Ray whose only worker is this process."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from impasto.cluster import work
from impasto.tasks.generation.sampling.model import load


class Here:
    """What Ray makes of a class: `Here(cls).remote()` is a worker, `worker.do.remote(task)` a promise."""

    def __init__(self, cls):
        self.cls = cls

    def remote(self, *arguments):
        made = self.cls(*arguments)
        return SimpleNamespace(do=SimpleNamespace(remote=lambda task: (id(task), made.do(task))))


@pytest.fixture
def ray(monkeypatch):
    """Promises are (a number, the result)."""
    found, exceptions = ModuleType("ray"), ModuleType("ray.exceptions")
    exceptions.RayError = type("RayError", (Exception,), {})
    exceptions.RayTaskError = type("RayTaskError", (exceptions.RayError,), {})
    found.exceptions = exceptions
    found.init = lambda **_: None
    found.shutdown = lambda: None
    found.kill = lambda worker: None
    found.cluster_resources = lambda: {"CPU": 1}
    found.remote = lambda **_: Here
    found.wait = lambda promises, num_returns: (promises[-1:], promises[:-1])  # the newest is done first
    found.get = lambda promise: promise[1]
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # this process is not the worker's own
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setitem(sys.modules, "ray.exceptions", exceptions)
    return found


def test_pictures_are_counted_and_not_tasks(ray, tmp_path):
    seen = []
    model, name, team = load("fashion-32"), "{}.png".format, work.Team("local")
    watch = lambda *told: seen.append(told)  # noqa: E731
    assert work.generate_all(model, range(20), tmp_path, name, team, watch=watch) == (0, [])
    assert len(list(tmp_path.glob("*.png"))) == 20
    assert seen == [(4, 0), (20, 0)]  # of a task of 16 and one of 4, which is done first
