"""What is known of a model beside its weights, and the same as a page for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from impasto import __version__
from impasto.config import Config
from impasto.descriptors import GeneratorConfig, UpscalerConfig

LICENCE = (
    "The weights were trained on the pictures of whoever trained them. Whether they may be passed on "
    "depends on those pictures' licences."
)


@dataclass(frozen=True)
class ModelInfo:
    """What a model folder says about its weights (`model.json`)."""

    config: Config
    images_seen: int
    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    licence: str = LICENCE


def model_card(info: ModelInfo) -> str:
    """The text of a model folder's README.md."""
    if not isinstance(info.config.model, GeneratorConfig):
        return _upscaler_card(info)
    image, data = info.config.image, info.data
    metrics = "\n".join(f"| {name} | {value} |" for name, value in info.metrics.items())
    return f"""# A picture generator, trained with Impasto

- Pictures: {image.size} x {image.size} px, {image.channels} channel(s)
- Networks: `{info.config.model.kind}`, preset `{info.config.preset}`
- Trained on: {data.get("train_pictures", "?")} pictures, fingerprint `{data.get("fingerprint", "?")}`
- Training length: {info.images_seen:,} pictures seen

| measured | value |
|---|---|
{metrics}

{info.licence}

Made with Impasto {__version__}: `impasto generate FOLDER --out PICTURES --count 16`
"""


def _upscaler_card(info: ModelInfo) -> str:
    model, data, learnt = info.config.model, info.data, info.config.restoration
    assert isinstance(model, UpscalerConfig)
    metrics = "\n".join(f"| {name} | {value} |" for name, value in info.metrics.items())
    game = f"; the game weighs {learnt.adversarial:g}" if learnt.adversarial else ""
    return f"""# A picture upscaler x{model.scale}, trained with Impasto

- Networks: `{model.kind}`, preset `{info.config.preset}`
- Learnt to undo: {learnt.degradation}{game}
- Trained on: {data.get("train_pictures", "?")} pictures, fingerprint `{data.get("fingerprint", "?")}`
- Training length: {info.images_seen:,} windows of {info.config.image.size} px seen

| measured on held-out pictures | value |
|---|---|
{metrics}

{info.licence}

Made with Impasto {__version__}: `impasto upscale PICTURE --model FOLDER --out LARGER`
"""
