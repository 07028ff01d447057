"""The number of threads follows the measured time of work, on a machine whose speed the tests decide."""

import pytest
import torch

from impasto.adaptive_threads import (
    BUSY,
    FREE,
    NO_GAIN,
    AdaptiveThreads,
    Change,
    counts_to_try,
    probe_speeds,
    watch,
)


class Machine:
    """Two cores and a clock. With a busy core, two threads take twenty times as long, and one no longer."""

    def __init__(self, cores=2):
        self.now, self.busy, self.threads, self.cores, self.probes = 0.0, 0, cores, cores, 0
        self.work = 1.0
        self.lies = False  # whether the probe finds what the work does not
        self.changes: list[Change] = []

    def speed(self, threads):
        free = self.cores - self.busy
        return threads if threads <= free else threads / 20

    def probe(self, counts):
        self.probes += 1
        self.now += 0.1 * len(counts)
        return {count: 1.0 / count if self.lies else self.speed(count) for count in counts}

    def adaptive(self, **settings):
        return AdaptiveThreads(
            self.cores,
            probe=self.probe,
            clock=lambda: self.now,
            use=lambda count: setattr(self, "threads", count),
            on_change=self.changes.append,
            **settings,
        )

    def run(self, threads, units, kind="step"):
        for _ in range(units):
            with threads.unit(kind):
                self.now += self.work / self.speed(self.threads)


def test_a_quiet_machine_is_probed_once_and_keeps_its_threads():
    machine = Machine()
    threads = machine.adaptive()
    threads.begin()
    machine.run(threads, 1000)
    assert (threads.count, machine.probes, machine.changes) == (2, 1, [])


def test_threads_are_given_up_after_one_slow_unit_and_taken_again_when_the_cores_are_free():
    machine = Machine()
    threads = machine.adaptive()
    threads.begin()
    machine.run(threads, 30)
    machine.busy = 1
    machine.run(threads, 1)
    assert machine.changes == [Change(2, 1, BUSY)]
    machine.run(threads, 200)
    assert threads.count == 1
    machine.busy = 0
    machine.run(threads, 200)
    assert threads.count == 2
    assert machine.changes[1:] == [Change(1, 2, FREE)]


def test_a_machine_that_is_busy_from_the_start_is_seen_before_the_first_unit():
    machine = Machine()
    machine.busy = 1
    threads = machine.adaptive()
    threads.begin()
    assert machine.changes == [Change(2, 1, BUSY)]


def test_of_many_cores_only_those_that_are_busy_are_given_up():
    assert counts_to_try(2) == [1, 2]
    assert counts_to_try(16) == [1, 2, 4, 8, 15, 16]
    machine = Machine(cores=16)
    machine.busy = 1
    threads = machine.adaptive()
    threads.begin()
    assert threads.count == 15


def test_work_that_grows_is_no_busy_machine():
    machine = Machine()
    threads = machine.adaptive()
    threads.begin()
    machine.run(threads, 30)
    machine.work = 4.0  # the generator has grown
    machine.run(threads, 100)
    assert machine.changes == []
    assert machine.probes == 2


def test_a_change_that_makes_the_work_slower_is_taken_back():
    machine = Machine()
    threads = machine.adaptive()
    threads.begin()
    machine.run(threads, 30)
    machine.lies, machine.work = True, 1.6  # slow for another reason, and the probe errs
    machine.run(threads, 5)
    assert machine.changes == [Change(2, 1, BUSY), Change(1, 2, NO_GAIN)]


def test_probes_grow_rare_while_the_cores_stay_busy():
    machine = Machine()
    machine.busy = 1
    threads = machine.adaptive()
    threads.begin()
    machine.run(threads, 2000)
    assert machine.probes < 20


def test_a_fixed_count_is_never_probed():
    machine = Machine()
    machine.busy = 1
    threads = machine.adaptive(adapt=False)
    threads.begin()
    machine.run(threads, 50)
    assert (threads.count, machine.probes) == (2, 0)


def test_a_single_picture_is_not_worth_a_probe():
    machine = Machine()
    machine.work = 0.05
    threads = machine.adaptive()
    machine.run(threads, 8)
    assert machine.probes == 0
    machine.run(threads, 100)
    assert machine.probes == 1


def test_forward_passes_are_units_and_the_caller_keeps_its_threads():
    machine = Machine()
    machine.busy = 1
    threads = machine.adaptive()
    threads.begin()
    network = torch.nn.Linear(3, 2)
    kinds = []
    watch(network, threads)
    threads._learn = lambda kind, seconds: kinds.append(kind)  # type: ignore[method-assign]
    before = torch.get_num_threads()
    network(torch.zeros(5, 3))
    assert [shape for _, shape in kinds] == [(5, 3)]
    assert torch.get_num_threads() == before
    with pytest.raises(RuntimeError):
        network(torch.zeros(5, 4))
    network(torch.zeros(6, 3))
    assert [shape for _, shape in kinds][-1] == (6, 3)


def test_a_watched_network_can_be_exported():
    """Sizes are symbols then: `impasto export` failed where OMP_NUM_THREADS was not set."""
    threads = Machine().adaptive()
    threads.begin()
    network = torch.nn.Linear(3, 2).eval()
    watch(network, threads)
    rows = torch.export.Dim("rows", min=1, max=64)
    program = torch.export.export(network, (torch.zeros(5, 3),), dynamic_shapes=((rows, None),))
    assert program.module()(torch.zeros(7, 3)).shape == (7, 2)
    assert network(torch.zeros(4, 3)).shape == (4, 2)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_probe_measures_each_count_and_torch_keeps_its_threads(mode):
    """Also where pictures are made: `generate` ended there when a neighbour came."""
    before = torch.get_num_threads()
    with mode():
        speeds = probe_speeds([1, 2], seconds=0.01)
    assert set(speeds) == {1, 2}
    assert min(speeds.values()) > 0
    assert torch.get_num_threads() == before
