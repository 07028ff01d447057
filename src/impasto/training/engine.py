"""The loop: batches -> steps -> events, with snapshots, evaluations, checkpoints, and a clean end."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from impasto.adaptive_threads import AdaptiveThreads, Change, watch
from impasto.config.reading import override
from impasto.config.shared import Config, OptimizerConfig
from impasto.errors import TrainingError
from impasto.training import state as states
from impasto.training.checkpoints import ModelInfo, licence_after, save_model, shipped_models
from impasto.training.distributed import ranks
from impasto.training.game import StepStats, mean_of_all
from impasto.training.health.monitor import HealthMonitor
from impasto.training.history import save_history
from impasto.training.logging import events
from impasto.training.ranking import better
from impasto.training.signals import Interruption
from impasto.training.state import STATE_FILE, TrainingState
from impasto.training.stopping import Progressed, Reason, reason_to_stop, share_done, update_balance
from impasto.training.task import Learner

PROGRESS_EVERY_SECONDS = 1.0
FIRST_CHECKPOINT_SECONDS = 5.0  # whatever happens early, little is lost


@dataclass
class Engine:
    """One run in progress. `fit` runs it to its end; everything it did is in `out` and in the events."""

    config: Config
    state: TrainingState
    fabric: Fabric
    learner: Learner
    out: Path
    data: dict[str, Any]  # what model.json says about the pictures
    sinks: Sequence[events.Sink] = ()
    interrupted: Interruption = field(default_factory=Interruption)
    threads: AdaptiveThreads = field(
        default_factory=lambda: AdaptiveThreads(torch.get_num_threads(), adapt=False)
    )

    def __post_init__(self) -> None:
        self.threads.on_change = self._threads_changed
        watch(self.state.average, self.threads)
        self.ends = False  # whether it was interrupted, as the first process knows it
        self.monitor = HealthMonitor(
            self.config,
            self.state,
            self.out / STATE_FILE,
            self.data["fingerprint"],
            self._checkpoint,
            self._emit,
        )

    def fit(self) -> Reason:
        """Train until a stop condition holds. Saves in every case; raises `TrainingError` on divergence.

        Of several processes each runs this in step with the others. Where one is lost all raise
        `RankLostError`, and nothing is saved: a step may be half done. The last checkpoint stays.
        """
        try:
            with self.threads.restored():
                return self._fit()
        except ranks.RankLostError as lost:
            self._emit(events.Stopped(self.state.images_seen, "lost", lost.message, self.state.seconds))
            raise

    def _fit(self) -> Reason:
        cfg, state = self.config.train, self.state
        meter = Meter()
        self.monitor.begin()  # from its first second a run can be resumed, and has somewhere to go back to
        shown_at = clock = time.monotonic()
        save_at = clock + min(FIRST_CHECKPOINT_SECONDS, cfg.checkpoint_every_seconds)
        self.ends = ranks.broadcast(self.interrupted.is_set())
        while (reason := self._reason()) is None:
            before = state.images_seen
            with self.threads.unit("step"):
                stats = self._step()
            measure = due(before, state.images_seen, cfg.evaluate_every_images)
            trouble = self.monitor.after_step(stats, before, look=measure)
            if state.running_stats.finite:
                meter.add(stats)
            if trouble is None and due(before, state.images_seen, cfg.snapshot_every_images):
                self._snapshot()
            if trouble is None and measure:
                self._evaluate()
                trouble = self.monitor.diagnose()

            now = time.monotonic()
            # By one clock, and one process's signals, or they would part.
            decided = now - clock, now >= save_at, self.interrupted.is_set()
            passed, saves, self.ends = ranks.broadcast(decided)
            state.seconds += passed
            clock = now
            if trouble is not None:
                if (reason := self.monitor.act_on(trouble)) is not None:
                    break
            elif measure:
                self.monitor.keep()
            if meter.steps and now - shown_at >= PROGRESS_EVERY_SECONDS:
                self._report(meter, now - shown_at)
                shown_at = now
            if saves:
                self._checkpoint()
                save_at = now + cfg.checkpoint_every_seconds
        return self._finish(reason)

    def _step(self) -> StepStats:
        config, state = self.monitor.treated, self.state
        self._set_rates()
        size, rounds = config.train.batch_size, config.train.discriminator_steps
        stats = mean_of_all(self.learner.step(state, config, self._next_batch))
        state.images_seen += size * rounds
        state.steps += 1
        if ranks.is_first_rank():
            states.update_average(state, config.ema, size * rounds)
        accuracies = (float(stats.real_accuracy), float(stats.fake_accuracy))
        state.balance = update_balance(
            state.balance, config.stop, accuracies, size * rounds, state.images_seen
        )
        return stats

    def _next_batch(self) -> Tensor:
        return self.learner.tensor(self.state.batches.next(), self.fabric.device)

    def _set_rates(self) -> None:
        cfg, state = self.monitor.treated.optimizer, self.state
        seen = state.images_seen + self.config.train.batch_size
        share = rate_share(cfg, seen, share_done(self.config.stop, self._progressed()))
        for optimizer, lr in (
            (state.generator_optimizer, cfg.generator_lr),
            (state.discriminator_optimizer, cfg.discriminator_lr),
        ):
            for group in optimizer.param_groups:
                group["lr"] = lr * share

    def _reason(self) -> Reason | None:
        if self.ends:
            return Reason("interrupted", "interrupted; everything is saved, --resume goes on")
        return reason_to_stop(
            self.config.stop, self._progressed(), self.state.evaluations, self.state.balance
        )

    def _progressed(self) -> Progressed:
        state = self.state
        return Progressed(state.images_seen, state.seconds, self.data["train_pictures"])

    def _report(self, meter: "Meter", seconds: float) -> None:
        share = share_done(self.config.stop, self._progressed())
        eta = self.state.seconds * (1 - share) / share if share else None
        images = meter.steps * self.config.train.batch_size * self.config.train.discriminator_steps
        speed = images / seconds
        self._emit(
            events.Progress(self.state.images_seen, **meter.take(), images_per_second=speed, eta_seconds=eta)
        )

    def _snapshot(self) -> None:
        if not ranks.is_first_rank():
            return
        path = self.learner.show(self.state, self.out / "samples")
        self._emit(events.Snapshot(self.state.images_seen, str(path.relative_to(self.out))))

    def _evaluate(self, *, extra: bool = False) -> None:
        state = self.state
        if state.evaluations and state.evaluations[-1]["images_seen"] == state.images_seen:
            return  # measured already: a run that ends where it evaluated, or was resumed there
        found = self.learner.measure(state) if ranks.is_first_rank() else None
        record = ranks.broadcast(found.record() if found else {})
        best = better(record, state.best)
        measured = {"images_seen": state.images_seen, "repairs": len(state.repairs), **record}
        state.evaluations.append(measured | ({"extra": True} if extra else {}))
        if found is None:
            return
        if best:
            self._save_model("best")
        self._emit(found.event(state.images_seen, best))

    def _save_model(self, name: str) -> None:
        state = self.state
        measured = [e for e in state.evaluations if e["images_seen"] == state.images_seen]
        figures = measured[0].get("figures", {}) if measured else {}
        config, begun = self.config, self.config.train.begin_with
        if begun not in shipped_models():
            # Where the run it began with lies is of this machine alone, and the model goes to others.
            config = override(config, {"train.begin_with": None})
        config = override(config, {"data.themes": Path(config.data.themes).name})  # likewise of a table
        info = ModelInfo(config, state.images_seen, self.data, figures, licence=licence_after(begun))
        save_model(self.out / name, self.learner.kept(state).state_dict(), info)

    def _checkpoint(self) -> None:
        if not ranks.is_first_rank() or not states.is_finite(self.state):
            return  # the checkpoint before it stays; the next step's losses will tell
        with self.interrupted.held():  # nobody's impatience costs what was learnt
            states.save(self.state, self.out / STATE_FILE, self.config, self.data["fingerprint"])
            self._save_model("last")
        self._emit(events.Checkpointed(self.state.images_seen, STATE_FILE))

    def _finish(self, reason: Reason) -> Reason:
        """A run that is over is saved, then measured and shown; an interrupted one is only saved."""
        if reason.condition == "diverged" or not states.is_finite(self.state):
            raise self._diverged()
        self._checkpoint()
        if reason.condition != "interrupted":
            self._snapshot()
            self._evaluate(extra=True)
            self._checkpoint()  # with what was measured
        if reason.condition != "interrupted" and ranks.is_first_rank():
            channels, seen = self.config.image.channels, self.state.images_seen
            save_history(self.out / "samples", self.out / "history.webp", channels, seen)
        self._emit(events.Stopped(self.state.images_seen, reason.condition, reason.words, self.state.seconds))
        return reason

    def _diverged(self) -> TrainingError:
        """The state in memory is worthless and is not saved: the checkpoint before it stays."""
        seen, seconds = self.state.images_seen, self.state.seconds
        words = "the losses or the weights are no longer finite numbers"
        self._emit(events.Stopped(seen, "diverged", words, seconds))
        hint = (
            "the last checkpoint and the best model are untouched; lower optimizer.generator_lr and "
            "optimizer.discriminator_lr, or raise loss.r1_weight"
        )
        return TrainingError(f"training diverged after {seen:,} images: {words}", hint)

    def _threads_changed(self, change: Change) -> None:
        self.state.threads = change.after
        self._emit(events.ThreadsChanged(self.state.images_seen, change.before, change.after, change.reason))

    def _emit(self, event: events.Event) -> None:
        for sink in self.sinks:
            sink(event)


class Meter:
    """Means of step statistics between two reports."""

    def __init__(self) -> None:
        self.steps = 0
        self._sums: dict[str, float] = {}

    def add(self, stats: StepStats) -> None:
        """Count one step."""
        self.steps += 1
        for name, value in stats.__dict__.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)

    def take(self) -> dict[str, float]:
        """The means by the names of `StepStats`, and start anew."""
        means = {name: total / self.steps for name, total in self._sums.items()}
        self.steps, self._sums = 0, {}
        return means


def rate_share(cfg: OptimizerConfig, images_seen: int, done: float | None) -> float:
    """What part of the learning rates holds: they rise, stay, and may fall, as `OptimizerConfig` says.

    `done` is how much of the run is over, in [0, 1]; None without a known end.
    """
    share = min(1.0, images_seen / cfg.warmup_images) if cfg.warmup_images else 1.0
    if cfg.decay_from_images:
        share *= min(1.0, cfg.decay_from_images / images_seen) ** 0.5
    if cfg.cooldown and done is not None:
        share *= min(1.0, (1 - done) / cfg.cooldown)
    return share


def due(before: int, after: int, every: int) -> bool:
    """Whether something that happens every `every` images falls into (before, after].

    After twenty times the intervals grow by a twentieth of what was seen: what is worth showing every
    minute on a laptop would otherwise be thousands of pictures a day on a GPU.
    """

    def times(seen: int) -> int:
        share = seen / (20 * every)
        return math.floor(20 * share if share <= 1 else 20 + 20 * math.log(share))

    return times(before) != times(after)
