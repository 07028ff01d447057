"""The folder of a run: its models, its training state, and pictures of its progress."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.config.reading import override
from impasto.config.shared import Config
from impasto.training import state as states
from impasto.training.checkpoints import ModelInfo, licence_after, save_model, shipped_models
from impasto.training.distributed import ranks
from impasto.training.history import save_history
from impasto.training.logging import events
from impasto.training.signals import Interruption
from impasto.training.state import STATE_FILE, TrainingState
from impasto.training.task import Learner


@dataclass
class RunFolder:
    """Saves and shows a run, and tells of it. Only the first process writes; the others do nothing here."""

    path: Path
    config: Config
    state: TrainingState
    learner: Learner
    data: dict[str, Any]  # what model.json says about the pictures
    interrupted: Interruption
    tell: events.Sink

    def checkpoint(self) -> None:
        """Save the training state and the newest model; not where weights are no longer finite numbers."""
        if not ranks.is_first_rank() or not states.is_finite(self.state):
            return  # the checkpoint before it stays; the next step's losses will tell
        with self.interrupted.held():  # nobody's impatience costs what was learnt
            states.save(self.state, self.path / STATE_FILE, self.config, self.data["fingerprint"])
            self.save_model("last")
        self.tell(events.Checkpointed(self.state.images_seen, STATE_FILE))

    def save_model(self, name: str) -> None:
        """Save the averaged network as the model folder `name`."""
        if not ranks.is_first_rank():
            return
        state, begun_with = self.state, self.config.train.begin_with
        measured = [e for e in state.evaluations if e["images_seen"] == state.images_seen]
        figures = measured[0].get("figures", {}) if measured else {}
        licence = licence_after(begun_with)
        info = ModelInfo(without_paths(self.config), state.images_seen, self.data, figures, licence=licence)
        save_model(self.path / name, self.learner.kept(state).state_dict(), info)

    def snapshot(self) -> None:
        """Show what the averaged network makes now."""
        if not ranks.is_first_rank():
            return
        path = self.learner.show(self.state, self.path / "samples")
        self.tell(events.Snapshot(self.state.images_seen, str(path.relative_to(self.path))))

    def save_history(self) -> None:
        """Animate the snapshots."""
        if ranks.is_first_rank():
            channels, seen = self.config.image.channels, self.state.images_seen
            save_history(self.path / "samples", self.path / "history.webp", channels, seen)


def without_paths(config: Config) -> Config:
    """The config that goes to others with a model: without what names places of this machine."""
    if config.train.begin_with not in shipped_models():
        config = override(config, {"train.begin_with": None})
    return override(config, {"data.themes": Path(config.data.themes).name})  # a table's path, or a word
