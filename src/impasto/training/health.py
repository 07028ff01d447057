"""Is this run well? Pure functions from running statistics to verdicts, with evidence and advice in words.

A verdict is "trouble" when training on makes no sense as it is, else a "notice", which asks for nothing but
to be read. Thresholds are absolute only after a grace period: an untrained generator makes one grey picture
sixteen times, which is what a collapse looks like. What has been better before needs no such patience.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from impasto.training.evaluation import Signs
from impasto.training.vitals import Level, Vitals

Kind = Literal["collapse", "divergence", "overfitting", "memorisation", "vanishing", "oscillation"]
Severity = Literal["notice", "trouble"]

NAMES: Mapping[Kind, str] = {}
GRACE_IMAGES = 4_000


@dataclass(frozen=True)
class Verdict:
    """What is wrong, how one knows, and what to do."""

    kind: Kind
    severity: Severity
    evidence: str
    advice: str


@dataclass(frozen=True)
class Examined:
    """An evaluation, as far as health is concerned."""

    images_seen: int
    distance: float
    signs: Signs


def examined(evaluations: Sequence[Mapping[str, Any]]) -> list[Examined]:
    """Those evaluations that count: what was measured because a run ended between two, a longer run lacks."""
    return [
        Examined(e["images_seen"], e["distance"], Signs.of(e["signs"]))
        for e in evaluations
        if e.get("signs") and not e.get("extra")
    ]


def judge(vitals: Vitals, evaluations: Sequence[Examined], images_seen: int) -> list[Verdict]:
    """What is wrong now: at most one verdict of each kind, trouble first."""
    return []
