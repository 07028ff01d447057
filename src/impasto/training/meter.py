"""The meter of a run: means of what its steps tell, and their speed, from one report to the next."""

from impasto.training.game import StepStats
from impasto.training.logging.events import Progress
from impasto.training.state import TrainingState

PROGRESS_EVERY_SECONDS = 1.0


class Meter:
    """Sums up steps of `images` real pictures each. Times are those of `Clock.now`."""

    def __init__(self, images: int) -> None:
        self.images = images
        self.start(0.0)

    def start(self, now: float) -> None:
        """Forget all steps: the next report is of those from now on."""
        self._since, self._steps = now, 0
        self._sums: dict[str, float] = {}

    def add(self, stats: StepStats) -> None:
        """Count one step."""
        self._steps += 1
        for name, value in vars(stats).items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)

    def is_due(self, now: float) -> bool:
        """Whether there is something to report, and the last report is old enough."""
        return self._steps > 0 and now - self._since >= PROGRESS_EVERY_SECONDS

    def report(self, now: float, state: TrainingState, done: float | None) -> Progress:
        """How the run stands, and start anew.

        Args:
            now: The time of the last step's end, in seconds.
            state: State of the run.
            done: How much of the run is over, in [0, 1]. None: that is not known.
        """
        means = {name: total / self._steps for name, total in self._sums.items()}
        speed = self._steps * self.images / (now - self._since)
        left = state.seconds * (1 - done) / done if done else None
        self.start(now)
        return Progress(state.images_seen, **means, images_per_second=speed, eta_seconds=left)
