"""Threads and waiting: the fastest of what was tried is what is advised, and only when it matters."""

import pytest
import torch

from impasto.training import threads
from impasto.training.threads import Setting, advise

ONE, SPINNING, ASLEEP = Setting(1, False), Setting(2, False), Setting(2, True)


def test_nothing_to_say_when_the_present_is_best_or_nearly():
    assert advise({ONE: 50, SPINNING: 90, ASLEEP: 78}, SPINNING) == ""
    assert advise({ONE: 95, SPINNING: 90, ASLEEP: 78}, SPINNING) == ""
    assert advise({ONE: 50}, ONE) == ""
    assert advise({ONE: 50, SPINNING: 90}, Setting(4, False)) == ""  # what was not tried cannot be judged


def test_a_busy_machine_is_told_to_let_threads_sleep():
    words = advise({ONE: 30, SPINNING: 15, ASLEEP: 45}, SPINNING)
    assert words.startswith("OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE in front of the command is 3.0 x")
    assert "other programs" in words


def test_one_thread_and_a_policy_that_is_no_longer_needed_are_advised():
    assert advise({ONE: 40, SPINNING: 20, ASLEEP: 30}, SPINNING).startswith("OMP_NUM_THREADS=1 in front")
    passive = {Setting(1, True): 50, SPINNING: 90, ASLEEP: 75}
    assert advise(passive, ASLEEP) == "without OMP_WAIT_POLICY=PASSIVE 1.2 x as fast now"
    assert "other programs" not in advise({ONE: 50, SPINNING: 90}, ONE)


def test_every_way_is_tried_and_torch_keeps_its_threads(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr(threads, "PATIENCE_SECONDS", 250.0)  # a busy machine imports for a minute
    before = torch.get_num_threads()
    speeds = threads.compare(seconds=0.05)
    assert torch.get_num_threads() == before
    assert set(speeds) == {ONE, SPINNING, ASLEEP}  # the last one from a process of its own
    assert min(speeds.values()) > 0


def test_without_another_process_the_rest_is_compared(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.setattr(threads.sys, "executable", "/nowhere/python")
    assert len(threads.compare(seconds=0.01)) == 2


@pytest.mark.parametrize(("policy", "passive"), [("passive", True), ("ACTIVE", False), ("", False)])
def test_the_present_setting(monkeypatch, policy, passive):
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    assert threads.present() == Setting(torch.get_num_threads(), passive)
