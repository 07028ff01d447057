"""Watching over a run in progress: from steps and evaluations to verdicts, from verdicts to what is done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from impasto.config.shared import Config
from impasto.nn.losses.adversarial import generator_is_linear
from impasto.training import ranking
from impasto.training import state as states
from impasto.training.distributed import ranks
from impasto.training.game import StepStats
from impasto.training.health import diagnosis, repairs, statistics
from impasto.training.health.diagnosis import Verdict
from impasto.training.health.report import NAMES
from impasto.training.logging import events
from impasto.training.state import TrainingState
from impasto.training.stopping import Reason


@dataclass
class HealthMonitor:
    """The engine asks it after every step and every evaluation; only `act_on` and `keep` change the run."""

    config: Config
    state: TrainingState
    state_file: Path
    fingerprint: str
    checkpoint: Callable[[], None]  # save the state to `state_file`
    emit: events.Sink
    treated: Config = field(init=False)  # the config with all repairs so far on top: what a step goes by

    def __post_init__(self) -> None:
        self.treated = repairs.treated(self.config, self.state.repairs)

    def begin(self) -> None:
        """See that there is somewhere to go back to."""
        if ranks.is_first_rank():
            repairs.mend(self.state, self.state_file)
        self.state.healthy = ranks.broadcast(self.state.healthy)
        self.checkpoint()
        if not self.state.healthy:
            self.keep()

    def keep(self) -> None:
        """Keep the present state to go back to, if that is the policy and the run has not got worse."""
        if self.config.train.on_trouble == "heal" and self._is_good() and states.is_finite(self.state):
            repairs.enlist(self.state)
            self.checkpoint()
            if ranks.is_first_rank():
                repairs.keep_snapshot(self.state, self.state_file)

    def _is_good(self) -> bool:
        evaluations = self.state.evaluations
        measured = [ranking.scored(e) for e in evaluations if not e.get("extra")]
        return ranking.near_its_best(ranking.scores_of(measured))

    def after_step(self, stats: StepStats, before: int, *, look: bool) -> Verdict | None:
        """Note what a step from `before` images on says; now and then judge it. Returns what to act on."""
        state = self.state
        figures = statistics.StepFigures(
            **{name: float(getattr(stats, name)) for name in statistics.STEP_FIGURES}
        )
        state.running_stats = statistics.after_step(
            state.running_stats, figures, state.images_seen - before, state.images_seen
        )
        if look or statistics.look_is_due(before, state.images_seen):
            state.running_stats = statistics.after_look(
                state.running_stats, state.generator, state.discriminator
            )
        elif state.running_stats.finite:
            return None
        return self.diagnose()

    def diagnose(self) -> Verdict | None:
        """Tell every verdict that is new. Returns the first that is trouble, if trouble is to be acted on.

        Numbers that are not finite are acted on whatever the policy: they cannot be gone on with.
        """
        state, seen = self.state, self.state.images_seen
        linear = generator_is_linear(self.config.loss.adversarial)
        examined = diagnosis.examined(state.evaluations)
        ratios = diagnosis.against_bicubic(state.evaluations)
        verdicts = diagnosis.diagnose(state.running_stats, examined, seen, linear=linear, ratios=ratios)
        for verdict in verdicts:
            if state.standing.get(verdict.kind) != verdict.severity:
                self.emit(events.Verdict(seen, **vars(verdict)))
        for kind in sorted(state.standing.keys() - {v.kind for v in verdicts}):
            self.emit(events.Recovered(seen, kind))
        state.standing = {v.kind: v.severity for v in verdicts}
        if self.config.train.on_trouble == "warn" and state.running_stats.finite:
            return None
        return next((v for v in verdicts if v.severity == "trouble"), None)

    def act_on(self, trouble: Verdict) -> Reason | None:
        """Go back, or say why the run must stop: "unhealthy", or "diverged" where nothing is finite."""
        cfg, state = self.config.train, self.state
        if cfg.on_trouble == "heal" and len(state.repairs) < cfg.max_repairs and state.healthy:
            repairs.roll_back(state, self.state_file, self.fingerprint, trouble, self.config)
            self.treated = repairs.treated(self.config, state.repairs)
            # Told before it is saved: a kill in between repeats it, and never hides it.
            self.emit(events.Repaired(state.images_seen, **state.repairs[-1], number=len(state.repairs)))
            self.checkpoint()
            return None
        condition = "unhealthy" if state.running_stats.finite else "diverged"
        tried = f" after {len(state.repairs)} repairs" if state.repairs else ""
        return Reason(condition, f"{NAMES[trouble.kind]}{tried}: {trouble.evidence.removesuffix('.')}")
