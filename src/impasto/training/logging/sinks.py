"""Where events go: the terminal, a JSON-lines file, TensorBoard."""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from impasto.files import write_bytes_atomically
from impasto.training.health import report
from impasto.training.logging.events import (
    Checkpointed,
    Compared,
    Evaluated,
    Event,
    Measured,
    Part,
    Progress,
    Recovered,
    Repaired,
    Sink,
    SinkFailed,
    Snapshot,
    Started,
    Stopped,
    ThreadsChanged,
    TrackerFailed,
    Verdict,
    to_record,
)


class Sinks:
    """Several sinks as one that never fails: who cannot take an event is named once to the others.

    A sink that failed is told the next event all the same: a disk that was full may have room again.
    """

    def __init__(self, sinks: Sequence[Sink] = ()) -> None:
        self._sinks = list(sinks)
        self._own: list[Any] = []
        self._failed: set[int] = set()

    def add(self, sink: Sink) -> None:
        """Tell this one, too, from now on, and close it in the end."""
        self._sinks.append(sink)
        self._own.append(sink)

    def __call__(self, event: Event) -> None:
        """Tell all of them."""
        for sink in self._sinks:
            try:
                sink(event)
            except Exception as error:
                self._note(sink, error, event.images_seen)

    def close(self) -> None:
        """Close those that were added, the newest first."""
        for sink in reversed(self._own):
            try:
                sink.close()
            except Exception as error:
                self._note(sink, error, 0)

    def _note(self, sink: Sink, error: Exception, images_seen: int) -> None:
        if id(sink) in self._failed:
            return
        self._failed.add(id(sink))
        words = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        name = getattr(sink, "name", None) or getattr(sink, "__name__", type(sink).__name__)
        self(SinkFailed(images_seen, str(name), words))


class LastingStream:
    """A stream that can be written to when nobody is at its other end any more, as after `| head`.

    Give it to a Console: rich ends the process where a pipe is broken.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or do nothing where that is no longer possible."""
        return self._try(lambda: self._stream.write(text), len(text))

    def flush(self) -> None:
        """Flush, likewise."""
        self._try(lambda: self._stream.flush() or 0, 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, act: Callable[[], int], otherwise: int) -> int:
        try:
            return act()
        except OSError:  # a broken pipe, a terminal that was closed, a full disk
            with suppress(OSError, ValueError):
                # What is still in the stream's buffer goes nowhere, now and when the interpreter ends.
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
            return otherwise


