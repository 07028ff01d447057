"""The queue refuses honestly, and those who leave free their places."""

import gc
import threading
import weakref

import pytest

from impasto.studio.problems import Refused
from impasto.studio.queue import Left, Queue
from tests.studio.conftest import wait_for


def run(queue, work):
    return queue.enter(work).future.result(200)


@pytest.fixture
def gate():
    opened = threading.Event()
    yield opened
    opened.set()


def test_past_its_bound_it_says_when_to_come_again(gate):
    queue = Queue(workers=1, waiting=2)
    places = [queue.enter(lambda check: gate.wait(200)) for _ in range(3)]
    with pytest.raises(Refused) as refused:
        queue.enter(lambda check: None)
    assert refused.value.status == 429
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 600
    gate.set()
    assert [place.future.result(200) for place in places] == [True] * 3
    assert run(queue, lambda check: "again") == "again"


def test_who_leaves_frees_a_place_and_what_it_held(gate):
    class Pictures:
        pass

    queue, held = Queue(workers=1, waiting=1), Pictures()
    queue.enter(lambda check: gate.wait(200))
    wait_for(lambda: queue.load["running"])
    waits = queue.enter(lambda check, held=held: None)
    seen = weakref.ref(held)
    with pytest.raises(Refused):
        queue.enter(lambda check: None)
    waits.leave()
    del held
    gc.collect()
    assert seen() is None
    assert queue.load["waiting"] == 0
    queue.enter(lambda check: None)


def test_work_that_nobody_waits_for_ends(gate):
    queue, ended = Queue(workers=1, waiting=4), threading.Event()

    def work(check):
        try:
            while True:
                gate.wait(0.01)
                queue.check_cancelled()
        except Left:
            ended.set()
            raise

    place = queue.enter(work)
    wait_for(lambda: queue.load["running"])
    place.leave()
    assert ended.wait(200)
    assert run(queue, lambda check: 1) == 1


def test_work_has_a_time_limit():
    def endless(check):
        while True:
            check()

    with pytest.raises(Left, match=r"longer than 0\.05 s") as left:
        run(Queue(workers=1, waiting=0, seconds=0.05), endless)
    assert left.value.status == 503


def test_a_closed_queue_finishes_what_it_has(gate):
    queue = Queue(workers=1, waiting=4)
    place = queue.enter(lambda check: gate.wait(200))
    last = queue.enter(lambda check: "done")
    queue.close()
    with pytest.raises(Refused):
        queue.enter(lambda check: None)
    gate.set()
    assert (place.future.result(200), last.future.result(200)) == (True, "done")


def test_what_goes_wrong_is_told_to_whom_it_concerns():
    queue = Queue(workers=1, waiting=1)
    with pytest.raises(ZeroDivisionError):
        run(queue, lambda check: 1 / 0)
    assert run(queue, lambda check: 2) == 2


def test_nobody_waits_for_all_that_another_asked_for(gate):
    queue, done = Queue(workers=1, waiting=10, waiting_of_one=6), []
    queue.enter(lambda check: gate.wait(30), "many")
    wait_for(lambda: queue.load["running"])
    places = [queue.enter(lambda check, i=i: done.append(i), "many") for i in range(6)]
    with pytest.raises(Refused, match="6 pieces of work of yours") as refused:
        queue.enter(lambda check: None, "many")
    assert refused.value.status == 429
    places += [queue.enter(lambda check, who=who: done.append(who), who) for who in ("one", "two", "two")]
    gate.set()
    for place in places:
        place.future.result(30)
    assert done[:4] == ["one", "two", 0, "two"]
    assert [one for one in done if isinstance(one, int)] == list(range(6))


def test_after_each_piece_of_work_something_may_be_done():
    calls = []
    queue = Queue(workers=1, waiting=1, after=lambda: calls.append(1))
    run(queue, lambda check: 1)
    wait_for(lambda: calls)
