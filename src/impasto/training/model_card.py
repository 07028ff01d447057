"""What is known of a model beside its weights, and the same as a page for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from impasto import __version__
from impasto.config.shared import Config

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
    from impasto.pages import render

    config = info.config
    return render(
        "card.md", model=config.model, image=config.image, preset=config.preset,
        learnt=getattr(config, "restoration", None), enlarger=getattr(config, "enlarger", None),
        layout=getattr(config, "layout", None),
        data=info.data, seen=info.images_seen, metrics=info.metrics, licence=info.licence,
        version=__version__,
    )  # fmt: skip
