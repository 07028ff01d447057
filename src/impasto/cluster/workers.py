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


def spread(
    tasks: Sequence[T],
    open_: Callable[[], Callable[[T], R]],
    failed: Callable[[T, str], R],
    *,
    address: str = LOCAL,
    cores: int = 1,
    gpus: float = 0,
    workers: int | None = None,
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
        watch: Is told how many tasks are done and how many workers were lost.

    Raises:
        MissingDependencyError: Ray is not installed.
        InputError: There is no cluster at the address, or it has no room for a worker.
        ClusterError: Workers die and none gets anything done.
    """
    if not tasks:
        return []
    results: dict[int, R] = {}
    queue: deque[int] = deque(range(len(tasks)))
    attempts = [0] * len(tasks)
    flight: dict[Any, tuple[int, int]] = {}  # a promise -> the worker and the task, in the order of asking
    lost, useful = 0, False
    with _cluster(address) as ray:
        there = ray.cluster_resources()
        room = there.get("GPU", 0) // gpus if gpus else there.get("CPU", 1) // cores
        if room < 1:
            raise InputError(
                "the cluster has no room for a single worker",
                f"it needs {cores} cores{f' and {gpus:g} GPUs' if gpus else ''}",
            )
        remote = ray.remote(num_cpus=cores, num_gpus=gpus)(Worker)
        count = min(int(room), len(tasks), workers or len(tasks))
        team = {number: remote.remote(open_) for number in range(count)}
        while queue or flight:
            for number, worker in team.items():
                while queue and sum(n == number for n, _ in flight.values()) < IN_FLIGHT:
                    index = queue.popleft()
                    flight[worker.do.remote(tasks[index])] = number, index
            (promise,), _ = ray.wait(list(flight), num_returns=1)
            number, index = flight[promise]
            try:
                results[index] = ray.get(promise)
                useful = True
                del flight[promise]
            except ray.exceptions.RayTaskError as error:
                results[index] = failed(tasks[index], str(error.cause))
                useful = True  # the worker at least lives
                del flight[promise]
            except ray.exceptions.RayError:  # the worker, its machine or its memory is gone
                lost += 1
                if not useful and lost >= ATTEMPTS * count:
                    raise ClusterError(
                        f"{lost} workers have died before any had done anything",
                        "each machine of the cluster needs impasto, the model and the pictures' folder",
                    ) from None
                theirs = [(p, i) for p, (n, i) in flight.items() if n == number]
                for other, _ in theirs:
                    del flight[other]
                attempts[theirs[0][1]] += 1  # the one that it was at; the others only lay there
                for _, other in reversed(theirs):
                    if attempts[other] < ATTEMPTS:
                        queue.appendleft(other)
                    else:
                        results[other] = failed(tasks[other], f"{ATTEMPTS} workers have died at it")
                team[number] = remote.remote(open_)
            watch(len(results), lost)
        for worker in team.values():
            ray.kill(worker)
    return [results[index] for index in range(len(tasks))]


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
