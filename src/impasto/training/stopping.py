"""When a run ends: pure functions of how far it is and what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from impasto.config.shared import StopConfig
from impasto.training.ranking import scored, scores_of


@dataclass(frozen=True)
class Reason:
    """The condition that held, and the same in words."""

    condition: str
    words: str


@dataclass(frozen=True)
class Progressed:
    """How far the run is."""

    images_seen: int
    seconds: float
    train_pictures: int


def reason_to_stop(
    cfg: StopConfig,
    now: Progressed,
    evaluations: Sequence[Mapping[str, Any]],
    balance: Mapping[str, float],
) -> Reason | None:
    """The first condition of `cfg` that holds, or None.

    Args:
        cfg: The conditions.
        now: How far the run is.
        evaluations: Records of the hold-out measurements so far, oldest first.
        balance: What `update_balance` gave last; empty before the first step.
    """
    if cfg.images is not None and now.images_seen >= cfg.images:
        return Reason("images", f"{cfg.images:,} images were asked for")
    if cfg.epochs is not None and now.images_seen >= cfg.epochs * now.train_pictures:
        return Reason("epochs", f"{cfg.epochs:g} epochs were asked for")
    if cfg.minutes is not None and now.seconds >= cfg.minutes * 60:
        return Reason("minutes", f"{cfg.minutes:g} minutes were asked for")
    if cfg.until_converged:
        return _patience_is_over(cfg, evaluations) or _equilibrium_holds(cfg, now, balance)
    return None


def share_done(cfg: StopConfig, now: Progressed) -> float | None:
    """How much of the run is over by its nearest fixed limit, in [0, 1]; None if it has no fixed limit."""
    shares = [0.0]
    if cfg.images:
        shares.append(now.images_seen / cfg.images)
    if cfg.epochs:
        shares.append(now.images_seen / (cfg.epochs * now.train_pictures))
    if cfg.minutes:
        shares.append(now.seconds / (cfg.minutes * 60))
    return min(1.0, max(shares)) if len(shares) > 1 else None


def describe(cfg: StopConfig) -> str:
    """The conditions in words, for the first line of a run."""
    parts = []
    if cfg.images:
        parts.append(f"after {cfg.images:,} images")
    if cfg.epochs:
        parts.append(f"after {cfg.epochs:g} epochs")
    if cfg.minutes:
        parts.append(f"after {cfg.minutes:g} minutes")
    if cfg.until_converged:
        parts.append(f"when {cfg.patience_evaluations} evaluations bring nothing better, or at equilibrium")
    return " or ".join(parts) or "when interrupted"


def update_balance(
    balance: Mapping[str, float],
    cfg: StopConfig,
    accuracies: tuple[float, float],
    images: int,
    images_seen: int,
) -> dict[str, float]:
    """The running accuracies of D, and since which image both have stayed within the band around one half.

    The half-life of the accuracies is a tenth of `equilibrium_images`: a single lucky batch must neither
    start nor end the stretch.

    Args:
        balance: What this function gave after the step before; empty at first.
        cfg: Has the width of the band and `equilibrium_images`.
        accuracies: D's accuracies of this step on real and on generated pictures, in [0, 1].
        images: Pictures that this step has seen.
        images_seen: Pictures that the run has seen, those of this step included.

    Returns:
        "real" and "fake", the running accuracies in [0, 1], and "since", an image count; -1 outside the band.
    """
    keep = 0.5 ** (images / max(1.0, cfg.equilibrium_images / 10))
    real = keep * balance.get("real", 1.0) + (1 - keep) * accuracies[0]
    fake = keep * balance.get("fake", 1.0) + (1 - keep) * accuracies[1]
    inside = max(abs(real - 0.5), abs(fake - 0.5)) <= cfg.equilibrium_band
    since = balance.get("since", -1.0)
    since = (since if since >= 0 else images_seen) if inside else -1.0
    return {"real": real, "fake": fake, "since": since}


def _patience_is_over(cfg: StopConfig, evaluations: Sequence[Mapping[str, Any]]) -> Reason | None:
    scores = scores_of([scored(e) for e in evaluations])
    if len(scores) <= cfg.patience_evaluations:
        return None
    best = min(scores[: -cfg.patience_evaluations])
    if best <= min(scores[-cfg.patience_evaluations :]):
        since = f"{cfg.patience_evaluations} evaluations brought nothing better than a distance of {best:.4f}"
        return Reason("converged", f"converged: {since}")
    return None


def _equilibrium_holds(cfg: StopConfig, now: Progressed, balance: Mapping[str, float]) -> Reason | None:
    since = balance.get("since", -1.0)
    if since < 0 or now.images_seen - since < cfg.equilibrium_images:
        return None
    words = (
        f"equilibrium: for {cfg.equilibrium_images:,} images D was right on {balance['real']:.0%} of real "
        f"and {balance['fake']:.0%} of generated pictures"
    )
    return Reason("equilibrium", words)
