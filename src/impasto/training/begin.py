"""To begin with the weights of another run, or of a model."""

from pathlib import Path

from impasto.config.shared import Config
from impasto.training.checkpoints import find_model, load_model, load_weights, shipped_models
from impasto.training.state import STATE_FILE, Beginning, TrainingState, beginning
from impasto.training.task import Task


def begin_with(state: TrainingState, task: Task, config: Config, source: str) -> None:
    """Give a fresh state's networks the weights of a run, its averaged ones for the generator, or of a model.

    Args:
        state: State of the new run. Its networks are changed in place.
        task: Task of the new run.
        config: Config of the new run.
        source: Folder of a run or of a model, or the name of a model that comes with the package.

    Raises:
        CheckpointError: There is no such model, or its networks are others.
        ConfigError: The model is of a kind that is no longer trained.
    """
    path = Path(source) / STATE_FILE
    if source in shipped_models() or not path.is_file():
        found, info = load_model(find_model(source), task.saved_network)
        weights = {name: tensor.float() for name, tensor in found.items()}
        begun = Beginning(weights, {}, info.config, True, Path(source))
    else:
        begun = beginning(path, Path(source))
    task.take(state, begun, config)
    load_weights(state.generator, state.average.state_dict(), path)
