"""Impasto: a GAN studio. Train a generator on a folder of pictures, on the computer you have.

    import impasto

    run = impasto.train("pictures/", out="run/", minutes=20)
    model = impasto.load("run/")
    images = model.generate(seeds=range(16), truncation=0.7)
    report = impasto.evaluate(model, "pictures/")

Importing this is quick: torch is loaded when one of these is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from impasto.config.reading import load_config
    from impasto.config.shared import Config
    from impasto.data.folder import Dataset, open_folder
    from impasto.errors import ImpastoError, InputError
    from impasto.tasks.generation.evaluation import evaluate
    from impasto.tasks.generation.sampling.model import Model, load
    from impasto.tasks.train import train
    from impasto.tasks.translation.inference import LayoutTranslator, load_translator
    from impasto.tasks.upscaling.inference.upscale import PictureUpscaler
    from impasto.tasks.upscaling.inference.upscalers import load_upscaler
    from impasto.training.run import Run

_WHERE = {
    "Config": "impasto.config.shared",
    "Dataset": "impasto.data.folder",
    "ImpastoError": "impasto.errors",
    "InputError": "impasto.errors",
    "LayoutTranslator": "impasto.tasks.translation.inference",
    "Model": "impasto.tasks.generation.sampling.model",
    "PictureUpscaler": "impasto.tasks.upscaling.inference.upscale",
    "Run": "impasto.training.run",
    "evaluate": "impasto.tasks.generation.evaluation",
    "load": "impasto.tasks.generation.sampling.model",
    "load_config": "impasto.config.reading",
    "load_translator": "impasto.tasks.translation.inference",
    "load_upscaler": "impasto.tasks.upscaling.inference.upscalers",
    "open_folder": "impasto.data.folder",
    "train": "impasto.tasks.train",
}

__all__ = [
    "Config",
    "Dataset",
    "ImpastoError",
    "InputError",
    "LayoutTranslator",
    "Model",
    "PictureUpscaler",
    "Run",
    "__version__",
    "evaluate",
    "load",
    "load_config",
    "load_translator",
    "load_upscaler",
    "open_folder",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'impasto' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
