"""The loop: batches -> steps -> events, with snapshots, evaluations, checkpoints, and a clean end."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor

from impasto.adaptive_threads import AdaptiveThreads, Change, watch
from impasto.config.shared import Config
from impasto.errors import TrainingError
from impasto.training import state as states
from impasto.training.clock import Clock
from impasto.training.distributed import ranks
from impasto.training.game import StepStats, mean_of_all
from impasto.training.health.monitor import HealthMonitor
from impasto.training.logging import events
from impasto.training.meter import Meter
from impasto.training.ranking import better
from impasto.training.run_folder import RunFolder
from impasto.training.schedule import due, rate_share, set_rates
from impasto.training.signals import Interruption
from impasto.training.state import STATE_FILE, TrainingState
from impasto.training.stopping import Progressed, Reason, reason_to_stop, share_done, update_balance
from impasto.training.task import Learner


@dataclass
class Engine:
    """One run in progress. `fit` runs it to its end; everything it did is in `out` and in the events."""

    config: Config
    state: TrainingState
    fabric: Fabric
    learner: Learner
    out: Path
    data: dict[str, Any]  # what model.json says about the pictures
    tell: events.Sink
    interrupted: Interruption
    threads: AdaptiveThreads

    def __post_init__(self) -> None:
        cfg, state = self.config.train, self.state
        self.threads.on_change = self._threads_changed
        watch(state.average, self.threads)
        self.clock = Clock(state, self.interrupted, cfg.checkpoint_every_seconds)
        self.meter = Meter(cfg.batch_size * cfg.discriminator_steps)
        self.folder = RunFolder(
            self.out, self.config, state, self.learner, self.data, self.interrupted, self.tell
        )
        state_file, fingerprint = self.out / STATE_FILE, self.data["fingerprint"]
        self.monitor = HealthMonitor(
            self.config, state, state_file, fingerprint, self.folder.checkpoint, self.tell
        )

    def fit(self) -> Reason:
        """Train until a stop condition holds. Saves in every case; raises `TrainingError` on divergence.

        Of several processes each runs this in step with the others. Where one is lost all raise
        `RankLostError`, and nothing is saved: a step may be half done. The last checkpoint stays.
        """
        try:
            with self.threads.restored():
                return self._finish(self._train())
        except ranks.RankLostError as lost:
            self._tell_end(Reason("lost", lost.message))
            raise

    def _train(self) -> Reason:
        """The loop, until there is a reason to stop."""
        cfg, state = self.config.train, self.state
        self.monitor.begin()  # from its first second a run can be resumed, and has somewhere to go back to
        self.clock.start()
        self.meter.start(self.clock.now)
        while (reason := self._reason()) is None:
            before = state.images_seen
            with self.threads.unit("step"):
                stats = self._step()
            measures = due(before, state.images_seen, cfg.evaluate_every_images)
            trouble = self.monitor.after_step(stats, before, look=measures)
            if state.running_stats.finite:
                self.meter.add(stats)
            if trouble is None and due(before, state.images_seen, cfg.snapshot_every_images):
                self.folder.snapshot()
            if trouble is None and measures:
                self._evaluate()
                trouble = self.monitor.diagnose()
            self.clock.tick()
            if trouble is not None:
                if (reason := self.monitor.act_on(trouble)) is not None:
                    break
            elif measures:
                self.monitor.keep()
            if self.meter.is_due(self.clock.now):
                self.tell(self.meter.report(self.clock.now, state, self._share_done()))
            if self.clock.saves:
                self.folder.checkpoint()
        return reason

    def _step(self) -> StepStats:
        """Both networks learn, and the averaged one follows."""
        config, state = self.monitor.treated, self.state
        size, rounds = config.train.batch_size, config.train.discriminator_steps
        seen = state.images_seen + size
        set_rates(state, config.optimizer, rate_share(config.optimizer, seen, self._share_done()))
        stats = mean_of_all(self.learner.step(state, config, self._next_batch))
        state.images_seen += size * rounds
        state.steps += 1
        if ranks.is_first_rank():
            states.update_average(state, config.ema, size * rounds)
        accuracies = float(stats.real_accuracy), float(stats.fake_accuracy)
        state.balance = update_balance(
            state.balance, config.stop, accuracies, size * rounds, state.images_seen
        )
        return stats

    def _next_batch(self) -> Tensor:
        return self.learner.tensor(self.state.batches.next(), self.fabric.device)

    def _evaluate(self, *, extra: bool = False) -> None:
        """Measure the averaged network, and keep it where it is the best so far."""
        state = self.state
        if state.evaluations and state.evaluations[-1]["images_seen"] == state.images_seen:
            return  # measured already: a run that ends where it evaluated, or was resumed there
        found = self.learner.measure(state) if ranks.is_first_rank() else None
        record = ranks.broadcast(found.record() if found else {})
        best = better(record, state.best)
        measured = {"images_seen": state.images_seen, "repairs": len(state.repairs), **record}
        state.evaluations.append(measured | ({"extra": True} if extra else {}))
        if best:
            self.folder.save_model("best")
        if found is not None:
            self.tell(found.event(state.images_seen, best))

    def _reason(self) -> Reason | None:
        if self.clock.ends:
            return Reason("interrupted", "interrupted; everything is saved, --resume goes on")
        return reason_to_stop(
            self.config.stop, self._progressed(), self.state.evaluations, self.state.balance
        )

    def _share_done(self) -> float | None:
        return share_done(self.config.stop, self._progressed())

    def _progressed(self) -> Progressed:
        return Progressed(self.state.images_seen, self.state.seconds, self.data["train_pictures"])

    def _finish(self, reason: Reason) -> Reason:
        """A run that is over is saved, then measured and shown; an interrupted one is only saved."""
        if reason.condition == "diverged" or not states.is_finite(self.state):
            raise self._diverged()
        self.folder.checkpoint()
        if reason.condition != "interrupted":
            self.folder.snapshot()
            self._evaluate(extra=True)
            self.folder.checkpoint()  # with what was measured
            self.folder.save_history()
        self._tell_end(reason)
        return reason

    def _diverged(self) -> TrainingError:
        """The state in memory is worthless and is not saved: the checkpoint before it stays."""
        words = "the losses or the weights are no longer finite numbers"
        self._tell_end(Reason("diverged", words))
        return TrainingError(
            f"training diverged after {self.state.images_seen:,} images: {words}",
            "the last checkpoint and the best model are untouched; lower optimizer.generator_lr and "
            "optimizer.discriminator_lr, or raise loss.r1_weight",
        )

    def _tell_end(self, reason: Reason) -> None:
        state = self.state
        self.tell(events.Stopped(state.images_seen, reason.condition, reason.words, state.seconds))

    def _threads_changed(self, change: Change) -> None:
        self.state.threads = change.after
        self.tell(events.ThreadsChanged(self.state.images_seen, change.before, change.after, change.reason))
