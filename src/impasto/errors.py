"""Errors meant for people: what was wrong, and what to do about it.

The command line prints an `InputError` as two lines and exits with code 2; anything else is a bug or the
machine's trouble and exits with code 1.
"""


class ImpastoError(Exception):
    """Something went wrong that we can explain. `hint` says what to do next; it may be empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InputError(ImpastoError):
    """What the user gave cannot be used as it is."""


class ConfigError(InputError):
    """A preset, a setting or a combination of settings is wrong."""


class DataError(InputError):
    """A picture folder cannot be trained on or measured against."""


class ImageError(InputError):
    """One picture cannot be read. `message` is the reason alone; the caller knows the file's name."""


class CheckpointError(InputError):
    """A model folder or a training state is missing, truncated, foreign or of another version."""


class DamagedError(CheckpointError):
    """A model or a training state is not as it was written."""


class MissingDependencyError(InputError):
    """An optional package is needed for what was asked."""


class TrainingError(ImpastoError):
    """Training itself failed: losses or weights are no longer finite."""


class ExportError(ImpastoError):
    """A network cannot be written for another program as it is."""
