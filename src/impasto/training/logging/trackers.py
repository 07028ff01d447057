"""Experiment trackers as sinks of a run's events: MLflow and Weights & Biases.

Addresses and credentials are those tools' own environment variables (MLFLOW_TRACKING_URI, WANDB_MODE ...).
A tracker may be at the other end of a network: it is told in a thread of its own, and whatever goes wrong
there is said once and never stops a training.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from impasto.errors import InputError, MissingDependencyError
from impasto.files import write_bytes_atomically
from impasto.telemetry import without_telemetry
from impasto.training.health import report
from impasto.training.logging.events import (
    Compared,
    Evaluated,
    Event,
    Measured,
    Progress,
    Recovered,
    Repaired,
    Sink,
    Snapshot,
    Started,
    Stopped,
    TrackerFailed,
    Verdict,
    to_record,
)

TRACKERS = ("mlflow", "wandb")
REMEMBERED = "trackers.json"  # in the run's folder: under which number each tracker knows it
MOST_WAITING = 1_000  # events; a tracker that is further behind loses the newest
CLOSING_SECONDS = 60.0
_MOST_PARAMETERS = 100  # MLflow takes so many at once, of so many characters
_MOST_CHARACTERS = 500


class Tracker(Protocol):
    """What one of these tools can be told. Any call may raise anything."""

    number: str  # by which the tool finds the run again

    def numbers(self, values: Mapping[str, float], images_seen: int) -> None:
        """Scalars at a place of the run."""

    def words(self, name: str, text: str) -> None:
        """The newest of what can be said under a name."""

    def picture(self, path: Path, images_seen: int) -> None:
        """A grid of samples."""

    def close(self, *, failed: bool) -> None:
        """The run has ended."""


class TrackerSink:
    """Events to a tracker, in order, by a thread of its own, which starts at once.

    Args:
        name: Name of the tracker, for the thread and for messages.
        tracker: The tracker, already open.
        out: The run's folder, below which the pictures of snapshots lie.
        tell: Is told, once, that the tracker failed.
    """

    def __init__(self, name: str, tracker: Tracker, out: Path, tell: Sink) -> None:
        self.name, self.tracker, self.out, self.tell = name, tracker, out, tell
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(MOST_WAITING)
        self._trouble: str | None = None
        self._told = self._failed = False
        self._images_seen = 0
        self._thread = threading.Thread(target=self._work, name=f"tracker-{name}", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Hand one event on; returns at once."""
        self._images_seen = event.images_seen
        if isinstance(event, Stopped):
            self._failed = event.condition in ("unhealthy", "diverged")
        if not isinstance(event, TrackerFailed):
            try:
                self._waiting.put_nowait(lambda: self._hand_on(event))
            except queue.Full:
                self._trouble = self._trouble or "it is too slow and misses events"
            self._tell_once()

    def close(self) -> None:
        """Wait for what is under way, at most a minute; what is not through then is lost."""
        until = time.monotonic() + CLOSING_SECONDS
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSING_SECONDS)
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            self._trouble = self._trouble or "it does not answer"
        self._tell_once()

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            self._try(job)
        self._try(lambda: self.tracker.close(failed=self._failed))

    def _try(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:  # the tools and what is under them raise every kind there is
            self._trouble = self._trouble or _first_line(error)

    def _hand_on(self, event: Event) -> None:
        seen = event.images_seen
        match event:
            case Progress() | Evaluated() | Compared():
                values = {
                    name: value
                    for name, value in event.__dict__.items()
                    if isinstance(value, float) and name not in ("unix_time", "eta_seconds")
                }
                self.tracker.numbers(values, seen)
            case Measured():
                self.tracker.numbers({"distance": event.distance, **event.figures}, seen)
            case Verdict() | Recovered() | Repaired():
                self.tracker.words("health", report.in_words(to_record(event)))
            case Started():
                self.tracker.words("device", f"{event.device}, {event.precision}")
            case Stopped():
                self.tracker.words("stopped", event.words)
            case Snapshot():
                self.tracker.picture(self.out / event.path, seen)

    def _tell_once(self) -> None:
        if self._trouble is not None and not self._told:
            self._told = True
            self.tell(TrackerFailed(self._images_seen, self.name, self._trouble))


class Mlflow:
    """A run of MLflow, in the store that MLFLOW_TRACKING_URI names."""

    def __init__(self, title: str, number: str | None, config: Mapping[str, Any]) -> None:
        with without_telemetry():
            client: Any = importlib.import_module("mlflow").MlflowClient()
        self.client = client
        if number is not None:
            with contextlib.suppress(Exception):  # another store than last time: it becomes a new run there
                client.update_run(number, status="RUNNING")
                self.number = number
                return
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", "impasto")
        found = client.get_experiment_by_name(experiment)
        where = found.experiment_id if found else client.create_experiment(experiment)
        self.number = client.create_run(where, run_name=title).info.run_id
        parameter = importlib.import_module("mlflow.entities").Param
        flat = [parameter(key, str(value)[:_MOST_CHARACTERS]) for key, value in _flat(config)]
        for start in range(0, len(flat), _MOST_PARAMETERS):
            client.log_batch(self.number, params=flat[start : start + _MOST_PARAMETERS])

    def numbers(self, values: Mapping[str, float], images_seen: int) -> None:
        """See `Tracker`."""
        for name, value in values.items():
            self.client.log_metric(self.number, name, value, step=images_seen)

    def words(self, name: str, text: str) -> None:
        """See `Tracker`."""
        self.client.set_tag(self.number, f"impasto.{name}", text)

    def picture(self, path: Path, images_seen: int) -> None:
        """See `Tracker`."""
        self.client.log_artifact(self.number, str(path), "samples")

    def close(self, *, failed: bool) -> None:
        """See `Tracker`."""
        self.client.set_terminated(self.number, "FAILED" if failed else "FINISHED")


class Wandb:
    """A run of Weights & Biases; WANDB_MODE=offline keeps it in the run's folder.

    Args:
        title: Name of the run, unless WANDB_NAME gives one.
        number: Id of the run to go on with. None: a new run.
        config: Settings of the run, ready for JSON.
        out: The run's folder. The tool's files go there unless WANDB_DIR names another.
    """

    def __init__(self, title: str, number: str | None, config: Mapping[str, Any], out: Path) -> None:
        with without_telemetry():
            wandb: Any = importlib.import_module("wandb")
        self.wandb = wandb
        self.run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "impasto"),
            name=os.environ.get("WANDB_NAME", title),
            dir=os.environ.get("WANDB_DIR", str(out)),
            id=number,
            resume="allow" if number else None,
            config=dict(config),
            # Our terminal stays ours, and of the computer no more is told than the run.
            settings=wandb.Settings(
                console="off",
                silent=True,
                disable_git=True,
                save_code=False,
                x_disable_stats=True,
                x_disable_machine_info=True,
            ),
        )
        self.number = self.run.id
        # A repair goes back in images seen, which the tool's own count of steps cannot.
        self.run.define_metric("*", step_metric="images_seen")

    def numbers(self, values: Mapping[str, float], images_seen: int) -> None:
        """See `Tracker`."""
        self.run.log({"images_seen": images_seen, **values})

    def words(self, name: str, text: str) -> None:
        """See `Tracker`."""
        self.run.summary[name] = text

    def picture(self, path: Path, images_seen: int) -> None:
        """See `Tracker`."""
        self.run.log({"images_seen": images_seen, "samples": self.wandb.Image(str(path))})

    def close(self, *, failed: bool) -> None:
        """See `Tracker`."""
        self.run.finish(exit_code=1 if failed else 0)


