import pytest

from impasto.config.shared import StopConfig
from impasto.training.stopping import Progressed, describe, reason_to_stop, share_done, update_balance

NOW = Progressed(images_seen=1000, seconds=120, train_pictures=100)


def condition(evaluations=(), balance=None, now=NOW, **settings):
    reason = reason_to_stop(
        StopConfig(**settings), now, [{"distance": d} for d in evaluations], balance or {}
    )
    return reason.condition if reason else None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"images": 1000}, "images"),
        ({"images": 1001}, None),
        ({"minutes": 2}, "minutes"),
        ({"minutes": 2.1}, None),
        ({"epochs": 10}, "epochs"),
        ({"epochs": 10.01}, None),
        ({"epochs": 11, "minutes": 1}, "minutes"),
    ],
)
def test_limits(settings, expected):
    assert condition(**settings) == expected


def test_patience_counts_evaluations_without_a_better_one():
    settings = {"until_converged": True, "patience_evaluations": 3}
    assert condition([5, 4, 6, 6], **settings) is None
    assert condition([5, 4, 6, 6, 6], **settings) == "converged"
    assert condition([5, 4, 6, 6, 3.9], **settings) is None
    assert condition([6, 6, 6], **settings) is None
    assert condition([6, 6, 6, 6], **settings) == "converged"  # the same again is nothing better
    assert condition([5, 4, 6, 6, 6], patience_evaluations=3) is None  # not asked for


def balance_after(accuracies, cfg, batches, start=None):
    balance, seen = dict(start or {}), 0
    for _ in range(batches):
        seen += 50
        balance = update_balance(balance, cfg, accuracies, 50, seen)
    return balance, Progressed(seen, 1.0, 100)


def test_equilibrium_needs_both_accuracies_near_one_half_for_long_enough():
    cfg = StopConfig(until_converged=True, equilibrium_images=1000, equilibrium_band=0.05)
    settings = {"until_converged": True, "equilibrium_images": 1000}
    balance, now = balance_after((0.5, 0.52), cfg, 60)
    assert condition(balance=balance, now=now, **settings) == "equilibrium"
    balance, now = balance_after((0.5, 0.52), cfg, 15)
    assert condition(balance=balance, now=now, **settings) is None
    balance, now = balance_after((0.5, 0.9), cfg, 200)
    assert condition(balance=balance, now=now, **settings) is None
    assert balance["since"] == -1


def test_leaving_the_band_starts_the_count_anew():
    cfg = StopConfig(equilibrium_images=1000)
    inside, _ = balance_after((0.5, 0.5), cfg, 100)
    assert inside["since"] > 0
    outside = update_balance(inside, cfg, (1.0, 1.0), 500, 6000)
    assert outside["since"] == -1


def test_share_and_words():
    assert share_done(StopConfig(), NOW) is None
    assert share_done(StopConfig(images=4000, minutes=4), NOW) == 0.5
    assert share_done(StopConfig(images=10), NOW) == 1.0
    assert describe(StopConfig(images=4000, minutes=4)) == "after 4,000 images or after 4 minutes"
    assert "nothing better" in describe(StopConfig(until_converged=True))
    assert describe(StopConfig()) == "when interrupted"
