"""What can be learnt: each folder is one task, and none imports another. Light to import."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from impasto.config.shared import Config
    from impasto.training.model_card import ModelInfo
    from impasto.training.task import Task


def task_called(name: str) -> "Task":
    """A task by its name, as `Config.task`, events and runs have it."""
    from impasto.tasks.generation.task import Generation
    from impasto.tasks.translation.task import Translation
    from impasto.tasks.upscaling.task import Upscaling

    tasks: tuple[Task, ...] = (Generation(), Upscaling(), Translation())
    return {task.name: task for task in tasks}[name]


def task_of(config: "Config") -> "Task":
    """The task that a config is of."""
    return task_called(config.task)


def load_model(folder: Path) -> "tuple[dict[str, Tensor], ModelInfo]":
    """A model folder of any task. Raises `CheckpointError` for anything but a whole one."""
    from impasto.training import checkpoints

    return checkpoints.load_model(folder, lambda config: task_of(config).saved_network(config))
