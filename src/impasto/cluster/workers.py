"""The same work on a Ray cluster: a worker for each group of cores or GPU. One that dies costs nothing."""

import os
import secrets
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from impasto.errors import ImpastoError, InputError, MissingDependencyError
from impasto.telemetry import without_telemetry

T = TypeVar("T")
R = TypeVar("R")

LOCAL = "local"  # in place of an address: a cluster of this machine alone, for as long as the work takes
IN_FLIGHT = 2  # tasks with each worker: the next lies there when one is done
ATTEMPTS = 3  # at a task under which workers die, before it is given up


class ClusterError(ImpastoError):
    """Workers that die before any of them has done anything."""


class Worker(Generic[T, R]):
    """What runs in a process of the cluster: opened once, then a task after the other."""

    def __init__(self, open_: Callable[[], Callable[[T], R]]) -> None:
        self.work = open_()

    def do(self, task: T) -> R:
        """One task."""
        return self.work(task)


class Queue(Generic[T, R]):
    """Tasks on their way through workers: which of them wait, who has the others, what came of them.

    `failed` and `size` are those of `distribute`.
    """

    def __init__(self, tasks: Sequence[T], failed: Callable[[T, str], R], size: Callable[[T], int]) -> None:
        self.tasks, self.failed, self.size = tasks, failed, size
        self.results: dict[int, R] = {}
        self.done = 0  # by `size`
        self.flight: dict[Any, tuple[int, int]] = {}  # promise -> worker and task, in the order of asking
        self._waiting = deque(range(len(tasks)))
        self._attempts = [0] * len(tasks)

    def hand_out(self, team: Mapping[int, Any]) -> None:
        """Give every worker as many tasks as it should have."""
        for number, worker in team.items():
            while self._waiting and sum(n == number for n, _ in self.flight.values()) < IN_FLIGHT:
                index = self._waiting.popleft()
                self.flight[worker.do.remote(self.tasks[index])] = number, index

    def finish(self, promise: Any, result: R) -> None:
        """A task is done."""
        self._put(self.flight.pop(promise)[1], result)

    def fail(self, promise: Any, why: str) -> None:
        """A task raised; its worker lives."""
        index = self.flight.pop(promise)[1]
        self._put(index, self.failed(self.tasks[index], why))

    def take_back(self, promise: Any) -> int:
        """A worker died: its tasks wait again, but one under which too many have died. Returns its number."""
        number, _ = self.flight[promise]
        theirs = [(other, index) for other, (n, index) in self.flight.items() if n == number]
        self._attempts[theirs[0][1]] += 1  # the one that it was at; the others only lay there
        for other, index in reversed(theirs):
            del self.flight[other]
            if self._attempts[index] < ATTEMPTS:
                self._waiting.appendleft(index)
            else:
                self._put(index, self.failed(self.tasks[index], f"{ATTEMPTS} workers have died at it"))
        return number

    def _put(self, index: int, result: R) -> None:
        self.results[index] = result
        self.done += self.size(self.tasks[index])


def distribute(
    tasks: Sequence[T],
    open_: Callable[[], Callable[[T], R]],
    failed: Callable[[T, str], R],
    *,
    address: str = LOCAL,
    cores: int = 1,
    gpus: float = 0,
    workers: int | None = None,
    size: Callable[[T], int] = lambda task: 1,
    watch: Callable[[int, int], None] = lambda done, lost: None,
) -> list[R]:
    """What `open_()(task)` returns for each task, in their order.

    The tasks of a worker that dies go to others, and a new one takes its place.

    Args:
        tasks: The tasks; they and their results must be picklable.
        open_: Is called once in each worker, and must be picklable.
        failed: Gives the result of a task that raised, or under which three workers have died, by the task
            and why.
        address: Address of the cluster, or `LOCAL` for one of this machine alone.
        cores: CPU cores of a worker.
        gpus: GPUs of a worker. 0: none, and as many workers as there are cores for.
        workers: Most workers. None: as many as the cluster has room for.
        size: How much a task counts for `watch`.
        watch: Is told how much is done, by `size`, and how many workers were lost.

    Raises:
        MissingDependencyError: Ray is not installed.
        InputError: There is no cluster at the address, or it has no room for a worker.
        ClusterError: Workers die and none gets anything done.
    """
    if not tasks:
        return []
    with _cluster(address) as ray:
        count = min(_room(ray.cluster_resources(), cores, gpus), len(tasks), workers or len(tasks))
        remote = ray.remote(num_cpus=cores, num_gpus=gpus)(Worker)
        team = {number: remote.remote(open_) for number in range(count)}
        queue, lost, useful = Queue(tasks, failed, size), 0, False
        while len(queue.results) < len(tasks):
            queue.hand_out(team)
            (promise,), _ = ray.wait(list(queue.flight), num_returns=1)
            try:
                queue.finish(promise, ray.get(promise))
                useful = True
            except ray.exceptions.RayTaskError as error:
                queue.fail(promise, str(error.cause))
                useful = True
            except ray.exceptions.RayError:  # the worker, its machine or its memory is gone
                lost += 1
                if not useful and lost >= ATTEMPTS * count:
                    raise ClusterError(
                        f"{lost} workers have died before any had done anything",
                        "each machine of the cluster needs impasto, the model and the pictures' folder",
                    ) from None
                team[queue.take_back(promise)] = remote.remote(open_)
            watch(queue.done, lost)
        for worker in team.values():
            ray.kill(worker)
    return [queue.results[index] for index in range(len(tasks))]


def _room(there: Mapping[str, float], cores: int, gpus: float) -> int:
    """For how many workers a cluster has room. Raises `InputError` where for none."""
    room = there.get("GPU", 0) // gpus if gpus else there.get("CPU", 1) // cores
    if room < 1:
        raise InputError(
            "the cluster has no room for a single worker",
            f"it needs {cores} cores{f' and {gpus:g} GPUs' if gpus else ''}",
        )
    return int(room)


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables, inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    try:
        with without_telemetry():
            import ray
            import ray.exceptions
    except ImportError:
        raise MissingDependencyError("--ray needs the package ray", "pip install 'impasto[ray]'") from None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        # Its own address is named, or Ray finds it out by way of the internet; its password is given, or Ray
        # keeps one in the home folder.
        options |= {"include_dashboard": False, "address": "local", "_node_ip_address": "127.0.0.1"}
        given = {"RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32)}
    else:
        options |= {"address": address}
        given = {}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _knock(address)
        with _set(given):
            ray.init(**options)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray puts its own in its place
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        words = str(error).splitlines()[0]
        raise InputError(
            f"there is no cluster at '{address}': {words}",
            "`ray start --head` begins one; --ray local needs none",
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raises `OSError` where an address HOST:PORT does not answer: Ray would wait for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()