class TerminalSink:
    """A live table on a terminal, plain lines anywhere else. Use as a context manager."""

    def __init__(self, console: Console, plain_every_seconds: float = 10.0) -> None:
        self.console = console
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.plain_every_seconds = plain_every_seconds
        self._last_plain = 0.0
        self._evaluated: Evaluated | None = None
        self._compared: Compared | None = None
        self._measured: Measured | None = None
        self._enlarges = False
        self._part: Part | None = None

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Started():
                self._enlarges = event.task == "upscaling"
                went = "goes on" if event.resumed else "starts"
                self._line(f"Preset {event.preset} ({event.preset_reason}).")
                self._line(
                    f"Training {went} on {event.device} in {event.precision} ({event.reason}), "
                    f"{event.threads} thread{'s'[: event.threads != 1]}: {event.train_pictures:,} pictures, "
                    f"{event.holdout_pictures} held out; G {event.generator_parameters / 1e6:.1f} M and D "
                    f"{event.discriminator_parameters / 1e6:.1f} M parameters. Stops {event.stops_when}. "
                    "Ctrl-C saves and stops."
                )
                for note in (event.memory, *event.notes):
                    if note:
                        self._line(note)
            case Part():
                self._part = event
                self._line(f"Part {event.number} of {event.of}: {event.words}.")
            case Progress():
                self._progress(event)
            case Evaluated():
                self._evaluated = event
                self._line(
                    f"{event.images_seen:>9,} images  hold-out KID-lite0 {event.distance:.4f}, "
                    f"colours {event.colour_distance or 0:.4f}{'  (best so far)' if event.best else ''}"
                )
            case Compared():
                self._compared = event
                self._line(
                    f"{event.images_seen:>9,} images  held-out PSNR-Y {event.psnr:.2f} dB (bicubic "
                    f"{event.bicubic_psnr:.2f}), distance in features {event.feature_distance:.4f} (bicubic "
                    f"{event.bicubic_feature_distance:.4f}){'  (best so far)' if event.best else ''}"
                )
            case Measured():
                self._measured = event
                self._line(
                    f"{event.images_seen:>9,} images  {event.words}{'  (best so far)' if event.best else ''}"
                )
            case Verdict() | Recovered() | Repaired():
                self._line(f"{event.images_seen:>9,} images  {report.in_words(to_record(event))}")
            case Stopped():
                self._line(f"Stopped at {event.images_seen:,} images: {event.words}.")
            case TrackerFailed():
                self._line(f"The tracker '{event.tracker}' fails, the training goes on: {event.words}")
            case ThreadsChanged():
                self._line(f"{event.images_seen:>9,} images  {event.words}")
            case SinkFailed():
                self._line(f"{event.sink} fails, the training goes on: {event.words}")
            case Snapshot() | Checkpointed():
                pass

    def _line(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def _progress(self, event: Progress) -> None:
        if self.live:
            self.live.update(self._table(event), refresh=True)
        elif event.unix_time - self._last_plain >= self.plain_every_seconds:
            self._last_plain = event.unix_time
            self._line("  ".join(f"{name} {value}" for name, value in self._cells(event).items()))

    def _cells(self, event: Progress) -> dict[str, str]:
        part = {"part": f"{self._part.number} of {self._part.of}"} if self._part else {}
        how_far = {
            **part,
            "images": f"{event.images_seen:,}",
            "images/s": f"{event.images_per_second:.1f}",
            "left": _duration(event.eta_seconds),
        }
        if self._enlarges:
            plays = {"D loss": f"{event.discriminator_loss:.3f}", "G loss": f"{event.generator_loss:.3f}"}
            psnr = f"{self._compared.psnr:.2f} dB" if self._compared else "-"
            unlike = {"unlikeness": f"{event.reconstruction:.4f}"}
            return {**how_far, **unlike, **(plays if event.discriminator_loss else {}), "PSNR-Y": psnr}
        measured = self._measured or self._evaluated
        distance = f"{measured.distance:.4f}" if measured else "-"
        return {
            **how_far,
            "D loss": f"{event.discriminator_loss:.3f}",
            "G loss": f"{event.generator_loss:.3f}",
            "D right on real": f"{event.real_accuracy:.0%}",
            "on generated": f"{event.fake_accuracy:.0%}",
            self._measured.name if self._measured else "KID-lite0": distance,
        }

    def _table(self, event: Progress) -> Table:
        table = Table(box=None)
        cells = self._cells(event)
        for name in cells:
            table.add_column(name, justify="right")
        table.add_row(*cells.values())
        return table


class JsonlSink:
    """One line of JSON for each event. On resuming, what lies after the checkpoint is dropped first.

    After a repair the images seen count from where it went back to; what was before it stays in the file.
    """

    name = "events.jsonl"

    def __init__(self, path: Path, images_seen: int, repairs: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            kept = _until(path.read_bytes().splitlines(), images_seen, repairs)
            write_bytes_atomically(path, b"".join(line + b"\n" for line in kept))
        self._file = path.open("ab")

    def __call__(self, event: Event) -> None:
        """Append one event; it is on disk for any reader at once."""
        self._file.write(json.dumps(to_record(event)).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoardSink:
    """Scalars against images seen."""

    name = "TensorBoard"

    def __init__(self, folder: Path, images_seen: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        # purge_step hides what a killed run wrote beyond the checkpoint that this one goes on from.
        self._writer: Any = SummaryWriter(str(folder), purge_step=images_seen or None)

    def __call__(self, event: Event) -> None:
        """Write the numbers of one event."""
        if isinstance(event, Progress | Evaluated | Compared):
            for name, value in event.__dict__.items():
                if isinstance(value, float) and name not in ("unix_time", "eta_seconds"):
                    self._writer.add_scalar(name, value, event.images_seen)
        if isinstance(event, Measured):
            for name, value in {"distance": event.distance, **event.figures}.items():
                self._writer.add_scalar(name, value, event.images_seen)
        if isinstance(event, Verdict | Recovered | Repaired):
            self._writer.add_text("health", report.in_words(to_record(event)), event.images_seen)

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()


def _until(lines: list[bytes], images_seen: int, repairs: int) -> list[bytes]:
    """The lines written before the checkpoint at `images_seen`, which had `repairs` repairs behind it."""
    kept, repaired = [], 0
    for line in lines:
        try:
            record = json.loads(line)
            seen = int(record["images_seen"])
        except (ValueError, KeyError, TypeError):  # the half line of a killed process
            continue
        repaired += record.get("event") == "repaired"
        if repaired < repairs or (repaired == repairs and seen <= images_seen):
            kept.append(line)
    return kept


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