def check_trackers(names: Sequence[str]) -> None:
    """Raise `InputError` for an unknown name, `MissingDependencyError` where its package is missing."""
    for name in names:
        if name not in TRACKERS:
            raise InputError(f"there is no tracker '{name}'", f"one of: {', '.join(TRACKERS)}")
        if importlib.util.find_spec(name) is None:
            raise MissingDependencyError(
                f"the tracker '{name}' is not installed", f"pip install 'impasto[{name}]'"
            )


def open_trackers(
    names: Sequence[str], out: Path, config: Mapping[str, Any], tell: Sink
) -> Iterator[TrackerSink]:
    """A sink for each tracker. A run that goes on, goes on in the tracker too.

    Args:
        names: Names of trackers, of `TRACKERS`. One that is named twice is opened once.
        out: The run's folder. It remembers under which number each tracker knows the run.
        config: Settings of the run, ready for JSON.
        tell: Is told when a tracker fails later.

    Raises:
        InputError: A tracker cannot be used, for example because it cannot be reached.
    """
    remembered = out / REMEMBERED
    known: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        known = dict(json.loads(remembered.read_text(encoding="utf-8")))
    title = out.resolve().name
    for name in dict.fromkeys(names):
        number = known.get(name)
        try:
            tracker: Tracker = (
                Mlflow(title, number, config) if name == "mlflow" else Wandb(title, number, config, out)
            )
        except Exception as error:
            advice = {
                "mlflow": "MLFLOW_TRACKING_URI says where, e.g. sqlite:///mlflow.db",
                "wandb": "`wandb login` first, or WANDB_MODE=offline",
            }
            raise InputError(f"'{name}' cannot be used: {_first_line(error)}", advice[name]) from None
        known[name] = tracker.number
        write_bytes_atomically(remembered, json.dumps(known).encode())
        yield TrackerSink(name, tracker, out, tell)


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
