"""The models that come with the package, as their cards tell of them."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from impasto.training.checkpoints import CARD, WEIGHTS, ZOO, shipped_models


@dataclass(frozen=True)
class Shipped:
    """What a person wants to know before taking one."""

    name: str
    makes: str  # in words
    themes: tuple[str, ...]  # that can be asked for
    images_seen: int
    megabytes: float
    licence: str  # under which weights and pictures may be passed on
    card: Path  # whose pictures it learnt from, figures, faults

    def to_dict(self) -> dict[str, Any]:
        """As JSON can say it."""
        return asdict(self) | {"card": str(self.card), "themes": list(self.themes)}


def shipped() -> list[Shipped]:
    """All of them, by name."""
    return [_told(name) for name in shipped_models()]


def _told(name: str) -> Shipped:
    folder = ZOO / name
    tree = json.loads((folder / CARD).read_text(encoding="utf-8"))
    model, size = tree["config"]["model"], tree["config"]["image"]["size"]
    themes = tuple(model.get("themes", ()))
    new = f"new pictures of {size} px" + (f", {len(themes)} themes" if themes else "")
    found = re.search(r"passed on under ([^,]+),", " ".join(tree["licence"].split()))
    return Shipped(
        name=name,
        makes=f"pictures {model['scale']} times larger" if "scale" in model else new,
        themes=themes,
        images_seen=tree["images_seen"],
        megabytes=round((folder / WEIGHTS).stat().st_size / 1e6, 1),
        licence=found[1] if found else "see the card",
        card=folder / "README.md",
    )
